import type { CallBar, Lane, Mark, Phase, RefreshBar } from './model.ts'

export type Language = 'en' | 'zh'
export type Item = CallBar | RefreshBar | Mark

/** The story of a call, a refresh or a mark, in a few sentences. */
export function tellItem(item: Item, language: Language, lane?: Lane): string {
  if (item.type === 'call') return tellStory(item, language, lane)
  return item.type === 'refresh' ? tellRefresh(item, language) : tellMark(item, language)
}

/** The story of one call, from the page to its end. */
export function tellStory(call: CallBar, language: Language, lane?: Lane): string {
  const words = language === 'zh' ? chinese : english
  const parts = [words.begin(call, lane ? nameLane(lane, language) : undefined)]
  call.phases.forEach((phase, index) => {
    const next = call.phases[index + 1]
    const until = next?.from ?? call.end?.at
    const lasted = until === undefined ? undefined : formatDuration(until - phase.from, language)
    const sentence = words.phase(phase, call.phases[index - 1], next, lasted, call)
    if (sentence !== '') parts.push(sentence)
  })
  parts.push(words.end(call))
  return parts.join(language === 'zh' ? '' : ' ')
}

export function nameLane({ kind, own, page, name }: Lane, language: Language): string {
  if (name !== undefined) return name
  if (kind === 'worker') return language === 'zh' ? 'Worker' : 'Worker'
  if (own) return language === 'zh' ? '本页' : 'This page'
  return language === 'zh' ? `页面 ${page}` : `Page ${page}`
}

