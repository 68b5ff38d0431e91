import { expect, test } from 'vitest'
import type { BrokerSnapshot } from '../../../../src/protocol/snapshot.ts'
import type { StoredSession } from '../../../../worker/core/adapter.ts'
import { runRequest } from '../../../../worker/core/broker/request-loop.ts'
import {
  type Comparison,
  compareWithRecord,
  isInState,
  type OwnSession,
  type StoreRead,
  stateOf,
} from '../../../../worker/core/shared-record.ts'
import { refused, rejected } from '../../../../worker/core/verdict.ts'
import { storedSession, watch } from '../../../fixtures/broker-harness.ts'
import { createSharedWorkers, type SharedOptions, type SharedWorkerHarness } from '../../../fixtures/shared-workers.ts'

const hour = 3_600_000
const day = 86_400_000

/** Two workers, or more, that have restored the same session, whose token has expired. */
async function open(options: SharedOptions = {}, count = 2) {
  const world = createSharedWorkers({ stored: storedSession(), ...options })
  const workers = Array.from({ length: count }, world.start)
  await world.platform.settle()
  return { ...world, workers, one: workers[0] as SharedWorkerHarness, other: workers[1] as SharedWorkerHarness }
}

function events(worker: SharedWorkerHarness): string[] {
  return worker.broker.explain().map(({ event }) => event)
}

test.each([
  ['with locks and hints', {}],
  ['without locks', { hasLocks: false }],
  ['without hints', { hasHints: false }],
  ['without either', { hasLocks: false, hasHints: false }],
])(
  'twenty workers whose token expires at once send one refresh, and all get its token, %s (I1)',
  async (_how, options) => {
    const { platform, workers, refreshes, refresh } = await open(options, 20)
    const calls = workers.map(({ call }) => watch(call()))
    await platform.settle()
    expect(refreshes).toHaveLength(1)
    refresh(0).succeed()
    await platform.advance(1000)
    for (const outcome of calls)
      expect(outcome).toMatchObject({ settled: 1, value: { tokens: { accessToken: 'access-2' } } })
    expect(refreshes).toHaveLength(1)
    expect(platform.pendingTimers()).toBe(0)
  },
)

test('the other workers get a hint of a refresh, and use its tokens without a refresh of their own', async () => {
  const { platform, one, other, refresh, store } = await open()
  watch(one.call())
  await platform.settle()
  expect(store.log).toEqual(['save access-1 (refreshing)'])
  refresh(0).succeed()
  await platform.settle()
  expect(store.log).toEqual(['save access-1 (refreshing)', 'save access-2'])
  expect(store.kept?.marker).toBeUndefined()
  expect(events(other)).toContain('tokens-adopted')
  expect(await other.call()).toMatchObject({ generation: 1, version: 2, tokens: { accessToken: 'access-2' } })
})

test('a call of another worker gets its token before the lock is its own', async () => {
  const { platform, one, other, refresh, lock } = await open()
  watch(one.call())
  const waiting = watch(other.call())
  await platform.settle()
  refresh(0).succeed()
  await platform.settle()
  expect(waiting).toMatchObject({ settled: 1, value: { version: 2 } })
  expect(lock.isHeld()).toBe(false)
})

test('tokens of another worker that have expired before they were found are refreshed, not sent', async () => {
  const { platform, one, other, refreshes, refresh } = await open({ hasHints: false })
  watch(one.call())
  await platform.settle()
  refresh(0).succeed()
  await platform.advance(day)
  const outcome = watch(other.call())
  await platform.settle()
  expect(outcome.settled).toBe(0)
  expect(refreshes).toHaveLength(2)
  refresh(1).succeed({ accessToken: 'access-3' })
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { version: 3, tokens: { accessToken: 'access-3' } } })
})

test("a call that waited and got another worker's tokens may still refresh if the API refuses them (I10)", async () => {
  const { platform, one, other, refreshes, refresh } = await open({ hasHints: false })
  watch(one.call())
  await platform.settle()
  refresh(0).succeed()
  await platform.settle()
  const call = await other.broker.openCall('denied', new AbortController().signal)
  const sent: string[] = []
  const outcome = watch(
    runRequest(other.broker, call, async ({ tokens }) => {
      sent.push(tokens.accessToken)
      return { answer: tokens.accessToken, isTokenDenied: tokens.accessToken !== 'access-3' }
    }),
  )
  await platform.settle()
  expect(refreshes).toHaveLength(2)
  refresh(1).succeed()
  await platform.settle()
  expect(sent).toEqual(['access-2', 'access-3'])
  expect(outcome).toMatchObject({ settled: 1, value: 'access-3' })
})

