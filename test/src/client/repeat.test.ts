import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createClient } from '../../../src/client/client.ts'
import { connect } from '../../../src/index.ts'
import { LingpaiError } from '../../../src/protocol/errors.ts'
import { FakeWorker, losing, outcomeOf, starting } from '../../fixtures/fake-workers.ts'
import { type Handlers, never, welcomeOf } from '../../fixtures/scripted-peer.ts'

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('SharedWorker', FakeWorker)
  vi.stubGlobal('Worker', FakeWorker)
  // Without a document, this is a server to lingpai.
  vi.stubGlobal('WorkerGlobalScope', FakeWorker)
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const alive = new AbortController().signal

test('when the platform reports a loss, another worker is started at once, and a safe call is repeated', async () => {
  const { candidate, peers, lose } = losing({ explain: never }, { explain: () => ['answered'] })
  const client = createClient([candidate])
  await vi.advanceTimersByTimeAsync(0)
  const explained = client.call('explain', [])
  await vi.advanceTimersByTimeAsync(0)
  lose(0)
  expect(client.getSnapshot()).toMatchObject({ status: 'connecting', reason: 'worker_lost' })
  expect(await explained).toEqual(['answered'])
  expect(peers).toHaveLength(2)
  expect(peers[0]?.isClosed()).toBe(true)
})

test.each(['signIn', 'fetch', 'request'] as const)(
  '%s may have reached its server, so it is not repeated on another worker',
  async (method) => {
    const { candidate, peers, lose } = losing({ [method]: never }, { [method]: () => 'done twice' })
    const client = createClient([candidate])
    await vi.advanceTimersByTimeAsync(0)
    const outcome = outcomeOf(client.call(method, [{ url: 'https://api.example/', method: 'POST', headers: [] }]))
    await vi.advanceTimersByTimeAsync(0)
    lose(0)
    await vi.advanceTimersByTimeAsync(0)
    expect(await outcome).toMatchObject({ code: 'worker_lost' })
    expect(peers.map((peer) => peer.callsOf(method).length)).toEqual([1, 0])
  },
)

test.each(['authorize', 'signOut', 'adopt', 'getAccessToken', 'explain'] as const)(
  '%s is repeated on another worker',
  async (method) => {
    const { candidate, peers, lose } = losing({ [method]: never }, { [method]: () => 'again' })
    const client = createClient([candidate])
    await vi.advanceTimersByTimeAsync(0)
    const outcome = client.call(method, [{ via: 'redirect' }] as never)
    await vi.advanceTimersByTimeAsync(0)
    lose(0)
    expect(await outcome).toBe('again')
    expect(peers.map((peer) => peer.callsOf(method).length)).toEqual([1, 1])
  },
)

test('a call whose worker dies each time is repeated three times at most', async () => {
  const { candidate, peers, lose } = losing()
  const client = createClient([candidate])
  const work = vi.fn(async () => {
    const number = peers.length - 1
    queueMicrotask(() => lose(number))
    return (await client.connected()).call('explain', [])
  })
  const outcome = outcomeOf(client.repeat(work, alive))
  await vi.advanceTimersByTimeAsync(100)
  expect(await outcome).toMatchObject({ code: 'worker_lost' })
  expect(work).toHaveBeenCalledTimes(4)
  expect(peers).toHaveLength(5)
})

test('a call is not repeated after another error than a loss', async () => {
  const client = createClient([losing().candidate])
  const error = new LingpaiError('timeout', 'too slow')
  const work = vi.fn(() => Promise.reject(error))
  expect(await outcomeOf(client.repeat(work, alive))).toBe(error)
  expect(work).toHaveBeenCalledOnce()
})

test('an aborted call is not repeated', async () => {
  const { candidate, lose } = losing()
  const client = createClient([candidate])
  const controller = new AbortController()
  const work = vi.fn((connection: { call(name: 'explain', given: []): Promise<unknown> }) => {
    controller.abort()
    queueMicrotask(() => lose(0))
    return connection.call('explain', [])
  })
  const outcome = outcomeOf(client.repeat(work, controller.signal))
  await vi.advanceTimersByTimeAsync(10)
  expect(await outcome).toMatchObject({ code: 'worker_lost' })
  expect(work).toHaveBeenCalledOnce()
})

