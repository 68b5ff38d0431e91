import { expect, test } from 'vitest'
import type { Peers } from '../../../../worker/core/adapter.ts'
import { rejected } from '../../../../worker/core/verdict.ts'
import { createHarness, createScriptedStore, storedSession, watch } from '../../../fixtures/broker-harness.ts'
import { createSharedWorkers, type SharedOptions, type SharedWorkerHarness } from '../../../fixtures/shared-workers.ts'

const fresh = storedSession({ isFresh: true })

/** One worker on a store that others share, and whatever it makes of them. */
function openOne(stored = storedSession(), changes: Partial<Peers> = {}, load?: () => unknown) {
  const store = Object.assign(createScriptedStore(stored), { sharedName: 'session' })
  store.override('load', load)
  let announced = 0
  let hint = () => {}
  const peers: Peers = {
    exclusive: (work) => work(),
    announce: () => void announced++,
    onHint: (listener) => (hint = listener),
    ...changes,
  }
  return { ...createHarness({ store, peers }), announced: () => announced, hint: () => hint() }
}

async function openTwo(options: SharedOptions = {}) {
  const world = createSharedWorkers({ stored: fresh, ...options })
  const [one, other] = [world.start(), world.start()] as [SharedWorkerHarness, SharedWorkerHarness]
  await world.platform.settle()
  return { ...world, one, other }
}

test('a store that could be shared is used by one worker alone as well', async () => {
  const store = Object.assign(createScriptedStore(storedSession()), { sharedName: 'session' })
  const { call, platform, refresh } = createHarness({ store })
  const outcome = watch(call())
  await platform.settle()
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
})

test('the broker does not listen to hints if the store is not shared', () => {
  let listeners = 0
  const peers: Peers = { exclusive: (work) => work(), announce() {}, onHint: () => void listeners++ }
  createHarness({ peers })
  expect(listeners).toBe(0)
  createHarness({ peers, store: Object.assign(createScriptedStore(), { sharedName: 'session' }) })
  expect(listeners).toBe(1)
})

test.each<[string, Peers['exclusive']]>([
  ['is not to be had', () => Promise.reject(new Error('no locks'))],
  ['is lost while its work goes on', (work) => Promise.race([work(), Promise.reject(new Error('stolen'))])],
])('if the lock %s, the refresh is sent once all the same (I1, I3)', async (_title, exclusive) => {
  const { call, platform, refresh, refreshes, store } = openOne(storedSession(), { exclusive })
  let loads = 0
  await platform.settle()
  store.override('load', () => void loads++)
  const outcome = watch(call())
  await platform.settle()
  expect(loads).toBe(1)
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { version: 2 } })
  expect(refreshes).toHaveLength(1)
})

test('a lock that is refused after its refresh has come to an end begins no other', async () => {
  let refuse = () => {}
  const exclusive: Peers['exclusive'] = (work) =>
    new Promise((_resolve, reject) => {
      refuse = () => reject(new Error('stolen'))
      void work()
    })
  const { call, platform, refresh, refreshes } = openOne(storedSession(), { exclusive })
  watch(call())
  await platform.settle()
  refresh(0).succeed()
  await platform.settle()
  refuse()
  await platform.settle()
  expect(refreshes).toHaveLength(1)
  expect(await call()).toMatchObject({ version: 2 })
})

test('a save is announced if it is done, and not if it failed', async () => {
  const working = openOne(fresh)
  await working.signIn('bob')
  expect(working.announced()).toBe(1)
  await working.broker.signOut(false)
  expect(working.announced()).toBe(2)

  const failing = openOne(fresh)
  failing.store.override('save', () => Promise.reject(new Error('quota')))
  failing.store.override('clear', () => Promise.reject(new Error('disk')))
  await failing.signIn('bob')
  await failing.broker.signOut(false).catch(() => {})
  expect(failing.announced()).toBe(0)
})

test('the deletion of rejected tokens from the store is announced', async () => {
  const { call, platform, refresh, announced } = openOne()
  const outcome = watch(call())
  await platform.settle()
  refresh(0).fail(rejected())
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(announced()).toBe(1)
})

test('rejected tokens that the store does not hold any more are not announced: nothing was deleted', async () => {
  const { call, platform, refresh, store, announced } = openOne()
  store.clear = async () => false
  const outcome = watch(call())
  await platform.settle()
  refresh(0).fail(rejected())
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(announced()).toBe(0)
})

test('if another worker has replaced rejected tokens meanwhile, its tokens are read, and not deleted', async () => {
  const { platform, one, other, refresh, store } = await openTwo({ stored: storedSession(), hasHints: false })
  const outcome = watch(one.call())
  await platform.settle()
  await other.signIn('ann')
  let looks = 0
  store.lag = async (name) => void (name === 'load' && looks++)
  refresh(0).fail(rejected())
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: { tokens: { subject: 'ann' } } })
  expect(looks).toBe(1)
  expect(store.kept?.tokens.subject).toBe('ann')
})

test('rejected tokens that could not be deleted at first are deleted later, so that a restart does not sign the user in', async () => {
  const { platform, one, refresh, store } = await openTwo({ stored: storedSession() })
  watch(one.call())
  await platform.settle()
  store.fault = async (name) => {
    if (name !== 'clear') return
    store.fault = undefined
    throw new Error('disk')
  }
  refresh(0).fail(rejected())
  await platform.advance(100)
  expect(store.kept).toBeUndefined()
  expect(one.broker.snapshot()).toMatchObject({ status: 'signed-out', reason: 'refresh_rejected' })
})

