import { countRejected, type Figures } from './figures.ts'
import type { ScenarioName } from './scenarios.ts'
import type { Phase, Side } from './storm.ts'

export type Language = 'en' | 'zh'

export interface Texts {
  readonly lead: string
  readonly choose: string
  readonly start: (calls: number) => string
  readonly startHint: string
  readonly scenarios: Readonly<Record<ScenarioName, { readonly name: string; readonly explanation: string }>>
  readonly sides: Readonly<Record<Side, { readonly name: string; readonly explanation: string }>>
  readonly idle: string
  readonly phases: Readonly<Record<Phase, string>>
  readonly failed: (reason: string) => string
  readonly tab: (number: number) => string
  /** The text beside a tab's squares. */
  readonly tabCounts: (answered: number, rejected: number, open: number, isOver: boolean) => string
  readonly onLoginPage: string
  readonly legend: Readonly<Record<'waiting' | 'answered' | 'rejected' | 'unanswered', string>>
  readonly verdict: (figures: Figures) => string
  readonly table: {
    readonly caption: (scenario: string) => string
    readonly figure: string
    readonly answered: string
    readonly rejected: string
    readonly unanswered: string
    readonly tokenRequests: string
    readonly reuseDetections: string
    readonly sentToLogin: string
    readonly apiRequests: string
    readonly workingTabs: string
    readonly duration: string
    readonly of: (count: number, all: number) => string
    readonly seconds: (milliseconds: number, isLimit: boolean) => string
  }
  readonly code: string
  readonly codeOf: (file: string) => string
  readonly lines: (count: number) => string
}

/** Formats milliseconds as seconds with one decimal. */
function inSeconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(1)
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** Whether the requests are many more than the calls, without an end. */
function isLoop({ calls, unanswered, sentToLogin, apiRequests }: Figures): boolean {
  return unanswered > 0 && sentToLogin === 0 && apiRequests > 3 * calls
}

