import { expect, test, vi } from 'vitest'
import { isLingpaiError } from '../../../../src/protocol/errors.ts'
import type { BrokerSnapshot } from '../../../../src/protocol/snapshot.ts'
import type { CancelSignal, Grant, GrantResponse, ReceivedTokens } from '../../../../worker/core/adapter.ts'
import { runRequest } from '../../../../worker/core/broker/request-loop.ts'
import { failed, refused, rejected } from '../../../../worker/core/verdict.ts'
import { memoryTransactions } from '../../../../worker/store/transactions.ts'
import {
  createHarness,
  createScriptedStore,
  type Harness,
  storedSession,
  watch,
} from '../../../fixtures/broker-harness.ts'

const hour = 3_600_000
const day = 86_400_000
const start = 1_800_000_000_000

const forever = () => new Promise<never>(() => {})

function failure(code: string) {
  return expect.objectContaining({ code })
}

function count(harness: Harness, event: string): number {
  return harness.broker.explain().filter((entry) => entry.event === event).length
}

/** Answers a refresh with an HTTP status, as a grant sees it that leaves the verdict to the broker. */
function answering(statuses: (number | 'network')[], headers: Record<string, string> = {}) {
  const grant: Partial<Grant> = {
    async refresh(_tokens, io) {
      const { status, body } = await io.send({ url: 'https://id.example.com/token', method: 'POST' })
      if (status !== 200) throw new Error(`status ${status}`)
      return JSON.parse(body)
    },
  }
  let sent = 0
  return {
    grant,
    sentRefreshes: () => sent,
    async send() {
      const status = statuses[Math.min(sent++, statuses.length - 1)]
      if (status === 'network' || status === undefined) throw new TypeError('no network')
      return { status, headers, body: '{"accessToken":"access-2","refreshToken":"refresh-2","expiresIn":900}' }
    },
  }
}

test('signed out, a call rejects with sign_in_required, and nothing is sent', async () => {
  const { call, refreshes } = createHarness()
  await expect(call()).rejects.toEqual(failure('sign_in_required'))
  expect(refreshes).toHaveLength(0)
})

/** A broker without a signed-in user, whose sign-ins end when the test says so. */
function signingIn(options: Parameters<typeof createHarness>[0] = {}) {
  const answers: { resolve(received: ReceivedTokens): void; reject(error: Error): void }[] = []
  const harness = createHarness({
    ...options,
    grant: { signIn: () => new Promise((resolve, reject) => answers.push({ resolve, reject })) },
  })
  const ofBob = { accessToken: 'access-of-bob', refreshToken: 'refresh-of-bob', subject: 'bob' }
  return {
    ...harness,
    async begin(signal?: AbortSignal) {
      const outcome = watch(harness.signIn('bob', signal))
      await harness.platform.settle()
      return outcome
    },
    succeed: (index = 0, received: ReceivedTokens = ofBob) => answers[index]?.resolve(received),
    fail: (index = 0) => answers[index]?.reject(new Error('wrong password')),
  }
}

test('signed out, a call that is made during a sign-in waits for it, and gets its token', async () => {
  const { begin, succeed, call, platform } = signingIn()
  await begin()
  const outcome = watch(call())
  await platform.advance(20_000)
  expect(outcome.settled).toBe(0)
  succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { tokens: { accessToken: 'access-of-bob' } } })
  expect(platform.pendingTimers()).toBe(0)
})

test('a call that was made during a sign-in gets its token, though it asks only after that has ended', async () => {
  const { broker, begin, succeed, openCall, platform } = signingIn()
  await begin()
  const call = await openCall()
  succeed()
  await platform.settle()
  expect(await broker.authorize(call)).toMatchObject({ tokens: { accessToken: 'access-of-bob' } })
})

test('calls that wait for a sign-in without a subject get its token too', async () => {
  const { begin, succeed, call, platform } = signingIn()
  await begin()
  const outcome = watch(call())
  succeed(0, { accessToken: 'access' })
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { tokens: { accessToken: 'access' } } })
})

test('a call right after a sign-in waits for it, though both were opened before either went on', async () => {
  const { broker, signIn, openCall, succeed, platform } = signingIn()
  await platform.settle()
  watch(openCall().then(() => signIn('bob')))
  const outcome = watch(openCall().then(broker.authorize))
  await platform.settle()
  succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { tokens: { accessToken: 'access-of-bob' } } })
})

test.each<[string, (harness: ReturnType<typeof signingIn>, controller: AbortController) => unknown]>([
  ['fails', ({ fail }) => fail()],
  ['is aborted', (_harness, controller) => controller.abort()],
  ['is called off by a sign-out', ({ broker }) => void broker.signOut(false)],
  ['has to give way to another one', ({ begin }) => begin()],
  ['brings no tokens', ({ succeed }) => succeed(0, {} as ReceivedTokens)],
])('when the sign-in that calls wait for %s, all of them reject with sign_in_required (I3)', async (_title, end) => {
  const harness = signingIn()
  const controller = new AbortController()
  await harness.begin(controller.signal)
  const outcomes = [watch(harness.call()), watch(harness.call()), watch(harness.call())]
  await harness.platform.settle()
  await end(harness, controller)
  await harness.platform.settle()
  for (const outcome of outcomes) expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
})

test('a call that waits for a sign-in has its own deadline, and its error says what it has waited for', async () => {
  const { begin, call, platform } = signingIn()
  await begin()
  const outcome = watch(call())
  await platform.advance(30_000)
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'timeout' } })
  expect((outcome.error as Error).message).toMatch(/^The sign-in .* within 30000 ms/)
})

test('a call that waits for a sign-in can be aborted', async () => {
  const { begin, succeed, call, platform } = signingIn()
  await begin()
  const controller = new AbortController()
  const outcome = watch(call(controller.signal))
  await platform.settle()
  controller.abort()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'aborted' } })
  succeed()
  await platform.settle()
  expect(outcome.settled).toBe(1)
  expect(platform.pendingTimers()).toBe(0)
})

test('a call of a user who has signed out does not wait for the sign-in of another one (I6)', async () => {
  const { broker, begin, succeed, openCall, platform } = signingIn({ stored: storedSession({ isFresh: true }) })
  const callOfAnn = await openCall()
  await broker.signOut(false)
  await begin()
  const outcome = watch(broker.authorize(callOfAnn))
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  succeed()
})

test.each([
  ['with a subject', 'ann'],
  ['without a subject', undefined],
])('a call that its page made in an ended session %s gets no token of the next user (I6)', async (_title, subject) => {
  const { broker, begin, succeed, platform } = signingIn()
  await begin()
  const { signal } = new AbortController()
  const caller = { session: 'ended', ...(subject !== undefined && { subject }) }
  const open = (id: string) => broker.openCall(id, signal, caller)
  const during = watch(open('during').then(broker.authorize))
  await platform.settle()
  expect(during).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  succeed()
  await platform.settle()
  const after = watch(open('after').then(broker.authorize))
  await platform.settle()
  expect(after).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
})

test('a call that its page made in an earlier session of the same user gets the token of the new one (I8)', async () => {
  const { broker, begin, succeed, platform } = signingIn()
  await begin()
  succeed()
  await platform.settle()
  const call = await broker.openCall('call', new AbortController().signal, { session: 'ended', subject: 'bob' })
  expect(await broker.authorize(call)).toMatchObject({ tokens: { accessToken: 'access-of-bob' } })
})

test('pages get the id of a session once it is stored, and a new id at each sign-in of the same user', async () => {
  const { broker, signIn, platform } = createHarness({
    grant: { signIn: async () => ({ accessToken: 'access', subject: 'ann' }) },
  })
  await broker.ready
  expect(broker.view().caller).toBeUndefined()
  const ids: unknown[] = []
  broker.subscribe(() => ids.push(broker.view().caller?.session))
  await signIn('ann')
  await signIn('ann')
  await platform.settle()
  const shown = ids.filter((id) => id !== undefined)
  expect(broker.view().caller).toEqual({ session: shown.at(-1), subject: 'ann' })
  expect(new Set(shown).size).toBe(2)
})

