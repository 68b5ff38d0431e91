import { expect, test } from 'vitest'
import type { LingpaiErrorCode } from '../../../../src/protocol/errors.ts'
import { isLingpaiError } from '../../../../src/protocol/errors.ts'
import type { Grant, StoredSession } from '../../../../worker/core/adapter.ts'
import { failed, rejected } from '../../../../worker/core/verdict.ts'
import { memoryTransactions } from '../../../../worker/store/transactions.ts'
import {
  createHarness,
  createScriptedStore,
  type Harness,
  type HarnessOptions,
  storedSession,
} from '../../../fixtures/broker-harness.ts'

const forever = () => new Promise<never>(() => {})
const { signal } = new AbortController()
const url = 'https://app.example.com/?state=state'
const fresh = storedSession({ isFresh: true })
const expired = storedSession()
const laterBuild = { ...storedSession(), format: 3 } as never as StoredSession

function hanging(name: 'load' | 'clear', stored?: StoredSession) {
  const store = createScriptedStore(stored)
  store.override(name, forever)
  return store
}

async function failRefresh({ call, refresh, platform }: Harness, error: unknown): Promise<unknown> {
  const waiting = call()
  await platform.settle()
  refresh(0).fail(error)
  return waiting
}

async function after(harness: Harness, milliseconds: number, work: Promise<unknown>): Promise<unknown> {
  const settled = work.catch((error) => error)
  await harness.platform.advance(milliseconds)
  throw await settled
}

/** A call that its caller allows to wait for so long. */
async function callWithTimeout({ broker, openCall }: Harness, timeout: number): Promise<unknown> {
  return broker.authorize(Object.assign(await openCall(), { timeout }))
}

async function abortLater(harness: Harness, work: (signal: AbortSignal) => Promise<unknown>): Promise<unknown> {
  const controller = new AbortController()
  const settled = work(controller.signal)
  settled.catch(() => {})
  await harness.platform.settle()
  controller.abort()
  return settled
}

async function completeTwice({ broker }: Harness): Promise<unknown> {
  await broker.beginSignIn({ via: 'redirect' }, signal)
  await broker.completeSignIn(url, 'state', signal)
  return broker.completeSignIn(url, 'state', signal)
}

const redirect: Partial<Grant> = {
  authorize: async () => ({ url: 'https://id.example.com/', transaction: { state: 'state' } }),
  callback: async () => ({ accessToken: 'access' }),
}
const hangingTransactions = { ...memoryTransactions(), put: forever, take: forever }
const throwing = (error: unknown): Partial<Grant> => ({ signIn: () => Promise.reject(error) })

