import { transfer } from 'comlink'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Connection, openConnection } from '../../../src/connect/connection.ts'
import { platformTimers } from '../../../src/connect/timers.ts'
import type { Endpoint } from '../../../src/protocol/endpoint.ts'
import { LingpaiError } from '../../../src/protocol/errors.ts'
import { BUILD } from '../../../src/protocol/handshake.ts'
import type { BrokerSnapshot } from '../../../src/protocol/snapshot.ts'
import { createFakeLocks } from '../../fixtures/fake-locks.ts'
import { apiOrigin, createTestServer, type Fetch } from '../../fixtures/raw-page.ts'
import {
  createPeer,
  type Handlers,
  never,
  type Peer,
  Refusal,
  signedOut,
  welcomeOf,
} from '../../fixtures/scripted-peer.ts'

const ports: MessagePort[] = []
const snapshots: BrokerSnapshot[] = []
let losses = 0

beforeEach(() => {
  losses = 0
  snapshots.length = 0
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  for (const port of ports.splice(0)) port.close()
})

function openOver(endpoint: Endpoint, isShared = false): Connection {
  return openConnection(
    endpoint,
    (snapshot) => snapshots.push(snapshot),
    () => {
      losses += 1
    },
    platformTimers,
    isShared,
  )
}

/** A connection over a real MessageChannel to the real broker. */
function openToServer(changes?: Parameters<typeof createTestServer>[0], fetch?: Fetch): Connection {
  const { port1, port2 } = new MessageChannel()
  ports.push(port1, port2)
  createTestServer(changes, fetch).attach(port2 as never)
  return openOver(port1 as never)
}

async function openToPeer(handlers: Handlers = {}): Promise<Connection & { readonly peer: Peer }> {
  const peer = createPeer(handlers)
  const connection = openOver(peer.endpoint)
  await connection.hello()
  return { ...connection, peer }
}

const request = { url: `${apiOrigin}/orders`, method: 'GET', headers: [] }
const closing = new LingpaiError('worker_lost', 'closed by the test')

test('the answer to hello contains the session and the listed APIs', async () => {
  const connection = openToServer()
  expect(await connection.hello()).toMatchObject({
    protocol: 1,
    snapshot: { status: 'signed-out', tokenServer: 'ok' },
    apis: [{ origin: apiOrigin, pathPrefix: '/' }],
  })
})

test('a call is answered, and a response body arrives as bytes', async () => {
  const connection = openToServer({}, async () => new Response('tea', { status: 201, statusText: 'Made' }))
  await connection.hello()
  await connection.call('signIn', [{}])
  const response = await connection.call('fetch', [request])
  expect(response).toMatchObject({ status: 201, statusText: 'Made' })
  expect(new TextDecoder().decode(response.body as ArrayBuffer)).toBe('tea')
})

test('the bytes of a small body are transferred, and not copied', async () => {
  const chunk = new TextEncoder().encode('tea')
  const start = (source: ReadableStreamDefaultController) => {
    source.enqueue(chunk)
    source.close()
  }
  const connection = openToServer({}, async () => new Response(new ReadableStream({ start })))
  await connection.hello()
  await connection.call('signIn', [{}])
  const { body } = await connection.call('fetch', [request])
  expect(new TextDecoder().decode(body as ArrayBuffer)).toBe('tea')
  expect(chunk.byteLength).toBe(0)
})

test('the port for the progress of an upload gets null and is closed with the answer, and with an error', async () => {
  for (const fetch of [async () => new Response('tea'), () => Promise.reject(new TypeError('Failed to fetch'))]) {
    const connection = openToServer({}, fetch)
    await connection.hello()
    await connection.call('signIn', [{}])
    const { port1, port2 } = new MessageChannel()
    const closed = new Promise((resolve) => port1.addEventListener('close', resolve))
    const isClosed = vi.fn()
    void closed.then(isClosed)
    const onMessage = vi.fn()
    port1.onmessage = ({ data }) => onMessage(data)
    await connection.call('fetch', [transfer({ ...request, progress: port2 }, [port2])]).catch(() => {})
    await expect.poll(() => isClosed.mock.calls.length).toBe(1)
    expect(onMessage.mock.calls).toEqual([[null]])
  }
})