test('a request that was sent as one user is not replayed for the user of a sign-in that ran meanwhile (I6)', async () => {
  const { broker, begin, succeed, openCall, platform } = signingIn()
  await begin()
  const call = await openCall()
  const earlier = { generation: -1, sessionId: 'session-1', version: -1, tokens: { accessToken: '', tokenType: '' } }
  const refused = watch(broker.reauthorize(call, earlier))
  await platform.settle()
  expect(refused).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  succeed()
  await platform.settle()
  const kept = watch(broker.reauthorize(call, earlier))
  await platform.settle()
  expect(kept).toMatchObject({ settled: 1, value: undefined })
})

test('a call that has waited for a sign-in still has its one refresh and its replay (I10)', async () => {
  const { broker, begin, succeed, openCall, platform, refresh } = signingIn()
  await begin()
  const call = await openCall()
  const sent: string[] = []
  const outcome = watch(
    runRequest(broker, call, async ({ tokens }) => {
      sent.push(tokens.accessToken)
      return { answer: tokens.accessToken, isTokenDenied: tokens.accessToken === 'access-of-bob' }
    }),
  )
  succeed()
  await platform.settle()
  refresh(0).succeed({ subject: 'bob' })
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: 'access-2' })
  expect(sent).toEqual(['access-of-bob', 'access-2'])
})

test("if an API asks for a sign-in after a call that waited for one, the reason is set on the call's new session", async () => {
  const { broker, begin, succeed, openCall, platform } = signingIn()
  await begin()
  const call = await openCall()
  const authorized = broker.authorize(call)
  succeed()
  await authorized
  broker.askForSignIn(call)
  await platform.settle()
  expect(broker.snapshot()).toMatchObject({ status: 'signed-in', reason: 'sign_in_required' })
})

test('a stored session is restored, and its token used', async () => {
  const { call, broker } = createHarness({ stored: storedSession({ isFresh: true }) })
  expect(await call()).toEqual({
    generation: 1,
    sessionId: 'session-1',
    version: 1,
    tokens: { accessToken: 'access-1', tokenType: 'Bearer', subject: 'ann' },
  })
  expect(broker.snapshot()).toEqual({ status: 'signed-in', tokenServer: 'ok', user: { subject: 'ann' } })
})

test('150 callers with an expired token cause one refresh, and get 150 permits (I1)', async () => {
  const { call, refreshes, refresh, platform } = createHarness({ stored: storedSession() })
  const calls = Array.from({ length: 150 }, () => watch(call()))
  await platform.settle()
  expect(refreshes).toHaveLength(1)
  refresh(0).succeed()
  await platform.settle()
  for (const outcome of calls) {
    expect(outcome).toMatchObject({ settled: 1, value: { version: 2, tokens: { accessToken: 'access-2' } } })
  }
  expect(refreshes).toHaveLength(1)
})

test('no call gets a new token before it is stored', async () => {
  const harness = createHarness({ stored: storedSession() })
  let finishSave = () => {}
  harness.store.override('save', () => new Promise<void>((resolve) => (finishSave = resolve)))
  const outcome = watch(harness.call())
  await harness.platform.settle()
  harness.refresh(0).succeed()
  await harness.platform.advance(1000)
  expect(outcome.settled).toBe(0)
  finishSave()
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
  expect(harness.store.kept?.tokens.accessToken).toBe('access-2')
})

test('a rejected refresh rejects all 150 callers with sign_in_required, and calls listeners once (I3)', async () => {
  const { call, refresh, platform, broker, store } = createHarness({ stored: storedSession() })
  const snapshots: BrokerSnapshot[] = []
  broker.subscribe((snapshot) => snapshots.push(snapshot))
  const calls = Array.from({ length: 150 }, () => watch(call()))
  await platform.settle()
  refresh(0).fail(rejected())
  await platform.settle()
  for (const outcome of calls) expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(snapshots).toEqual([{ status: 'signed-out', tokenServer: 'ok', reason: 'refresh_rejected' }])
  expect(store.kept).toBeUndefined()
})

test.each([503, 429, 500, 502, 404, 'network'] as const)(
  '%s three times and then success does not sign the user out, and every caller gets a token (I7)',
  async (status) => {
    const server = answering([status, status, status, 200])
    const harness = createHarness({ stored: storedSession(), ...server })
    const snapshots: BrokerSnapshot[] = []
    harness.broker.subscribe((snapshot) => snapshots.push(snapshot))
    const calls = [watch(harness.call()), watch(harness.call())]
    await harness.platform.advance(29_000)
    expect(server.sentRefreshes()).toBe(4)
    for (const outcome of calls) expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
    expect(snapshots.map(({ status: shown, tokenServer }) => [shown, tokenServer])).toEqual([
      ['signed-in', 'unreachable'],
      ['signed-in', 'ok'],
    ])
  },
)

test.each([400, 401])('%d from a plain grant ends the session (I7)', async (status) => {
  const harness = createHarness({ stored: storedSession(), ...answering([status]) })
  await expect(harness.call()).rejects.toEqual(failure('sign_in_required'))
  expect(harness.broker.snapshot().status).toBe('signed-out')
})

test('Retry-After is honoured', async () => {
  const server = answering([503, 200], { 'retry-after': '20' })
  const { call, platform } = createHarness({ stored: storedSession(), ...server })
  const outcome = watch(call())
  await platform.advance(19_999)
  expect(server.sentRefreshes()).toBe(1)
  await platform.advance(1)
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
})

test('a server that always asks for one second gets at most 30 attempts in 5 minutes (I10)', async () => {
  const server = answering([503], { 'retry-after': '1' })
  const { call, platform } = createHarness({ stored: storedSession(), ...server })
  watch(call())
  await platform.advance(300_000)
  expect(server.sentRefreshes()).toBeLessThanOrEqual(30)
})

test('a hanging refresh is given up after its timeout, and sent again, never beside itself (I1)', async () => {
  const harness = createHarness({ stored: storedSession(), rules: { timeout: 5000 } })
  const outcome = watch(harness.call())
  await harness.platform.settle()
  expect(harness.refresh(0).io.signal.aborted).toBe(false)
  await harness.platform.advance(5000)
  expect(harness.refresh(0).io.signal.aborted).toBe(true)
  expect(harness.refreshes).toHaveLength(1)
  await harness.platform.advance(2000)
  expect(harness.refreshes).toHaveLength(2)
  expect(harness.refresh(1).tokens.refreshToken).toBe('refresh-1')
  await harness.platform.advance(4000)
  expect(harness.refreshes).toHaveLength(2)
  harness.refresh(1).succeed()
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2, tokens: { accessToken: 'access-3' } } })
})

test('a grant that ignores its signal cannot send while a later attempt does (I1)', async () => {
  const sentUrls: string[] = []
  const harness = createHarness({
    stored: storedSession(),
    rules: { timeout: 5000 },
    async send(url) {
      sentUrls.push(url)
      return { status: 200, headers: {}, body: '' }
    },
  })
  watch(harness.call())
  await harness.platform.advance(8000)
  expect(harness.refreshes).toHaveLength(2)
  await expect(harness.refresh(0).io.send({ url: 'https://id.example.com/token' })).rejects.toEqual(failure('timeout'))
  expect(sentUrls).toEqual([])
})

test('without a configured timeout, a refresh is given up after 10 s, and a caller still gets the token (I9)', async () => {
  const harness = createHarness({ stored: storedSession() })
  const outcome = watch(harness.call())
  await harness.platform.advance(9999)
  expect(harness.refresh(0).io.signal.aborted).toBe(false)
  await harness.platform.advance(1)
  expect(harness.refresh(0).io.signal.aborted).toBe(true)
  await harness.platform.advance(2000)
  harness.refresh(1).succeed()
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
})