test('a 401 for a token that another worker has replaced meanwhile causes no refresh', async () => {
  const { platform, one, other, refreshes, refresh } = await open({ hasHints: false })
  watch(one.call())
  await platform.settle()
  refresh(0).succeed()
  await platform.settle()
  const outcome = watch(other.call())
  await platform.settle()
  expect(refreshes).toHaveLength(1)
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
})

test('a worker takes over the sign-in of another worker, and calls of the earlier user are refused (I6)', async () => {
  const { platform, one, other, store } = await open({ stored: storedSession({ isFresh: true }) })
  const before = await other.broker.openCall('before', new AbortController().signal)
  const snapshots: BrokerSnapshot[] = []
  other.broker.subscribe((snapshot) => snapshots.push(snapshot))
  await one.signIn('bob')
  await platform.settle()
  expect(snapshots).toEqual([{ status: 'signed-in', tokenServer: 'ok', user: { subject: 'bob' } }])
  await expect(other.broker.authorize(before)).rejects.toMatchObject({ code: 'sign_in_required' })
  expect(await other.call()).toMatchObject({ generation: 2, tokens: { subject: 'bob' } })
  expect(store.kept?.tokens.subject).toBe('bob')
})

test('all workers follow a sign-out, and the others delete nothing', async () => {
  const { platform, one, workers, store } = await open({ stored: storedSession({ isFresh: true }) }, 3)
  await one.broker.signOut(false)
  await platform.settle()
  expect(workers.map(({ broker }) => broker.snapshot())).toEqual([
    { status: 'signed-out', tokenServer: 'ok' },
    { status: 'signed-out', tokenServer: 'ok', reason: 'signed_out_elsewhere' },
    { status: 'signed-out', tokenServer: 'ok', reason: 'signed_out_elsewhere' },
  ])
  expect(store.log).toEqual(['clear'])
})

test('a sign-out deletes only its own session, not a newer one of another worker (I5)', async () => {
  const { platform, one, other, store } = await open({ stored: storedSession({ isFresh: true }), hasHints: false })
  await one.signIn('bob')
  await other.broker.signOut(false)
  await platform.settle()
  expect(store.kept?.tokens.subject).toBe('bob')
  expect(other.broker.snapshot().status).toBe('signed-out')
})

test('a sign-out without a signed-in user deletes nothing of another worker (I5)', async () => {
  const { one, other, store } = await open({ stored: undefined as never, hasHints: false })
  await one.signIn('bob')
  await other.broker.signOut(false)
  expect(store.kept?.tokens.subject).toBe('bob')
})

test('a sign-out during the refresh of another worker ends that too, and its tokens are revoked', async () => {
  const { platform, one, other, refresh, store, revoked } = await open()
  const outcome = watch(one.call())
  await platform.settle()
  await other.broker.signOut(false)
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  refresh(0).succeed()
  await platform.settle()
  expect(store.kept).toBeUndefined()
  expect(revoked).toEqual(['access-1', 'access-2'])
  expect(one.broker.snapshot()).toMatchObject({ status: 'signed-out', reason: 'signed_out_elsewhere' })
})

test('a refreshing worker that got no hint of a sign-out finds it when it saves', async () => {
  const { platform, one, other, refresh, store, revoked } = await open({ hasHints: false })
  const outcome = watch(one.call())
  await platform.settle()
  await other.broker.signOut(false)
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(store.kept).toBeUndefined()
  expect(revoked).toEqual(['access-1', 'access-2'])
})

test.each([true, false])(
  'a user who signs in during the refresh of another worker keeps the session (I5, I6); hints: %s',
  async (hasHints) => {
    const { platform, one, other, refresh, store, revoked } = await open({ hasHints })
    const outcome = watch(one.call())
    await platform.settle()
    await other.signIn('bob')
    refresh(0).succeed()
    await platform.settle()
    expect(store.kept?.tokens.subject).toBe('bob')
    expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
    expect(one.broker.snapshot().user).toEqual({ subject: 'bob' })
    expect(revoked).toEqual([])
    expect(await one.call()).toMatchObject({ tokens: { subject: 'bob' } })
  },
)

test('of two sign-ins at once one remains, and both workers show it (I6)', async () => {
  const { platform, one, other, store } = await open({ stored: undefined as never })
  const outcomes = [watch(one.signIn('ann')), watch(other.signIn('bob'))]
  await platform.advance(1000)
  const last = store.kept?.tokens.subject
  expect(last).toBeDefined()
  for (const { broker } of [one, other]) expect(broker.snapshot().user).toEqual({ subject: last })
  for (const outcome of outcomes) expect(outcome.settled).toBe(1)
})