const english: Texts = {
  lead: 'The same storm of calls, once with the request module of many articles (an isRefreshing flag and a queue), and once with lingpai. Each side has three tabs, its own OpenID provider and its own API. A refresh takes 0.2 seconds more, as over a real network. All figures are counted live.',
  choose: 'What goes wrong',
  start: (calls) => `Start the storm: ${calls} calls on each side`,
  startHint: 'Takes up to 15 seconds.',
  scenarios: {
    expired: {
      name: 'Access token expired',
      explanation:
        'The API rejects the access token of all three tabs. A refresh token works once, as with strict providers.',
    },
    outage: {
      name: 'Refresh answers 503',
      explanation: 'The access token has expired, and for 1.5 seconds the provider answers every refresh with 503.',
    },
    hang: {
      name: 'Refresh gets no response',
      explanation:
        'The access token has expired. A refresh in the first 2.5 seconds never gets a response; later ones do.',
    },
    lost: {
      name: 'Response lost, lenient provider',
      explanation:
        'The provider rotates the refresh token, and its first response is lost. For 30 seconds, it accepts the old token again.',
    },
    'lost-strict': {
      name: 'Response lost, strict provider',
      explanation:
        'The same, but the provider accepts each token only once. No client can save this session. Compare how it ends.',
    },
    rejected: {
      name: 'Refresh token rejected',
      explanation: 'The provider has revoked all tokens. The users must sign in again. Compare how they are notified.',
    },
    denial: {
      name: 'API always answers 401',
      explanation:
        'The API rejects every token, even a new one. The provider accepts an old refresh token again for 30 seconds; a strict one would end the session, and with it the loop.',
    },
  },
  sides: {
    'hand-written': { name: 'Hand-written', explanation: 'isRefreshing, pendingRequests, tokens in localStorage' },
    lingpai: { name: 'lingpai', explanation: 'one worker for all tabs, tokens inside it' },
  },
  idle: 'Not run yet.',
  phases: {
    'signing-in': 'Opening three tabs and signing in…',
    storm: 'The calls are in flight…',
    afterwards: 'The fault is over. One more call from each tab…',
  },
  failed: (reason) => `The comparison itself failed: ${reason}`,
  tab: (number) => `Tab ${number}`,
  tabCounts: (answered, rejected, open, isOver) =>
    [
      answered > 0 && `${answered} answered`,
      rejected > 0 && `${rejected} rejected`,
      open > 0 && (isOver ? `${open} never settled` : `${open} waiting`),
    ]
      .filter(Boolean)
      .join(', '),
  onLoginPage: 'on the login page',
  legend: { waiting: 'waiting', answered: 'answered', rejected: 'rejected', unanswered: 'never settled' },
  verdict(figures) {
    const { calls, answered, unanswered, tokenRequests, reuseDetections, sentToLogin, tabs, workingTabs } = figures
    const { apiRequests, duration } = figures
    const rejected = countRejected(figures)
    if (answered === calls) {
      return `All ${calls} calls were answered after ${plural(tokenRequests, 'token request')}, in ${inSeconds(duration)} s.`
    }
    const counts = [
      answered > 0 && `${answered} ${answered === 1 ? 'was' : 'were'} answered`,
      rejected > 0 && `${rejected === calls ? 'all' : rejected} ${rejected === 1 ? 'was' : 'were'} rejected`,
      unanswered > 0 && `${unanswered === calls ? 'all' : unanswered} never settled`,
    ].filter((part) => part !== false)
    const lastCount = counts.pop()
    const deeds = [
      `of ${calls} calls, ${counts.length > 0 ? `${counts.join(', ')} and ${lastCount}` : lastCount}`,
      isLoop(figures)
        ? `${tokenRequests} refreshes and ${apiRequests} API requests were repeated without end`
        : sentToLogin === 0 &&
          tokenRequests > 0 &&
          `the provider received ${plural(tokenRequests, 'refresh', 'refreshes')}`,
      reuseDetections > 0 &&
        `the provider detected a reused refresh token ${times(reuseDetections)} and ended the session`,
      sentToLogin > 0 &&
        (sentToLogin === tabs
          ? 'each tab was sent to the login page once'
          : `users were sent to the login page ${times(sentToLogin)}`),
      workingTabs === tabs
        ? 'afterwards every tab works'
        : sentToLogin !== tabs &&
          (workingTabs === 0
            ? 'afterwards no tab works'
            : `afterwards ${workingTabs} of ${tabs} tabs ${workingTabs === 1 ? 'works' : 'work'}`),
    ]
    return `${capitalize(deeds.filter(Boolean).join('; '))}.`
  },
  table: {
    caption: (scenario) => `Counted: ${scenario}`,
    figure: 'Figure',
    answered: 'Calls answered',
    rejected: 'Calls rejected',
    unanswered: 'Calls that never settled',
    tokenRequests: 'Token requests',
    reuseDetections: 'Reused refresh tokens',
    sentToLogin: 'Redirects to the login page',
    apiRequests: 'API requests',
    workingTabs: 'Tabs that work afterwards',
    duration: 'Until the last outcome',
    of: (count, all) => `${count} of ${all}`,
    seconds: (milliseconds, isLimit) => (isLimit ? `none in ${milliseconds / 1000} s` : `${inSeconds(milliseconds)} s`),
  },
  code: 'The code that ran',
  codeOf: (file) => `Code of ${file}`,
  lines: (count) => `${count} lines`,
}