export function formatDuration(milliseconds: number, language: Language = 'en'): string {
  const space = language === 'zh' ? ' ' : '\u00a0'
  const ms = language === 'zh' ? '毫秒' : 'ms'
  const s = language === 'zh' ? '秒' : 's'
  if (milliseconds < 1000) return `${Math.round(milliseconds)}${space}${ms}`
  return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 2 : 1)}${space}${s}`
}

function describe({ method, api }: CallBar): string {
  return [method, api?.replace(/^https?:\/\//, '').replace(/\/$/, '')].filter((part) => part !== undefined).join(' ')
}

interface Words {
  begin(call: CallBar, lane: string | undefined): string
  phase(
    phase: Phase,
    before: Phase | undefined,
    next: Phase | undefined,
    lasted: string | undefined,
    call: CallBar,
  ): string
  end(call: CallBar): string
}

const english: Words = {
  begin(call, lane) {
    const what = describe(call) || 'A request for the access token'
    return `${what}${lane === undefined ? '' : `, from ${lane === 'This page' ? 'this page' : lane.toLowerCase()}`}.`
  },
  phase({ kind }, before, next, lasted, { end }) {
    const isOver = lasted !== undefined
    switch (kind) {
      case 'received':
        return !isOver ? 'The worker has just received it.' : ''
      case 'waiting': {
        const who = isSent(before) ? 'It' : 'The token was due for a refresh, so it'
        return isOver ? `${who} waited ${lasted} for the refresh.` : `${who} is waiting for the refresh.`
      }
      case 'sent':
        if (!isOver) return 'It was sent with the token, and waits for the response.'
        if (next?.kind === 'waiting') return `Sent; the API rejected the token after ${lasted}.`
        if (next?.kind === 'replayed')
          return `Sent; the API rejected the token after ${lasted}, and the worker already had a newer one.`
        return end?.outcome === 'answered' ? `Sent, and answered after ${lasted}.` : 'Sent.'
      case 'replayed':
        if (!isOver) return 'It was sent again with the new token, and waits for the response.'
        return end?.outcome === 'answered'
          ? `Sent again with the new token, and answered after ${lasted}.`
          : 'Sent again with the new token.'
    }
  },
  end({ from, end }) {
    if (end === undefined) return 'Still in flight.'
    const all = formatDuration(end.at - from)
    if (end.outcome === 'lost') return `Its worker was lost after ${all}; only the page knows the outcome.`
    if (end.outcome === 'failed') {
      const why = FAILURES.en[end.code ?? ''] ?? `it ended with ${end.code ?? 'an error'}`
      return `Failed after ${all}: ${why}${end.status === undefined ? '' : ` (status ${end.status})`}.`
    }
    if (end.status === undefined) return `Done in ${all}.`
    return `Status ${end.status}, ${all} in all.`
  },
}

const chinese: Words = {
  begin(call, lane) {
    return `${describe(call) || '获取访问令牌的请求'}${lane === undefined ? '' : `，来自${lane}`}。`
  },
  phase({ kind }, before, next, lasted, { end }) {
    const isOver = lasted !== undefined
    switch (kind) {
      case 'received':
        return !isOver ? 'Worker 已收到。' : ''
      case 'waiting': {
        const why = isSent(before) ? '' : '令牌已过期，'
        return isOver ? `${why}等待刷新，用时 ${lasted}。` : `${why}正在等待刷新。`
      }
      case 'sent':
        if (!isOver) return '已携带令牌发出，等待响应。'
        if (next?.kind === 'waiting') return `已发出，${lasted}后 API 拒绝了令牌。`
        if (next?.kind === 'replayed') return `已发出，${lasted}后 API 拒绝了令牌，此时已有新令牌。`
        return end?.outcome === 'answered' ? `已发出，${lasted}后收到响应。` : '已发出。'
      case 'replayed':
        if (!isOver) return '已用新令牌重发，等待响应。'
        return end?.outcome === 'answered' ? `已用新令牌重发，${lasted}后收到响应。` : '已用新令牌重发。'
    }
  },
  end({ from, end }) {
    if (end === undefined) return '尚未结束。'
    const all = formatDuration(end.at - from, 'zh')
    if (end.outcome === 'lost') return `${all}后 Worker 丢失，最终结果以页面为准。`
    if (end.outcome === 'failed') {
      const why = FAILURES.zh[end.code ?? ''] ?? `错误码 ${end.code ?? '未知'}`
      return `${all}后失败：${why}${end.status === undefined ? '' : `（状态码 ${end.status}）`}。`
    }
    return end.status === undefined ? `总用时 ${all}。` : `状态码 ${end.status}，总用时 ${all}。`
  },
}

const FAILURES: Record<Language, Record<string, string>> = {
  en: {
    sign_in_required: 'the user is signed out',
    refresh_unavailable: 'the token server could not be reached in time',
    network_error: 'no response arrived',
    aborted: 'the page aborted it',
    timeout: 'it timed out',
    api_error: 'the API returned an error',
  },
  zh: {
    sign_in_required: '未登录',
    refresh_unavailable: '令牌服务器未能及时响应',
    network_error: '没有收到响应',
    aborted: '页面已取消',
    timeout: '已超时',
    api_error: 'API 返回了错误',
  },
}

function isSent(phase: Phase | undefined): boolean {
  return phase?.kind === 'sent' || phase?.kind === 'replayed'
}

const REFRESH: Record<Language, Record<string, string>> = {
  en: {
    expired: 'Refresh: the token was due.',
    denied: 'Refresh: an API had rejected the token.',
    retry: 'Refresh: another attempt.',
    none: 'Refresh.',
    open: 'In flight.',
    succeeded: 'A new token arrived',
    rejected: 'The server rejected the refresh token, and the session ended',
    refused: 'The server did not process it',
    unknown: 'Its outcome is unknown',
    failed: 'It failed: the configuration is wrong',
    dropped: 'Its session ended before the response, which was ignored',
    lost: 'Its worker was lost',
  },
  zh: {
    expired: '刷新：令牌已过期。',
    denied: '刷新：API 拒绝了令牌。',
    retry: '重试刷新。',
    none: '刷新。',
    open: '进行中。',
    succeeded: '得到新令牌',
    rejected: '服务器拒绝了刷新令牌，会话结束',
    refused: '服务器未处理',
    unknown: '结果未知',
    failed: '失败：配置有误',
    dropped: '响应到达前会话已结束，响应被丢弃',
    lost: 'Worker 丢失',
  },
}

export function tellRefresh({ from, reason, end }: RefreshBar, language: Language): string {
  const words = REFRESH[language]
  const begin = words[reason ?? 'none'] ?? words.none ?? ''
  if (end === undefined) return join(language, begin, words.open ?? '')
  const took = formatDuration(end.at - from, language)
  const why = end.reason === undefined ? '' : language === 'zh' ? `（${end.reason}）` : ` (${end.reason})`
  const outcome =
    language === 'zh' ? `${took}后${words[end.outcome]}${why}。` : `${words[end.outcome]}${why}, after ${took}.`
  if (end.delay === undefined) return join(language, begin, outcome)
  const pause = formatDuration(end.delay, language)
  return join(language, begin, outcome, language === 'zh' ? `${pause}后再试。` : `Next attempt in ${pause}.`)
}

const MARKS: Record<Language, Record<Exclude<Mark['kind'], 'note'>, string>> = {
  en: {
    'worker-started': 'The worker started',
    'worker-lost': 'The worker was lost; another one continues',
    'signed-in': 'Signed in',
    'signed-out': 'Signed out',
    'sign-in-failed': 'The sign-in failed',
    unreachable: 'The token server is unreachable; the session is kept',
    reachable: 'The token server answers again',
    'store-failed': 'The session could not be stored; it is only in memory',
  },
  zh: {
    'worker-started': 'Worker 已启动',
    'worker-lost': 'Worker 丢失，由新的 Worker 接替',
    'signed-in': '已登录',
    'signed-out': '已退出登录',
    'sign-in-failed': '登录失败',
    unreachable: '无法访问令牌服务器，会话保留',
    reachable: '令牌服务器恢复响应',
    'store-failed': '会话无法保存，仅保存在内存中',
  },
}

const REASONS: Record<Language, Record<string, string>> = {
  en: { 'session-restored': 'with the stored session' },
  zh: { 'session-restored': '恢复了已保存的会话' },
}

export function tellMark({ kind, reason }: Mark, language: Language): string {
  if (kind === 'note') return reason ?? ''
  const why = reason === undefined ? '' : (REASONS[language][reason] ?? reason)
  const text = MARKS[language][kind]
  if (why === '') return language === 'zh' ? `${text}。` : `${text}.`
  return language === 'zh' ? `${text}（${why}）。` : `${text} (${why}).`
}

/** A short label beside a mark. */
export function labelMark({ kind, reason }: Mark, language: Language): string {
  return kind === 'note' ? (reason ?? '') : LABELS[language][kind]
}

const LABELS: Record<Language, Record<Exclude<Mark['kind'], 'note'>, string>> = {
  en: {
    'worker-started': 'worker started',
    'worker-lost': 'worker lost',
    'signed-in': 'signed in',
    'signed-out': 'signed out',
    'sign-in-failed': 'sign-in failed',
    unreachable: 'server unreachable',
    reachable: 'reachable again',
    'store-failed': 'store failed',
  },
  zh: {
    'worker-started': 'Worker 启动',
    'worker-lost': 'Worker 丢失',
    'signed-in': '已登录',
    'signed-out': '已退出',
    'sign-in-failed': '登录失败',
    unreachable: '无法访问',
    reachable: '恢复访问',
    'store-failed': '保存失败',
  },
}

function join(language: Language, ...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(language === 'zh' ? '' : ' ')
}