test('a large body is no longer fetched after its page says goodbye', async () => {
  const cancel = vi.fn()
  const pull = (source: ReadableStreamDefaultController) => source.enqueue(new Uint8Array(100_000))
  const connection = openToServer({}, async () => new Response(new ReadableStream({ pull, cancel })))
  await connection.hello()
  await connection.call('signIn', [{}])
  const { body } = await connection.call('fetch', [request])
  ports.push(body as MessagePort)
  expect(cancel).not.toHaveBeenCalled()
  connection.close(closing)
  await expect.poll(() => cancel.mock.calls.length).toBe(1)
})

test('overlapping calls get their own answers', async () => {
  const connection = openToServer({}, async (url) => new Response(url))
  await connection.hello()
  await connection.call('signIn', [{}])
  const urls = Array.from({ length: 20 }, (_, index) => `${apiOrigin}/${index}`)
  const answers = await Promise.all(urls.map((url) => connection.call('fetch', [{ ...request, url }])))
  expect(answers.map(({ body }) => new TextDecoder().decode(body as ArrayBuffer))).toEqual(urls)
})

test('an error keeps its code and fields, and its stack stays in the worker', async () => {
  const connection = openToServer({
    grant: {
      signIn: async () => {
        throw new LingpaiError('sign_in_failed', 'account or password is wrong', {
          status: 200,
          apiCode: 100401,
          apiMessage: 'wrong',
          cause: new Error('private'),
        })
      },
      refresh: never,
    },
  })
  await connection.hello()
  const error = await connection.call('signIn', [{}]).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(LingpaiError)
  expect(error).toMatchObject({ code: 'sign_in_failed', status: 200, apiCode: 100401, apiMessage: 'wrong' })
  expect((error as Error).message).toContain('account or password is wrong')
  expect((error as Error).cause).toBeUndefined()
  expect((error as Error).stack).not.toMatch(/service\.ts|broker\.ts/)
})

test("the platform's TypeError is still a TypeError", async () => {
  const connection = openToServer({}, async () => {
    throw new TypeError('fetch failed')
  })
  await connection.hello()
  await connection.call('signIn', [{}])
  await expect(connection.call('fetch', [request])).rejects.toBeInstanceOf(TypeError)
})

test('a call without an answer by its deadline rejects with timeout, and the worker gets an abort (I3)', async () => {
  vi.useFakeTimers()
  const { call, peer } = await openToPeer({ getAccessToken: never })
  const outcome = call('getAccessToken', [], { deadline: 3000 }).catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(2999)
  expect(peer.noticesOf('abort')).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(await outcome).toMatchObject({ code: 'timeout' })
  const [id] = peer.callsOf('getAccessToken')[0] ?? []
  expect(peer.noticesOf('abort')).toEqual([{ lingpai: 'abort', call: id }])
})

test('a call without a deadline does not time out', async () => {
  vi.useFakeTimers()
  const { call } = await openToPeer({ signIn: never })
  const settled = vi.fn()
  call('signIn', [{}]).then(settled, settled)
  await vi.advanceTimersByTimeAsync(600_000)
  expect(settled).not.toHaveBeenCalled()
})

test("an abort rejects with the signal's exact reason, and the worker gets an abort", async () => {
  const { call, peer } = await openToPeer({ fetch: never })
  const controller = new AbortController()
  const outcome = call('fetch', [request], { signal: controller.signal }).catch((error: unknown) => error)
  const reason = { exactly: 'this' }
  controller.abort(reason)
  expect(await outcome).toBe(reason)
  const [id] = peer.callsOf('fetch')[0] ?? []
  expect(peer.noticesOf('abort')).toEqual([{ lingpai: 'abort', call: id }])
})

test('an abort after the answer sends nothing to the worker', async () => {
  const { call, peer } = await openToPeer({ fetch: () => 'answer' })
  const controller = new AbortController()
  await call('fetch', [request], { signal: controller.signal })
  controller.abort()
  expect(peer.noticesOf('abort')).toEqual([])
})

