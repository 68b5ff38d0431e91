import { afterEach, beforeEach, expect, expectTypeOf, test, vi } from 'vitest'
import {
  connect,
  isLingpaiError,
  LingpaiError,
  type LingpaiErrorCode,
  type RequestOptions,
  type Session,
  type SessionFetch,
} from '../../src/index.ts'
import type { Broker } from '../../src/protocol/broker.ts'
import { toFetchError } from '../../src/protocol/errors.ts'
import type { BrokerSnapshot } from '../../src/protocol/snapshot.ts'
import type { WireApiRequest } from '../../src/protocol/wire.ts'
import {
  createPeer,
  type Handlers,
  never,
  type Peer,
  Refusal,
  signedOut,
  welcomeOf,
} from '../fixtures/scripted-peer.ts'

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

test('the snapshot is available at once, and says connecting', () => {
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

test('a copy of the same user is not a change, and calls no listener', async () => {
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
])('%s is a change', async (_name, next) => {
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

test('the snapshot and the user in it cannot be changed', async () => {
  const { session, peer } = await open()
  peer.publish(structuredClone(signedIn))
  await settled()
  const snapshot = session.getSnapshot()
  expect(Object.isFrozen(snapshot)).toBe(true)
  expect(Object.isFrozen(snapshot.user)).toBe(true)
  expect(Object.isFrozen(snapshot.user?.profile)).toBe(true)
})

test('a listener is called after each visible change, until it unsubscribes', async () => {
  const { session, peer } = await open()
  const statuses: string[] = []
  const unsubscribe = session.subscribe(() => statuses.push(session.getSnapshot().status))
  peer.publish(signedIn)
  await settled()
  peer.publish(signedOut)
  await settled()
  unsubscribe()
  unsubscribe()
  peer.publish(signedIn)
  await settled()
  expect(statuses).toEqual(['signed-in', 'signed-out'])
})

test('a listener may unsubscribe another one while it is called', async () => {
  const { session, peer } = await open()
  const second = vi.fn()
  session.subscribe(() => unsubscribe())
  const unsubscribe = session.subscribe(second)
  session.subscribe(second)
  peer.publish(signedIn)
  await settled()
  expect(second.mock.calls.length).toBeGreaterThan(0)
})

test('a function that is subscribed twice stays subscribed when one subscription ends', async () => {
  const { session, peer } = await open()
  const listener = vi.fn()
  const first = session.subscribe(listener)
  session.subscribe(listener)
  first()
  peer.publish(signedIn)
  await settled()
  expect(listener).toHaveBeenCalledOnce()
})

test('a listener that is subscribed while another one is called gets only later changes', async () => {
  const { session, peer } = await open()
  const late = vi.fn()
  const unsubscribe = session.subscribe(() => {
    unsubscribe()
    session.subscribe(late)
  })
  peer.publish(signedIn)
  await settled()
  expect(late).not.toHaveBeenCalled()
  peer.publish(signedOut)
  await settled()
  expect(late).toHaveBeenCalledOnce()
})

/** A page that is connected to a SharedWorker. Each connection has its own port. */
async function openShared(handlers: Handlers = {}) {
  const peers: Peer[] = []
  vi.stubGlobal('SharedWorker', EventTarget)
  const shared = () => {
    const peer = createPeer(handlers)
    peers.push(peer)
    return Object.assign(new EventTarget(), { port: peer.endpoint }) as unknown as SharedWorker
  }
  const session = connect({ shared }) as Session
  sessions.push(session)
  await vi.waitFor(() => expect(session.getSnapshot().status).not.toBe('connecting'))
  return { session, peers }
}

const hidePage = () => window.dispatchEvent(new Event('pagehide'))
const showPage = (persisted = true) => window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted }))

test('a page that is hidden closes its port to a SharedWorker, and pending calls reject (I3)', async () => {
  const { session, peers } = await openShared({ signIn: never })
  const pending = errorOf(session.signIn({ password: 'x' }))
  await settled()
  hidePage()
  expect(peers[0]?.noticesOf('goodbye')).toHaveLength(1)
  expect(peers[0]?.isClosed()).toBe(true)
  expect(await pending).toMatchObject({ code: 'worker_lost' })
})

test('a page that is hidden while it connects closes its port, too, and connects again when it is shown', async () => {
  const peers = [createPeer({ hello: never }), createPeer({ explain: () => [] })]
  const started: Peer[] = []
  vi.stubGlobal('SharedWorker', class {})
  const shared = () => {
    const peer = peers[started.length] as Peer
    started.push(peer)
    return Object.assign(new EventTarget(), { port: peer.endpoint }) as unknown as SharedWorker
  }
  const session = connect({ shared }) as Session
  sessions.push(session)
  await settled()
  hidePage()
  expect(started[0]?.isClosed()).toBe(true)
  showPage()
  expect(await session.explain()).toEqual([])
  expect(session.getSnapshot().status).toBe('signed-out')
  expect(started).toHaveLength(2)
})

test('a page that comes back from the cache connects again, and shows the changes', async () => {
  let snapshot = signedIn
  const { session, peers } = await openShared({ hello: () => welcomeOf({ snapshot }), explain: () => [] })
  hidePage()
  snapshot = signedOut
  showPage()
  await settled()
  expect(session.getSnapshot()).toEqual({ ...signedOut, mode: 'shared' })
  expect(await session.explain()).toEqual([])
  expect(peers).toHaveLength(2)
  expect(peers[1]?.callsOf('hello')).toHaveLength(1)
})

test('a page that was hidden connects again for its next call, even without a pageshow event', async () => {
  const { session, peers } = await openShared({ explain: () => [] })
  hidePage()
  expect(await session.explain()).toEqual([])
  expect(peers).toHaveLength(2)
})

test('the snapshot of a page that comes back to another worker says worker_lost (I7)', async () => {
  let welcome = welcomeOf({ snapshot: signedIn })
  const { session } = await openShared({ hello: () => welcome })
  hidePage()
  welcome = welcomeOf({ instance: 'second' })
  showPage()
  await settled()
  expect(session.getSnapshot()).toEqual({ ...signedOut, reason: 'worker_lost', mode: 'shared' })
})

test('an inline broker is created once, even if its answers are lost: two would serve one session (I1)', async () => {
  const peer = createPeer()
  const inline = vi.fn(() => peer.endpoint)
  const session = connect({ inline }) as Session
  sessions.push(session)
  await settled()
  peer.post({ lingpai: 'snapshot', instance: 'another', snapshot: signedOut })
  await settled()
  expect(peer.callsOf('hello')).toHaveLength(2)
  expect(inline).toHaveBeenCalledOnce()
})

test('a worker that only this page uses keeps running with its session while the page is hidden (I7)', async () => {
  const { session, peer } = await open({ explain: () => [] })
  hidePage()
  expect(peer.isClosed()).toBe(false)
  showPage()
  expect(await session.explain()).toEqual([])
  expect(peer.callsOf('hello')).toHaveLength(1)
})

test('a page that comes back after an error of the configuration does not say hello again', async () => {
  const hello = vi.fn(() => {
    throw new Refusal({ name: 'LingpaiError', message: 'no store', code: 'invalid_config' })
  })
  const session = connect({ inline: () => createPeer({ hello }).endpoint }) as Session
  sessions.push(session)
  expect(await errorOf(session.explain())).toMatchObject({ code: 'invalid_config' })
  showPage()
  await settled()
  expect(hello).toHaveBeenCalledOnce()
})

test('close leaves no listener on the page', async () => {
  const added = vi.spyOn(globalThis, 'addEventListener')
  const removed = vi.spyOn(globalThis, 'removeEventListener')
  const { session } = await open()
  session.close()
  const own = (call: unknown[]) => ['pagehide', 'pageshow'].includes(call[0] as string)
  expect(added.mock.calls.filter(own)).toHaveLength(2)
  expect(removed.mock.calls.filter(own)).toEqual(added.mock.calls.filter(own))
})

async function sentBy(options: RequestOptions): Promise<WireApiRequest> {
  const apis = ['https://api.example', location.origin].map((origin) => ({ origin, pathPrefix: '/' }))
  const { session, peer } = await open({ hello: () => welcomeOf({ apis }), request: () => undefined })
  await session.request(options)
  return peer.callsOf('request')[0]?.[1] as WireApiRequest
}
const headersOf = ({ headers }: WireApiRequest) =>
  Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]))

