import { expect, test } from 'vitest'
import type { CancelSignal, GrantRequest, GrantResponse } from '../../../../worker/core/adapter.ts'
import { type GrantRunLimits, startGrantRun } from '../../../../worker/core/broker/grant-run.ts'
import { createVirtualPlatform } from '../../../../worker/testing/virtual-platform.ts'
import { watch } from '../../../fixtures/broker-harness.ts'

const url = 'https://id.example.com/token'
const read: GrantRequest = { url: 'https://id.example.com/keys', isReadOnly: true }
const answer: GrantResponse = { status: 200, headers: {}, body: '' }

/** An attempt whose requests the test answers, and what its grant may use. */
async function open(limits?: GrantRunLimits, login?: (signal: CancelSignal) => Promise<string>) {
  const platform = createVirtualPlatform()
  const requests: { signal: CancelSignal; answer(response?: GrantResponse): void }[] = []
  const host = {
    platform,
    origin: 'https://app.example.com',
    send: (_request: GrantRequest, signal: CancelSignal) =>
      new Promise<GrantResponse>((resolve) => {
        requests.push({ signal, answer: (response = answer) => resolve(response) })
      }),
    ...(login && { login }),
  }
  const attempt = startGrantRun(host, limits)
  const io = await attempt.run((given) => given)
  return { platform, attempt, io, requests }
}

test.each<[string, readonly GrantRequest[], boolean]>([
  ['nothing', [], false],
  ['a request that only reads', [read], true],
  ['two of them', [read, read], true],
  ['a request that acts', [{ url }], false],
  ['one that acts after one that reads', [read, { url }], false],
  ['one that reads after one that acts', [{ url }, read], false],
])('a run that has sent %s has only read: no server can have acted on it', async (_title, sent, expected) => {
  const { attempt, io, requests } = await open()
  for (const request of sent) {
    const outcome = io.send(request)
    await Promise.resolve().then(() => {})
    requests.at(-1)?.answer()
    await outcome
  }
  expect(attempt.hasOnlyRead()).toBe(expected)
})

test('an aborted run aborts its request, too, with the same reason', async () => {
  const { platform, attempt, io, requests } = await open()
  const outcome = watch(io.send({ url }))
  await platform.settle()
  const reason = new Error('given up')
  attempt.abort(reason)
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: reason })
  expect(requests[0]?.signal.aborted).toBe(true)
})

test('if a run lets its requests end, a request in flight still gets its response after an abort', async () => {
  const { platform, attempt, io, requests } = await open({ letsRequestsEnd: true })
  const outcome = watch(io.send({ url }))
  await platform.settle()
  attempt.abort(new Error('given up'))
  await platform.settle()
  expect([outcome.settled, requests[0]?.signal.aborted]).toEqual([0, false])
  requests[0]?.answer()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: answer })
})

test('an abort leaves a request alone that has been answered: its body may still be read', async () => {
  const { platform, attempt, io, requests } = await open()
  const outcome = watch(io.send({ url }))
  await platform.settle()
  requests[0]?.answer()
  await platform.settle()
  attempt.abort(new Error('given up'))
  expect(outcome.settled).toBe(1)
  expect(requests[0]?.signal.aborted).toBe(false)
})

test('nothing is sent after an abort (I1)', async () => {
  const { attempt, io, requests } = await open()
  const reason = new Error('given up')
  attempt.abort(reason)
  await expect(io.send({ url })).rejects.toBe(reason)
  expect(requests).toEqual([])
})

test('a deadline says how long was waited', async () => {
  const { platform, io } = await open()
  const outcome = watch(io.send({ url }))
  await platform.advance(30_000)
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'timeout' } })
  expect((outcome.error as Error).message).toContain('did not answer within 30000 ms')
})

test('a grant gets login only on a host that has one, and an abort of the run aborts it', async () => {
  const signals: CancelSignal[] = []
  const login = async (signal: CancelSignal) => {
    signals.push(signal)
    return 'code'
  }
  const { attempt, io } = await open({}, login)
  expect(await io.login?.()).toBe('code')
  expect(signals[0]?.aborted).toBe(false)
  attempt.abort()
  expect(signals[0]?.aborted).toBe(true)
  expect((await open()).io).not.toHaveProperty('login')
})

test('the status of an answer is forgotten as soon as the next request goes out', async () => {
  const { platform, attempt, io, requests } = await open()
  watch(io.send({ url }))
  await platform.settle()
  requests[0]?.answer({ status: 400, headers: {}, body: '' })
  await platform.settle()
  expect(attempt.lastStatus()).toBe(400)
  watch(io.send({ url }))
  expect(attempt.lastStatus()).toBeUndefined()
})