test('a tab closed in mid-refresh delays the others until the time of its refresh is over, and its answer counts as lost', async () => {
  const { platform, one, other, refreshes, refresh, lock } = await open()
  watch(one.call())
  await platform.settle()
  const outcome = watch(other.call())
  one.kill()
  await platform.advance(9000)
  expect(refreshes).toHaveLength(1)
  expect(lock.isHeld()).toBe(false)
  await platform.advance(1000)
  expect(refreshes).toHaveLength(2)
  refresh(1).fail(rejected())
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(other.broker.snapshot().reason).toBe('refresh_answer_lost')
})

test('a worker that is killed in mid-refresh and started again knows that an answer was lost (I9)', async () => {
  const { platform, start, one, refreshes, refresh, store } = await open({}, 1)
  watch(one.call())
  await platform.settle()
  one.kill()
  await platform.advance(4000)
  const next = start()
  const outcome = watch(next.call())
  await platform.advance(5900)
  expect(refreshes).toHaveLength(1)
  await platform.advance(200)
  expect(refreshes).toHaveLength(2)
  expect(store.kept?.marker).toMatchObject({ outcomeLost: true, isOver: false })
  refresh(1).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
})

test('if a lost response ends the session by configuration, so does the response that a killed worker waited for', async () => {
  const { platform, one, other, refreshes, store } = await open({ rules: { onUnknownOutcome: 'sign-in' } })
  watch(one.call())
  await platform.settle()
  one.kill()
  const outcome = watch(other.call())
  await platform.advance(10_000)
  expect(refreshes).toHaveLength(1)
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(other.broker.snapshot().reason).toBe('refresh_answer_lost')
  expect(store.kept).toBeUndefined()
})

test.each([day, -day])(
  'if the clock jumps by %i ms, the wait for a lost worker is not longer than its refresh may take',
  async (jump) => {
    const { platform, one, other, refreshes } = await open()
    watch(one.call())
    await platform.settle()
    one.kill()
    platform.jumpClock(jump)
    watch(other.call())
    await platform.advance(10_000)
    expect(refreshes).toHaveLength(2)
  },
)

test('a clock that is set back after a refresh has failed makes no other worker wait longer for the next (I12)', async () => {
  const { platform, one, other, refreshes, refresh } = await open()
  watch(one.call())
  await platform.settle()
  refresh(0).fail(503)
  await platform.settle()
  one.kill()
  platform.jumpClock(-day)
  watch(other.call())
  await platform.advance(5000)
  expect(refreshes).toHaveLength(2)
})

test('a frozen worker that holds the lock delays the others at most by the refresh timeout, and no worker adopts its late tokens', async () => {
  const { platform, one, other, refreshes, refresh, lock, store } = await open()
  const late = watch(one.call())
  await platform.settle()
  one.freeze()
  const outcome = watch(other.call())
  await platform.advance(10_000)
  expect(lock.steals).toBe(1)
  expect(refreshes).toHaveLength(2)
  refresh(1).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2, tokens: { accessToken: 'access-3' } } })
  refresh(0).succeed()
  one.thaw()
  await platform.settle()
  expect(store.kept?.tokens.accessToken).toBe('access-3')
  expect(late).toMatchObject({ settled: 1, value: { tokens: { accessToken: 'access-3' } } })
  expect(refreshes).toHaveLength(2)
})

test.each([true, false])(
  'a refresh whose mark was slow to be stored ends before another worker may send one, with locks: %s (I1)',
  async (hasLocks) => {
    const { platform, one, other, refreshes, refresh, store } = await open({ hasLocks })
    store.fault = async (name) => {
      if (name !== 'save') return
      store.fault = undefined
      await new Promise<void>((resolve) => platform.setTimeout(resolve, 1900))
    }
    watch(one.call())
    await platform.advance(1900)
    watch(other.call())
    while (refreshes.length < 2) await platform.advance(100)
    expect(refresh(0).io.signal.aborted).toBe(true)
  },
)

test('if the store does not answer for a while, a refresh has ended before another worker takes the lock (I1)', async () => {
  const { platform, one, other, refreshes, refresh, store } = await open()
  store.fault = () => new Promise(() => {})
  watch(one.call())
  watch(other.call())
  await platform.advance(2000)
  expect(refreshes).toHaveLength(1)
  store.fault = undefined
  while (refreshes.length < 2) await platform.advance(100)
  expect(refresh(0).io.signal.aborted).toBe(true)
})