test.each(['GET', 'HEAD', 'get'])(
  'the data of a %s become its query, and replace parameters of the same name',
  async (method) => {
    const data = { page: 2, q: '令 牌', gone: undefined, none: null }
    const sent = await sentBy({ url: 'https://api.example/orders?page=1&keep=1', method, data })
    expect(sent.method).toBe(method.toUpperCase())
    expect(sent.body).toBeUndefined()
    expect([...new URL(sent.url).searchParams]).toEqual([
      ['page', '2'],
      ['keep', '1'],
      ['q', '令 牌'],
      ['none', 'null'],
    ])
  },
)

test.each([
  [{ page: 1 }, '{"page":1}'],
  [null, 'null'],
  [0, '0'],
  ['text', '"text"'],
])('the data %j of a POST are its body', async (data, body) => {
  const sent = await sentBy({ url: 'https://api.example/orders?page=1', method: 'post', data })
  expect(sent).toMatchObject({ url: 'https://api.example/orders?page=1', method: 'POST', body })
  expect(headersOf(sent)).toMatchObject({ 'content-type': 'application/json', accept: 'application/json' })
})

test('a POST without data has neither a body nor a content type', async () => {
  const sent = await sentBy({ url: 'https://api.example/orders', method: 'POST' })
  expect(sent).not.toHaveProperty('body')
  expect(headersOf(sent)).not.toHaveProperty('content-type')
})