test('after close nothing is repeated, and no worker is started', async () => {
  const { candidate, peers, lose } = losing({ explain: never })
  const client = createClient([candidate])
  await vi.advanceTimersByTimeAsync(0)
  const outcome = outcomeOf(client.call('explain', []))
  await vi.advanceTimersByTimeAsync(0)
  client.close()
  lose(0)
  await vi.advanceTimersByTimeAsync(100)
  expect(await outcome).toMatchObject({ code: 'closed' })
  expect(peers).toHaveLength(1)
})

const apiRequest = (method: string) => [{ url: 'https://api.example/', method, headers: [] }] as never

test.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])('a %s is repeated on another worker', async (method) => {
  const { candidate, peers, lose } = losing({ request: never }, { request: () => 'again' })
  const client = createClient([candidate])
  await vi.advanceTimersByTimeAsync(0)
  const outcome = client.call('request', apiRequest(method))
  await vi.advanceTimersByTimeAsync(0)
  lose(0)
  expect(await outcome).toBe('again')
  expect(peers.map((peer) => peer.callsOf('request').length)).toEqual([1, 1])
})

test.each(['POST', 'PATCH', 'get'])('a %s is not repeated on another worker', async (method) => {
  const { candidate, peers, lose } = losing({ request: never }, { request: () => 'again' })
  const client = createClient([candidate])
  await vi.advanceTimersByTimeAsync(0)
  const outcome = outcomeOf(client.call('request', apiRequest(method)))
  await vi.advanceTimersByTimeAsync(0)
  lose(0)
  await vi.advanceTimersByTimeAsync(10)
  expect(await outcome).toMatchObject({ code: 'worker_lost' })
  expect(peers.map((peer) => peer.callsOf('request').length)).toEqual([1, 0])
})

test('a request of one user is not repeated for another (I6)', async () => {
  const signedInAs = (subject: string, instance: string): Handlers => ({
    hello: () => welcomeOf({ instance, snapshot: { status: 'signed-in', tokenServer: 'ok', user: { subject } } }),
    request: never,
  })
  const { candidate, peers, lose } = losing(signedInAs('alice', 'worker0'), signedInAs('bob', 'worker1'))
  const client = createClient([candidate])
  await vi.advanceTimersByTimeAsync(0)
  const outcome = outcomeOf(client.call('request', apiRequest('GET')))
  await vi.advanceTimersByTimeAsync(0)
  lose(0)
  await vi.advanceTimersByTimeAsync(10)
  expect(await outcome).toMatchObject({ code: 'worker_lost' })
  expect(peers.map((peer) => peer.callsOf('request').length)).toEqual([1, 0])
})

test('a request that is made before the page is connected is not repeated for another user than the first (I6)', async () => {
  const signedInAs = (subject: string, instance: string): Handlers => ({
    hello: () => welcomeOf({ instance, snapshot: { status: 'signed-in', tokenServer: 'ok', user: { subject } } }),
  })
  const { candidate, peers, lose } = losing(
    { ...signedInAs('alice', 'worker0'), request: never },
    { ...signedInAs('bob', 'worker1'), request: () => 'answered' },
  )
  const client = createClient([candidate])
  const outcome = outcomeOf(client.call('request', apiRequest('GET')))
  await vi.advanceTimersByTimeAsync(0)
  expect(peers[0]?.callsOf('request')).toHaveLength(1)
  peers[0]?.publish({ status: 'signed-out', tokenServer: 'ok' })
  await vi.advanceTimersByTimeAsync(0)
  lose(0)
  await vi.advanceTimersByTimeAsync(100)
  expect(await outcome).toMatchObject({ code: 'worker_lost' })
  expect(peers.map((peer) => peer.callsOf('request').length)).toEqual([1, 0])
})

test.each(['GET', 'POST'])(
  'a %s that one user makes without a connection is not sent for another (I6)',
  async (method) => {
    const signedInAs = (subject: string, instance: string): Handlers => ({
      hello: () => welcomeOf({ instance, snapshot: { status: 'signed-in', tokenServer: 'ok', user: { subject } } }),
      request: () => 'answered',
    })
    const { candidate, peers, lose } = losing(signedInAs('alice', 'worker0'), signedInAs('bob', 'worker1'))
    const client = createClient([candidate])
    await vi.advanceTimersByTimeAsync(0)
    lose(0)
    const outcome = outcomeOf(client.call('request', apiRequest(method)))
    await vi.advanceTimersByTimeAsync(1000)
    expect(await outcome).toMatchObject({ code: 'sign_in_required' })
    expect(peers.map((peer) => peer.callsOf('request').length)).toEqual([0, 0])
  },
)

