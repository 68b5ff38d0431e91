import { afterEach, beforeEach, expect, expectTypeOf, test, vi } from 'vitest'
import { connect, isLingpaiError, LingpaiError, type Session, type SessionFetch } from '../../src/index.ts'
import type { Broker, BrokerSnapshot } from '../../src/protocol/contract.ts'
import { toFetchError } from '../../src/protocol/errors.ts'
import { createPeer, type Handlers, never, type Peer, Refusal, signedOut } from '../fixtures/scripted-peer.ts'

const signedIn: BrokerSnapshot = {
  status: 'signed-in',
  tokenServer: 'ok',
  user: { subject: 'alice', profile: { name: 'Alice' } },
}
const sessions: Session[] = []

beforeEach(() => {
  history.replaceState(null, '', '/start')
})
afterEach(() => {
  for (const session of sessions.splice(0)) session.close()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

async function open(handlers: Handlers = {}): Promise<{ readonly session: Session; readonly peer: Peer }> {
  const peer = createPeer(handlers)
  const session = connect({ inline: () => peer.endpoint })
  sessions.push(session as Session)
  await vi.waitFor(() => expect(session.getSnapshot().status).not.toBe('connecting'))
  return { session: session as Session, peer }
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0))
const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${JSON.stringify(value)}`)
    },
    (error: unknown) => error,
  )

test('the snapshot is there at once, and says connecting', () => {
  const session = connect({ inline: () => createPeer({ hello: never }).endpoint })
  expect(session.getSnapshot()).toEqual({ status: 'connecting', tokenServer: 'ok', mode: 'inline' })
  session.close()
})

test('the snapshot is the same object until something changes', async () => {
  const { session, peer } = await open()
  const first = session.getSnapshot()
  expect(session.getSnapshot()).toBe(first)
  peer.publish({ ...signedOut })
  await settled()
  expect(session.getSnapshot()).toBe(first)
  peer.publish(signedIn)
  await settled()
  const second = session.getSnapshot()
  expect(second).not.toBe(first)
  expect(first.status).toBe('signed-out')
  expect(second).toEqual({ ...signedIn, mode: 'inline' })
})

test('the same user in a fresh copy is no change, and no listener is called', async () => {
  const { session, peer } = await open()
  peer.publish(structuredClone(signedIn))
  await settled()
  const before = session.getSnapshot()
  const listener = vi.fn()
  session.subscribe(listener)
  peer.publish(structuredClone(signedIn))
  await settled()
  expect(session.getSnapshot()).toBe(before)
  expect(listener).not.toHaveBeenCalled()
})

test.each<[string, BrokerSnapshot]>([
  ['another user', { ...signedIn, user: { subject: 'bob' } }],
  ['another profile', { ...signedIn, user: { subject: 'alice', profile: { name: 'Al' } } }],
  ['an outage', { ...signedIn, tokenServer: 'unreachable' }],
  ['a reason', { ...signedIn, reason: 'store_failed' }],
  ['a sign-out', signedOut],
])('%s is a change', async (_what, next) => {
  const { session, peer } = await open()
  peer.publish(signedIn)
  await settled()
  const listener = vi.fn()
  session.subscribe(listener)
  peer.publish(next)
  await settled()
  expect(listener).toHaveBeenCalledOnce()
  expect(session.getSnapshot()).toEqual({ ...next, mode: 'inline' })
})

test('the snapshot cannot be changed, nor can the user in it', async () => {
  const { session, peer } = await open()
  peer.publish(structuredClone(signedIn))
  await settled()
  const snapshot = session.getSnapshot()
  expect(Object.isFrozen(snapshot)).toBe(true)
  expect(Object.isFrozen(snapshot.user)).toBe(true)
  expect(Object.isFrozen(snapshot.user?.profile)).toBe(true)
})

test('a listener hears each change after it is visible, until it unsubscribes', async () => {
  const { session, peer } = await open()
  const seen: string[] = []
  const unsubscribe = session.subscribe(() => seen.push(session.getSnapshot().status))
  peer.publish(signedIn)
  await settled()
  peer.publish(signedOut)
  await settled()
  unsubscribe()
  unsubscribe()
  peer.publish(signedIn)
  await settled()
  expect(seen).toEqual(['signed-in', 'signed-out'])
})

test('a listener that unsubscribes another while it is told does no harm', async () => {
  const { session, peer } = await open()
  const second = vi.fn()
  session.subscribe(() => unsubscribe())
  const unsubscribe = session.subscribe(second)
  session.subscribe(second)
  peer.publish(signedIn)
  await settled()
  expect(second.mock.calls.length).toBeGreaterThan(0)
})

test('one function subscribed twice stays subscribed after one of the two has ended', async () => {
  const { session, peer } = await open()
  const listener = vi.fn()
  const first = session.subscribe(listener)
  session.subscribe(listener)
  first()
  peer.publish(signedIn)
  await settled()
  expect(listener).toHaveBeenCalledOnce()
})

test('isLingpaiError knows our errors, from any realm, and nothing else', () => {
  expect(isLingpaiError(new LingpaiError('busy', 'x'))).toBe(true)
  expect(isLingpaiError(toFetchError(new LingpaiError('busy', 'x')))).toBe(true)
  expect(isLingpaiError(Object.assign(new Error('x'), { [Symbol.for('lingpai.error')]: true }))).toBe(true)
  for (const value of [
    new Error('x'),
    { code: 'busy' },
    null,
    undefined,
    'busy',
    Object.assign(new Error('x'), { code: 'busy' }),
  ]) {
    expect(isLingpaiError(value)).toBe(false)
  }
})

test('an error of session.fetch is a TypeError with our code, one of session.request a LingpaiError', async () => {
  const refuse = () => {
    throw new Refusal({ name: 'LingpaiError', message: 'sign in', code: 'sign_in_required' })
  }
  const { session } = await open({ fetch: refuse, request: refuse })
  const fromFetch = await errorOf(session.fetch('https://api.example/'))
  expect(fromFetch).toBeInstanceOf(TypeError)
  expect(isLingpaiError(fromFetch)).toBe(true)
  expect(fromFetch).toMatchObject({ code: 'sign_in_required' })
  const fromRequest = await errorOf(session.request({ url: 'https://api.example/' }))
  expect(fromRequest).toBeInstanceOf(LingpaiError)
  expect(fromRequest).toMatchObject({ code: 'sign_in_required' })
})

test('session.fetch fits wherever window.fetch does', () => {
  expectTypeOf<SessionFetch>().toExtend<typeof fetch>()
  expectTypeOf<Session['fetch']>().toExtend<typeof window.fetch>()
})

test("signIn takes what the worker's grant takes, and the two interactive ways", () => {
  type LoginBroker = Broker<{ account: string; password: string }>
  type Input = Parameters<ReturnType<typeof connect<LoginBroker>>['signIn']>[0]
  expectTypeOf<{ account: string; password: string }>().toExtend<Input>()
  expectTypeOf<{ via: 'popup'; returnTo: string }>().toExtend<Input>()
  expectTypeOf<{ account: string }>().not.toExtend<Input>()
  expectTypeOf<string>().not.toExtend<Input>()
})

function fakePopup() {
  return { location: { href: '' }, closed: false, close: vi.fn(), postMessage: vi.fn() }
}

const authorize = () => ({ url: 'https://id.example/auth?state=s' })

test('the popup is opened before anything is awaited, or the browser would block it', async () => {
  const popup = fakePopup()
  const opened = vi.fn(() => popup)
  vi.stubGlobal('open', opened)
  const { session } = await open({ authorize: never })
  void session.signIn({ via: 'popup' }).catch(() => {})
  expect(opened).toHaveBeenCalledOnce()
})

test('a popup that the browser blocks is popup_blocked, and the worker is not asked', async () => {
  vi.stubGlobal('open', () => null)
  const { session, peer } = await open({ authorize })
  expect(await errorOf(session.signIn({ via: 'popup' }))).toMatchObject({ code: 'popup_blocked' })
  expect(peer.callsOf('authorize')).toEqual([])
})

test('a popup that the user closes is sign_in_cancelled', async () => {
  const popup = fakePopup()
  vi.stubGlobal('open', () => popup)
  const { session } = await open({ authorize })
  const outcome = errorOf(session.signIn({ via: 'popup' }))
  await vi.waitFor(() => expect(popup.location.href).toBe('https://id.example/auth?state=s'))
  popup.closed = true
  expect(await outcome).toMatchObject({ code: 'sign_in_cancelled' })
})

test('a popup is closed where the sign-in cannot begin', async () => {
  const popup = fakePopup()
  vi.stubGlobal('open', () => popup)
  const { session } = await open({
    authorize: () => {
      throw new Refusal({ name: 'LingpaiError', message: 'offline', code: 'network_error' })
    },
  })
  expect(await errorOf(session.signIn({ via: 'popup' }))).toMatchObject({ code: 'network_error' })
  expect(popup.close).toHaveBeenCalled()
})

test("the callback is taken from the popup only, and only from the app's own origin", async () => {
  const popup = fakePopup()
  vi.stubGlobal('open', () => popup)
  const { session, peer } = await open({ authorize, callback: () => ({}) })
  const outcome = session.signIn({ via: 'popup' })
  await vi.waitFor(() => expect(popup.location.href).not.toBe(''))
  await settled()
  const data = (url: string) => ({ lingpai: 'callback', url })
  const send = (source: unknown, origin: string, message: unknown) => {
    const event = new MessageEvent('message', { data: message, origin })
    Object.defineProperty(event, 'source', { value: source })
    window.dispatchEvent(event)
  }
  send({}, location.origin, data('https://app.example/forged'))
  send(popup, 'https://evil.example', data('https://app.example/forged'))
  send(popup, location.origin, { lingpai: 'other' })
  send(popup, location.origin, null)
  send(popup, location.origin, data(`${location.origin}/callback?code=c&state=s`))
  await outcome
  expect(peer.callsOf('callback').map(([, url]) => url)).toEqual([`${location.origin}/callback?code=c&state=s`])
  expect(popup.close).toHaveBeenCalled()
})

test('a redirect leaves the page for the URL of the provider', async () => {
  const assign = vi.spyOn(window.location, 'assign').mockImplementation(() => {})
  const { session, peer } = await open({ authorize })
  await session.signIn({ via: 'redirect', returnTo: '/orders?page=2#end' })
  expect(assign).toHaveBeenCalledExactlyOnceWith('https://id.example/auth?state=s')
  expect(peer.callsOf('authorize').map(([, input]) => input)).toEqual([
    { via: 'redirect', returnTo: '/orders?page=2#end' },
  ])
})

test('a relative returnTo is made a path of the app', async () => {
  vi.spyOn(window.location, 'assign').mockImplementation(() => {})
  const { session, peer } = await open({ authorize })
  await session.signIn({ via: 'redirect', returnTo: `${location.origin}/a/../orders` })
  expect(peer.callsOf('authorize')[0]?.[1]).toMatchObject({ returnTo: '/orders' })
})

test.each<[string, unknown]>([
  ['another origin', 'https://evil.example/'],
  ['another origin without a scheme', '//evil.example/'],
  ['another origin with backslashes', '\\\\evil.example/'],
  ['a script', 'javascript:alert(1)'],
  ['a number', 1],
  ['null', null],
  ['a malformed URL', 'https://'],
])('a returnTo that is %s is invalid_call (RFC 9700 §4.11)', async (_what, returnTo) => {
  const assign = vi.spyOn(window.location, 'assign').mockImplementation(() => {})
  const { session } = await open({ authorize })
  expect(await errorOf(session.signIn({ via: 'redirect', returnTo: returnTo as string }))).toMatchObject({
    code: 'invalid_call',
  })
  expect(assign).not.toHaveBeenCalled()
})

test.each(['/.//evil.example/', '/a/..//evil.example/', '/%2e//evil.example/', '//evil.example/..//evil.example'])(
  'a returnTo of %j never becomes the address of another server (RFC 9700 §4.11)',
  async (returnTo) => {
    vi.spyOn(window.location, 'assign').mockImplementation(() => {})
    const { session, peer } = await open({ authorize })
    await session.signIn({ via: 'redirect', returnTo }).catch(() => {})
    for (const [, input] of peer.callsOf('authorize')) {
      const kept = (input as { returnTo: string }).returnTo
      expect(new URL(kept, location.href).origin).toBe(location.origin)
    }
  },
)

test("the callback's parameters leave the address bar before the worker answers; the app's own stay", async () => {
  const { session, peer } = await open({ callback: () => ({ returnTo: '/orders' }) })
  const state = { kept: true }
  history.replaceState(state, '', '/callback?code=c&state=s&iss=i&session_state=x&mine=1#here')
  const href = location.href
  const outcome = session.completeSignIn(href)
  expect(location.pathname + location.search + location.hash).toBe('/callback?mine=1#here')
  expect(history.state).toEqual(state)
  expect(await outcome).toEqual({ returnTo: '/orders' })
  expect(peer.callsOf('callback')[0]?.[1]).toBe(href)
})

test('an error callback is cleaned from the address bar too', async () => {
  const { session } = await open({
    callback: () => {
      throw new Refusal({ name: 'LingpaiError', message: 'cancelled', code: 'sign_in_cancelled' })
    },
  })
  history.replaceState(null, '', '/callback?error=access_denied&error_description=no&error_uri=u&state=s')
  expect(await errorOf(session.completeSignIn(location.href))).toMatchObject({ code: 'sign_in_cancelled' })
  expect(location.search).toBe('')
})

test('signOut everywhere leaves the page for the provider, and signOut alone does not', async () => {
  const assign = vi.spyOn(window.location, 'assign').mockImplementation(() => {})
  const { session, peer } = await open({
    signOut: (everywhere) => (everywhere ? { url: 'https://id.example/end' } : {}),
  })
  await session.signOut()
  expect(assign).not.toHaveBeenCalled()
  await session.signOut({ everywhere: true })
  expect(assign).toHaveBeenCalledExactlyOnceWith('https://id.example/end')
  expect(peer.callsOf('signOut')).toEqual([[false], [true]])
})