test('a request of a sign-in that is never answered is given up after 30 s, and the sign-in with it (I3)', async () => {
  const signals: CancelSignal[] = []
  const harness = createHarness({
    grant: {
      async signIn(_input, io) {
        await io.send({ url: 'https://id.example.com/token' })
        return { accessToken: 'access' }
      },
    },
    send: (_url, signal) => {
      signals.push(signal)
      return forever()
    },
  })
  const outcome = watch(harness.signIn('ann'))
  await harness.platform.advance(29_999)
  expect(outcome.settled).toBe(0)
  await harness.platform.advance(1)
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'timeout' } })
  expect(signals[0]?.aborted).toBe(true)
  expect(harness.broker.snapshot().status).toBe('signed-out')
  expect(harness.platform.pendingTimers()).toBe(0)
})

test('a refresh that the app allows more than 30 s gets them for its request too', async () => {
  const harness = createHarness({
    stored: storedSession(),
    rules: { timeout: 60_000 },
    grant: {
      async refresh(_tokens, io) {
        await io.send({ url: 'https://id.example.com/token' })
        return { accessToken: 'access-2' }
      },
    },
    send: async () => {
      await new Promise<void>((resolve) => harness.platform.setTimeout(resolve, 45_000))
      return { status: 200, headers: {}, body: '' }
    },
  })
  watch(harness.call())
  await harness.platform.advance(45_000)
  expect(count(harness, 'refresh-succeeded')).toBe(1)
})

test('after a sleep, the first call ends the pause between two attempts, and the timer does nothing more', async () => {
  const server = answering([503, 503, 200], { 'retry-after': '20' })
  const harness = createHarness({ stored: storedSession(), ...server })
  watch(harness.call())
  await harness.platform.advance(1000)
  harness.platform.jumpClock(hour)
  watch(harness.call())
  await harness.platform.settle()
  expect(server.sentRefreshes()).toBe(2)
  await harness.platform.advance(19_999)
  expect(server.sentRefreshes()).toBe(2)
  await harness.platform.advance(1)
  expect(server.sentRefreshes()).toBe(3)
  expect(harness.platform.pendingTimers()).toBe(0)
})

test('an attempt that answers after its timeout changes nothing (I5)', async () => {
  const harness = createHarness({ stored: storedSession(), rules: { timeout: 5000 } })
  const outcome = watch(harness.call())
  await harness.platform.advance(8000)
  harness.refresh(0).fail(rejected())
  await harness.platform.settle()
  expect(harness.broker.snapshot().status).toBe('signed-in')
  harness.refresh(1).succeed()
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
})

test('waiters reject with refresh_unavailable at 30 s during an outage (I3)', async () => {
  const { call, platform } = createHarness({ stored: storedSession(), ...answering([503]) })
  const outcome = watch(call())
  await platform.advance(29_999)
  expect(outcome.settled).toBe(0)
  await platform.advance(1)
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'refresh_unavailable' } })
})

test('waiters reject with timeout at 30 s if the token server has not answered yet (I3)', async () => {
  const { call, platform } = createHarness({ stored: storedSession(), rules: { timeout: 60_000 } })
  const outcome = watch(call())
  await platform.advance(29_999)
  expect(outcome.settled).toBe(0)
  await platform.advance(1)
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'timeout' } })
})

test('an outage that ends is over for the next call, without the user (I12)', async () => {
  const server = answering([...Array<number>(8).fill(503), 200])
  const { call, platform } = createHarness({ stored: storedSession(), ...server })
  watch(call())
  await platform.advance(30_000)
  const beforeTheEnd = server.sentRefreshes()
  await platform.advance(8 * 60_000)
  expect(server.sentRefreshes()).toBe(9)
  expect(beforeTheEnd).toBeLessThan(9)
  expect(await call()).toMatchObject({ version: 2 })
})

test('an abort removes its waiter, and only that one', async () => {
  const { call, refresh, refreshes, platform } = createHarness({ stored: storedSession() })
  const controller = new AbortController()
  const aborted = watch(call(controller.signal))
  const other = watch(call())
  await platform.settle()
  controller.abort()
  await platform.settle()
  expect(aborted).toMatchObject({ settled: 1, error: { code: 'aborted' } })
  expect(other.settled).toBe(0)
  refresh(0).succeed()
  await platform.settle()
  expect(aborted.settled).toBe(1)
  expect(other).toMatchObject({ settled: 1, value: { version: 2 } })
  expect(refreshes).toHaveLength(1)
})

test('a call whose signal was aborted before it came does not wait', async () => {
  const { call } = createHarness({ stored: storedSession() })
  await expect(call(AbortSignal.abort())).rejects.toEqual(failure('aborted'))
})

test('when no call waits any more, no timer is left', async () => {
  const { call, refresh, platform } = createHarness({ stored: storedSession() })
  watch(call())
  await platform.settle()
  refresh(0).succeed()
  await platform.settle()
  expect(platform.pendingTimers()).toBe(0)
})

test('a sign-out during a refresh rejects the waiters, and the late answer is dropped and revoked (I5)', async () => {
  const harness = createHarness({ stored: storedSession() })
  const outcomes = [watch(harness.call()), watch(harness.call())]
  await harness.platform.settle()
  await harness.broker.signOut(false)
  for (const outcome of outcomes) expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(harness.revoked).toEqual(['access-1'])
  harness.refresh(0).succeed()
  await harness.platform.settle()
  expect(harness.broker.snapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok' })
  expect(harness.store.kept).toBeUndefined()
  expect(harness.revoked).toEqual(['access-1', 'access-2'])
})

test('a sign-out during an outage ends the attempts', async () => {
  const server = answering([503])
  const harness = createHarness({ stored: storedSession(), ...server })
  watch(harness.call())
  await harness.platform.advance(500)
  await harness.broker.signOut(false)
  expect(harness.platform.pendingTimers()).toBe(0)
  await harness.platform.advance(hour)
  expect(server.sentRefreshes()).toBe(1)
})

test('a sign-in as another user during a refresh: the waiters of the first get nothing of the second (I6)', async () => {
  const harness = createHarness({ stored: storedSession() })
  const callOfAnn = watch(harness.call())
  await harness.platform.settle()
  await harness.signIn('bob')
  expect(callOfAnn).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  harness.refresh(0).succeed()
  await harness.platform.settle()
  expect(harness.broker.snapshot().user).toEqual({ subject: 'bob' })
  expect(harness.store.kept?.tokens.accessToken).toBe('access-of-bob')
  expect(await harness.call()).toMatchObject({ tokens: { accessToken: 'access-of-bob' } })
})

test('a sign-in as the same user during a refresh: the waiters go on with the new token (I8)', async () => {
  const harness = createHarness({ stored: storedSession() })
  const outcome = watch(harness.call())
  await harness.platform.settle()
  await harness.signIn('ann')
  expect(outcome).toMatchObject({ settled: 1, value: { tokens: { accessToken: 'access-of-ann' } } })
})

test('a refresh that ends as rejected after a sign-in does not end the new session (I5)', async () => {
  const harness = createHarness({ stored: storedSession() })
  watch(harness.call())
  await harness.platform.settle()
  await harness.signIn('ann')
  harness.refresh(0).fail(rejected())
  await harness.platform.settle()
  expect(harness.broker.snapshot().status).toBe('signed-in')
  expect(harness.store.kept?.tokens.accessToken).toBe('access-of-ann')
})

test('tokens of another user in the answer to a refresh are revoked and never used, and the session ends (I6)', async () => {
  const harness = createHarness({ stored: storedSession() })
  const outcome = watch(harness.call())
  await harness.platform.settle()
  harness.refresh(0).succeed({ accessToken: 'access-of-bob', subject: 'bob' })
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(harness.broker.snapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok', reason: 'subject_changed' })
  expect(harness.store.kept).toBeUndefined()
  expect(harness.store.log.join()).not.toContain('access-of-bob')
  expect(harness.revoked).toEqual(['access-of-bob'])
})

test.each(['', null, undefined])('a subject of %j in the answer to a refresh names no other user', async (subject) => {
  const harness = createHarness({ stored: storedSession() })
  const outcome = watch(harness.call())
  await harness.platform.settle()
  harness.refresh(0).succeed({ subject: subject as string })
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { tokens: { subject: 'ann' } } })
})

