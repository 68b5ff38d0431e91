import type { HistoryEntry } from 'lingpai'
import type { Language } from '../page/language.ts'
import { formatDuration } from '../timeline/story.ts'

type RefreshOutcome = 'succeeded' | 'refused' | 'unknown' | 'rejected' | 'failed' | 'dropped' | 'open'

interface Attempt {
  readonly outcome: RefreshOutcome
  readonly reason?: string
  readonly delay?: number
}

/** The counts of the events in entries of a history. */
export interface Summary {
  readonly isWorkerLost: boolean
  readonly isRestored: boolean
  readonly attempts: readonly Attempt[]
  readonly signedIn: boolean
  /** The reason, or empty if the user signed out. */
  readonly signedOut?: string
  readonly calls: {
    readonly received: number
    readonly waited: number
    readonly sentAgain: number
    readonly answered: Readonly<Record<string, number>>
    readonly failed: Readonly<Record<string, number>>
    readonly open: number
  }
}

/** Counts the events in entries of a history. `instance` is the worker before them. */
export function sumUp(entries: readonly HistoryEntry[], instance: string | undefined): Summary {
  const attempts: Attempt[] = []
  const answered: Record<string, number> = {}
  const failed: Record<string, number> = {}
  const [open, waited, sentAgain] = [new Set<string>(), new Set<string>(), new Set<string>()]
  let received = 0
  let [isWorkerLost, isRestored, signedIn] = [false, false, false]
  let signedOut: string | undefined
  let worker = instance

  const endAttempt = (attempt: Attempt) => {
    const index = attempts.map(({ outcome }) => outcome).lastIndexOf('open')
    if (index === -1) attempts.push(attempt)
    else attempts[index] = attempt
  }
  for (const entry of entries) {
    if (worker !== undefined && entry.instance !== worker) {
      isWorkerLost = true
      // The page sends them again to the next worker, which counts them again.
      received -= open.size
      open.clear()
      const last = attempts.at(-1)
      if (last?.outcome === 'open') attempts.pop()
    }
    worker = entry.instance
    if ('call' in entry) takeCall(entry)
    else takeOther(entry)
  }
  const calls = { received, waited: waited.size, sentAgain: sentAgain.size, answered, failed, open: open.size }
  return { isWorkerLost, isRestored, attempts, signedIn, calls, ...(signedOut !== undefined && { signedOut }) }

  function takeCall(entry: Extract<HistoryEntry, { readonly call: string }>): void {
    switch (entry.event) {
      case 'call-received':
        received += 1
        open.add(entry.call)
        return
      case 'call-waiting':
        waited.add(entry.call)
        return
      case 'call-replayed':
        sentAgain.add(entry.call)
        return
      case 'call-answered':
      case 'call-failed': {
        open.delete(entry.call)
        const [counts, key] =
          entry.event === 'call-answered' ? [answered, String(entry.status ?? 200)] : [failed, entry.code]
        counts[key] = (counts[key] ?? 0) + 1
      }
    }
  }

  function takeOther(entry: HistoryEntry): void {
    const reason = 'reason' in entry ? entry.reason : undefined
    switch (entry.event) {
      case 'refresh-started':
        attempts.push({ outcome: 'open' })
        return
      case 'refresh-succeeded':
        endAttempt({ outcome: 'succeeded' })
        return
      case 'refresh-ended': {
        const { verdict, delay } = entry
        endAttempt({ outcome: verdict, reason: entry.reason, ...(delay !== undefined && { delay }) })
        return
      }
      case 'late-refresh-dropped':
        endAttempt({ outcome: 'dropped' })
        return
      case 'session-restored':
        isRestored = true
        return
      case 'signed-in':
        signedIn = true
        signedOut = undefined
        return
      case 'signed-out':
        signedOut = reason ?? ''
        signedIn = false
    }
  }
}

/** Describes the summary in a few sentences. */
export function tell(summary: Summary, language: Language): string {
  const words = language === 'zh' ? chinese : english
  const { attempts, calls, isWorkerLost, isRestored, signedIn, signedOut } = summary
  const sentences: string[] = []
  if (isWorkerLost) sentences.push(isRestored ? words.lostAndRestored : words.lost)
  if (attempts.length > 0) sentences.push(words.refreshes(attempts.length, attempts.map(words.attempt)))
  const isTroubled = attempts.some(({ outcome }) => outcome === 'refused' || outcome === 'unknown')
  if (signedOut !== undefined) sentences.push(words.signedOut(signedOut))
  else if (isTroubled) sentences.push(words.kept)
  if (signedIn) sentences.push(words.signedIn)
  if (calls.received > 0) sentences.push(words.calls(calls))
  if (sentences.length === 0) return words.nothing
  return sentences.join(language === 'zh' ? '' : ' ')
}

