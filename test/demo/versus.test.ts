import { expect, it } from 'vitest'
import type { Counters } from '../../demo/server-control.ts'
import { countFigures, type Figures, type TabState } from '../../demo/versus/figures.ts'
import { scenarioNames, scenarios } from '../../demo/versus/scenarios.ts'
import { texts } from '../../demo/versus/texts.ts'

const quiet: Figures = {
  calls: 60,
  answered: 60,
  rejected: [],
  unanswered: 0,
  sentToLogin: 0,
  tabs: 3,
  workingTabs: 3,
  duration: 1234,
  tokenRequests: 1,
  reuseDetections: 0,
  apiRequests: 120,
}
const verdictsOf = (changes: Partial<Figures>) => {
  const figures = { ...quiet, ...changes }
  return [texts.en.verdict(figures), texts.zh.verdict(figures)]
}

function countersOf(refreshes: number, reuseDetections: number, received: number): Counters {
  return {
    authorizationServer: {
      tokenRequests: { authorization_code: 9, refresh_token: refreshes },
      reuseDetections,
      revocations: 0,
      signIns: 0,
      endSessions: 0,
    },
    api: { received, answered: received, unauthorized: 0 },
  }
}

it("counts the outcomes of all tabs, and the servers' requests between two moments", () => {
  const answered = { outcome: { kind: 'answered' } } as const
  const rejected = (reason: string) => ({ outcome: { kind: 'rejected', reason } }) as const
  const tab = (calls: TabState['calls'], sentToLogin: number): TabState => ({
    calls,
    sentToLogin,
    isOnLoginPage: sentToLogin > 0,
    worksAfterwards: false,
  })
  const tabs = [
    tab([answered, rejected('rare'), rejected('usual')], 0),
    tab([{}, rejected('usual')], 2),
    tab([answered, {}], 1),
  ]
  expect(countFigures(tabs, countersOf(10, 1, 100), countersOf(14, 3, 150), 500)).toEqual({
    calls: 7,
    answered: 2,
    rejected: [
      ['usual', 2],
      ['rare', 1],
    ],
    unanswered: 2,
    sentToLogin: 3,
    tabs: 3,
    duration: 500,
    tokenRequests: 4,
    reuseDetections: 2,
    apiRequests: 50,
  })
})

it('reports success only if every call was answered', () => {
  expect(verdictsOf({})).toEqual([
    'All 60 calls were answered after 1 token request, in 1.2 s.',
    '60 个请求全部成功，令牌请求 1 次，用时 1.2 秒。',
  ])
  for (const text of verdictsOf({ answered: 59, unanswered: 1 })) expect(text).not.toMatch(/^All|全部成功/)
})

it('reports the counts of rejections, hanging calls, reuses, requested sign-ins and working tabs', () => {
  expect(
    verdictsOf({
      answered: 1,
      rejected: [['refresh: HTTP 400', 29]],
      unanswered: 30,
      reuseDetections: 1,
      sentToLogin: 29,
      workingTabs: 0,
    }),
  ).toEqual([
    'Of 60 calls, 1 was answered, 29 were rejected and 30 never settled; the provider detected a reused refresh token once and ended the session; users were sent to the login page 29 times; afterwards no tab works.',
    '60 个请求中，1 个成功，29 个被拒绝，30 个始终没有结果；OpenID 服务 1 次收到已使用过的刷新令牌，因此结束了会话；跳转到登录页 29 次；故障结束后，所有标签页均不可用。',
  ])
  expect(verdictsOf({ answered: 0, rejected: [['sign_in_required', 60]], sentToLogin: 3, workingTabs: 0 })).toEqual([
    'Of 60 calls, all were rejected; each tab was sent to the login page once.',
    '60 个请求全部被拒绝；每个标签页只跳转到登录页一次。',
  ])
})

it('distinguishes a loop from a wait', () => {
  const stuck = { answered: 0, unanswered: 60, workingTabs: 1 }
  expect(verdictsOf({ ...stuck, tokenRequests: 184, apiRequests: 641 })).toEqual([
    'Of 60 calls, all never settled; 184 refreshes and 641 API requests were repeated without end; afterwards 1 of 3 tabs works.',
    '60 个请求全部没有结果；陷入无限循环，已有 184 次刷新、641 个 API 请求；故障结束后，3 个标签页中有 1 个可用。',
  ])
  expect(verdictsOf({ ...stuck, tokenRequests: 3, apiRequests: 60 })[0]).toContain('the provider received 3 refreshes;')
})

it('has a name and an explanation for every scenario, in both languages', () => {
  expect(Object.keys(scenarios)).toEqual([...scenarioNames])
  for (const { scenarios: described } of Object.values(texts)) {
    const all = scenarioNames.flatMap((name) => [described[name].name, described[name].explanation])
    expect(new Set(all).size).toBe(2 * scenarioNames.length)
  }
})