test('a session without a user gets its user from a refresh', async () => {
  const { subject: _subject, profile: _profile, ...tokens } = storedSession().tokens
  const harness = createHarness({ stored: { ...storedSession(), tokens } })
  const outcome = watch(harness.call())
  await harness.platform.settle()
  harness.refresh(0).succeed({ subject: 'bob' })
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { tokens: { subject: 'bob' } } })
})

test('a sign-in that another one replaces rejects with sign_in_cancelled, and changes nothing (I5)', async () => {
  const answers = new Map<unknown, (received: { accessToken: string; subject: string }) => void>()
  const grant: Partial<Grant> = {
    signIn: (subject) => new Promise((resolve) => answers.set(subject, resolve)),
  }
  const harness = createHarness({ grant })
  const first = watch(harness.signIn('ann'))
  await harness.platform.settle()
  const second = watch(harness.signIn('bob'))
  await harness.platform.settle()
  expect(first).toMatchObject({ settled: 1, error: { code: 'sign_in_cancelled' } })
  answers.get('bob')?.({ accessToken: 'access-of-bob', subject: 'bob' })
  answers.get('ann')?.({ accessToken: 'access-of-ann', subject: 'ann' })
  await harness.platform.settle()
  expect(second).toMatchObject({ settled: 1, value: undefined })
  expect(harness.broker.snapshot().user).toEqual({ subject: 'bob' })
})

test('a sign-in whose tokens arrive as a sign-out takes its place has them revoked', async () => {
  let answer: (received: { accessToken: string }) => void = () => {}
  const harness = createHarness({ grant: { signIn: () => new Promise((resolve) => (answer = resolve)) } })
  const outcome = watch(harness.signIn('ann'))
  await harness.platform.settle()
  answer({ accessToken: 'access-of-ann' })
  // The response has arrived, but the broker has not read it yet.
  for (let turn = 0; turn < 2; turn++) await undefined
  await harness.broker.signOut(false)
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_cancelled' } })
  expect(harness.broker.snapshot().status).toBe('signed-out')
  expect(harness.revoked).toEqual(['access-of-ann'])
})

test.each([
  ['a sign-out', (harness: Harness) => harness.broker.signOut(false)],
  ['an abort of its page', (_harness: Harness, controller: AbortController) => controller.abort()],
])('a sign-in whose tokens arrive after %s has them revoked', async (_title, end) => {
  let answer: (response: GrantResponse) => void = () => {}
  const signals: CancelSignal[] = []
  const controller = new AbortController()
  const harness = createHarness({
    grant: {
      async signIn(_input, io) {
        const { body } = await io.send({ url: 'https://id.example.com/token' })
        return { accessToken: body }
      },
    },
    send: (_url, signal) => {
      signals.push(signal)
      return new Promise((resolve) => (answer = resolve))
    },
  })
  const outcome = watch(harness.signIn('ann', controller.signal))
  await harness.platform.settle()
  await end(harness, controller)
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_cancelled' } })
  expect(signals[0]?.aborted).toBe(false)
  answer({ status: 200, headers: {}, body: 'access-of-ann' })
  await harness.platform.settle()
  expect(harness.revoked).toEqual(['access-of-ann'])
  expect(harness.broker.snapshot().status).toBe('signed-out')
  expect(count(harness, 'late-sign-in-dropped')).toBe(1)
})

test('a sign-in whose tokens arrive in the moment of its abort has them revoked', async () => {
  let answer: (received: { accessToken: string }) => void = () => {}
  const controller = new AbortController()
  const harness = createHarness({ grant: { signIn: () => new Promise((resolve) => (answer = resolve)) } })
  const outcome = watch(harness.signIn('ann', controller.signal))
  await harness.platform.settle()
  answer({ accessToken: 'access-of-ann' })
  controller.abort()
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_cancelled' } })
  expect(harness.broker.snapshot().status).toBe('signed-out')
  expect(harness.revoked).toEqual(['access-of-ann'])
})

test('tokens of a replaced sign-in are not revoked if a user is signed in: that could end the session', async () => {
  const answers = new Map<unknown, (received: { accessToken: string }) => void>()
  const harness = createHarness({ grant: { signIn: (user) => new Promise((resolve) => answers.set(user, resolve)) } })
  watch(harness.signIn('ann'))
  await harness.platform.settle()
  const second = watch(harness.signIn('bob'))
  await harness.platform.settle()
  answers.get('bob')?.({ accessToken: 'access-of-bob' })
  await harness.platform.settle()
  answers.get('ann')?.({ accessToken: 'access-of-ann' })
  await harness.platform.settle()
  expect(second.settled).toBe(1)
  expect(harness.revoked).toEqual([])
  expect(count(harness, 'late-sign-in-dropped')).toBe(1)
  expect(await harness.call()).toMatchObject({ tokens: { accessToken: 'access-of-bob' } })
})

test('a sign-in that is signed out while it is being stored does not resolve as if it stood', async () => {
  const harness = createHarness()
  let finishSave = () => {}
  harness.store.override('save', () => new Promise<void>((resolve) => (finishSave = resolve)))
  const outcome = watch(harness.signIn('ann'))
  await harness.platform.settle()
  const signedOut = watch(harness.broker.signOut(false))
  await harness.platform.settle()
  finishSave()
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_cancelled' } })
  expect(signedOut.settled).toBe(1)
  expect(harness.store.kept).toBeUndefined()
})

test('an aborted sign-in rejects with sign_in_cancelled and leaves the session as it was', async () => {
  const controller = new AbortController()
  const harness = createHarness({ stored: storedSession({ isFresh: true }), grant: { signIn: forever } })
  const outcome = watch(harness.signIn('bob', controller.signal))
  await harness.platform.settle()
  controller.abort()
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_cancelled' } })
  expect(harness.broker.snapshot()).toEqual({ status: 'signed-in', tokenServer: 'ok', user: { subject: 'ann' } })
})

test('a sign-in that fails says why, as sign_in_failed', async () => {
  const grant: Partial<Grant> = { signIn: () => Promise.reject(new Error('wrong password')) }
  const { signIn, broker } = createHarness({ grant })
  const outcome = watch(signIn('ann'))
  await outcomeOf(outcome)
  expect(outcome.error).toEqual(failure('sign_in_failed'))
  expect((outcome.error as Error).message).toContain('The sign-in failed: wrong password')
  expect(broker.snapshot().status).toBe('signed-out')
})

test('the error about a sign-in answer that is not JSON does not quote it (I11)', async () => {
  const grant: Partial<Grant> = { signIn: async () => JSON.parse('canary') }
  const { signIn } = createHarness({ grant })
  const outcome = watch(signIn('ann'))
  await outcomeOf(outcome)
  expect(outcome.error).toMatchObject({ code: 'sign_in_failed' })
  expect((outcome.error as Error).message).not.toContain('canary')
})

async function outcomeOf(outcome: { settled: number }): Promise<void> {
  while (outcome.settled === 0) await new Promise((resolve) => setImmediate(resolve))
}