test('a worker takes over each sign-in of another worker, one after the other', async () => {
  const { platform, one, other } = await openTwo()
  for (const user of ['bob', 'carl', 'dora']) {
    await one.signIn(user)
    await platform.advance(1000)
    expect(other.broker.snapshot().user).toEqual({ subject: user })
  }
})

test('a hint causes one read, and leaves no timer', async () => {
  const { platform, forgeHint, store } = await openTwo()
  const before = store.loads
  forgeHint()
  await platform.settle()
  expect(store.loads - before).toBe(2)
  expect(platform.pendingTimers()).toBe(0)
})

test.each([
  ['faster than the store answers', 10],
  ['slower than the store answers', 1],
])('hints that come %s cause at most twenty reads a second', async (_how, answerTime) => {
  const { broker, platform, hint, store } = openOne(fresh)
  await broker.ready
  let looks = 0
  store.override('load', () => {
    looks++
    return new Promise<void>((resolve) => platform.setTimeout(resolve, answerTime))
  })
  for (let time = 0; time < 995; time += 5) {
    hint()
    await platform.advance(5)
  }
  expect(looks).toBeGreaterThan(15)
  expect(looks).toBeLessThanOrEqual(20)
})

test('a clock that is set back does not delay the read of a hint', async () => {
  const { broker, platform, hint, store } = openOne(fresh)
  await broker.ready
  let looks = 0
  store.override('load', async () => void looks++)
  for (let look = 0; look < 2; look++) {
    hint()
    await platform.settle()
  }
  platform.jumpClock(-3_600_000)
  hint()
  await platform.settle()
  expect(looks).toBe(3)
})

test('a hint during a read does not start a second one, and causes a read after it', async () => {
  const answers: (() => void)[] = []
  const load = () => new Promise<void>((resolve) => answers.push(resolve))
  const { broker, platform, hint } = openOne(fresh, {}, load)
  await platform.advance(2000)
  hint()
  await platform.settle()
  expect(answers).toHaveLength(1)
  answers[0]?.()
  await platform.advance(100)
  expect(broker.snapshot().status).toBe('signed-in')
  expect(answers).toHaveLength(2)
})

test('a pending repeat of a clear is dropped when a user has signed in in another worker (I5)', async () => {
  const disk = () => Promise.reject(new Error('disk'))
  const { broker, platform, hint, store } = openOne(fresh, {}, disk)
  store.override('clear', () => Promise.reject(new Error('disk')))
  await platform.advance(1000)
  await broker.signOut(false).catch(() => {})
  store.override('load', undefined)
  await store.save({ ...fresh, sessionId: 'of-bob' })
  hint()
  await platform.settle()
  expect(broker.snapshot().status).toBe('signed-in')
  store.override('clear', undefined)
  await platform.advance(5000)
  expect(store.kept?.sessionId).toBe('of-bob')
})

test('a worker that gets the lock after new tokens have come does not read again', async () => {
  let begin: () => Promise<void> = async () => {}
  const exclusive: Peers['exclusive'] = async (work) => {
    begin = work
  }
  const { call, platform, hint, store, refreshes } = openOne(storedSession(), { exclusive })
  const waiting = watch(call())
  await platform.settle()
  const { tokens, ...kept } = storedSession({ isFresh: true })
  await store.save({ ...kept, version: 2, tokens: { ...tokens, accessToken: 'access-2' } })
  hint()
  await platform.settle()
  expect(waiting).toMatchObject({ settled: 1, value: { version: 2 } })
  let looks = 0
  store.override('load', () => void looks++)
  await begin()
  expect([looks, refreshes.length]).toEqual([0, 0])
})

test('a lock is waited for as long as a refresh may take, and no longer (I1)', async () => {
  const { platform, one, other, lock } = await openTwo({ stored: storedSession() })
  watch(one.call())
  await platform.settle()
  one.freeze()
  watch(other.call())
  await platform.advance(9_999)
  expect(lock.steals).toBe(0)
  await platform.advance(1)
  expect(lock.steals).toBe(1)
})

test('if a later build has taken over, the user is not asked for a password in vain', async () => {
  const laterBuild = { ...storedSession(), format: 3 } as never
  const store = Object.assign(createScriptedStore(laterBuild), { sharedName: 'session' })
  let asked = 0
  const grant = { signIn: async () => ({ accessToken: `access-${asked++}` }) }
  await expect(createHarness({ store, grant }).signIn('ann')).rejects.toMatchObject({ code: 'protocol_mismatch' })
  expect(asked).toBe(0)
})

test('a record of a later build is overwritten if no other worker keeps a session', async () => {
  const { broker, signIn, store } = createHarness({ stored: { ...storedSession(), format: 3 } as never })
  await broker.ready
  expect(broker.snapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok' })
  await signIn('ann')
  expect(store.kept?.tokens.subject).toBe('ann')
})

test('a worker that may have missed hints reads a shared store at checkStore, and when the network is back', async () => {
  for (const method of ['checkStore', 'resume'] as const) {
    const { broker, platform, store } = openOne(fresh)
    await broker.ready
    await store.clear()
    broker[method]()
    await platform.settle()
    expect(broker.snapshot()).toMatchObject({ status: 'signed-out', reason: 'signed_out_elsewhere' })
  }
})

test('a worker whose store is not shared does not read it again', async () => {
  const { broker, platform, store } = createHarness({ stored: fresh })
  await broker.ready
  await store.clear()
  broker.checkStore()
  broker.resume()
  await platform.settle()
  expect(broker.snapshot().status).toBe('signed-in')
})
