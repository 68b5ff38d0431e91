import { expect, it } from 'vitest'
import { sumUp, tell } from '../../demo/playground/tell.ts'
import type { HistoryEntry } from '../../src/index.ts'
import { createScript } from '../fixtures/timeline-events.ts'

function tellAll(entries: readonly HistoryEntry[], language: 'en' | 'zh' = 'en', instance = 'first'): string {
  return tell(sumUp(entries, instance), language)
}

it('without events, it says that lingpai detects the fault at the next call', () => {
  expect(tellAll([])).toBe('Nothing to do yet: lingpai detects it at the next call.')
  expect(tellAll([], 'zh')).toBe('尚无变化：lingpai 会在下一个请求时发现。')
})

it('describes an outage: each attempt in order, the kept session and the outcomes of the calls', () => {
  const script = createScript(0)
  const worker = script.worker('first')
  worker.refusedRefresh(10, 20, 1500, 'denied')
  worker.denied(2, 0, 10, 1600, 50)
  worker.fails(3, 5, 30, 'refresh_unavailable')
  const during = tellAll(script.entries().filter(({ at }) => at < 100))
  expect(during).toBe(
    'One refresh: not processed (status_503), next attempt after 1.50\u00a0s. The session is kept. 2 calls: 2 waited for a token, 1 rejected with refresh_unavailable, 1 in flight.',
  )
  worker.refreshes(1520, 1600, 'retry')
  expect(tellAll(script.entries())).toBe(
    '2 refreshes: not processed (status_503), then a new token. The session is kept. 2 calls: 2 waited for a token, 1 sent again, 1 answered with 200, 1 rejected with refresh_unavailable.',
  )
  expect(tellAll(script.entries(), 'zh')).toBe(
    '刷新 2 次：服务器未处理（status_503），随后得到新令牌。会话已保留。2 个请求：2 个等待了令牌，1 个重发，1 个返回 200，1 个失败（refresh_unavailable）。',
  )
})

it('counts a call once if another worker receives it again', () => {
  const script = createScript(0)
  const [first, second] = [script.worker('first'), script.worker('second')]
  first.hangs(2, 0)
  first.put({ at: 5, event: 'refresh-started', reason: 'denied' })
  second.put({ at: 50, event: 'session-restored' })
  second.plain(2, 60, 20)
  expect(tellAll(script.entries())).toBe(
    'The worker was lost; another one continued with the stored session. One call: 1 answered with 200.',
  )
})

it('gives the reason for the end of a session, except after a sign-out by the user', () => {
  const script = createScript(0)
  script.worker('first').put({ at: 0, event: 'signed-out', reason: 'refresh_rejected' })
  expect(tellAll(script.entries())).toBe('The session has ended, in every tab (refresh_rejected).')
  const own = createScript(0)
  own.worker('first').put({ at: 0, event: 'signed-out' })
  expect(tellAll(own.entries())).toBe('Signed out, in every tab.')
})