test('a sign-in whose tokens are unusable fails, and no user is signed in', async () => {
  const { signIn, broker } = createHarness({ grant: { signIn: async () => ({ accessToken: 'line\nbreak' }) } })
  await expect(signIn('ann')).rejects.toEqual(failure('sign_in_failed'))
  expect(broker.snapshot().status).toBe('signed-out')
})

test('a grant without signIn says so', async () => {
  const { broker, platform } = createHarness({ grant: { signIn: undefined as never } })
  const outcome = watch(broker.signIn({}, new AbortController().signal))
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'invalid_call' } })
})

test('adopted tokens begin a session', async () => {
  const { broker, call } = createHarness()
  await broker.adopt({ accessToken: 'adopted', subject: 'ann' })
  expect(await call()).toMatchObject({ tokens: { accessToken: 'adopted' } })
  await expect(broker.adopt('a token')).rejects.toEqual(failure('sign_in_failed'))
})

test('a store that hangs while loading counts as broken after 2 s, its calls end by their deadline (I3), and everything else works', async () => {
  const store = createScriptedStore(storedSession({ isFresh: true }))
  store.override('load', forever)
  const { call, platform, broker, signIn } = createHarness({ store })
  await platform.advance(2000)
  const outcome = watch(call())
  await platform.advance(29_999)
  expect(outcome.settled).toBe(0)
  await platform.advance(1)
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'store_failed' } })
  expect(broker.snapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok', reason: 'store_failed' })
  await signIn('bob')
  expect(broker.snapshot()).toEqual({ status: 'signed-in', tokenServer: 'ok', user: { subject: 'bob' } })
})

test.each([
  ['throws', () => Promise.reject(new Error('disk'))],
  [
    'throws at once',
    () => {
      throw new Error('disk')
    },
  ],
])('with a store that %s while loading, no user is signed in, and the snapshot says so', async (_title, work) => {
  const store = createScriptedStore(storedSession({ isFresh: true }))
  store.override('load', work)
  const { call, broker, platform } = createHarness({ store })
  const outcome = watch(call())
  await platform.advance(1000)
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(broker.snapshot().reason).toBe('store_failed')
  await platform.advance(hour)
  expect(broker.snapshot().reason).toBe('store_failed')
})

test('a store that throws while loading is read again after 1 s, and no user is signed out meanwhile (I7)', async () => {
  const store = createScriptedStore(storedSession({ isFresh: true }))
  store.override('load', () => Promise.reject(new Error('disk')))
  const { call, broker, platform } = createHarness({ store })
  const outcome = watch(call())
  await platform.advance(999)
  expect(outcome.settled).toBe(0)
  store.override('load', undefined)
  await platform.advance(1)
  expect(outcome).toMatchObject({ settled: 1, value: { version: 1 } })
  expect(broker.snapshot()).toEqual({ status: 'signed-in', tokenServer: 'ok', user: { subject: 'ann' } })
})

/** A store that answers its load when the test says so, after the broker has begun without it. */
async function loadLate(rules = {}) {
  const store = createScriptedStore(storedSession({ isFresh: true, signedInAt: start }))
  let answer = () => {}
  store.override('load', () => new Promise<void>((resolve) => (answer = resolve)))
  const harness = createHarness({ store, rules })
  await harness.platform.advance(2000)
  return { ...harness, answer: () => answer() }
}

test('a store that answers its load late does not sign the user out for good (I7)', async () => {
  const { broker, platform, call, answer } = await loadLate()
  const snapshots: BrokerSnapshot[] = []
  broker.subscribe((snapshot) => snapshots.push(snapshot))
  await platform.advance(hour)
  answer()
  await platform.settle()
  expect(snapshots).toEqual([{ status: 'signed-in', tokenServer: 'ok', user: { subject: 'ann' } }])
  expect(await call()).toMatchObject({ tokens: { accessToken: 'access-1' } })
  await broker.signOut(false)
  expect(broker.snapshot().status).toBe('signed-out')
})

test('a call waits for a store that is slow, and gets its token, with a refresh if need be (I7)', async () => {
  const store = createScriptedStore(storedSession({ signedInAt: start }))
  let answer = () => {}
  store.override('load', () => new Promise<void>((resolve) => (answer = resolve)))
  const { platform, call, refresh } = createHarness({ store })
  const outcome = watch(call())
  await platform.advance(9000)
  expect(outcome.settled).toBe(0)
  answer()
  await platform.settle()
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
  expect(platform.pendingTimers()).toBe(0)
})

test('a call that waits for a slow store can be aborted, and is refused if a user signs in meanwhile (I6)', async () => {
  const { platform, call, signIn, answer } = await loadLate()
  const controller = new AbortController()
  const [aborted, refused] = [watch(call(controller.signal)), watch(call())]
  await platform.settle()
  controller.abort()
  await signIn('bob')
  answer()
  await platform.settle()
  expect(aborted).toMatchObject({ settled: 1, error: { code: 'aborted' } })
  expect(refused).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
})

test('a call that waits for a slow store gets no token of a sign-in that began before it (I6)', async () => {
  const store = createScriptedStore()
  let answer = () => {}
  store.override('load', () => new Promise<void>((resolve) => (answer = resolve)))
  let succeed = (_received: { accessToken: string; subject: string }) => {}
  const grant = { signIn: () => new Promise<{ accessToken: string }>((resolve) => (succeed = resolve)) }
  const { platform, call, signIn } = createHarness({ store, grant })
  await platform.advance(2000)
  watch(signIn('bob'))
  await platform.settle()
  const refused = watch(call())
  await platform.settle()
  succeed({ accessToken: 'access-of-bob', subject: 'bob' })
  answer()
  await platform.settle()
  expect(refused).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
})

test('a session that is loaded late still ends at its maximum age', async () => {
  const { broker, platform, answer } = await loadLate({ maxSessionAge: hour })
  answer()
  await platform.settle()
  expect(broker.snapshot().status).toBe('signed-in')
  await platform.advance(hour)
  expect(broker.snapshot().reason).toBe('session_too_old')
})

test('a session that is loaded after a sign-in or a sign-out is dropped (I5, I6)', async () => {
  const signedIn = await loadLate()
  await signedIn.signIn('bob')
  signedIn.answer()
  await signedIn.platform.settle()
  expect(signedIn.broker.snapshot().user).toEqual({ subject: 'bob' })
  expect(signedIn.store.kept?.tokens.subject).toBe('bob')

  const signedOut = await loadLate()
  await signedOut.broker.signOut(false)
  signedOut.answer()
  await signedOut.platform.settle()
  expect(signedOut.broker.snapshot().status).toBe('signed-out')
})

