import { expect, test } from 'vitest'
import type { CancelSignal, Grant, GrantResponse } from '../../../../worker/core/adapter.ts'
import { runRequest } from '../../../../worker/core/broker/request-loop.ts'
import { rejected } from '../../../../worker/core/verdict.ts'
import {
  createHarness,
  createScriptedStore,
  type Harness,
  storedSession,
  tokenSet,
  watch,
} from '../../../fixtures/broker-harness.ts'

const forever = () => new Promise<never>(() => {})
const fresh = storedSession({ isFresh: true })

/** The entries of the history, without their times. */
function notesOf({ broker }: Harness): unknown[] {
  return broker.explain().map(({ number, at, generation, version, ...note }) => note)
}

/** A page's signal that counts its listeners. */
function countingSignal() {
  const listeners = new Set<unknown>()
  const signal = {
    aborted: false,
    reason: undefined,
    addEventListener: (_type: string, listener: unknown) => void listeners.add(listener),
    removeEventListener: (type: string, listener: unknown) => void (type === 'abort' && listeners.delete(listener)),
  } as never as AbortSignal
  return { signal, listeners }
}

test('the history begins with the session from the store', async () => {
  const nobody = createHarness()
  await nobody.broker.ready
  expect(notesOf(nobody)).toStrictEqual([{ event: 'started' }])
  const ann = createHarness({ stored: storedSession() })
  await ann.broker.ready
  expect(notesOf(ann)).toStrictEqual([{ event: 'session-restored', expiresAt: 1 }])
  const eternal = createHarness({ stored: fresh })
  await eternal.broker.ready
  expect(notesOf(eternal)).toStrictEqual([{ event: 'session-restored' }])
})

test('the history records that a listener has failed', async () => {
  const harness = createHarness()
  harness.broker.subscribe(() => {
    throw new Error('canary')
  })
  await harness.signIn('ann')
  expect(notesOf(harness)).toContainEqual({ event: 'listener-failed' })
  expect(JSON.stringify(notesOf(harness))).not.toContain('canary')
})

test('the history records that a sign-in by redirect has begun', async () => {
  const grant: Partial<Grant> = {
    authorize: async () => ({ url: 'https://id.example.com/', transaction: { state: 'state' } }),
    callback: async () => ({ accessToken: 'access' }),
  }
  const harness = createHarness({ grant })
  const { signal } = new AbortController()
  await harness.broker.beginSignIn({ via: 'redirect' }, signal)
  expect(notesOf(harness)).toContainEqual({ event: 'sign-in-begun' })
  // Strictly: an undefined does not get through a channel that carries JSON only.
  expect(await harness.broker.completeSignIn('https://app.example.com/?state=state', 'state', signal)).toStrictEqual({})
})

test('a refresh that got no further than a read was not sent: nothing is lost, and it may follow at once (I9)', async () => {
  const grant: Partial<Grant> = {
    async refresh(_tokens, io) {
      await io.send({ url: 'https://id.example.com/.well-known/openid-configuration', isReadOnly: true })
      throw new Error('unusable')
    },
  }
  const send = async (): Promise<GrantResponse> => ({ status: 500, headers: {}, body: '' })
  const harness = createHarness({ stored: storedSession(), grant, send, rules: { onUnknownOutcome: 'sign-in' } })
  watch(harness.call())
  await harness.platform.settle()
  expect(notesOf(harness)).toContainEqual(
    expect.objectContaining({ event: 'refresh-ended', verdict: 'refused', reason: 'not_sent' }),
  )
  expect(harness.broker.snapshot()).toMatchObject({ status: 'signed-in', tokenServer: 'unreachable' })
})

test("a grant's own verdict counts, even if the grant has only read", async () => {
  const grant: Partial<Grant> = {
    async refresh(_tokens, io) {
      await io.send({ url: 'https://id.example.com/.well-known/openid-configuration', isReadOnly: true })
      throw rejected()
    },
  }
  const send = async (): Promise<GrantResponse> => ({ status: 200, headers: {}, body: '' })
  const harness = createHarness({ stored: storedSession(), grant, send })
  await expect(harness.call()).rejects.toMatchObject({ code: 'sign_in_required' })
})

test('a refresh may bring the subject of a session whose user is unknown', async () => {
  const { subject, ...tokens } = tokenSet({ expiresAt: 1 })
  expect(subject).toBe('ann')
  const harness = createHarness({ stored: { ...storedSession(), tokens } })
  const outcome = watch(harness.call())
  await harness.platform.settle()
  harness.refresh(0).succeed({ subject: 'ann' })
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { tokens: { subject: 'ann' } } })
})