test('a clock that is set back or ahead meanwhile makes a refresh neither endless nor too short (I3)', async () => {
  for (const jump of [-day, day]) {
    const { platform, one, refresh, store } = await open()
    store.fault = async (name) => {
      if (name === 'load') platform.jumpClock(jump)
    }
    watch(one.call())
    await platform.advance(4900)
    expect(refresh(0).io.signal.aborted, String(jump)).toBe(false)
    await platform.advance(5200)
    expect(refresh(0).io.signal.aborted, String(jump)).toBe(true)
  }
})

test('a refresh uses 95 % of the time that the others wait, and keeps the rest for storing its result (I2)', async () => {
  const { platform, one, refresh } = await open()
  watch(one.call())
  await platform.advance(9499)
  expect(refresh(0).io.signal.aborted).toBe(false)
  await platform.advance(1)
  expect(refresh(0).io.signal.aborted).toBe(true)
})

test('the answer of a frozen worker that comes before that of the one which took over counts for both', async () => {
  const { platform, one, other, refresh, store } = await open()
  watch(one.call())
  await platform.settle()
  one.freeze()
  const outcome = watch(other.call())
  await platform.advance(12_000)
  one.thaw()
  refresh(0).succeed()
  // The fence of the deadline: the marker itself has been given up by then, so only its rejection could do harm.
  refresh(1).fail(rejected())
  await platform.advance(1000)
  expect(outcome.settled).toBe(1)
  expect(one.broker.snapshot().status).toBe(other.broker.snapshot().status)
  expect(store.kept === undefined).toBe(one.broker.snapshot().status === 'signed-out')
})

test('a rejection does not end a session that another worker has renewed meanwhile (I7)', async () => {
  const { platform, one, refresh, store } = await open({ hasHints: false }, 1)
  const outcome = watch(one.call())
  await platform.settle()
  const { marker, ...kept } = store.kept as StoredSession
  store.kept = {
    ...kept,
    version: 2,
    tokens: { ...kept.tokens, accessToken: 'newer', expiresAt: platform.now() + 900_000 },
  }
  refresh(0).fail(rejected())
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { tokens: { accessToken: 'newer' } } })
  expect(store.kept.tokens.accessToken).toBe('newer')
  expect(one.broker.snapshot().status).toBe('signed-in')
})

test('a rejection ends the session everywhere, and is sent once (I2)', async () => {
  const { platform, workers, refreshes, refresh, store } = await open({}, 3)
  const calls = workers.map(({ call }) => watch(call()))
  await platform.settle()
  refresh(0).fail(rejected())
  await platform.advance(1000)
  expect(refreshes).toHaveLength(1)
  expect(store.kept).toBeUndefined()
  for (const outcome of calls) expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(workers[0]?.broker.snapshot().reason).toBe('refresh_rejected')
})

test('a refresh that brings the tokens of another user ends the session everywhere (I6)', async () => {
  const { platform, workers, refreshes, refresh, store } = await open({}, 3)
  const calls = workers.map(({ call }) => watch(call()))
  await platform.settle()
  refresh(0).succeed({ accessToken: 'access-of-bob', subject: 'bob' })
  await platform.advance(1000)
  expect(refreshes).toHaveLength(1)
  expect(store.kept).toBeUndefined()
  expect(store.log.join()).not.toContain('access-of-bob')
  for (const outcome of calls) expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(workers[0]?.broker.snapshot().reason).toBe('subject_changed')
})

test('ten workers of a failing server try together no more often than one would (I10)', async () => {
  const { platform, workers, refreshes } = await open({}, 10)
  const begun: number[] = []
  let seen = 0
  for (const { call } of workers) watch(call())
  for (let time = 0; time < 300_000; time += 100) {
    await platform.advance(100)
    for (; seen < refreshes.length; seen += 1) {
      begun.push(platform.elapsed())
      refreshes[seen]?.fail(refused())
    }
    if (time % 20_000 === 0) for (const { call } of workers) watch(call())
  }
  expect(begun.length).toBeGreaterThan(5)
  expect(begun.length).toBeLessThanOrEqual(30)
  for (const [index, time] of begun.entries()) expect(time - (begun[index - 1] ?? -1000)).toBeGreaterThanOrEqual(1000)
})