test.each([
  ['of a wrong shape', { format: 1, tokens: {} }],
  ['of no format', { ...storedSession(), format: 0 }],
  ['that is a string', 'session'],
])('with a stored record %s, no user is signed in', async (_title, record) => {
  const { call, broker } = createHarness({ stored: record as never })
  await expect(call()).rejects.toEqual(failure('sign_in_required'))
  expect(broker.snapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok' })
})

test('a store that throws on save: the session goes on in memory, and nothing old is left in the store', async () => {
  const harness = createHarness({ stored: storedSession() })
  harness.store.override('save', () => Promise.reject(new Error('quota')))
  const outcome = watch(harness.call())
  await harness.platform.settle()
  harness.refresh(0).succeed()
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
  expect(harness.broker.snapshot()).toMatchObject({ status: 'signed-in', reason: 'store_failed' })
  expect(harness.store.kept).toBeUndefined()
})

test('a store that hangs on save holds callers up for 2 s', async () => {
  const harness = createHarness({ stored: storedSession() })
  harness.store.override('save', forever)
  const outcome = watch(harness.call())
  await harness.platform.settle()
  harness.refresh(0).succeed()
  await harness.platform.advance(1999)
  expect(outcome.settled).toBe(0)
  await harness.platform.advance(1)
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
})

test('a save that ends long after a sign-out does not bring the session back (I5)', async () => {
  const harness = createHarness({ stored: storedSession() })
  let finishSave = () => {}
  harness.store.override('save', () => new Promise<void>((resolve) => (finishSave = resolve)))
  watch(harness.call())
  await harness.platform.settle()
  harness.refresh(0).succeed()
  await harness.platform.advance(3000)
  const signedOut = watch(harness.broker.signOut(false))
  await harness.platform.advance(3000)
  expect(signedOut.settled).toBe(1)
  finishSave()
  await harness.platform.advance(3000)
  expect(harness.store.kept).toBeUndefined()
})

test('a save of one user that ends late does not replace the next user (I6)', async () => {
  const harness = createHarness()
  let finishSave = () => {}
  harness.store.override('save', () => new Promise<void>((resolve) => (finishSave = resolve)))
  watch(harness.signIn('ann'))
  await harness.platform.advance(3000)
  harness.store.override('save', undefined)
  watch(harness.signIn('bob'))
  await harness.platform.advance(1000)
  finishSave()
  await harness.platform.advance(3000)
  expect(harness.broker.snapshot().user).toEqual({ subject: 'bob' })
  expect(harness.store.kept?.tokens.subject).toBe('bob')
})

test.each([
  ['throws', () => Promise.reject(new Error('disk'))],
  ['hangs', forever],
])('a store that %s on clear: the sign-out still ends the session, and says so', async (_title, work) => {
  const harness = createHarness({ stored: storedSession({ isFresh: true }) })
  harness.store.override('clear', work)
  const outcome = watch(harness.broker.signOut(false))
  await harness.platform.advance(2000)
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'store_failed' } })
  expect(harness.broker.snapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok', reason: 'store_failed' })
  expect(harness.revoked).toEqual(['access-1'])
})

test('after a sign-out whose clear fails, the store is cleared once more, so that a restart does not sign the user in', async () => {
  const harness = createHarness({ stored: storedSession({ isFresh: true }) })
  harness.store.override('clear', () => Promise.reject(new Error('disk')))
  await expect(harness.broker.signOut(false)).rejects.toEqual(failure('store_failed'))
  expect(harness.store.kept).toBeDefined()
  harness.store.override('clear', undefined)
  await harness.platform.advance(1000)
  expect(harness.store.kept).toBeUndefined()
})

test('a second sign-out, after one whose clear has failed, deletes what is stored', async () => {
  const harness = createHarness({ stored: storedSession({ isFresh: true }) })
  harness.store.override('clear', () => Promise.reject(new Error('disk')))
  await expect(harness.broker.signOut(false)).rejects.toEqual(failure('store_failed'))
  harness.store.override('clear', undefined)
  await harness.broker.signOut(false)
  expect(harness.store.kept).toBeUndefined()
  expect(harness.broker.snapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok' })
})

test('a save that never ends does not keep a later user out of the store (I6)', async () => {
  const harness = createHarness()
  harness.store.override('save', forever)
  watch(harness.signIn('ann'))
  await harness.platform.advance(2000)
  harness.store.override('save', undefined)
  watch(harness.signIn('bob'))
  await harness.platform.advance(4000)
  expect(harness.store.kept?.tokens.subject).toBe('bob')
})

test('a transaction store that hangs does not keep a sign-out from ending (I3)', async () => {
  const transactions = { ...memoryTransactions(), clear: forever }
  const harness = createHarness({ stored: storedSession({ isFresh: true }), transactions })
  const outcome = watch(harness.broker.signOut(false))
  await harness.platform.advance(2000)
  expect(outcome.settled).toBe(1)
})

test('a transaction store that hangs does not keep a sign-in pending for ever (I3)', async () => {
  const transactions = { ...memoryTransactions(), put: forever, take: forever }
  const grant: Partial<Grant> = {
    authorize: async () => ({ url: 'https://id.example.com/', transaction: { state: 'state' } }),
    callback: async () => ({ accessToken: 'access' }),
  }
  const { broker, platform } = createHarness({ transactions, grant })
  const { signal } = new AbortController()
  const begun = watch(broker.beginSignIn({ via: 'redirect' }, signal))
  const completed = watch(broker.completeSignIn('https://app.example.com/?state=state', 'state', signal))
  await platform.advance(30_000)
  expect(begun).toMatchObject({ settled: 1, error: { code: 'store_failed' } })
  expect(completed).toMatchObject({ settled: 1, error: { code: 'store_failed' } })
})

test('a sign-in by redirect is completed once, and returns its returnTo', async () => {
  const grant: Partial<Grant> = {
    authorize: async () => ({ url: 'https://id.example.com/', transaction: { state: 'state' } }),
    callback: async (_url, transaction) => ({ accessToken: 'access', subject: transaction.state }),
  }
  const { broker } = createHarness({ grant })
  const { signal } = new AbortController()
  const url = 'https://app.example.com/?state=state'
  expect(await broker.beginSignIn({ via: 'redirect', returnTo: '/orders' }, signal)).toEqual({
    url: 'https://id.example.com/',
    state: 'state',
  })
  expect(await broker.completeSignIn(url, 'state', signal)).toEqual({ returnTo: '/orders' })
  expect(broker.snapshot().user).toEqual({ subject: 'state' })
  await expect(broker.completeSignIn(url, 'state', signal)).rejects.toEqual(failure('state_used'))
  await expect(broker.completeSignIn(url, 'other', signal)).rejects.toEqual(failure('state_mismatch'))
  await expect(broker.completeSignIn(url, undefined, signal)).rejects.toEqual(failure('state_missing'))
})

test('a sign-out resolves even if the token server never answers its revocation (I3)', async () => {
  const harness = createHarness({ stored: storedSession({ isFresh: true }), grant: { signOut: forever } })
  const outcome = watch(harness.broker.signOut(false))
  await harness.platform.advance(5000)
  expect(outcome).toMatchObject({ settled: 1, value: {} })
  expect(count(harness, 'revocation-failed')).toBe(1)
})

test('a sign-out everywhere that the server never answers rejects with network_error, and the session is over here', async () => {
  const harness = createHarness({ stored: storedSession({ isFresh: true }), grant: { signOut: forever } })
  const outcome = watch(harness.broker.signOut(true))
  await harness.platform.advance(5000)
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'network_error' } })
  expect(harness.broker.snapshot().status).toBe('signed-out')
})

test("a sign-out everywhere ends the provider's session even if no user is signed in here", async () => {
  const signOut = vi.fn(async () => ({ url: 'https://id.example.com/end' }))
  const harness = createHarness({ grant: { signOut } })
  expect(await harness.broker.signOut(true)).toEqual({ url: 'https://id.example.com/end' })
  expect(signOut).toHaveBeenCalledWith(undefined, expect.objectContaining({ everywhere: true }))
})

test('a sign-out everywhere returns the URL that ends the session at the provider', async () => {
  const grant: Partial<Grant> = {
    signOut: async (_tokens, { everywhere }) => (everywhere ? { url: 'https://id.example.com/end' } : {}),
  }
  const harness = createHarness({ stored: storedSession({ isFresh: true }), grant })
  expect(await harness.broker.signOut(true)).toEqual({ url: 'https://id.example.com/end' })
})

