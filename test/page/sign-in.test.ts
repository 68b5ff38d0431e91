import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Client } from '../../src/client/client.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import type { BegunSignIn } from '../../src/protocol/methods.ts'
import { createSignIn } from '../../src/sign-in.ts'
import { createVirtualPlatform } from '../../worker/testing/virtual-platform.ts'

const channels: BroadcastChannel[] = []
let assign = vi.fn()

beforeEach(() => {
  history.replaceState(null, '', '/callback')
  sessionStorage.clear()
  assign = vi.spyOn(window.location, 'assign').mockImplementation(() => {}) as never
})
afterEach(() => {
  for (const channel of channels.splice(0)) channel.close()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

const mismatch = new LingpaiError('state_mismatch', 'no such sign-in')
const callbackOf = (state: string) => `${location.origin}/callback?code=c&state=${state}`
const stateOf = (url: string) => new URL(url).searchParams.get('state') ?? ''

interface Worker {
  /** The states of the sign-ins that it knows. */
  readonly known: Set<string>
  readonly completed: string[]
  readonly begun: unknown[]
}

/** A page's sign-in over a scripted worker, whose sign-ins get the states `id-1`, `id-2` and so on. */
function openPage({ id = 'w', session = 'session', inMemory = false } = {}) {
  const worker: Worker = { known: new Set(), completed: [], begun: [] }
  const methods = {
    authorize(input: unknown): BegunSignIn {
      const state = `${id}-${worker.begun.push(input)}`
      worker.known.add(state)
      return { url: `https://id.example/auth?state=${state}`, state, ...(inMemory && { session, worker: id }) }
    },
    callback(url: string) {
      worker.completed.push(url)
      if (!worker.known.delete(stateOf(url))) throw mismatch
      return { returnTo: '/orders' }
    },
  }
  const call = async (name: keyof typeof methods, [given]: [never]) => methods[name](given)
  const timers = createVirtualPlatform()
  return { worker, timers, ...createSignIn({ call } as unknown as Client, timers) }
}

function fakePopup() {
  return { location: { href: '' }, closed: false, close: vi.fn(), postMessage: vi.fn() }
}

async function openPopup() {
  const popup = fakePopup()
  vi.stubGlobal('open', () => popup)
  const page = openPage()
  let isSettled = false
  const outcome = page
    .signIn({ via: 'popup' })
    .then(
      () => 'signed in',
      (error) => error.code,
    )
    .finally(() => {
      isSettled = true
    })
  await vi.waitFor(() => expect(popup.location.href).not.toBe(''))
  return { ...page, popup, outcome, isPending: () => !isSettled }
}

function openChannel(): BroadcastChannel & { readonly received: unknown[] } {
  const received: unknown[] = []
  const channel = Object.assign(new BroadcastChannel('lingpai-callback'), { received })
  channel.onmessage = ({ data }) => received.push(data)
  channels.push(channel)
  return channel
}

/** Messages of a channel arrive after some turns of the event loop. */
const arrived = () => new Promise((resolve) => setTimeout(resolve, 50))

test('a popup whose link was cut gives its callback over a channel, and closes', async () => {
  const { signIn: _signIn, ...waiting } = await openPopup()
  const close = vi.fn()
  vi.stubGlobal('close', close)
  const callbackPage = openPage()
  expect(await callbackPage.completeSignIn(callbackOf('w-1'))).toEqual({})
  expect(await waiting.outcome).toBe('signed in')
  expect(waiting.worker.completed).toEqual([callbackOf('w-1')])
  expect(callbackPage.worker.completed).toEqual([])
  expect(close).toHaveBeenCalledOnce()
})

test('a page takes no callback of another sign-in, and nothing else, from the channel', async () => {
  const { worker, isPending } = await openPopup()
  const channel = openChannel()
  const url = callbackOf('w-1')
  for (const data of [
    null,
    1,
    { lingpai: 'callback' },
    { lingpai: 'callback', url },
    { lingpai: 'callback', url, state: 'other' },
  ])
    channel.postMessage(data)
  channel.postMessage({ lingpai: 'callback-taken', url, state: 'w-1' })
  await arrived()
  expect(isPending()).toBe(true)
  expect(worker.completed).toEqual([])
  expect(channel.received).toEqual([])
})

test('a callback page believes no answer to another callback, and completes the sign-in itself', async () => {
  const { worker, timers, completeSignIn } = openPage()
  worker.known.add('s')
  const channel = openChannel()
  const outcome = completeSignIn(callbackOf('s'))
  await vi.waitFor(() => expect(channel.received).toHaveLength(1))
  channel.postMessage({ lingpai: 'callback-taken', state: 'other' })
  channel.postMessage({ lingpai: 'callback-taken' })
  await arrived()
  expect(worker.completed).toEqual([])
  await timers.advance(1000)
  expect(await outcome).toEqual({ returnTo: '/orders' })
})

test('a closed popup counts as cancelled after 3 s without a callback, and not before', async () => {
  const { popup, outcome, timers, isPending } = await openPopup()
  popup.closed = true
  await timers.advance(2900)
  expect(isPending()).toBe(true)
  await timers.advance(600)
  expect(await outcome).toBe('sign_in_cancelled')
})

test('a callback that arrives after the popup looks closed completes the sign-in', async () => {
  const { popup, outcome, timers } = await openPopup()
  popup.closed = true
  await timers.advance(2000)
  openChannel().postMessage({ lingpai: 'callback', url: callbackOf('w-1'), state: 'w-1' })
  await arrived()
  await timers.advance(10_000)
  expect(await outcome).toBe('signed in')
})

test('a popup that looks closed while another window has the focus is not cancelled: its link may be cut', async () => {
  const hasFocus = vi.spyOn(document, 'hasFocus').mockReturnValue(false)
  const { popup, outcome, timers, isPending } = await openPopup()
  popup.closed = true
  await timers.advance(60_000)
  expect(isPending()).toBe(true)
  hasFocus.mockReturnValue(true)
  await timers.advance(3300)
  expect(await outcome).toBe('sign_in_cancelled')
})

test('the callback of a redirect is sent to no other page, and completed without a wait', async () => {
  const page = openPage()
  await page.signIn({ via: 'redirect' })
  const channel = openChannel()
  expect(await page.completeSignIn(callbackOf('w-1'))).toEqual({ returnTo: '/orders' })
  await arrived()
  expect(channel.received).toEqual([])
})

test('a redirect whose sign-in was lost with its worker begins anew, with the same returnTo', async () => {
  history.replaceState(null, '', '/shop/start')
  await openPage({ id: 'first', inMemory: true }).signIn({ via: 'redirect', returnTo: 'orders?page=2' })
  history.replaceState(null, '', '/callback')
  const next = openPage({ id: 'next', inMemory: true })
  void next.completeSignIn(callbackOf('first-1')).catch(() => {})
  await vi.waitFor(() => expect(assign).toHaveBeenCalledWith('https://id.example/auth?state=next-1'))
  expect(next.worker.begun).toEqual([{ via: 'redirect', returnTo: '/shop/orders?page=2' }])
  const returned = openPage({ id: 'next', inMemory: true })
  returned.worker.known.add('next-1')
  expect(await returned.completeSignIn(callbackOf('next-1'))).toEqual({ returnTo: '/orders' })
  expect(Object.values({ ...sessionStorage })).toEqual(['null'])
})

test('both calls of a page in StrictMode begin a lost sign-in anew once', async () => {
  await openPage({ id: 'first', inMemory: true }).signIn({ via: 'redirect' })
  const next = openPage({ id: 'next', inMemory: true })
  const outcomes = [1, 2].map(() => next.completeSignIn(callbackOf('first-1')).catch((error) => error.code))
  await vi.waitFor(() => expect(assign).toHaveBeenCalledTimes(2))
  await next.timers.advance(60_000)
  expect(await Promise.all(outcomes)).toEqual(['state_mismatch', 'state_mismatch'])
  expect(next.worker.begun).toHaveLength(1)
})

test('a sign-in that is lost twice is not begun a third time', async () => {
  await openPage({ id: 'first', inMemory: true }).signIn({ via: 'redirect' })
  void openPage({ id: 'second', inMemory: true })
    .completeSignIn(callbackOf('first-1'))
    .catch(() => {})
  await vi.waitFor(() => expect(assign).toHaveBeenCalledTimes(2))
  const third = openPage({ id: 'third', inMemory: true })
  await expect(third.completeSignIn(callbackOf('second-1'))).rejects.toMatchObject({ code: 'state_mismatch' })
  expect(third.worker.begun).toEqual([])
})

test.each<[string, Parameters<typeof openPage>[0], Parameters<typeof openPage>[0], string]>([
  ['whose worker still lives, after a sign-out', { inMemory: true }, { inMemory: true }, 'w-1'],
  ['of another session', { inMemory: true }, { id: 'x', session: 'other', inMemory: true }, 'w-1'],
  ['of a session that stores its sign-ins', {}, { id: 'x' }, 'w-1'],
  ['that another browser has begun', { inMemory: true }, { id: 'x', inMemory: true }, 'forged'],
])('a callback %s begins no sign-in', async (_what, before, after, state) => {
  await openPage(before).signIn({ via: 'redirect' })
  const page = openPage(after)
  const outcome = page.completeSignIn(callbackOf(state)).catch((error) => error.code)
  await arrived()
  await page.timers.advance(1000)
  expect(await outcome).toBe('state_mismatch')
  expect(assign).toHaveBeenCalledOnce()
})

test('the tab keeps no verifier, nonce or URL of a redirect', async () => {
  await openPage({ inMemory: true }).signIn({ via: 'redirect', returnTo: '/a' })
  const kept = JSON.parse(Object.values({ ...sessionStorage })[0] as string)
  expect(Object.keys(kept).sort()).toEqual(['input', 'isSecond', 'session', 'state', 'worker'])
})

test('a redirect works in a page without sessionStorage', async () => {
  vi.stubGlobal('sessionStorage', undefined)
  const page = openPage()
  await page.signIn({ via: 'redirect' })
  expect(assign).toHaveBeenCalledOnce()
  const outcome = page.completeSignIn(callbackOf('w-1'))
  await arrived()
  await page.timers.advance(1000)
  expect(await outcome).toEqual({ returnTo: '/orders' })
})

test('a returnTo that is a blob of this app is invalid_call', async () => {
  const { signIn } = openPage()
  await expect(signIn({ via: 'redirect', returnTo: `blob:${location.origin}/1` })).rejects.toMatchObject({
    code: 'invalid_call',
  })
})
