import { expect, test } from 'vitest'
import { LingpaiError } from '../../../../src/protocol/errors.ts'
import { traceCall } from '../../../../worker/core/broker/call-trace.ts'
import { createHistory } from '../../../../worker/core/broker/history.ts'
import { createHarness } from '../../../fixtures/broker-harness.ts'

/** The entries that the history has for such a call. */
async function traceOf(
  work: () => Promise<unknown>,
  { status, isAborted = false }: { status?: number; isAborted?: boolean } = {},
) {
  const harness = createHarness()
  const call = await harness.openCall(isAborted ? AbortSignal.abort() : undefined)
  if (status !== undefined) call.status = status
  const outcome = await traceCall(harness.broker, call, work).catch((error) => error)
  const { number, at, generation, version, ...entry } = harness.broker.explain().at(-1) ?? {}
  return { outcome, entry }
}

const own = new LingpaiError('sign_in_required', 'The user is not signed in.')
const foreign = new TypeError('canary')

test('an answered call is recorded with its status, and its answer is returned', async () => {
  const { outcome, entry } = await traceOf(async () => 'answer', { status: 200 })
  expect(outcome).toBe('answer')
  expect(entry).toEqual({ event: 'call-answered', call: 'call-1', status: 200 })
})

test('a call whose answer has no status is noted without one', async () => {
  expect((await traceOf(async () => 'answer')).entry).toEqual({ event: 'call-answered', call: 'call-1' })
})

test.each<[string, Error, boolean, string]>([
  ['one of our errors, with its code', own, false, 'sign_in_required'],
  ['any other, as a network error', foreign, false, 'network_error'],
  ['any at all after an abort, as aborted', own, true, 'aborted'],
])('a call that fails is noted, and its error handed on: %s', async (_title, error, isAborted, code) => {
  const { outcome, entry } = await traceOf(() => Promise.reject(error), { status: 502, isAborted })
  expect(outcome).toBe(error)
  expect(entry).toEqual({ event: 'call-failed', call: 'call-1', code, status: 502 })
})

test('the note of a call that failed quotes nothing of the error, which may hold a token (I11)', async () => {
  const { entry } = await traceOf(() => Promise.reject(foreign))
  expect(JSON.stringify(entry)).not.toContain('canary')
})

test('pages that come and go push nothing out of the history but steps', () => {
  const history = createHistory()
  const session = { generation: 0, version: 0 }
  history.add(0, session, { event: 'started' })
  for (let page = 1; page <= 1000; page++) history.add(page, session, { event: 'page-left', page } as never)
  expect(history.entries()[0]).toMatchObject({ number: 1, event: 'started' })
  expect(history.entries()).toHaveLength(1001)
})