test('an abort before the call sends nothing', async () => {
  const { call, peer } = await openToPeer()
  const reason = new Error('early')
  await expect(call('fetch', [request], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  expect(peer.callsOf('fetch')).toEqual([])
})

test('an abort reaches the request that the worker sends', async () => {
  let sent: AbortSignal | undefined
  const connection = openToServer(
    {},
    (_url, init) =>
      new Promise((_resolve, reject) => {
        sent = init.signal as AbortSignal
        sent.addEventListener('abort', () => reject(sent?.reason))
      }),
  )
  await connection.hello()
  await connection.call('signIn', [{}])
  const controller = new AbortController()
  const outcome = connection.call('fetch', [request], { signal: controller.signal }).catch((error: unknown) => error)
  while (sent === undefined) await new Promise((resolve) => setImmediate(resolve))
  controller.abort('stop')
  expect(await outcome).toBe('stop')
  while (!sent.aborted) await new Promise((resolve) => setImmediate(resolve))
})

test('close rejects each pending call once (I3)', async () => {
  const { call, close } = await openToPeer({ fetch: never, signIn: never })
  const settled = vi.fn()
  const outcomes = [call('fetch', [request]), call('signIn', [{}]), call('explain', [], { deadline: 1000 })]
  for (const outcome of outcomes) outcome.then(settled, settled)
  close(closing)
  expect(
    (await Promise.allSettled(outcomes)).map((outcome) => outcome.status === 'rejected' && outcome.reason),
  ).toEqual([closing, closing, closing])
  close(new LingpaiError('closed', 'again'))
  await new Promise((resolve) => setImmediate(resolve))
  expect(settled).toHaveBeenCalledTimes(3)
})

test('a call on a closed connection rejects (I3)', async () => {
  vi.useFakeTimers()
  const { call, close } = await openToPeer({ fetch: never })
  close(closing)
  const settled = vi.fn()
  call('fetch', [request]).then(settled, settled)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(settled).toHaveBeenCalledExactlyOnceWith(closing)
})

test('close says goodbye and closes the port', async () => {
  const polite = await openToPeer()
  polite.close(closing)
  expect(polite.peer.noticesOf('goodbye')).toHaveLength(1)
  expect(polite.peer.isClosed()).toBe(true)
})

test('close leaves no timer behind', async () => {
  vi.useFakeTimers()
  const { call, close } = await openToPeer({ explain: never })
  const outcome = call('explain', [], { deadline: 5000 }).catch((error: unknown) => error)
  close(closing)
  expect(await outcome).toBe(closing)
  expect(vi.getTimerCount()).toBe(0)
})

test('an answer after close changes nothing', async () => {
  const { close, peer } = await openToPeer()
  close(closing)
  peer.publish({ status: 'signed-in', tokenServer: 'ok' })
  peer.post({ id: 'x', instance: 'another', type: 'RAW' })
  await new Promise((resolve) => setImmediate(resolve))
  expect(snapshots).toEqual([])
  expect(losses).toBe(0)
})

test('an answer from another instance of the worker means that the first one is lost', async () => {
  const { peer } = await openToPeer()
  peer.post({ lingpai: 'snapshot', instance: 'second', snapshot: { status: 'signed-in', tokenServer: 'ok' } })
  await new Promise((resolve) => setImmediate(resolve))
  expect(losses).toBe(1)
  expect(snapshots).toEqual([])
})

test('snapshot notices reach the page in their order', async () => {
  const { peer } = await openToPeer()
  peer.publish({ status: 'signing-in', tokenServer: 'ok' })
  peer.publish({ status: 'signed-in', tokenServer: 'ok', user: { subject: 'alice' } })
  await new Promise((resolve) => setImmediate(resolve))
  expect(snapshots).toEqual([
    { status: 'signing-in', tokenServer: 'ok' },
    { status: 'signed-in', tokenServer: 'ok', user: { subject: 'alice' } },
  ])
})

test('a sign-in over one port is published to the pages on the other ports', async () => {
  const service = createTestServer()
  const [one, other] = [0, 1].map(() => {
    const { port1, port2 } = new MessageChannel()
    ports.push(port1, port2)
    service.attach(port2 as never)
    return openOver(port1 as never)
  })
  await other?.hello()
  await one?.hello()
  await one?.call('signIn', [{}])
  await other?.call('ping', [])
  expect(snapshots.filter(({ status }) => status === 'signed-in')).toHaveLength(2)
})

test.each<[string, unknown]>([
  ['a function', () => {}],
  ['an object with a function', { submit() {} }],
  ['a symbol', Symbol('x')],
  ['a promise', Promise.resolve()],
])('a sign-in input that is %s rejects with invalid_call', async (_name, input) => {
  const connection = openToServer()
  await connection.hello()
  await expect(connection.call('signIn', [input])).rejects.toMatchObject({ code: 'invalid_call' })
})

test("hello rejects with protocol_mismatch if the worker rejects the page's protocol", async () => {
  const refusal = new Refusal({ name: 'LingpaiError', message: 'reload', code: 'protocol_mismatch' })
  const peer = createPeer({
    hello: () => {
      throw refusal
    },
  })
  await expect(openOver(peer.endpoint).hello()).rejects.toMatchObject({ code: 'protocol_mismatch' })
  expect(peer.callsOf('hello')).toEqual([[{ oldest: 1, newest: 1, build: BUILD }]])
})

test.each([0, 2, 99])(
  'hello rejects with protocol_mismatch if the worker answers in version %i, which the page does not support',
  async (protocol) => {
    const peer = createPeer({ hello: () => welcomeOf({ protocol }) })
    await expect(openOver(peer.endpoint).hello()).rejects.toMatchObject({ code: 'protocol_mismatch' })
  },
)

test('RELEASE is never sent, although Comlink proxies are garbage collected', async () => {
  const { setFlagsFromString } = await import('node:v8')
  setFlagsFromString('--expose-gc')
  const { runInNewContext } = await import('node:vm')
  const collectGarbage = runInNewContext('gc') as () => void
  const { call, peer } = await openToPeer({ explain: () => [] })
  for (let round = 0; round < 50; round += 1) await call('explain', [])
  for (let round = 0; round < 5; round += 1) {
    collectGarbage()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  expect(peer.frames.filter(({ type }) => type === 'RELEASE')).toEqual([])
  expect(await call('explain', [])).toEqual([])
})

test('the worker is pinged only while a call is pending', async () => {
  vi.useFakeTimers()
  let answer = (_value: unknown): void => {}
  const { call, peer } = await openToPeer({ signIn: () => new Promise((resolve) => (answer = resolve)) })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(peer.callsOf('ping')).toHaveLength(0)
  const signIn = call('signIn', [{}])
  await vi.advanceTimersByTimeAsync(5000)
  expect(peer.callsOf('ping').length).toBeGreaterThanOrEqual(4)
  answer(undefined)
  await signIn
  const pings = peer.callsOf('ping').length
  await vi.advanceTimersByTimeAsync(60_000)
  expect(peer.callsOf('ping')).toHaveLength(pings)
  expect(vi.getTimerCount()).toBe(0)
})

test('a worker that answers pings is not lost, however long a call takes', async () => {
  vi.useFakeTimers()
  const { call } = await openToPeer({ signIn: never })
  void call('signIn', [{}]).catch(() => {})
  await vi.advanceTimersByTimeAsync(120_000)
  expect(losses).toBe(0)
})

test('a worker that answers no ping for ten seconds is lost', async () => {
  vi.useFakeTimers()
  const { call } = await openToPeer({ signIn: never, ping: never })
  void call('signIn', [{}]).catch(() => {})
  await vi.advanceTimersByTimeAsync(9500)
  expect(losses).toBe(0)
  await vi.advanceTimersByTimeAsync(1000)
  expect(losses).toBe(1)
})

test('a worker that does not answer a ping gets no second ping', async () => {
  vi.useFakeTimers()
  const { call, peer } = await openToPeer({ signIn: never, ping: never })
  void call('signIn', [{}]).catch(() => {})
  await vi.advanceTimersByTimeAsync(9000)
  expect(peer.callsOf('ping')).toHaveLength(1)
})

test("the page waits for the worker's lock until close, and no longer", async () => {
  const request = vi.fn((_name: string, _options: LockOptions, _callback: () => void) => new Promise(() => {}))
  vi.stubGlobal('navigator', { locks: { request } })
  const connection = openOver(createPeer({ hello: () => welcomeOf({ lock: 'lingpai:first' }) }).endpoint)
  await connection.hello()
  expect(request.mock.calls.map(([name]) => name)).toEqual(['lingpai:first'])
  const signal = request.mock.calls[0]?.[1].signal
  expect(signal?.aborted).toBe(false)
  connection.close(closing)
  expect(signal?.aborted).toBe(true)
})

/** A worker whose lock the page gets when the worker is killed or the lock is stolen. `handlers.ping` answers its pings. */
async function openWatched(handlers: Handlers, isShared = false) {
  vi.useFakeTimers()
  const locks = stubLocks()
  locks.hold('lingpai:first')
  const peer = createPeer({ hello: () => welcomeOf({ lock: 'lingpai:first' }), ...handlers })
  const connection = openOver(peer.endpoint, isShared)
  await connection.hello()
  return { locks, peer, connection }
}

test('a worker whose lock the page gets, and that does not answer, is lost within two seconds', async () => {
  const { locks } = await openWatched({ ping: never })
  locks.kill('lingpai:first')
  await vi.advanceTimersByTimeAsync(0)
  expect(losses).toBe(0)
  await vi.advanceTimersByTimeAsync(2000)
  expect(losses).toBe(1)
})

test('a worker whose lock was stolen, and that answers, is not lost', async () => {
  const { locks, peer, connection } = await openWatched({ signIn: never, ping: () => undefined })
  void connection.call('signIn', [{}]).catch(() => {})
  await locks.steal('lingpai:first').catch(() => {})
  await vi.advanceTimersByTimeAsync(60_000)
  expect(losses).toBe(0)
  expect(peer.callsOf('ping').length).toBeGreaterThan(0)
})

test('a worker that is busy for a moment when its lock is stolen is not lost', async () => {
  const { locks } = await openWatched({ ping: () => new Promise((resolve) => setTimeout(resolve, 700)) })
  await locks.steal('lingpai:first')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(losses).toBe(0)
})

test('a worker that answers a ping with an error is not lost', async () => {
  const refusal = new Refusal({ name: 'LingpaiError', message: 'busy', code: 'busy' })
  const { locks } = await openWatched({ ping: () => Promise.reject(refusal) })
  await locks.steal('lingpai:first')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(losses).toBe(0)
})

test('a worker that holds a new lock after a theft is lost if the page gets that lock, too, and the worker is silent', async () => {
  let ping = async (): Promise<unknown> => 'lingpai:second'
  const { locks } = await openWatched({ ping: () => ping() })
  locks.hold('lingpai:second')
  await locks.steal('lingpai:first')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(losses).toBe(0)
  ping = never
  locks.kill('lingpai:second')
  await vi.advanceTimersByTimeAsync(2000)
  expect(losses).toBe(1)
})

test('a silent worker that holds its new lock is busy, and not lost', async () => {
  let ping = async (): Promise<unknown> => 'lingpai:second'
  const { locks, connection } = await openWatched({ signIn: never, ping: () => ping() }, true)
  locks.hold('lingpai:second')
  await locks.steal('lingpai:first')
  await vi.advanceTimersByTimeAsync(0)
  void connection.call('signIn', [{}]).catch(() => {})
  ping = never
  await vi.advanceTimersByTimeAsync(29_500)
  expect(losses).toBe(0)
})

test('if a thief keeps the first lock, the page learns the name of the new lock by its next ping', async () => {
  let lock = 'lingpai:first'
  const { locks, connection } = await openWatched({ signIn: never, ping: () => lock }, true)
  void connection.call('signIn', [{}]).catch(() => {})
  void locks.request('lingpai:first', { steal: true }, never)
  lock = 'lingpai:second'
  locks.hold(lock)
  await vi.advanceTimersByTimeAsync(1000)
  expect(locks.waitingFor('lingpai:second')).toBe(1)
})

test('a worker that has no lock any more is lost after three silent intervals', async () => {
  let ping = async (): Promise<unknown> => undefined
  const { locks, connection } = await openWatched({ signIn: never, ping: () => ping() }, true)
  await locks.steal('lingpai:first')
  await vi.advanceTimersByTimeAsync(0)
  void connection.call('signIn', [{}]).catch(() => {})
  ping = never
  await vi.advanceTimersByTimeAsync(3000)
  expect(losses).toBe(1)
})

test('a connection that is closed while its worker is in doubt is not lost later, and leaves no timer behind', async () => {
  const { locks, connection } = await openWatched({ ping: never })
  locks.kill('lingpai:first')
  await vi.advanceTimersByTimeAsync(0)
  connection.close(closing)
  await vi.advanceTimersByTimeAsync(0)
  expect(vi.getTimerCount()).toBe(0)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(losses).toBe(0)
})

test('a page whose lock was stolen holds a new one, and sends its name to the worker', async () => {
  const locks = stubLocks()
  const peer = createPeer()
  const connection = openOver(peer.endpoint, true)
  await connection.hello()
  const sentLocks = () => peer.callsOf('hello').map(([hello]) => (hello as { lock?: string }).lock)
  await locks.steal(sentLocks()[0] as string)
  await vi.waitFor(() => expect(sentLocks()).toHaveLength(2))
  expect(new Set(sentLocks()).size).toBe(2)
  expect(locks.names()).toEqual([sentLocks()[1]])
  expect(losses).toBe(0)
  connection.close(closing)
  await vi.waitFor(() => expect(locks.names()).toEqual([]))
})

test('a page whose locks are always stolen says hello without a lock in the end', async () => {
  const locks = stubLocks()
  const peer = createPeer()
  await openOver(peer.endpoint, true).hello()
  const sentLocks = () => peer.callsOf('hello').map(([hello]) => (hello as { lock?: string }).lock)
  for (let lock = sentLocks().at(-1); lock !== undefined && sentLocks().length < 20; lock = sentLocks().at(-1)) {
    const before = sentLocks().length
    await locks.steal(lock)
    await vi.waitFor(() => expect(sentLocks().length).toBe(before + 1))
  }
  expect(sentLocks().at(-1)).toBeUndefined()
  expect(locks.names()).toEqual([])
})

test('a computer that slept for an hour during a ping has not lost its worker (I7)', async () => {
  vi.useFakeTimers()
  let answer = (_value: unknown): void => {}
  const { call } = await openToPeer({ signIn: never, ping: () => new Promise((resolve) => (answer = resolve)) })
  void call('signIn', [{}]).catch(() => {})
  await vi.advanceTimersByTimeAsync(1000)
  vi.setSystemTime(Date.now() + 3_600_000)
  await vi.advanceTimersByTimeAsync(1000)
  answer(undefined)
  await vi.advanceTimersByTimeAsync(1000)
  expect(losses).toBe(0)
})

test('foreign messages before the answer to hello are ignored', async () => {
  const peer = createPeer()
  const connection = openOver(peer.endpoint)
  for (const message of [null, 'text', 7, {}, { id: 'unknown', type: 'RAW' }]) peer.post(message)
  expect(await connection.hello()).toMatchObject({ instance: 'first', snapshot: signedOut })
  expect(losses).toBe(0)
})

function stubLocks() {
  const locks = createFakeLocks()
  vi.stubGlobal('navigator', { locks })
  return locks
}

test('without a lock, a SharedWorker that is silent for three intervals is lost', async () => {
  vi.useFakeTimers()
  const connection = openOver(createPeer({ signIn: never, ping: never }).endpoint, true)
  await connection.hello()
  void connection.call('signIn', [{}]).catch(() => {})
  await vi.advanceTimersByTimeAsync(2999)
  expect(losses).toBe(0)
  await vi.advanceTimersByTimeAsync(1)
  expect(losses).toBe(1)
})

test('a silent worker that holds its lock is busy, and not lost for thirty seconds', async () => {
  vi.useFakeTimers()
  stubLocks().hold('lingpai:first')
  const peer = createPeer({ hello: () => welcomeOf({ lock: 'lingpai:first' }), signIn: never, ping: never })
  const connection = openOver(peer.endpoint, true)
  await connection.hello()
  void connection.call('signIn', [{}]).catch(() => {})
  await vi.advanceTimersByTimeAsync(29_500)
  expect(losses).toBe(0)
  // A worker that stays busy counts as dead in the end: its calls must settle (I3).
  await vi.advanceTimersByTimeAsync(1000)
  expect(losses).toBe(1)
})

test('hello names a lock that the page holds until it closes, and each connection has another lock', async () => {
  const locks = stubLocks()
  const peers = [createPeer(), createPeer()]
  for (const peer of peers) {
    const connection = openOver(peer.endpoint, true)
    await connection.hello()
    const [[hello]] = peer.callsOf('hello') as [[{ lock: string }]]
    expect(locks.names()).toEqual([hello.lock])
    connection.close(closing)
    await vi.waitFor(() => expect(locks.names()).toEqual([]))
  }
  const names = peers.map((peer) => (peer.callsOf('hello') as [[{ lock: string }]])[0][0].lock)
  expect(new Set(names).size).toBe(2)
})

test('a connection that was closed before its lock was granted keeps no lock', async () => {
  const locks = stubLocks()
  const connection = openOver(createPeer().endpoint, true)
  const outcome = connection.hello().catch((error: unknown) => error)
  connection.close(closing)
  expect(await outcome).toBe(closing)
  await vi.waitFor(() => expect(locks.names()).toEqual([]))
})

test('a page that gets a goodbye from its worker has lost it', async () => {
  const { peer } = await openToPeer()
  peer.post({ lingpai: 'goodbye' })
  await new Promise((resolve) => setImmediate(resolve))
  expect(losses).toBe(1)
})

test('the build that both sides send is the version of the package', async () => {
  const { readFile } = await import('node:fs/promises')
  expect(JSON.parse(await readFile('package.json', 'utf8')).version).toBe(BUILD)
})