interface Words {
  readonly lost: string
  readonly lostAndRestored: string
  refreshes(count: number, outcomes: readonly string[]): string
  attempt(attempt: Attempt, index: number, all: readonly Attempt[]): string
  readonly kept: string
  signedOut(reason: string): string
  readonly signedIn: string
  calls(calls: Summary['calls']): string
  readonly nothing: string
}

const english: Words = {
  lost: 'The worker was lost, and another one was started.',
  lostAndRestored: 'The worker was lost; another one continued with the stored session.',
  refreshes: (count, outcomes) => `${count === 1 ? 'One refresh' : `${count} refreshes`}: ${outcomes.join(', then ')}.`,
  attempt({ outcome, reason, delay }, index, all) {
    const why = reason === undefined ? '' : ` (${reason})`
    const isLast = index === all.length - 1
    const next = isLast && delay !== undefined ? `, next attempt after ${formatDuration(delay)}` : ''
    const names: Record<RefreshOutcome, string> = {
      succeeded: 'a new token',
      refused: `not processed${why}`,
      unknown: `an unknown outcome${why}`,
      rejected: `rejected${why}`,
      failed: `a wrong configuration${why}`,
      dropped: 'a response that came too late',
      open: 'no response yet',
    }
    return names[outcome] + next
  },
  kept: 'The session is kept.',
  signedOut: (reason) =>
    reason === '' ? 'Signed out, in every tab.' : `The session has ended, in every tab (${reason}).`,
  signedIn: 'Signed in, in every tab.',
  calls({ received, waited, sentAgain, answered, failed, open }) {
    const parts = [
      ...(waited > 0 ? [`${waited} waited for a token`] : []),
      ...(sentAgain > 0 ? [`${sentAgain} sent again`] : []),
      ...Object.entries(answered).map(([status, count]) => `${count} answered with ${status}`),
      ...Object.entries(failed).map(([code, count]) => `${count} rejected with ${code}`),
      ...(open > 0 ? [`${open} in flight`] : []),
    ]
    return `${received === 1 ? 'One call' : `${received} calls`}: ${parts.join(', ')}.`
  },
  nothing: 'Nothing to do yet: lingpai detects it at the next call.',
}

const chinese: Words = {
  lost: 'Worker 丢失，lingpai 启动了新的 Worker。',
  lostAndRestored: 'Worker 丢失，新的 Worker 恢复了已保存的会话。',
  refreshes: (count, outcomes) => `刷新 ${count} 次：${outcomes.join('，随后')}。`,
  attempt({ outcome, reason, delay }, index, all) {
    const why = reason === undefined ? '' : `（${reason}）`
    const isLast = index === all.length - 1
    const next = isLast && delay !== undefined ? `，${formatDuration(delay, 'zh')}后再试` : ''
    const names: Record<RefreshOutcome, string> = {
      succeeded: '得到新令牌',
      refused: `服务器未处理${why}`,
      unknown: `结果未知${why}`,
      rejected: `被拒绝${why}`,
      failed: `配置有误${why}`,
      dropped: '响应到达过晚',
      open: '尚无响应',
    }
    return names[outcome] + next
  },
  kept: '会话已保留。',
  signedOut: (reason) => (reason === '' ? '所有标签页已退出登录。' : `所有标签页的会话已结束（${reason}）。`),
  signedIn: '所有标签页已登录。',
  calls({ received, waited, sentAgain, answered, failed, open }) {
    const parts = [
      ...(waited > 0 ? [`${waited} 个等待了令牌`] : []),
      ...(sentAgain > 0 ? [`${sentAgain} 个重发`] : []),
      ...Object.entries(answered).map(([status, count]) => `${count} 个返回 ${status}`),
      ...Object.entries(failed).map(([code, count]) => `${count} 个失败（${code}）`),
      ...(open > 0 ? [`${open} 个进行中`] : []),
    ]
    return `${received} 个请求：${parts.join('，')}。`
  },
  nothing: '尚无变化：lingpai 会在下一个请求时发现。',
}