const chinese: Texts = {
  lead: '同样的一批并发请求，一边交给常见的请求模块（isRefreshing 标志加等待队列），一边交给 lingpai。两边各有三个标签页，以及独立的 OpenID 服务和 API。每次刷新增加 0.2 秒延迟，以模拟真实网络。所有数字均为实时统计。',
  choose: '选择故障',
  start: (calls) => `开始：两边各发 ${calls} 个请求`,
  startHint: '最多需要 15 秒。',
  scenarios: {
    expired: {
      name: '访问令牌过期',
      explanation: 'API 拒绝三个标签页的访问令牌。与严格的 OpenID 服务一样，刷新令牌只能使用一次。',
    },
    outage: {
      name: '刷新返回 503',
      explanation: '访问令牌已过期，并且在 1.5 秒内，OpenID 服务对所有刷新都返回 503。',
    },
    hang: {
      name: '刷新没有响应',
      explanation: '访问令牌已过期。前 2.5 秒内到达的刷新始终没有响应，之后的刷新恢复正常。',
    },
    lost: {
      name: '响应丢失（宽松模式）',
      explanation: 'OpenID 服务轮换了刷新令牌，但第一个响应在传输中丢失。30 秒内，它仍接受旧的刷新令牌。',
    },
    'lost-strict': {
      name: '响应丢失（严格模式）',
      explanation: '同上，但 OpenID 服务不接受已使用过的刷新令牌。任何客户端都无法保留这个会话，重点在于如何结束它。',
    },
    rejected: {
      name: '刷新令牌被拒绝',
      explanation: 'OpenID 服务已吊销所有令牌，用户必须重新登录。重点在于应用如何提示用户。',
    },
    denial: {
      name: 'API 总是返回 401',
      explanation:
        '无论令牌新旧，API 一律拒绝。OpenID 服务在 30 秒内仍接受旧的刷新令牌；严格的服务会结束会话，从而提前中断循环。',
    },
  },
  sides: {
    'hand-written': { name: '手写代码', explanation: 'isRefreshing、pendingRequests，令牌存放在 localStorage' },
    lingpai: { name: 'lingpai', explanation: '所有标签页共用一个 Worker，令牌只保存在 Worker 中' },
  },
  idle: '尚未运行。',
  phases: {
    'signing-in': '正在打开三个标签页并登录……',
    storm: '请求已经发出……',
    afterwards: '故障已经结束，每个标签页再发一个请求……',
  },
  failed: (reason) => `对比程序出错：${reason}`,
  tab: (number) => `标签页 ${number}`,
  tabCounts: (answered, rejected, open, isOver) =>
    [
      answered > 0 && `${answered} 个成功`,
      rejected > 0 && `${rejected} 个被拒绝`,
      open > 0 && (isOver ? `${open} 个没有结果` : `${open} 个等待中`),
    ]
      .filter(Boolean)
      .join('，'),
  onLoginPage: '已跳到登录页',
  legend: { waiting: '等待中', answered: '成功', rejected: '被拒绝', unanswered: '没有结果' },
  verdict(figures) {
    const { calls, answered, unanswered, tokenRequests, reuseDetections, sentToLogin, tabs, workingTabs } = figures
    const { apiRequests, duration } = figures
    const rejected = countRejected(figures)
    if (answered === calls) {
      return `${calls} 个请求全部成功，令牌请求 ${tokenRequests} 次，用时 ${inSeconds(duration)} 秒。`
    }
    const counts = [
      answered > 0 && `${answered} 个成功`,
      rejected > 0 && (rejected === calls ? '全部被拒绝' : `${rejected} 个被拒绝`),
      unanswered > 0 && (unanswered === calls ? '全部没有结果' : `${unanswered} 个始终没有结果`),
    ]
    const deeds = [
      `${calls} 个请求${rejected === calls || unanswered === calls ? '' : '中，'}${counts.filter(Boolean).join('，')}`,
      isLoop(figures)
        ? `陷入无限循环，已有 ${tokenRequests} 次刷新、${apiRequests} 个 API 请求`
        : sentToLogin === 0 && tokenRequests > 0 && `OpenID 服务收到 ${tokenRequests} 次刷新`,
      reuseDetections > 0 && `OpenID 服务 ${reuseDetections} 次收到已使用过的刷新令牌，因此结束了会话`,
      sentToLogin > 0 && (sentToLogin === tabs ? '每个标签页只跳转到登录页一次' : `跳转到登录页 ${sentToLogin} 次`),
      workingTabs === tabs
        ? '故障结束后，所有标签页恢复正常'
        : sentToLogin !== tabs &&
          (workingTabs === 0
            ? '故障结束后，所有标签页均不可用'
            : `故障结束后，${tabs} 个标签页中有 ${workingTabs} 个可用`),
    ]
    return `${deeds.filter(Boolean).join('；')}。`
  },
  table: {
    caption: (scenario) => `统计：${scenario}`,
    figure: '项目',
    answered: '成功的请求',
    rejected: '被拒绝的请求',
    unanswered: '始终没有结果的请求',
    tokenRequests: '令牌请求',
    reuseDetections: '重复使用的刷新令牌',
    sentToLogin: '跳转到登录页的次数',
    apiRequests: '到达 API 的请求',
    workingTabs: '故障结束后可用的标签页',
    duration: '全部结束用时',
    of: (count, all) => `${count} / ${all}`,
    seconds: (milliseconds, isLimit) =>
      isLimit ? `${milliseconds / 1000} 秒内未结束` : `${inSeconds(milliseconds)} 秒`,
  },
  code: '运行的代码',
  codeOf: (file) => `${file} 的代码`,
  lines: (count) => `${count} 行`,
}

export const texts: Readonly<Record<Language, Texts>> = { en: english, zh: chinese }