test('two workers whose API refuses every token send together at most 30 token requests in 5 minutes (I10)', async () => {
  const { platform, workers, refreshes } = await open({ stored: storedSession({ isFresh: true }) })
  const begun: number[] = []
  for (let turn = 0; turn < 3000; turn++) {
    for (const { broker } of workers) {
      const call = await broker.openCall(`call-${turn}`, new AbortController().signal)
      watch(runRequest(broker, call, async () => ({ answer: 401, isTokenDenied: true })))
    }
    await platform.settle()
    for (; begun.length < refreshes.length; begun.push(platform.elapsed())) {
      refreshes[begun.length]?.succeed({ accessToken: `access-${turn}` })
      await platform.settle()
    }
    await platform.advance(100)
  }
  expect(begun.length).toBeGreaterThan(10)
  expect(begun.length).toBeLessThanOrEqual(30)
  // The first refresh of each worker is not delayed: its API may have refused the token for a good reason.
  for (const [index, time] of begun.entries())
    if (index > 1) expect(time - (begun[index - 1] ?? 0)).toBeGreaterThanOrEqual(1000)
})

test('while attempts fail, the lock is free: it is not held over a pause', async () => {
  const { platform, one, refresh, lock } = await open()
  watch(one.call())
  await platform.settle()
  expect(lock.isHeld()).toBe(true)
  refresh(0).fail(refused({ retryAfter: 20_000 }))
  await platform.settle()
  expect(lock.isHeld()).toBe(false)
})

test('a sign-out does not wait for the lock', async () => {
  const { platform, one, other } = await open()
  watch(one.call())
  await platform.settle()
  const outcome = watch(other.broker.signOut(false))
  await platform.settle()
  expect(outcome.settled).toBe(1)
})

test('a sign-out does not let another worker refresh before the refresh that is under way has ended (I1)', async () => {
  const { platform, one, other, refreshes, refresh, store } = await open()
  store.fault = () => Promise.reject(new Error('the disk is full'))
  watch(one.call())
  await platform.settle()
  watch(one.broker.signOut(false))
  const outcome = watch(other.call())
  await platform.settle()
  expect(refreshes).toHaveLength(1)
  refresh(0).fail(rejected())
  await platform.settle()
  expect(refreshes).toHaveLength(2)
  refresh(1).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
})

test('ten thousand forged hints change nothing, and cause one or two reads', async () => {
  const { platform, one, other, store, forgeHint } = await open({ stored: storedSession({ isFresh: true }) })
  const before = store.loads
  for (let hint = 0; hint < 10_000; hint += 1) forgeHint()
  await platform.advance(1000)
  expect(store.loads - before).toBeLessThanOrEqual(4)
  expect(store.log).toEqual([])
  for (const { broker } of [one, other]) expect(broker.snapshot()).toMatchObject({ status: 'signed-in' })
  expect(events(one)).toEqual(['session-restored'])
})

test('a save that ends too late for its worker is still announced to the others (I6)', async () => {
  const { platform, one, other, store } = await open({ stored: storedSession({ isFresh: true }) })
  store.fault = async (name) => {
    if (name === 'save') await new Promise<void>((resolve) => platform.setTimeout(resolve, 5000))
  }
  watch(one.signIn('bob'))
  await platform.advance(4000)
  expect(one.broker.snapshot()).toMatchObject({ user: { subject: 'bob' }, reason: 'store_failed' })
  expect(other.broker.snapshot()).toMatchObject({ user: { subject: 'ann' } })
  await platform.advance(1000)
  expect(other.broker.snapshot()).toMatchObject({ user: { subject: 'bob' } })
})

test('a store that is cleared in the background, since a sign-in could not be saved, is cleared for all (I6)', async () => {
  const { platform, one, other, store } = await open({ stored: storedSession({ isFresh: true }) })
  store.fault = async (name) => {
    if (name === 'save') throw new Error('the disk is full')
  }
  await one.signIn('bob')
  await platform.settle()
  expect(store.kept).toBeUndefined()
  expect(other.broker.snapshot()).toEqual({
    status: 'signed-out',
    tokenServer: 'ok',
    reason: 'signed_out_elsewhere',
  })
})

test('a hint causes a read when the store can be read again, at most ten seconds later (I6, I12)', async () => {
  const { platform, one, other, store } = await open({ stored: storedSession({ isFresh: true }) })
  store.fault = async (name) => {
    if (name === 'load') throw new Error('the disk is busy')
  }
  await one.signIn('bob')
  await platform.advance(hour)
  expect(other.broker.snapshot()).toMatchObject({ user: { subject: 'ann' } })
  const before = store.loads
  store.fault = undefined
  await platform.advance(10_000)
  expect(other.broker.snapshot()).toMatchObject({ user: { subject: 'bob' } })
  expect(store.loads).toBe(before + 1)
  expect(platform.pendingTimers()).toBe(0)
})