// An error is all that many a user of this library sees of it: it says what has failed, and what to do.
test.each<[string, HarnessOptions, (harness: Harness) => Promise<unknown>, LingpaiErrorCode, RegExp]>([
  [
    'no user is signed in',
    {},
    ({ call }) => call(),
    'sign_in_required',
    /^The user is not signed in\. Call session\.signIn\(\)/,
  ],
  [
    'the session has ended',
    { stored: expired },
    (harness) => failRefresh(harness, rejected()),
    'sign_in_required',
    /^The session has ended \(refresh_rejected\)\. Call session\.signIn\(\)/,
  ],
  [
    'the grant is misconfigured',
    { stored: expired },
    (harness) => failRefresh(harness, failed('invalid_client')),
    'refresh_unavailable',
    /cannot be refreshed \(invalid_client\): check the grant's configuration/,
  ],
  [
    'a refresh brings the tokens of another user',
    { stored: expired, grant: { refresh: async () => ({ accessToken: 'access', subject: 'bob' }) } },
    ({ call }) => call(),
    'sign_in_required',
    /^The session has ended \(subject_changed\)\. Call session\.signIn\(\)/,
  ],
  [
    'a refresh takes longer than a call may wait',
    { stored: expired, rules: { timeout: 60_000 } },
    (harness) => after(harness, 30_000, harness.call()),
    'timeout',
    /^The token server did not answer within 30000 ms\./,
  ],
  [
    'a refresh takes longer than the caller allows',
    { stored: expired },
    (harness) => after(harness, 5000, callWithTimeout(harness, 5000)),
    'timeout',
    /^The token server did not answer within 5000 ms\./,
  ],
  [
    'a caller allows a refresh more than any call may wait',
    { stored: expired, rules: { timeout: 60_000 } },
    (harness) => after(harness, 30_000, callWithTimeout(harness, 45_000)),
    'timeout',
    /^The token server did not answer within 30000 ms\./,
  ],
  [
    'the token server cannot be reached',
    { stored: expired },
    (harness) => after(harness, 30_000, failRefresh(harness, new TypeError('no network'))),
    'refresh_unavailable',
    /^The token server could not be reached.*still signed in: try again later/,
  ],
  [
    'the token server cannot be reached, and is being asked once more',
    { stored: expired, rules: { timeout: 60_000 } },
    (harness) => after(harness, 30_000, failRefresh(harness, new TypeError('no network'))),
    'refresh_unavailable',
    /^The token server could not be reached/,
  ],
  [
    'a call is aborted while it waits for a refresh',
    { stored: expired },
    (harness) => abortLater(harness, harness.call),
    'aborted',
    /^The call was aborted\./,
  ],
  [
    'a call is aborted while it waits for the store',
    { store: hanging('load') },
    async (harness) => {
      await harness.platform.advance(2000)
      return abortLater(harness, harness.call)
    },
    'aborted',
    /^The call was aborted\./,
  ],
  [
    'a call was aborted before it began to wait for the store',
    { store: hanging('load') },
    async (harness) => {
      await harness.platform.advance(2000)
      return harness.call(AbortSignal.abort())
    },
    'aborted',
    /^The call was aborted\./,
  ],
  [
    'the store does not answer',
    { store: hanging('load') },
    (harness) => after(harness, 40_000, harness.call()),
    'store_failed',
    /^The store did not answer, so it is not known whether a user is signed in\./,
  ],
  [
    'the store does not answer a sign-in by redirect',
    { transactions: hangingTransactions, grant: redirect },
    (harness) => after(harness, 30_000, harness.broker.beginSignIn({ via: 'redirect' }, signal)),
    'store_failed',
    /^The store did not answer in time\./,
  ],
  [
    'a grant has no signIn',
    { grant: { signIn: undefined as never } },
    ({ signIn }) => signIn('ann'),
    'invalid_call',
    /^This grant has no signIn\. With oauth\(\), call session\.signIn\(\{via: "redirect"\}\)/,
  ],
  [
    'a grant has neither authorize nor callback',
    {},
    ({ broker }) => broker.beginSignIn({ via: 'redirect' }, signal),
    'invalid_call',
    /^This grant has no authorize: pass the input of its signIn\./,
  ],
  [
    'a grant has no callback',
    { grant: { authorize: redirect.authorize as never } },
    ({ broker }) => broker.beginSignIn({ via: 'redirect' }, signal),
    'invalid_call',
    /^This grant has no authorize/,
  ],
  [
    'a grant has a callback and no authorize',
    { grant: { callback: redirect.callback as never } },
    ({ broker }) => broker.beginSignIn({ via: 'redirect' }, signal),
    'invalid_call',
    /^This grant has no authorize/,
  ],
  [
    'a sign-in by redirect does not come to begin',
    { grant: { ...redirect, authorize: forever } },
    (harness) => after(harness, 30_000, harness.broker.beginSignIn({ via: 'redirect' }, signal)),
    'timeout',
    /did not answer within 30000 ms/,
  ],
  [
    'a grant has lost its callback between the redirect and the return',
    { transactions: { ...memoryTransactions(), take: async () => ({ state: 'state' }) } },
    ({ broker }) => broker.completeSignIn(url, 'state', signal),
    'invalid_call',
    /^This grant has no callback\./,
  ],
  [
    'a callback has no state',
    { grant: redirect },
    ({ broker }) => broker.completeSignIn('https://app.example.com/', undefined, signal),
    'state_missing',
    /^This URL is not a sign-in callback: it has no state\./,
  ],
  [
    'a callback matches no sign-in',
    { grant: redirect },
    ({ broker }) => broker.completeSignIn(url, 'state', signal),
    'state_mismatch',
    /^This callback does not match a sign-in that this browser started in the last 10 minutes\. Sign in again\./,
  ],
  [
    'a callback comes twice',
    { grant: redirect },
    completeTwice,
    'state_used',
    /^This callback was used before, perhaps by a reload\. Continue with the session as it is\./,
  ],
  [
    'a sign-in is aborted',
    { grant: { signIn: forever } },
    (harness) => abortLater(harness, (given) => harness.signIn('ann', given)),
    'sign_in_cancelled',
    /^The sign-in was cancelled, or another sign-in or a sign-out replaced it\./,
  ],
  [
    'a sign-in fails',
    { grant: throwing(new Error('wrong password')) },
    ({ signIn }) => signIn('ann'),
    'sign_in_failed',
    /^The sign-in failed: wrong password/,
  ],
  [
    'a sign-in throws a value that is not an Error',
    { grant: throwing('wrong password') },
    ({ signIn }) => signIn('ann'),
    'sign_in_failed',
    /^The sign-in failed: wrong password/,
  ],
  [
    'the answer to a sign-in is not JSON',
    { grant: throwing(new SyntaxError('Unexpected token')) },
    ({ signIn }) => signIn('ann'),
    'sign_in_failed',
    /^The sign-in failed: the response is not JSON/,
  ],
  [
    'a sign-in by redirect cannot begin',
    { grant: { ...redirect, authorize: () => Promise.reject(new Error('no discovery')) } },
    ({ broker }) => broker.beginSignIn({ via: 'redirect' }, signal),
    'sign_in_failed',
    /^The sign-in failed: no discovery/,
  ],
  [
    'the provider cannot end its session',
    { stored: fresh, grant: { signOut: () => Promise.reject<never>(new Error('no network')) } },
    ({ broker }) => broker.signOut(true),
    'network_error',
    /^The user is signed out here, but the provider's own session could not be ended\. Try again\./,
  ],
  [
    'the stored session cannot be deleted',
    { store: hanging('clear', fresh) },
    (harness) => after(harness, 2000, harness.broker.signOut(false)),
    'store_failed',
    /^The user is signed out here, but .* a restart may sign them in again\. Call session\.signOut\(\) again, or ask the user to clear the site's data\./,
  ],
  [
    'neither the server nor the store takes a sign-out',
    { store: hanging('clear', fresh), grant: { signOut: () => Promise.reject<never>(new Error('no network')) } },
    (harness) => after(harness, 2000, harness.broker.signOut(false)),
    'store_failed',
    /could not be deleted/,
  ],
  [
    'a later build has taken over',
    { store: Object.assign(createScriptedStore(laterBuild), { sharedName: 'session' }) },
    ({ call }) => call(),
    'protocol_mismatch',
    /^A later build of the app stored the session in a format .* Reload the page/,
  ],
])('if %s, an error says so, and what to do', async (_title, options, work, code, text) => {
  const error = await work(createHarness(options)).then(
    () => undefined,
    (thrown) => thrown,
  )
  expect(isLingpaiError(error)).toBe(true)
  expect(error).toMatchObject({ code, message: expect.stringMatching(text) })
})