test("the caller's own content-type and accept stay", async () => {
  const headers = { 'Content-Type': 'application/merge-patch+json', Accept: 'application/hal+json' }
  const sent = await sentBy({ url: 'https://api.example/orders', method: 'PATCH', data: {}, headers })
  expect(headersOf(sent)).toMatchObject({
    'content-type': 'application/merge-patch+json',
    accept: 'application/hal+json',
  })
})

test('the url of session.request may be relative to the page, and auth is passed on unchanged', async () => {
  history.replaceState(null, '', '/shop/cart')
  expect(await sentBy({ url: 'orders?page=1', auth: false })).toMatchObject({
    url: `${location.origin}/shop/orders?page=1`,
    auth: false,
  })
})

test('a timeout of 0 is valid, and ends the request with timeout', async () => {
  const { session } = await open({ request: never })
  expect(await errorOf(session.request({ url: 'https://api.example/', timeout: 0 }))).toMatchObject({ code: 'timeout' })
})

test("isLingpaiError recognises only the library's errors, from any realm", () => {
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

test('session.fetch rejects with a TypeError that has a code, and session.request with a LingpaiError', async () => {
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

test('session.fetch can replace window.fetch', () => {
  expectTypeOf<SessionFetch>().toExtend<typeof fetch>()
  expectTypeOf<Session['fetch']>().toExtend<typeof window.fetch>()
})

test("signIn takes the input of the worker's grant, or a redirect or popup", () => {
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

function sendMessage(source: unknown, origin: string, data: unknown): void {
  const event = new MessageEvent('message', { data, origin })
  Object.defineProperty(event, 'source', { value: source })
  window.dispatchEvent(event)
}

const authorize = () => ({ url: 'https://id.example/auth?state=s' })

test('the popup is opened before any await, or the browser would block it', async () => {
  const popup = fakePopup()
  const opened = vi.fn(() => popup)
  vi.stubGlobal('open', opened)
  const { session } = await open({ authorize: never })
  void session.signIn({ via: 'popup' }).catch(() => {})
  expect(opened).toHaveBeenCalledOnce()
})

test('if the browser blocks the popup, signIn rejects with popup_blocked and does not call the worker', async () => {
  vi.stubGlobal('open', () => null)
  const { session, peer } = await open({ authorize })
  expect(await errorOf(session.signIn({ via: 'popup' }))).toMatchObject({ code: 'popup_blocked' })
  expect(peer.callsOf('authorize')).toEqual([])
})

test('if the user closes the popup, signIn rejects with sign_in_cancelled', async () => {
  const popup = fakePopup()
  vi.stubGlobal('open', () => popup)
  const { session } = await open({ authorize })
  const outcome = errorOf(session.signIn({ via: 'popup' }))
  await vi.waitFor(() => expect(popup.location.href).toBe('https://id.example/auth?state=s'))
  popup.closed = true
  expect(await outcome).toMatchObject({ code: 'sign_in_cancelled' })
})

test('the popup is closed if the sign-in cannot begin', async () => {
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

test("the callback is accepted only from the popup, and only from the app's own origin", async () => {
  const popup = fakePopup()
  vi.stubGlobal('open', () => popup)
  const { session, peer } = await open({ authorize, callback: () => ({}) })
  const outcome = session.signIn({ via: 'popup' })
  await vi.waitFor(() => expect(popup.location.href).not.toBe(''))
  await settled()
  const data = (url: string) => ({ lingpai: 'callback', url })
  sendMessage({}, location.origin, data('https://app.example/forged'))
  sendMessage(popup, 'https://evil.example', data('https://app.example/forged'))
  sendMessage(popup, location.origin, { lingpai: 'other' })
  sendMessage(popup, location.origin, null)
  sendMessage(popup, location.origin, data(`${location.origin}/callback?code=c&state=s`))
  await outcome
  expect(peer.callsOf('callback').map(([, url]) => url)).toEqual([`${location.origin}/callback?code=c&state=s`])
  expect(popup.close).toHaveBeenCalled()
})

test("the popup is notified once that its callback was accepted, and only at the app's origin", async () => {
  const popup = fakePopup()
  vi.stubGlobal('open', () => popup)
  const { session } = await open({ authorize, callback: () => ({}) })
  const outcome = session.signIn({ via: 'popup' })
  await vi.waitFor(() => expect(popup.location.href).not.toBe(''))
  await settled()
  const message = { lingpai: 'callback', url: `${location.origin}/callback?code=c&state=s` }
  sendMessage(popup, location.origin, { lingpai: 'callback-taken' })
  sendMessage(popup, location.origin, message)
  await outcome
  sendMessage(popup, location.origin, message)
  expect(popup.postMessage).toHaveBeenCalledExactlyOnceWith({ lingpai: 'callback-taken' }, location.origin)
})

test('the popup is not polled after the sign-in is complete', async () => {
  const closed = vi.fn(() => false)
  const popup = Object.defineProperty(fakePopup(), 'closed', { get: closed })
  vi.stubGlobal('open', () => popup)
  const { session } = await open({ authorize, callback: () => ({}) })
  const outcome = session.signIn({ via: 'popup' })
  await vi.waitFor(() => expect(closed).toHaveBeenCalled())
  sendMessage(popup, location.origin, { lingpai: 'callback', url: `${location.origin}/callback?code=c&state=s` })
  await outcome
  const before = closed.mock.calls.length
  await new Promise((resolve) => setTimeout(resolve, 700))
  expect(closed).toHaveBeenCalledTimes(before)
})

function fakeOpener(origin = location.origin) {
  return { location: { origin }, postMessage: vi.fn() }
}

/** Completes the sign-in on the callback page, which the given window opened. */
async function completeOpenedBy(opener: unknown) {
  const close = vi.fn()
  vi.stubGlobal('opener', opener)
  vi.stubGlobal('close', close)
  const { session, peer } = await open({ callback: () => ({ returnTo: '/orders' }) })
  const url = `${location.origin}/callback?code=c&state=s`
  return { url, close, peer, outcome: session.completeSignIn(url) }
}

test("a popup gives its callback to the page that opened it, only at the app's origin, and closes", async () => {
  const opener = fakeOpener()
  const { url, close, peer, outcome } = await completeOpenedBy(opener)
  expect(opener.postMessage).toHaveBeenCalledExactlyOnceWith({ lingpai: 'callback', url, state: 's' }, location.origin)
  sendMessage({}, location.origin, { lingpai: 'callback-taken' })
  sendMessage(opener, 'https://evil.example', { lingpai: 'callback-taken' })
  await settled()
  expect(close).not.toHaveBeenCalled()
  sendMessage(opener, location.origin, { lingpai: 'callback-taken' })
  expect(await outcome).toEqual({})
  expect(close).toHaveBeenCalledOnce()
  expect(peer.callsOf('callback')).toEqual([])
})

test('the callback page completes the sign-in if the page that opened it does not wait for a callback', async () => {
  const { url, close, peer, outcome } = await completeOpenedBy(fakeOpener())
  expect(await outcome).toEqual({ returnTo: '/orders' })
  expect(peer.callsOf('callback')[0]?.[1]).toBe(url)
  expect(close).not.toHaveBeenCalled()
})

test.each<[string, () => { postMessage: () => void }]>([
  ['is of another origin', () => fakeOpener('https://evil.example')],
  [
    'denies access to its location',
    () =>
      Object.defineProperty({ postMessage: vi.fn() }, 'location', {
        get() {
          throw new DOMException('blocked', 'SecurityError')
        },
      }),
  ],
])('an opener that %s gets no callback (I4)', async (_name, createOpener) => {
  const opener = createOpener()
  const { outcome } = await completeOpenedBy(opener)
  expect(await outcome).toEqual({ returnTo: '/orders' })
  expect(opener.postMessage).not.toHaveBeenCalled()
})

test('cleaning the address bar adds no history entry', async () => {
  const { session } = await open({ callback: () => ({}) })
  history.replaceState(null, '', '/callback?code=c&state=s')
  const push = vi.spyOn(history, 'pushState')
  await session.completeSignIn(location.href)
  expect(location.search).toBe('')
  expect(push).not.toHaveBeenCalled()
})

/** The guide's callback page. Resolves with the path that it opens, or with the code of the error that it shows. */
async function showCallback(session: Session): Promise<string> {
  try {
    const { returnTo = '/' } = await session.completeSignIn(location.href)
    return returnTo
  } catch (error) {
    return (error as LingpaiError).code
  }
}

/** A worker that accepts each state once, as the real one does, and answers after `release`. */
async function openOnCallback(fail?: Error) {
  const used = new Set<string | null>()
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const refuse = (code: LingpaiErrorCode) => new Refusal({ name: 'LingpaiError', message: code, code })
  const callback = async (_call: unknown, url: unknown) => {
    const state = new URL(url as string).searchParams.get('state')
    if (state === null) throw refuse('state_missing')
    if (used.has(state)) throw refuse('state_used')
    used.add(state)
    await released
    if (fail) throw fail
    return { returnTo: `/after-${state}` }
  }
  const opened = await open({ callback })
  history.replaceState(null, '', '/callback?code=c&state=s&mine=1')
  return { ...opened, release }
}

test('a page that completes the sign-in twice at once, as in StrictMode, gets the same path from both calls', async () => {
  const { session, peer, release } = await openOnCallback()
  const shown = [showCallback(session), showCallback(session)]
  release()
  expect(await Promise.all(shown)).toEqual(['/after-s', '/after-s'])
  expect(peer.callsOf('callback')).toHaveLength(1)
})

test('a page that completes the sign-in again later gets the same result', async () => {
  const { session, peer, release } = await openOnCallback()
  release()
  const { href } = location
  expect(await showCallback(session)).toBe('/after-s')
  expect(await showCallback(session)).toBe('/after-s')
  expect(await session.completeSignIn(href)).toEqual({ returnTo: '/after-s' })
  expect(peer.callsOf('callback')).toHaveLength(1)
})

test('if the sign-in fails, both calls of the page reject with the same error', async () => {
  const failure = new Refusal({ name: 'LingpaiError', message: 'cancelled', code: 'sign_in_cancelled' })
  const { session, release } = await openOnCallback(failure)
  const { href } = location
  const shown = [showCallback(session), showCallback(session)]
  release()
  expect(await Promise.all(shown)).toEqual(['sign_in_cancelled', 'sign_in_cancelled'])
  expect(await errorOf(session.completeSignIn(href))).toMatchObject({ code: 'sign_in_cancelled' })
})

test.each(['code=d&state=t', 'state=t', 'error=access_denied&state=t'])(
  'another callback in the same page, %s, is completed separately',
  async (query) => {
    const { session, release } = await openOnCallback()
    const first = showCallback(session)
    history.replaceState(null, '', `/callback?${query}`)
    const second = showCallback(session)
    release()
    expect(await Promise.all([first, second])).toEqual(['/after-s', '/after-t'])
  },
)

test('completeSignIn rejects with state_missing on a page without a callback', async () => {
  const { session } = await openOnCallback()
  history.replaceState(null, '', '/callback')
  expect(await showCallback(session)).toBe('state_missing')
})

test("a redirect opens the provider's URL in the page", async () => {
  const assign = vi.spyOn(window.location, 'assign').mockImplementation(() => {})
  const { session, peer } = await open({ authorize })
  await session.signIn({ via: 'redirect', returnTo: '/orders?page=2#end' })
  expect(assign).toHaveBeenCalledExactlyOnceWith('https://id.example/auth?state=s')
  expect(peer.callsOf('authorize').map(([, input]) => input)).toEqual([
    { via: 'redirect', returnTo: '/orders?page=2#end' },
  ])
})

test('an input with another via goes to the grant', async () => {
  const { session, peer } = await open({ signIn: () => undefined })
  await session.signIn({ via: 'sms', code: '1234' })
  expect(peer.callsOf('signIn').map(([, input]) => input)).toEqual([{ via: 'sms', code: '1234' }])
})

test("a returnTo with the app's origin becomes a path", async () => {
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
])('a returnTo that is %s is invalid_call (RFC 9700 §4.11)', async (_name, returnTo) => {
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

test("the callback's parameters are removed from the address bar before the worker answers; the app's own stay", async () => {
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

test('the parameters of an error callback are removed from the address bar, too', async () => {
  const { session } = await open({
    callback: () => {
      throw new Refusal({ name: 'LingpaiError', message: 'cancelled', code: 'sign_in_cancelled' })
    },
  })
  history.replaceState(null, '', '/callback?error=access_denied&error_description=no&error_uri=u&state=s')
  expect(await errorOf(session.completeSignIn(location.href))).toMatchObject({ code: 'sign_in_cancelled' })
  expect(location.search).toBe('')
})

test("signOut everywhere opens the provider's page, and signOut alone does not", async () => {
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