test('while the store cannot be read, a new hint causes a read at once', async () => {
  const { platform, one, other, store } = await open({ stored: storedSession({ isFresh: true }) })
  store.fault = async (name) => {
    if (name === 'load') throw new Error('the disk is busy')
  }
  await one.signIn('bob')
  await platform.advance(hour)
  store.fault = undefined
  await one.signIn('carol')
  await platform.settle()
  expect(other.broker.snapshot()).toMatchObject({ user: { subject: 'carol' } })
  expect(platform.pendingTimers()).toBe(0)
})

test('a hint that comes while a sign-in is being stored is not forgotten (I6)', async () => {
  const { platform, one, other, store } = await open({ stored: undefined as never })
  let finish = () => {}
  const ofAnn = watch(one.signIn('ann'))
  await platform.settle()
  expect(ofAnn.settled).toBe(1)
  store.fault = () => new Promise<void>((resolve) => (finish = resolve))
  watch(other.signIn('bob'))
  await platform.settle()
  store.fault = undefined
  finish()
  await platform.advance(200)
  for (const { broker } of [one, other]) expect(broker.snapshot().user).toEqual({ subject: 'bob' })
})

test("a read that began before this worker's sign-in was stored is outdated, and changes nothing (I5, I6)", async () => {
  const { platform, one, store, forgeHint } = await open({ stored: { ...storedSession({ isFresh: true }) } }, 1)
  let answer = () => {}
  store.fault = (name) => (name === 'load' ? new Promise((resolve) => (answer = resolve)) : Promise.resolve())
  forgeHint()
  await platform.settle()
  await one.signIn('bob')
  const current = store.kept
  store.fault = async () => {
    store.kept = current
  }
  // Somebody had signed in elsewhere, before bob did here.
  store.kept = { ...storedSession({ isFresh: true }), sessionId: 'of-carl' }
  answer()
  await platform.advance(200)
  expect(one.broker.snapshot().user).toEqual({ subject: 'bob' })
})

test('a hint that comes after a save was done, and before its worker knows, causes a read (I6)', async () => {
  const { platform, one, other, store } = await open({ stored: undefined as never })
  let answer = () => {}
  store.lag = (name) => (name === 'save' ? new Promise((resolve) => (answer = resolve)) : Promise.resolve())
  watch(other.signIn('bob'))
  await platform.settle()
  store.lag = undefined
  await one.signIn('ann')
  await platform.settle()
  answer()
  await platform.advance(200)
  for (const { broker } of [one, other]) expect(broker.snapshot().user).toEqual({ subject: 'ann' })
})

test('a worker that was frozen just before it sent its refresh reads again, and sends no old token (I2)', async () => {
  const { platform, one, other, refreshes, refresh, store } = await open({ hasHints: false })
  store.lag = async (name) => {
    if (name !== 'save') return
    store.lag = undefined
    one.freeze()
  }
  const late = watch(one.call())
  await platform.settle()
  watch(other.call())
  await platform.advance(12_000)
  refresh(0).succeed()
  await platform.settle()
  one.thaw()
  await platform.settle()
  expect(refreshes).toHaveLength(1)
  expect(late).toMatchObject({ settled: 1, value: { version: 2 } })
})

test('a worker that was frozen during a read does not treat the store as broken (I2)', async () => {
  const { platform, one, other, refreshes, refresh, store } = await open({ hasHints: false })
  let answer = () => {}
  store.fault = () => new Promise((resolve) => (answer = resolve))
  const late = watch(one.call())
  await platform.settle()
  store.fault = undefined
  one.freeze()
  watch(other.call())
  await platform.advance(13_000)
  refresh(0).succeed()
  await platform.settle()
  answer()
  await platform.settle()
  one.thaw()
  await platform.settle()
  expect(refreshes).toHaveLength(1)
  expect(late).toMatchObject({ settled: 1, value: { version: 2 } })
})

test('if the store cannot be read, a worker goes on with its own session', async () => {
  const { platform, one, refresh, store } = await open()
  store.fault = () => Promise.reject(new Error('disk'))
  const outcome = watch(one.call())
  await platform.settle()
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
  expect(one.broker.snapshot()).toMatchObject({ status: 'signed-in', reason: 'store_failed' })
})

test('a store that hangs holds a refresh up, and does not keep it from being done (I3)', async () => {
  const { platform, one, refresh, refreshes, store } = await open()
  store.fault = () => new Promise(() => {})
  const outcome = watch(one.call())
  await platform.advance(4000)
  expect(refreshes).toHaveLength(1)
  refresh(0).succeed()
  await platform.advance(2000)
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
})