test('a request whose body is read while another user signs in is not sent for that user (I6)', async () => {
  const worker = new FakeWorker({})
  const session = connect({ dedicated: starting<Worker>(worker).start })
  const signInAs = (subject: string) =>
    worker.peer.publish({ status: 'signed-in', tokenServer: 'ok', user: { subject } })
  await vi.advanceTimersByTimeAsync(10)
  signInAs('alice')
  await vi.advanceTimersByTimeAsync(10)
  expect(session.getSnapshot().user).toEqual({ subject: 'alice' })
  const outcome = outcomeOf(
    session.fetch('https://api.example/', { method: 'POST', body: new URLSearchParams({ tea: '1' }) }),
  )
  signInAs('bob')
  await vi.advanceTimersByTimeAsync(100)
  expect(await outcome).toMatchObject({ name: 'TypeError', code: 'sign_in_required' })
  expect(worker.peer.callsOf('fetch')).toEqual([])
})

test('a call names the session that the page showed when it was made, also if it is repeated (I6)', async () => {
  const handlers = (instance: string): Handlers => ({
    hello: () =>
      welcomeOf({ instance, snapshot: { status: 'signed-in', tokenServer: 'ok', user: { subject: 'alice' } } }),
    request: never,
  })
  const { candidate, peers, lose } = losing(handlers('worker0'), handlers('worker1'))
  const client = createClient([candidate])
  await vi.advanceTimersByTimeAsync(0)
  outcomeOf(client.call('request', apiRequest('GET')))
  await vi.advanceTimersByTimeAsync(0)
  lose(0)
  await vi.advanceTimersByTimeAsync(10)
  for (const peer of peers) {
    expect(peer.callsOf('request')[0]?.[2]).toEqual({ session: 'session of alice', subject: 'alice' })
  }
})

/** Loses the first of two workers during `session.fetch`. Returns the outcome, and how often each worker was called. */
async function fetchThroughLoss(init: RequestInit) {
  const answer = { url: '', status: 204, statusText: '', type: 'basic', redirected: false, headers: [], body: null }
  const workers = [new FakeWorker({ fetch: never }), new FakeWorker({ fetch: () => answer }, 'second')]
  const session = connect({ dedicated: starting<Worker>(...workers).start })
  await vi.advanceTimersByTimeAsync(10)
  const outcome = session.fetch('https://api.example/', init).then(
    ({ status }) => status,
    ({ code }) => code,
  )
  await vi.advanceTimersByTimeAsync(10)
  workers[0]?.peer.post({
    lingpai: 'snapshot',
    instance: 'other',
    snapshot: { status: 'signed-out', tokenServer: 'ok' },
  })
  await vi.advanceTimersByTimeAsync(10)
  return [await outcome, ...workers.map(({ peer }) => peer.callsOf('fetch').length)]
}

test.each<[string, RequestInit]>([
  ['a GET', {}],
  ['a PUT with text', { method: 'PUT', body: 'tea' }],
  ['a PUT with a Blob', { method: 'PUT', body: new Blob(['tea']) }],
  ['a PUT with a form', { method: 'PUT', body: new FormData() }],
  ['a delete in small letters', { method: 'delete' }],
])('session.fetch sends %s again if the worker is lost', async (_name, init) => {
  expect(await fetchThroughLoss(init)).toEqual([204, 1, 1])
})

test.each<[string, RequestInit]>([
  ['a POST', { method: 'POST', body: 'tea' }],
  ['a PATCH', { method: 'PATCH', body: 'tea' }],
  ['a PUT with bytes that went to the lost worker', { method: 'PUT', body: new Uint8Array([1, 2]) }],
])('session.fetch does not send %s again if the worker is lost', async (_name, init) => {
  expect(await fetchThroughLoss(init)).toEqual(['worker_lost', 1, 0])
})