test('a session ends at its maximum age, by timer', async () => {
  const stored = storedSession({ isFresh: true, signedInAt: start })
  const { broker, platform, store } = createHarness({ stored, rules: { maxSessionAge: 8 * hour } })
  await platform.advance(8 * hour - 1)
  expect(broker.snapshot().status).toBe('signed-in')
  await platform.advance(1)
  expect(broker.snapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok', reason: 'session_too_old' })
  await platform.settle()
  expect(store.kept).toBeUndefined()
})

test('a stored session that became too old while no worker ran is not shown', async () => {
  const stored = storedSession({ isFresh: true, signedInAt: start - 9 * hour })
  const { broker } = createHarness({ stored, rules: { maxSessionAge: 8 * hour } })
  await broker.ready
  expect(broker.snapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok', reason: 'session_too_old' })
})

test.each([hour, day])('a clock that jumps forward %d ms over the maximum age ends the session', async (jump) => {
  const stored = storedSession({ isFresh: true, signedInAt: start })
  const { call, platform } = createHarness({ stored, rules: { maxSessionAge: hour } })
  await platform.settle()
  platform.jumpClock(jump)
  await expect(call()).rejects.toEqual(failure('sign_in_required'))
})

test.each([-hour, -day])('a clock that jumps by %d ms ends no session, and its age is judged later', async (jump) => {
  const stored = storedSession({ isFresh: true, signedInAt: start })
  const { broker, platform, call } = createHarness({ stored, rules: { maxSessionAge: hour } })
  await platform.settle()
  platform.jumpClock(jump)
  await platform.advance(hour)
  expect(await call()).toMatchObject({ version: 1 })
  await platform.advance(-jump)
  expect(broker.snapshot().reason).toBe('session_too_old')
})

test.each([hour, -hour, day, -day])('a clock that jumps by %d ms ends no session (I7)', async (jump) => {
  const harness = createHarness({ stored: storedSession() })
  watch(harness.call())
  await harness.platform.settle()
  harness.platform.jumpClock(jump)
  harness.refresh(0).succeed()
  await harness.platform.settle()
  harness.platform.jumpClock(-jump)
  const outcome = watch(harness.call())
  await harness.platform.settle()
  harness.refreshes[1]?.succeed()
  await harness.platform.settle()
  expect(outcome.settled).toBe(1)
  expect(outcome.error).toBeUndefined()
  expect(harness.broker.snapshot().status).toBe('signed-in')
})

test('no timer is longer than 31 bits can hold, and a long age is still reached', async () => {
  const age = 60 * day
  const stored = storedSession({ isFresh: true, signedInAt: start })
  const { broker, platform } = createHarness({ stored, rules: { maxSessionAge: age } })
  await platform.advance(age - 1)
  expect(broker.snapshot().status).toBe('signed-in')
  expect(Math.max(...platform.delays)).toBeLessThan(2 ** 31)
  expect(platform.delays.length).toBeLessThan(10)
  await platform.advance(1)
  expect(broker.snapshot().status).toBe('signed-out')
})

test('if the app configured so, an unknown outcome ends the session, and the refresh is not sent again (I7)', async () => {
  const server = answering(['network'])
  const rules = { onUnknownOutcome: 'sign-in' } as const
  const harness = createHarness({ stored: storedSession(), rules, ...server })
  await expect(harness.call()).rejects.toEqual(failure('sign_in_required'))
  expect(harness.broker.snapshot().reason).toBe('refresh_answer_lost')
  await harness.platform.advance(hour)
  expect(server.sentRefreshes()).toBe(1)
})

test('a failed verdict rejects with refresh_unavailable at once and is not retried; a later call may try', async () => {
  const harness = createHarness({ stored: storedSession() })
  const outcomes = [watch(harness.call()), watch(harness.call())]
  await harness.platform.settle()
  harness.refresh(0).fail(failed('invalid_client'))
  await harness.platform.settle()
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({ settled: 1, error: { code: 'refresh_unavailable' } })
    expect((outcome.error as Error).message).toContain('invalid_client')
  }
  expect(harness.broker.snapshot()).toMatchObject({ status: 'signed-in', reason: 'refresh_failed' })
  await harness.platform.advance(hour)
  expect(harness.refreshes).toHaveLength(1)
  const later = watch(harness.call())
  await harness.platform.settle()
  harness.refresh(1).succeed()
  await harness.platform.settle()
  expect(later).toMatchObject({ settled: 1, value: { version: 2 } })
  expect(harness.broker.snapshot()).not.toHaveProperty('reason')
})

test('after a failed verdict the user can still sign out', async () => {
  const harness = createHarness({ stored: storedSession() })
  watch(harness.call())
  await harness.platform.settle()
  harness.refresh(0).fail(failed('invalid_client'))
  await harness.platform.settle()
  await harness.broker.signOut(false)
  expect(harness.broker.snapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok' })
})

test('a listener that throws keeps neither the others nor the session from going on', async () => {
  const harness = createHarness()
  const seen: string[] = []
  harness.broker.subscribe(() => {
    throw new Error('a page that went away')
  })
  harness.broker.subscribe(({ status }) => seen.push(status))
  await harness.signIn('ann')
  expect(seen).toEqual(['signing-in', 'signed-in'])
  expect(await harness.call()).toMatchObject({ tokens: { accessToken: 'access-of-ann' } })
})

test('a listener that has unsubscribed is not called', async () => {
  const harness = createHarness()
  let told = 0
  const unsubscribe = harness.broker.subscribe(() => told++)
  unsubscribe()
  await harness.signIn('ann')
  expect(told).toBe(0)
})

test('a refresh does not call listeners, even if it brings the same profile again', async () => {
  const harness = createHarness({
    grant: { signIn: async () => ({ accessToken: 'access', expiresIn: 1, profile: { name: 'Ann' } }) },
  })
  await harness.signIn('ann')
  const snapshot = harness.broker.snapshot()
  let told = 0
  harness.broker.subscribe(() => told++)
  await harness.platform.advance(1000)
  const outcome = watch(harness.call())
  await harness.platform.settle()
  harness.refresh(0).succeed({ profile: { name: 'Ann' } })
  await harness.platform.settle()
  expect(outcome.settled).toBe(1)
  expect(told).toBe(0)
  expect(harness.broker.snapshot()).toBe(snapshot)
})

test('a refresh that brings a new profile calls listeners', async () => {
  const harness = createHarness({ stored: storedSession() })
  watch(harness.call())
  await harness.platform.settle()
  harness.refresh(0).succeed({ profile: { name: 'Anna' } })
  await harness.platform.settle()
  expect(harness.broker.snapshot().user).toEqual({ subject: 'ann', profile: { name: 'Anna' } })
})

test('explain() is bounded to the last 500 events, and the last 3,000 steps of calls', async () => {
  const harness = createHarness()
  const { ready, record, explain } = harness.broker
  await ready
  for (let index = 1; index <= 600; index++) record({ event: 'store-failed' })
  for (let index = 1; index <= 4000; index++) record({ event: 'call-sent', call: `call-${index}` })
  const entries = explain()
  expect(entries.filter(({ event }) => event === 'store-failed')).toHaveLength(500)
  const steps = entries.flatMap((entry) => ('call' in entry ? [entry.call] : []))
  expect([steps.length, steps[0], steps.at(-1)]).toEqual([3000, 'call-1001', 'call-4000'])
})

test('explain() keeps the cause of what four thousand calls wait for', async () => {
  const harness = createHarness({ stored: storedSession() })
  for (let index = 0; index < 4000; index++) watch(harness.call())
  await harness.platform.settle()
  const entries = harness.broker.explain()
  expect(entries.slice(0, 2).map(({ event }) => event)).toEqual(['session-restored', 'refresh-started'])
  expect(entries.at(-1)).toMatchObject({ event: 'call-waiting', call: 'call-4000' })
})

test('explain() numbers its entries in the order in which they happened', async () => {
  const harness = createHarness({ stored: storedSession() })
  watch(harness.call())
  await harness.platform.settle()
  harness.refresh(0).succeed()
  await harness.platform.settle()
  const entries = harness.broker.explain()
  expect(entries.length).toBeGreaterThan(3)
  expect(entries.map(({ number }) => number)).toEqual(entries.map((_entry, index) => index + 1))
})

test('explain() after a number returns only newer entries', async () => {
  const harness = createHarness({ stored: storedSession({ isFresh: true }) })
  const { ready, record, explain } = harness.broker
  await ready
  record({ event: 'call-sent', call: 'one' })
  const newest = explain().at(-1)?.number ?? 0
  expect(explain(newest)).toEqual([])
  record({ event: 'call-answered', call: 'one' })
  record({ event: 'store-failed' })
  expect(explain(newest).map(({ event }) => event)).toEqual(['call-answered', 'store-failed'])
})

test('explain() after a number that was not reached yet returns all entries: the number is of a lost worker', async () => {
  const harness = createHarness({ stored: storedSession() })
  await harness.broker.ready
  expect(harness.broker.explain(1000)).toEqual(harness.broker.explain())
})

test('explain() returns a copy that later events do not change', async () => {
  const harness = createHarness()
  await harness.broker.ready
  const before = harness.broker.explain()
  await harness.signIn('ann')
  expect(before.length).toBeLessThan(harness.broker.explain().length)
})

test('neither explain(), nor a snapshot, nor an error holds a token (I11)', async () => {
  const errors: unknown[] = []
  const snapshots: BrokerSnapshot[] = []
  const canary = (name: string) => ({
    accessToken: `canary-access-${name}`,
    refreshToken: `canary-refresh-${name}`,
    subject: 'ann',
  })
  const harness = createHarness({ grant: { signIn: async () => ({ ...canary('one'), expiresIn: 1 }) } })
  harness.broker.subscribe((snapshot) => snapshots.push(snapshot))
  await harness.signIn('ann')
  for (const end of [
    new Error('canary-refresh-one'),
    new SyntaxError('canary-access-two'),
    refused(),
    failed('invalid_client'),
    'answer',
    rejected(),
  ]) {
    await harness.platform.advance(70_000)
    const outcome = watch(harness.call())
    await harness.platform.settle()
    const refresh = harness.refreshes.at(-1)
    if (end === 'answer') refresh?.succeed({ ...canary('three'), expiresIn: 1 })
    else refresh?.fail(end)
    await harness.platform.advance(30_000)
    errors.push(outcome.error, (outcome.error as Error)?.message)
  }
  await harness.broker.signOut(false)
  expect(harness.broker.explain().length).toBeGreaterThan(15)
  expect(errors.filter(isLingpaiError).length).toBeGreaterThan(1)
  expect(JSON.stringify([harness.broker.explain(), snapshots, errors])).not.toContain('canary')
})

test('a 401 for the current token causes one refresh and one replay', async () => {
  const harness = createHarness({ stored: storedSession({ isFresh: true }) })
  const call = await harness.openCall()
  const sentTokens: string[] = []
  const outcome = watch(
    runRequest(harness.broker, call, async ({ tokens }) => {
      sentTokens.push(tokens.accessToken)
      return { answer: tokens.accessToken, isTokenDenied: tokens.accessToken === 'access-1' }
    }),
  )
  await harness.platform.settle()
  harness.refresh(0).succeed()
  await harness.platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: 'access-2' })
  expect(sentTokens).toEqual(['access-1', 'access-2'])
})