test('a session that could not be stored at first is stored with the next refresh', async () => {
  const { platform, one, refresh, store } = await open({}, 1)
  store.fault = (name) => (name === 'save' ? Promise.reject(new Error('full')) : Promise.resolve())
  watch(one.call())
  await platform.settle()
  refresh(0).succeed()
  await platform.advance(10)
  expect(store.kept).toBeUndefined()
  expect(one.broker.snapshot()).toMatchObject({ status: 'signed-in', reason: 'store_failed' })
  store.fault = undefined
  await platform.advance(900_000)
  watch(one.call())
  await platform.settle()
  refresh(1).succeed()
  await platform.settle()
  expect(store.kept).toMatchObject({ version: 3, tokens: { accessToken: 'access-3' } })
  expect(one.broker.snapshot()).toEqual({ status: 'signed-in', tokenServer: 'ok', user: { subject: 'ann' } })
})

const ofLaterBuild = { ...storedSession(), format: 3 } as never as StoredSession

test('a record of a later build is not overwritten; the error of a call or a sign-in says to reload or to sign out', async () => {
  const { one, store } = await open({ stored: ofLaterBuild }, 1)
  expect(one.broker.snapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok', reason: 'later_build' })
  await expect(one.call()).rejects.toMatchObject({ code: 'protocol_mismatch' })
  await expect(one.signIn('bob')).rejects.toMatchObject({
    code: 'protocol_mismatch',
    message: expect.stringContaining('session.signOut()'),
  })
  expect(store.kept).toBe(ofLaterBuild)
  expect(store.log).toEqual([])
})

test('a sign-out deletes the record of a later build; then a sign-in works, and the next worker finds it', async () => {
  const { platform, one, start, store } = await open({ stored: ofLaterBuild }, 1)
  expect(await one.broker.signOut(false)).toEqual({})
  expect(store.kept).toBeUndefined()
  expect(one.broker.snapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok' })
  await one.signIn('bob')
  const next = start()
  await platform.settle()
  expect(next.broker.snapshot()).toMatchObject({ status: 'signed-in', user: { subject: 'bob' } })
})

test("after a sign-out in one worker, the others find that the later build's record is gone", async () => {
  const { platform, one, other } = await open({ stored: ofLaterBuild })
  await one.broker.signOut(false)
  await platform.settle()
  await other.signIn('bob')
  expect(other.broker.snapshot()).toMatchObject({ status: 'signed-in' })
})

test('a record of a later build that could not be deleted is still there for the next sign-out', async () => {
  const { one, store } = await open({ stored: ofLaterBuild, hasHints: false }, 1)
  store.fault = (name) => (name === 'clear' ? Promise.reject(new Error('disk')) : Promise.resolve())
  await expect(one.broker.signOut(false)).rejects.toMatchObject({ code: 'store_failed' })
  expect(one.broker.snapshot()).toMatchObject({ reason: 'later_build' })
  store.fault = undefined
  await one.broker.signOut(false)
  expect(store.kept).toBeUndefined()
})

test('a read that ends while the record of a later build is being deleted does not restore the reason', async () => {
  const { platform, one, store, forgeHint } = await open({ stored: ofLaterBuild, hasHints: false }, 1)
  let clear = () => {}
  store.fault = (name) => (name === 'clear' ? new Promise((resolve) => (clear = resolve)) : Promise.resolve())
  const signOut = watch(one.broker.signOut(false))
  await platform.settle()
  forgeHint()
  await platform.settle()
  clear()
  await platform.settle()
  expect(signOut.settled).toBe(1)
  await one.signIn('bob')
  expect(one.broker.snapshot()).toMatchObject({ status: 'signed-in' })
})

test("a worker whose own late write has deleted the later build's record works again (seed 99327)", async () => {
  const { platform, one, store } = await open({ stored: ofLaterBuild, hasHints: false }, 1)
  let clear = () => {}
  store.fault = (name) => (name === 'clear' ? new Promise((resolve) => (clear = resolve)) : Promise.resolve())
  const signOut = watch(one.broker.signOut(false))
  await platform.advance(60_000)
  expect(signOut.settled).toBe(1)
  expect(one.broker.snapshot()).toMatchObject({ reason: 'later_build' })
  store.fault = undefined
  clear()
  await platform.advance(1000)
  expect(store.kept).toBeUndefined()
  expect(one.broker.snapshot().reason).toBeUndefined()
  await one.signIn('bob')
  expect(one.broker.snapshot()).toMatchObject({ status: 'signed-in' })
})

test('a sign-in that cannot be stored does not delete the record that a later build has stored meanwhile', async () => {
  const { platform, one, store } = await open({ stored: undefined as never, hasHints: false }, 1)
  store.kept = ofLaterBuild
  store.fault = (name) => (name === 'save' ? Promise.reject(new Error('full')) : Promise.resolve())
  await one.signIn('bob')
  await platform.settle()
  expect(store.kept).toBe(ofLaterBuild)
})

test('a later build that takes the session over while a refresh is under way keeps it', async () => {
  const { platform, one, refresh, store, revoked } = await open({ hasHints: false }, 1)
  const outcome = watch(one.call())
  await platform.settle()
  store.kept = ofLaterBuild
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'protocol_mismatch' } })
  expect(store.kept).toBe(ofLaterBuild)
  expect(revoked).toEqual([])
})

