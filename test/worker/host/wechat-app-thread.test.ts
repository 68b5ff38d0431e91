import { expect, test, vi } from 'vitest'
import type { CancelSignal } from '../../../src/protocol/cancel-signal.ts'
import { createAppThreadProxy } from '../../../worker/host/wechat-app-thread.ts'
import { createPeer, never, Refusal } from '../../fixtures/scripted-peer.ts'

const request = { url: 'https://api.example/refresh', method: 'POST', headers: [] }
const silent = new AbortController().signal
const outcomeOf = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)
const pause = () => new Promise((resolve) => setImmediate(resolve))

test('every call rejects with network_error before the app thread has connected', async () => {
  const services = createAppThreadProxy()
  const calls = [
    services.send(request, silent),
    services.sendTask({ name: 't', isReplay: false, ...request }),
    services.awaitTask('t'),
    services.load('key'),
    services.save('key', 'text'),
    services.clear('key'),
    services.login(silent),
  ]
  for (const promise of calls) expect(await outcomeOf(promise)).toMatchObject({ code: 'network_error' })
})

test('each service is called by its own name, with its own arguments', async () => {
  const order = { name: 't', isReplay: true, ...request }
  const peer = createPeer({
    send: () => ({ status: 200, headers: {}, body: 'sent' }),
    sendTask: () => ({ hasWaited: true }),
    awaitTask: () => ({ status: 201, isReadable: true }),
    load: () => ({ isEncrypted: true, text: 'kept' }),
    save: () => ({ isEncrypted: true }),
    clear: () => undefined,
    login: () => 'code',
  })
  const services = createAppThreadProxy()
  services.connect(peer.endpoint)
  expect(await services.send(request, silent)).toEqual({ status: 200, headers: {}, body: 'sent' })
  expect(await services.sendTask(order)).toEqual({ hasWaited: true })
  expect(await services.awaitTask('t')).toEqual({ status: 201, isReadable: true })
  expect(await services.load('key')).toEqual({ isEncrypted: true, text: 'kept' })
  expect(await services.save('key', 'text')).toEqual({ isEncrypted: true })
  await services.clear('key')
  expect(await services.login(silent)).toBe('code')
  expect(peer.callsOf('send')).toEqual([[expect.any(String), request]])
  expect(peer.callsOf('sendTask')).toEqual([[order]])
  expect(peer.callsOf('awaitTask')).toEqual([['t']])
  expect(peer.callsOf('load')).toEqual([['key']])
  expect(peer.callsOf('save')).toEqual([['key', 'text']])
  expect(peer.callsOf('clear')).toEqual([['key']])
  expect(peer.callsOf('login')).toEqual([[expect.any(String)]])
})

test('an error of the app thread keeps its code', async () => {
  const peer = createPeer({
    save: () => {
      throw new Refusal({ name: 'LingpaiError', message: 'full', code: 'store_failed' })
    },
  })
  const services = createAppThreadProxy()
  services.connect(peer.endpoint)
  expect(await outcomeOf(services.save('key', 'text'))).toMatchObject({ code: 'store_failed' })
})

test('when the app thread reconnects, each call on the old connection rejects once (I3)', async () => {
  const [first, second] = [createPeer({ login: never, load: never }), createPeer({ login: () => 'code' })]
  const services = createAppThreadProxy()
  services.connect(first.endpoint)
  const settled = vi.fn()
  const lost = [outcomeOf(services.login(silent)), outcomeOf(services.load('key'))]
  for (const promise of lost) void promise.then(settled)
  await pause()
  expect(settled).not.toHaveBeenCalled()
  services.connect(second.endpoint)
  expect(await Promise.all(lost)).toMatchObject([{ code: 'network_error' }, { code: 'network_error' }])
  expect(await services.login(silent)).toBe('code')
  expect([first, second].map((peer) => peer.callsOf('login').length)).toEqual([1, 1])
  services.connect(createPeer().endpoint)
  await pause()
  expect(settled).toHaveBeenCalledTimes(2)
})

test('a call that is retried when the old connection fails uses the new one', async () => {
  const second = createPeer({ login: () => 'code' })
  const services = createAppThreadProxy()
  services.connect(createPeer({ login: never }).endpoint)
  const again = services.login(silent).catch(() => services.login(silent))
  services.connect(second.endpoint)
  expect(await again).toBe('code')
})

test('an abort is sent with the id of its own request, on the connection of that request', async () => {
  const [first, second] = [createPeer({ send: never }), createPeer({ send: never })]
  const services = createAppThreadProxy()
  services.connect(first.endpoint)
  const controllers = [new AbortController(), new AbortController()] as const
  const lost = controllers.map(({ signal }) => outcomeOf(services.send(request, signal)))
  await pause()
  controllers[1].abort()
  const [, [id] = []] = first.callsOf('send')
  expect(first.noticesOf('abort')).toEqual([{ lingpai: 'abort', call: id }])
  services.connect(second.endpoint)
  controllers[0].abort()
  expect(second.noticesOf('abort')).toEqual([])
  await Promise.all(lost)
})

test('an abort of a login is sent with the id of that login', async () => {
  const peer = createPeer({ send: never, login: never })
  const services = createAppThreadProxy()
  services.connect(peer.endpoint)
  const controller = new AbortController()
  void services.send(request, silent).catch(() => {})
  void services.login(controller.signal).catch(() => {})
  await pause()
  controller.abort()
  const [[id] = []] = peer.callsOf('login')
  expect(peer.noticesOf('abort')).toEqual([{ lingpai: 'abort', call: id }])
  expect(peer.callsOf('send')[0]?.[0]).not.toBe(id)
})

test('each request of a worker has its own id', async () => {
  const peer = createPeer({ send: never })
  const services = createAppThreadProxy()
  services.connect(peer.endpoint)
  for (let count = 0; count < 50; count += 1) void services.send(request, silent).catch(() => {})
  await pause()
  const ids = peer.callsOf('send').map(([id]) => id)
  expect(new Set(ids).size).toBe(50)
  for (const id of ids) expect(id).toMatch(/^\w{1,32}$/)
})

test('a finished request is not aborted later, and leaves no listener on its signal', async () => {
  const peer = createPeer({ send: () => ({ status: 200, headers: {}, body: '' }) })
  const services = createAppThreadProxy()
  services.connect(peer.endpoint)
  const listeners = new Set<() => void>()
  const signal: CancelSignal = {
    aborted: false,
    addEventListener: (_type, listener) => void listeners.add(listener),
    removeEventListener: (_type, listener) => void listeners.delete(listener),
  }
  await services.send(request, signal)
  expect(listeners.size).toBe(0)
  expect(peer.noticesOf('abort')).toEqual([])
})