test('a request is replayed at most once: the second 401 goes to the caller (I10)', async () => {
  const harness = createHarness({ stored: storedSession({ isFresh: true }) })
  const call = await harness.openCall()
  let sent = 0
  const outcome = watch(runRequest(harness.broker, call, async () => ({ answer: ++sent, isTokenDenied: true })))
  await harness.platform.settle()
  harness.refresh(0).succeed()
  await harness.platform.advance(hour)
  expect(outcome).toMatchObject({ settled: 1, value: 2 })
  expect(harness.refreshes).toHaveLength(1)
})

test('150 late 401s for an old token are replayed without a refresh', async () => {
  const harness = createHarness({ stored: storedSession({ isFresh: true }) })
  const release: (() => void)[] = []
  const outcomes = []
  for (let index = 0; index < 151; index++) {
    const call = await harness.openCall()
    const send = async ({ tokens: { accessToken } }: { tokens: { accessToken: string } }) => {
      if (accessToken === 'access-1') await new Promise<void>((resolve) => release.push(resolve))
      return { answer: accessToken, isTokenDenied: accessToken === 'access-1' }
    }
    outcomes.push(watch(runRequest(harness.broker, call, send)))
  }
  await harness.platform.settle()
  release[0]?.()
  await harness.platform.settle()
  harness.refresh(0).succeed()
  await harness.platform.settle()
  for (const next of release) next()
  await harness.platform.settle()
  for (const outcome of outcomes) expect(outcome).toMatchObject({ settled: 1, value: 'access-2' })
  expect(harness.refreshes).toHaveLength(1)
})

test('an API that refuses every token does not make us refresh more often than I10 allows', async () => {
  const harness = createHarness({ stored: storedSession({ isFresh: true }) })
  for (let second = 0; second < 3000; second++) {
    const call = await harness.openCall()
    watch(runRequest(harness.broker, call, async () => ({ answer: 401, isTokenDenied: true })))
    await harness.platform.settle()
    harness.refreshes.at(-1)?.succeed()
    await harness.platform.advance(100)
  }
  expect(harness.refreshes.length).toBeLessThanOrEqual(30)
})

test('an API that refuses every token beside one that accepts them all does not rotate them at every call', async () => {
  const harness = createHarness({ stored: storedSession({ isFresh: true }) })
  for (let turn = 0; turn < 300; turn++) {
    for (const api of ['https://orders.example.com/', 'https://stock.example.com/']) {
      const call = await harness.openCall()
      call.api = api
      watch(runRequest(harness.broker, call, async () => ({ answer: 401, isTokenDenied: api.includes('orders') })))
      await harness.platform.settle()
      harness.refreshes.at(-1)?.succeed()
      await harness.platform.settle()
    }
    await harness.platform.advance(1000)
  }
  expect(harness.refreshes.length).toBeGreaterThan(10)
  expect(harness.refreshes.length).toBeLessThanOrEqual(30)
})

test('the body of a 401 is released if a replay replaces it, and if no token can be had', async () => {
  const harness = createHarness({ stored: storedSession({ isFresh: true }) })
  let discarded = 0
  const send = async () => ({ answer: 401, isTokenDenied: true, discard: () => void discarded++ })
  const replayed = watch(runRequest(harness.broker, await harness.openCall(), send))
  await harness.platform.settle()
  harness.refresh(0).succeed()
  await harness.platform.settle()
  expect(replayed).toMatchObject({ settled: 1, value: 401 })
  expect(discarded).toBe(1)

  await harness.platform.advance(5000)
  const refusedCall = watch(runRequest(harness.broker, await harness.openCall(), send))
  await harness.platform.settle()
  harness.refresh(1).fail(rejected())
  await harness.platform.settle()
  expect(refusedCall).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(discarded).toBe(2)
})

test('without a refresh, a token is used until it expires, and then the session ends', async () => {
  const { broker, platform, call, signIn } = createHarness({
    grant: { refresh: undefined as never },
    rules: { margin: 0 },
  })
  await signIn('ann')
  await platform.advance(899_000)
  expect(await call()).toMatchObject({ tokens: { accessToken: 'access-of-ann' } })
  await platform.advance(2000)
  const outcome = watch(call())
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(broker.snapshot()).toMatchObject({ status: 'signed-out', reason: 'refresh_rejected' })
  expect(broker.explain()).toContainEqual(expect.objectContaining({ verdict: 'rejected', reason: 'token_expired' }))
})

test('without a refresh, an API that refuses the token ends the session', async () => {
  const { broker, openCall, signIn } = createHarness({ grant: { refresh: undefined as never } })
  await signIn('ann')
  const call = await openCall()
  const outcome = watch(broker.authorize(call).then((permit) => broker.reauthorize(call, permit)))
  await new Promise((resolve) => setTimeout(resolve))
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(broker.snapshot().status).toBe('signed-out')
})