test('a sign-in rejects if a later build takes over during it', async () => {
  const { platform, one, store } = await open({ stored: undefined as never, hasHints: false }, 1)
  store.kept = ofLaterBuild
  const outcome = watch(one.signIn('bob'))
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'protocol_mismatch' } })
  expect(store.kept).toBe(ofLaterBuild)
})

test('after the later build has signed out, this one works again', async () => {
  const { platform, one, store, forgeHint } = await open({ stored: ofLaterBuild }, 1)
  store.kept = undefined
  forgeHint()
  await platform.settle()
  await one.signIn('bob')
  expect(one.broker.snapshot()).toMatchObject({ status: 'signed-in' })
})

test('a store whose conditional writes always conflict does not stop the session (I3)', async () => {
  const { platform, one, refresh, store } = await open({}, 1)
  const stubborn = { ...(store.kept as StoredSession) }
  Object.defineProperty(store, 'kept', {
    get: () => ({ ...stubborn, marker: { ...marker, id: `other-${Math.random()}` } }),
  })
  const outcome = watch(one.call())
  await platform.settle()
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { tokens: { accessToken: 'access-2' } } })
})

const marker = { id: 'other', owner: 'other', isOver: true, until: 0, pause: 0, failures: 0, outcomeLost: false }

test.each<[Comparison, string, Partial<OwnSession>, Partial<StoredSession> | 'none' | 'unreadable' | 'later-format']>([
  ['alone', 'a store that does not answer', {}, 'unreadable'],
  ['later-format', 'a later build', {}, 'later-format'],
  ['ended', 'an empty store, if the session had been stored', {}, 'none'],
  ['alone', 'an empty store, if the session had not been stored', { isStored: false }, 'none'],
  ['alone', 'an empty store, signed out', { held: undefined }, 'none'],
  ['same', 'its own record', {}, {}],
  ['newer', 'its own record with newer tokens', {}, { version: 8 }],
  ['alone', 'its own record with older tokens', {}, { version: 6 }],
  ['alone', 'a session that has ended here', { endedIds: ['other'] }, { sessionId: 'other' }],
  ['other', 'its own sessionId, signed out', { held: undefined }, {}],
  ['other', 'a sign-in elsewhere', {}, { sessionId: 'other' }],
  [
    'other',
    'a sign-in later than one that the store has not taken',
    { isStored: false },
    { sessionId: 'other', signedInAt: 11 },
  ],
  [
    'alone',
    'one as old as a sign-in that the store has not taken',
    { isStored: false },
    { sessionId: 'other', signedInAt: 10 },
  ],
  [
    'alone',
    'one older than a sign-in that the store has not taken',
    { isStored: false },
    { sessionId: 'other', signedInAt: 9 },
  ],
])('a session that is compared with a record is %s: %s', (expected, _what, changes, record) => {
  const own = { held: {}, sessionId: 'own', version: 7, signedInAt: 10, isStored: true, endedIds: [], ...changes }
  const kept = { ...storedSession(), sessionId: 'own', version: 7, signedInAt: 10 }
  const read: StoreRead =
    typeof record === 'string' ? { kind: record } : { kind: 'session', session: { ...kept, ...record } }
  expect(compareWithRecord(own, read)).toBe(expected)
})

test('an empty store is expected to stay empty; a store that could not be read has no condition', () => {
  expect(stateOf({ kind: 'none' })).toBeNull()
  expect(stateOf({ kind: 'unreadable' })).toBeUndefined()
  const kept = { sessionId: 'own', version: 7, marker: null }
  expect([isInState(undefined, null), isInState(kept, null), isInState(undefined, kept)]).toEqual([true, false, false])
  expect([isInState(kept, {}), isInState(undefined, {})]).toEqual([true, false])
  expect([isInState(kept, undefined), isInState(undefined, undefined), isInState(kept, kept)]).toEqual([
    true,
    true,
    true,
  ])
})
