import { expect, test } from 'vitest'
import type { BrokerSnapshot, Caller } from '../../../../src/protocol/snapshot.ts'
import { createHarness, createScriptedStore, storedSession, watch } from '../../../fixtures/broker-harness.ts'
import { createSharedWorkers } from '../../../fixtures/shared-workers.ts'

const alive = new AbortController().signal
const start = 1_800_000_000_000

/** A worker whose store answers late. A page that saw an earlier worker makes a call and names the session it saw. */
async function callWhileLoading(caller: Caller | undefined) {
  const store = createScriptedStore(storedSession({ isFresh: true, signedInAt: start }))
  let answer = () => {}
  store.override('load', () => new Promise<void>((resolve) => (answer = resolve)))
  const { platform, broker } = createHarness({ store })
  await platform.advance(3000)
  const outcome = watch(broker.openCall('call', alive, caller).then((call) => broker.authorize(call)))
  await platform.settle()
  answer()
  await platform.settle()
  return outcome
}

test.each<[string, Caller | undefined]>([
  ['of the session that is loaded', { session: 'session-1' }],
  ['of the same user in an earlier session', { session: 'session-0', subject: 'ann' }],
  ['of a page that saw no session', undefined],
])('a call %s gets its token once the slow store has answered (I8)', async (_whose, caller) => {
  expect(await callWhileLoading(caller)).toMatchObject({ settled: 1, value: { tokens: { accessToken: 'access-1' } } })
})

test.each<[string, Caller]>([
  ['of another user', { session: 'session-0', subject: 'bob' }],
  ['of another session without a subject', { session: 'session-0' }],
])('a call %s gets no token of the session that a slow store has held (I6)', async (_whose, caller) => {
  expect(await callWhileLoading(caller)).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
})

test('a call that names the session of a user without a subject gets its token', async () => {
  const grant = { signIn: async () => ({ accessToken: 'access-of-someone', expiresIn: 900 }) }
  const { broker, signIn } = createHarness({ grant })
  await signIn({})
  const { caller } = broker.view()
  expect(caller).toEqual({ session: expect.any(String) })
  const call = await broker.openCall('call', alive, caller)
  expect(await broker.authorize(call)).toMatchObject({ tokens: { accessToken: 'access-of-someone' } })
})

test('a page that cannot be reached is noted, and the other pages get the snapshot', async () => {
  const { broker, signIn } = createHarness()
  const snapshots: BrokerSnapshot[] = []
  broker.subscribe(() => {
    throw new Error('the port is closed')
  })
  broker.subscribe((snapshot) => snapshots.push(snapshot))
  await signIn('ann')
  expect(snapshots.at(-1)).toMatchObject({ status: 'signed-in' })
  expect(broker.explain().some(({ event }) => event === 'listener-failed')).toBe(true)
})

test('a sign-in is in the history from its start to its end', async () => {
  const { broker, signIn } = createHarness()
  await signIn('ann')
  expect(broker.explain().map(({ event }) => event)).toEqual(['started', 'sign-in-started', 'signed-in'])
})

test('a sign-out also ends the sign-ins that are under way at the provider (T12)', async () => {
  const grant = {
    authorize: async () => ({
      url: 'https://id.example.com/auth',
      transaction: { state: 'state-1', redirectUri: 'https://app.example.com/callback' } as never,
    }),
    callback: async () => ({ accessToken: 'access-of-ann', subject: 'ann' }),
  }
  const { broker } = createHarness({ grant })
  await broker.beginSignIn({ via: 'redirect' }, alive)
  await broker.signOut(false)
  const outcome = await broker
    .completeSignIn('https://app.example.com/callback?state=state-1', 'state-1', alive)
    .catch((error) => error.code)
  expect(outcome).toBe('state_mismatch')
})

test('a refresh does not hide that an API has asked for a sign-in', async () => {
  const { broker, platform, openCall, refresh } = createHarness({ stored: storedSession({ signedInAt: start }) })
  const call = await openCall()
  const permit = broker.authorize(call)
  await platform.settle()
  broker.askForSignIn(call)
  expect(broker.snapshot().reason).toBe('sign_in_required')
  refresh(0).succeed()
  await permit
  expect(broker.snapshot().reason).toBe('sign_in_required')
})

test('newer tokens of another worker do not hide that an API has asked for a sign-in', async () => {
  const shared = createSharedWorkers()
  const [one, other] = [shared.start(), shared.start()]
  await one.signIn('ann')
  await shared.platform.settle()
  const call = await other.broker.openCall('asking', alive)
  other.broker.askForSignIn(call)
  expect(other.broker.snapshot().reason).toBe('sign_in_required')
  await shared.platform.advance(901_000)
  const permit = one.call()
  await shared.platform.settle()
  shared.refresh(0).succeed()
  await permit
  await shared.platform.advance(1000)
  expect(other.broker.explain().some(({ event }) => event === 'tokens-adopted')).toBe(true)
  expect(other.broker.snapshot().reason).toBe('sign_in_required')
})

test('a worker that missed a sign-out and a sign-in of the same user shows pages the new session (I6)', async () => {
  const shared = createSharedWorkers()
  const [one, other] = [shared.start(), shared.start()]
  await one.signIn('ann')
  await shared.platform.settle()
  const before = other.broker.view().caller
  other.freeze()
  await one.broker.signOut(false)
  await one.signIn('ann')
  await shared.platform.settle()
  other.thaw()
  await shared.platform.advance(1000)
  expect(other.broker.view().caller).toEqual(one.broker.view().caller)
  expect(other.broker.view().caller).not.toEqual(before)
})