test('a call that has waited for a refresh gets no other one: the 401 for its new token is final (I10)', async () => {
  const harness = createHarness({ stored: storedSession() })
  const call = await harness.openCall()
  const outcome = watch(runRequest(harness.broker, call, async () => ({ answer: 401, isTokenDenied: true })))
  await harness.platform.settle()
  harness.refresh(0).succeed()
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: 401 })
  expect(harness.refreshes).toHaveLength(1)
})

test('an answer to a request of another user, sent by an earlier worker, is not replayed with a token of ours (I6)', async () => {
  const harness = createHarness()
  await harness.signIn('bob')
  const permit = {
    generation: 0,
    sessionId: undefined,
    version: 0,
    tokens: { accessToken: '', tokenType: '', subject: 'ann' },
  }
  let sent = 0
  const answer = await runRequest(
    harness.broker,
    await harness.openCall(),
    async () => ({ answer: ++sent, isTokenDenied: false }),
    { permit, isReplay: false, result: Promise.resolve({ answer: 401, isTokenDenied: true }) },
  )
  expect([answer, sent]).toEqual([401, 0])
})

test("tokens that come too late are revoked without ending the user's other sessions at the provider", async () => {
  const asked: [string | undefined, boolean][] = []
  const signOut: Grant['signOut'] = async (tokens, { everywhere }) => void asked.push([tokens?.accessToken, everywhere])
  const harness = createHarness({ stored: storedSession(), grant: { signOut } })
  watch(harness.call())
  await harness.platform.settle()
  await harness.broker.signOut(true)
  harness.refresh(0).succeed()
  await harness.platform.settle()
  expect(asked).toEqual([
    ['access-1', true],
    ['access-2', false],
  ])
})

test('a sign-out without a signed-in user sends nothing to the server', async () => {
  const harness = createHarness({ grant: { signOut: () => Promise.reject<never>(new Error('asked')) } })
  expect(await harness.broker.signOut(false)).toEqual({})
  expect(notesOf(harness)).not.toContainEqual({ event: 'revocation-failed' })
})

test('a grant that cannot revoke leaves a sign-out nothing to fail at', async () => {
  for (const everywhere of [false, true]) {
    const harness = createHarness({ stored: fresh, grant: { signOut: undefined as never } })
    expect(await harness.broker.signOut(everywhere)).toEqual({})
    expect(notesOf(harness)).not.toContainEqual({ event: 'revocation-failed' })
  }
})

test('a sign-out everywhere goes to the provider even if the stored session could not be deleted', async () => {
  const store = createScriptedStore(fresh)
  store.override('clear', () => Promise.reject(new Error('disk')))
  const grant = { signOut: async () => ({ url: 'https://id.example.com/end' }) }
  expect(await createHarness({ store, grant }).broker.signOut(true)).toEqual({ url: 'https://id.example.com/end' })
})

test('a sign-in of a page that is already gone does not ask for a password', async () => {
  let asked = 0
  const ask = async () => {
    asked++
    throw new Error('asked')
  }
  const { broker } = createHarness({ grant: { signIn: ask, authorize: ask, callback: ask } })
  const gone = AbortSignal.abort()
  await expect(broker.signIn('ann', gone)).rejects.toMatchObject({ code: 'sign_in_cancelled' })
  await expect(broker.beginSignIn({ via: 'redirect' }, gone)).rejects.toMatchObject({ code: 'sign_in_cancelled' })
  expect(asked).toBe(0)
  expect(broker.snapshot().status).toBe('signed-out')
})

test('a late result of a sign-in that is not a token set is dropped', async () => {
  let answer: (response: GrantResponse) => void = () => {}
  const controller = new AbortController()
  const harness = createHarness({
    grant: {
      signIn: async (_input, io) => ({ accessToken: (await io.send({ url: 'https://id.example.com/' })).body }),
    },
    send: () => new Promise((resolve) => (answer = resolve)),
  })
  watch(harness.signIn('ann', controller.signal))
  await harness.platform.settle()
  controller.abort()
  await harness.platform.settle()
  const before = notesOf(harness)
  answer({ status: 200, headers: {}, body: 'line\nbreak' })
  await harness.platform.settle()
  expect(notesOf(harness)).toEqual(before)
  expect(harness.revoked).toEqual([])
})

test('the history records a sign-in that was cancelled when its response arrived, and that it was dropped', async () => {
  let answer: (received: { accessToken: string }) => void = () => {}
  const controller = new AbortController()
  const harness = createHarness({ grant: { signIn: () => new Promise((resolve) => (answer = resolve)) } })
  watch(harness.signIn('ann', controller.signal))
  await harness.platform.settle()
  answer({ accessToken: 'access-of-ann' })
  controller.abort()
  await harness.platform.settle()
  expect(notesOf(harness)).toStrictEqual([
    { event: 'started' },
    { event: 'sign-in-started' },
    { event: 'sign-in-failed', reason: 'sign_in_cancelled' },
    { event: 'late-sign-in-dropped' },
  ])
})

