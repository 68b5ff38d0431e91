import { expect, test, vi } from 'vitest'
import { type EarlierSend, runRequest, type SendResult } from '../../../../worker/core/broker/request-loop.ts'
import type { Permit } from '../../../../worker/core/session/events.ts'
import { createHarness, storedSession, watch } from '../../../fixtures/broker-harness.ts'

const accepted = (answer: string): SendResult<string> => ({ answer, isTokenDenied: false })
const denied = (answer = '401'): SendResult<string> => ({ answer, isTokenDenied: true, discard: vi.fn() })

/** A signed-in broker, and one call of it. */
async function open() {
  const harness = createHarness({ stored: storedSession({ isFresh: true }) })
  const call = await harness.openCall()
  call.api = 'https://api.example/'
  const { tokens, version } = await harness.broker.authorize(await harness.openCall())
  const ticket: Permit = {
    generation: call.generation,
    sessionId: call.sessionId,
    version,
    tokens: { ...tokens, accessToken: '', tokenType: '' },
  }
  const earlier = (result: SendResult<string>, changes: Partial<EarlierSend<string>> = {}) => ({
    permit: ticket,
    isReplay: false,
    result: Promise.resolve(result),
    ...changes,
  })
  const events = () => harness.broker.explain().map(({ event }) => event)
  return { ...harness, call, ticket, earlier, events }
}

test('the answer to an earlier request is judged, and the request is not sent again', async () => {
  const { broker, call, earlier } = await open()
  const send = vi.fn()
  expect(await runRequest(broker, call, send, earlier(accepted('200')))).toBe('200')
  expect(send).not.toHaveBeenCalled()
})

test('an earlier request that is refused leads to one refresh and one replay, with the new token', async () => {
  const { broker, call, earlier, refreshes, refresh, platform, events } = await open()
  const first = denied()
  const send = vi.fn(async (_permit: Permit, _isReplay: boolean) => accepted('200'))
  const outcome = watch(runRequest(broker, call, send, earlier(first)))
  await platform.settle()
  expect(first.discard).not.toHaveBeenCalled()
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: '200' })
  expect(send.mock.calls.map(([{ tokens }, isReplay]) => [tokens.accessToken, isReplay])).toEqual([['access-2', true]])
  expect(first.discard).toHaveBeenCalledOnce()
  expect(refreshes).toHaveLength(1)
  expect(events().filter((event) => event === 'call-replayed')).toHaveLength(1)
})

test("the replay's answer is final, whatever it is (I10)", async () => {
  const { broker, call, earlier, refreshes, refresh, platform } = await open()
  const send = vi.fn(async () => denied('401 again'))
  const outcome = watch(runRequest(broker, call, send, earlier(denied())))
  await platform.settle()
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: '401 again' })
  expect([send.mock.calls.length, refreshes.length]).toEqual([1, 1])
})

test('an earlier replay is final too: its refusal leads to no refresh (I10)', async () => {
  const { broker, call, earlier, refreshes } = await open()
  const send = vi.fn()
  expect(await runRequest(broker, call, send, earlier(denied('401 again'), { isReplay: true }))).toBe('401 again')
  expect(send).not.toHaveBeenCalled()
  expect(refreshes).toEqual([])
})

test('a call that has had its refresh before its worker was lost gets no other', async () => {
  const { broker, call, earlier, refreshes } = await open()
  call.hasRefreshed = true
  const send = vi.fn()
  expect(await runRequest(broker, call, send, earlier(denied('401')))).toBe('401')
  expect(send).not.toHaveBeenCalled()
  expect(refreshes).toEqual([])
})

test('if the token was renewed meanwhile, the replay uses the new token, without a refresh', async () => {
  const { broker, call, earlier, ticket, refreshes } = await open()
  const send = vi.fn(async (_permit: Permit, _isReplay: boolean) => accepted('200'))
  const older = { ...ticket, version: ticket.version - 1 }
  expect(await runRequest(broker, call, send, earlier(denied(), { permit: older }))).toBe('200')
  expect(send.mock.calls[0]?.[0].tokens.accessToken).toBe('access-1')
  expect(refreshes).toEqual([])
})

test('if another user has signed in meanwhile, the refusal stays as it is (I6)', async () => {
  const { broker, call, earlier, signIn, refreshes } = await open()
  await signIn('bob')
  const send = vi.fn()
  expect(await runRequest(broker, call, send, earlier(denied('401')))).toBe('401')
  expect(send).not.toHaveBeenCalled()
  expect(refreshes).toEqual([])
})

test('an earlier request that has failed rejects as it is, and is not sent again', async () => {
  const { broker, call, earlier } = await open()
  const error = new Error('no network')
  const send = vi.fn()
  await expect(runRequest(broker, call, send, earlier(denied(), { result: Promise.reject(error) }))).rejects.toBe(error)
  expect(send).not.toHaveBeenCalled()
})

test('if the refresh fails, the refused answer is released, and the call rejects with the reason', async () => {
  const { broker, call, earlier, platform } = await open()
  const first = denied()
  const outcome = watch(runRequest(broker, call, vi.fn(), earlier(first)))
  await platform.settle()
  await broker.signOut(false)
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(first.discard).toHaveBeenCalledOnce()
})

test('a request that went with a newer token is judged by that token: its refusal leads to a refresh', async () => {
  const { broker, call, ticket, refresh, refreshes, platform } = await open()
  const newer = await broker.authorize(call)
  const older = { ...ticket, version: ticket.version - 1 }
  const send = vi.fn(async () => accepted('200'))
  const outcome = watch(
    runRequest(broker, call, send, {
      permit: older,
      isReplay: false,
      result: Promise.resolve({ ...denied(), permit: newer }),
    }),
  )
  await platform.settle()
  expect(refreshes).toHaveLength(1)
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ value: '200' })
})

test('an answer to an earlier replay is noted as that, and not as sent', async () => {
  const { broker, call, earlier, events } = await open()
  await runRequest(broker, call, vi.fn(), earlier(accepted('200'), { isReplay: true }))
  expect(events().at(-1)).toBe('call-replayed')
  expect(events()).not.toContain('call-sent')
})

test('the send function gets whether the request is a replay', async () => {
  const { broker, call, refresh, platform } = await open()
  const sent: boolean[] = []
  const outcome = watch(
    runRequest(broker, call, async (_permit, isReplay) => {
      sent.push(isReplay)
      return isReplay ? accepted('200') : denied()
    }),
  )
  await platform.settle()
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ value: '200' })
  expect(sent).toEqual([false, true])
})

test.each([
  ['its replay', 'leads to a refresh', 2],
  ['a later call', 'does not, because that may be a call of another path', 1],
])('if an API accepts the new token of a refresh, by %s, its next 401 %s', async (whose, _what, expected) => {
  const { broker, openCall, refresh, refreshes, platform } = await open()
  const ask = async (...answers: boolean[]) => {
    const call = await openCall()
    call.api = 'https://api.example/'
    const outcome = watch(runRequest(broker, call, async () => (answers.shift() ? accepted('200') : denied())))
    await platform.settle()
    return outcome
  }
  await ask(false, whose === 'its replay')
  refresh(0).succeed()
  await platform.settle()
  if (whose === 'a later call') await ask(true)
  await ask(false, true)
  expect(refreshes).toHaveLength(expected)
})

test('a refused answer that has nothing to give up does not hide why its call fails', async () => {
  const { broker, call, earlier, platform } = await open()
  const outcome = watch(runRequest(broker, call, vi.fn(), earlier({ answer: '401', isTokenDenied: true })))
  await platform.settle()
  await broker.signOut(false)
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
})