test('a sign-in that is cancelled while the worker handles its response is done or cancelled, never both', async () => {
  const endings = new Set<string>()
  for (let turns = 0; turns < 20; turns++) {
    let answer: (received: { accessToken: string }) => void = () => {}
    const controller = new AbortController()
    const harness = createHarness({ grant: { signIn: () => new Promise((resolve) => (answer = resolve)) } })
    const outcome = watch(harness.signIn('ann', controller.signal))
    await harness.platform.settle()
    answer({ accessToken: 'access-of-ann' })
    for (let turn = 0; turn < turns; turn++) await undefined
    controller.abort()
    await harness.platform.settle()
    const { status } = harness.broker.snapshot()
    endings.add(`${status} ${(outcome.error as { code?: string } | undefined)?.code}`)
    if (status === 'signed-out') {
      expect(notesOf(harness).slice(2)).toStrictEqual([
        { event: 'sign-in-failed', reason: 'sign_in_cancelled' },
        { event: 'late-sign-in-dropped' },
      ])
    }
  }
  expect(endings).toEqual(new Set(['signed-out sign_in_cancelled', 'signed-in undefined']))
})

test('an ended call and an ended sign-in leave no listener on the signal of their page', async () => {
  const harness = createHarness({ stored: storedSession() })
  const { signal, listeners } = countingSignal()
  const waiting = watch(harness.call(signal))
  await harness.platform.settle()
  expect(listeners.size).toBe(1)
  harness.refresh(0).succeed()
  await harness.platform.settle()
  expect([waiting.settled, listeners.size]).toEqual([1, 0])
  await harness.signIn('bob', signal)
  expect(listeners.size).toBe(0)
})

test('a call that has waited for a slow store leaves no listener, and still goes to its API', async () => {
  const store = createScriptedStore(fresh)
  let load = () => {}
  store.override('load', () => new Promise<void>((resolve) => (load = resolve)))
  const harness = createHarness({ store })
  await harness.platform.advance(2000)
  const { signal, listeners } = countingSignal()
  const call = await harness.openCall(signal)
  call.api = 'https://api.example.com/'
  const outcome = watch(harness.broker.authorize(call))
  await harness.platform.settle()
  expect(listeners.size).toBe(1)
  load()
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { tokens: { accessToken: 'access-1' } } })
  expect([listeners.size, call.api]).toEqual([0, 'https://api.example.com/'])
})

test('resumed, a refresh that waits out an outage is tried again after its shortest pause', async () => {
  const harness = createHarness({ stored: storedSession(), seed: 3 })
  watch(harness.call())
  for (let failures = 0; failures < 4; failures++) {
    await harness.platform.advanceToNextTimer()
    harness.refreshes.at(-1)?.fail(new TypeError('no network'))
    await harness.platform.settle()
  }
  const before = harness.refreshes.length
  await harness.platform.advance(12_000)
  harness.broker.resume()
  await harness.platform.settle()
  expect(harness.refreshes).toHaveLength(before + 1)
})

// An older build, or another hand, may have written what no grant of today could bring.
test('a stored profile that is not JSON is shown, and listeners are called only if the snapshot changes', async () => {
  const tokens = tokenSet({ expiresAt: 1, profile: { id: 42n } })
  const harness = createHarness({ stored: { ...storedSession(), tokens }, grant: { signIn: forever } })
  await harness.broker.ready
  let told = 0
  harness.broker.subscribe(() => told++)
  watch(harness.signIn('bob'))
  watch(harness.call())
  await harness.platform.settle()
  expect(told).toBe(0)
  harness.refresh(0).succeed({ profile: { name: 'Ann' } })
  await harness.platform.settle()
  expect(told).toBe(1)
  expect(harness.broker.snapshot().user).toEqual({ subject: 'ann', profile: { name: 'Ann' } })
})

test('an abort of a page while its sign-in is under way ends the request of another page no more than its own', async () => {
  const signals: CancelSignal[] = []
  const controller = new AbortController()
  const harness = createHarness({
    grant: {
      signIn: async (_input, io) => ({ accessToken: (await io.send({ url: 'https://id.example.com/' })).body }),
    },
    send: (_url, signal) => {
      signals.push(signal)
      return forever()
    },
  })
  const first = watch(harness.signIn('ann', controller.signal))
  await harness.platform.settle()
  const second = watch(harness.signIn('bob'))
  await harness.platform.settle()
  controller.abort()
  await harness.platform.settle()
  expect([first.settled, second.settled]).toEqual([1, 0])
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, false])
})
