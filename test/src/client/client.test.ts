import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createClient } from '../../../src/client/client.ts'
import { connect } from '../../../src/index.ts'
import type { BrokerSnapshot } from '../../../src/protocol/snapshot.ts'
import { createFakeLocks } from '../../fixtures/fake-locks.ts'
import { FakeWorker, losing, outcomeOf, starting } from '../../fixtures/fake-workers.ts'
import { never, Refusal, welcomeOf } from '../../fixtures/scripted-peer.ts'

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

test('mode is shared if a SharedWorker answers, and no other worker is started', async () => {
  const shared = starting<SharedWorker>(new FakeWorker())
  const dedicated = starting<Worker>(new FakeWorker())
  const session = connect({ shared: shared.start, dedicated: dedicated.start })
  expect(session.getSnapshot()).toMatchObject({ status: 'connecting', mode: 'shared' })
  await vi.advanceTimersByTimeAsync(10)
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', mode: 'shared' })
  expect(dedicated.started).toEqual([])
})

test('mode is dedicated if there is no SharedWorker', async () => {
  vi.stubGlobal('SharedWorker', undefined)
  const shared = starting<SharedWorker>()
  const session = connect({ shared: shared.start, dedicated: starting<Worker>(new FakeWorker()).start })
  await vi.advanceTimersByTimeAsync(10)
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', mode: 'dedicated' })
})

test('mode is dedicated if the constructor of SharedWorker throws', async () => {
  const session = connect({
    shared: () => {
      throw new DOMException('no', 'SecurityError')
    },
    dedicated: starting<Worker>(new FakeWorker()).start,
  })
  await vi.advanceTimersByTimeAsync(10)
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', mode: 'dedicated' })
})

test('after a fallback the dedicated worker stays, whatever the failed SharedWorker does later (I7)', async () => {
  const broken = new FakeWorker({ hello: never, ping: never })
  const dedicated = starting<Worker>(new FakeWorker(), new FakeWorker({}, 'second'))
  const session = connect({ shared: starting<SharedWorker>(broken).start, dedicated: dedicated.start })
  broken.fail()
  await vi.advanceTimersByTimeAsync(10)
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', mode: 'dedicated' })
  const changes = vi.fn()
  session.subscribe(changes)
  await vi.advanceTimersByTimeAsync(120_000)
  expect(broken.peer.isClosed()).toBe(true)
  expect(dedicated.started).toHaveLength(1)
  expect(changes).not.toHaveBeenCalled()
})

test('an abandoned port does not close the port that answered after it (I7)', async () => {
  const blocked = new FakeWorker({ hello: never, ping: never })
  const shared = starting<SharedWorker>(blocked, new FakeWorker(), new FakeWorker({}, 'third'))
  const session = connect({ shared: shared.start })
  await vi.advanceTimersByTimeAsync(5100)
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', mode: 'shared' })
  const changes = vi.fn()
  session.subscribe(changes)
  await vi.advanceTimersByTimeAsync(120_000)
  expect(shared.started).toHaveLength(2)
  expect(changes).not.toHaveBeenCalled()
})

test('a page says hello to a silent SharedWorker again over a new port, and starts no dedicated worker', async () => {
  const silent = Array.from({ length: 8 }, () => new FakeWorker({ hello: never, ping: never }))
  const shared = starting<SharedWorker>(...silent, new FakeWorker())
  const dedicated = starting<Worker>(new FakeWorker())
  const session = connect({ shared: shared.start, dedicated: dedicated.start })
  await vi.advanceTimersByTimeAsync(30_000)
  expect(session.getSnapshot()).toMatchObject({ status: 'connecting', reason: 'blocked', mode: 'shared' })
  await vi.advanceTimersByTimeAsync(20_000)
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', mode: 'shared' })
  expect(dedicated.started).toEqual([])
})

test('abandoned ports are closed', async () => {
  const silent = Array.from({ length: 3 }, () => new FakeWorker({ hello: never, ping: never }))
  const session = connect({ shared: starting<SharedWorker>(...silent, new FakeWorker()).start })
  await vi.advanceTimersByTimeAsync(16_000)
  expect(silent.map(({ peer }) => peer.isClosed())).toEqual([true, true, true])
  session.close()
  await vi.advanceTimersByTimeAsync(6000)
  expect(vi.getTimerCount()).toBe(0)
})

test.each(['dedicated', 'inline'])('the page waits for a %s host that takes forty seconds to start', async (mode) => {
  const slow = new FakeWorker({
    hello: () => new Promise((resolve) => setTimeout(() => resolve(welcomeOf()), 40_000)),
    ping: never,
  })
  const session = connect(
    mode === 'inline' ? { inline: () => slow.peer.endpoint } : { dedicated: starting<Worker>(slow).start },
  )
  await vi.advanceTimersByTimeAsync(20_000)
  expect(session.getSnapshot()).toMatchObject({ status: 'connecting', reason: 'blocked' })
  await vi.advanceTimersByTimeAsync(25_000)
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', mode })
})

test('a call rejects with timeout if the worker does not answer for thirty seconds (I3)', async () => {
  const shared = starting<SharedWorker>(
    ...Array.from({ length: 10 }, () => new FakeWorker({ hello: never, ping: never })),
  )
  const outcome = outcomeOf(connect({ shared: shared.start }).explain())
  await vi.advanceTimersByTimeAsync(31_000)
  expect(await outcome).toMatchObject({ code: 'timeout' })
})

test('when a worker is lost, pending calls reject with worker_lost and the worker is started again (I3)', async () => {
  const dying = new FakeWorker({ signIn: never, ping: never })
  const shared = starting<SharedWorker>(dying, new FakeWorker({ explain: () => [] }, 'second'))
  const session = connect({ shared: shared.start })
  await vi.advanceTimersByTimeAsync(10)
  const outcome = outcomeOf(session.signIn({}))
  await vi.advanceTimersByTimeAsync(15_000)
  expect(await outcome).toMatchObject({ code: 'worker_lost' })
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', mode: 'shared' })
  expect(await session.explain()).toEqual([])
  expect(shared.started).toHaveLength(2)
})

test('a page notices a worker that was restarted behind the same port, and connects again', async () => {
  const first = new FakeWorker()
  const second = new FakeWorker({ explain: () => [] }, 'second')
  const session = connect({ shared: starting<SharedWorker>(first, second).start })
  await vi.advanceTimersByTimeAsync(10)
  first.peer.post({ lingpai: 'snapshot', instance: 'other', snapshot: { status: 'signed-out', tokenServer: 'ok' } })
  await vi.advanceTimersByTimeAsync(510)
  expect(await session.explain()).toEqual([])
  expect(second.peer.callsOf('explain')).toHaveLength(1)
})

test('the snapshot says worker_lost only if the lost worker held the session (I7)', async () => {
  const alice: BrokerSnapshot = { status: 'signed-in', tokenServer: 'ok', user: { subject: 'alice' } }
  const first = new FakeWorker({ hello: () => welcomeOf({ snapshot: alice }) })
  const second = new FakeWorker({}, 'second')
  const session = connect({ shared: starting<SharedWorker>(first, second, new FakeWorker({}, 'third')).start })
  await vi.advanceTimersByTimeAsync(10)
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-in' })
  first.peer.post({ lingpai: 'snapshot', instance: 'other', snapshot: alice })
  await vi.advanceTimersByTimeAsync(510)
  expect(session.getSnapshot()).toEqual({
    status: 'signed-out',
    tokenServer: 'ok',
    reason: 'worker_lost',
    mode: 'shared',
  })
  second.peer.post({ lingpai: 'snapshot', instance: 'other', snapshot: alice })
  await vi.advanceTimersByTimeAsync(510)
  expect(session.getSnapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok', mode: 'shared' })
})

test('a page does not join a SharedWorker that is ending: it connects again half a second later', async () => {
  const first = new FakeWorker()
  const shared = starting<SharedWorker>(first, new FakeWorker({}, 'second'))
  connect({ shared: shared.start })
  await vi.advanceTimersByTimeAsync(10)
  first.peer.post({ lingpai: 'snapshot', instance: 'other', snapshot: { status: 'signed-out', tokenServer: 'ok' } })
  await vi.advanceTimersByTimeAsync(490)
  expect(shared.started).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(20)
  expect(shared.started).toHaveLength(2)
})

test('a POST made while a dead worker is in doubt goes to the next worker, and is sent once', async () => {
  const locks = createFakeLocks()
  vi.stubGlobal('navigator', { locks })
  locks.hold('lingpai:first')
  const first = new FakeWorker({ hello: () => welcomeOf({ lock: 'lingpai:first' }), ping: never, request: never })
  const second = new FakeWorker({ request: () => 'posted' }, 'second')
  const session = connect({ shared: starting<SharedWorker>(first, second).start })
  await vi.advanceTimersByTimeAsync(10)
  locks.kill('lingpai:first')
  await vi.advanceTimersByTimeAsync(10)
  const outcome = outcomeOf(session.request({ url: 'https://api.example/a', method: 'POST', data: {} }))
  await vi.advanceTimersByTimeAsync(3000)
  expect(await outcome).toBe('posted')
  expect(first.peer.callsOf('request')).toEqual([])
})

test('a call that a living worker never answers rejects with timeout (I3)', async () => {
  vi.stubGlobal('window', { location: { assign() {} } })
  const session = connect({
    shared: starting<SharedWorker>(new FakeWorker({ explain: never, authorize: never, request: never })).start,
  })
  await vi.advanceTimersByTimeAsync(10)
  const control = outcomeOf(session.explain())
  const authorize = outcomeOf(session.signIn({ via: 'redirect' }))
  const request = outcomeOf(session.request({ url: 'https://api.example/' }))
  await vi.advanceTimersByTimeAsync(36_000)
  expect(await Promise.all([control, authorize, request])).toMatchObject([
    { code: 'timeout' },
    { code: 'timeout' },
    { code: 'timeout' },
  ])
})

test('the worker gets an abort for every request whose caller stopped waiting', async () => {
  const worker = new FakeWorker({ request: never })
  const session = connect({ shared: starting<SharedWorker>(worker).start })
  await vi.advanceTimersByTimeAsync(10)
  const outcome = outcomeOf(session.request({ url: 'https://api.example/', timeout: 1000 }))
  await vi.advanceTimersByTimeAsync(1100)
  expect(await outcome).toMatchObject({ code: 'timeout' })
  const [id] = worker.peer.callsOf('request')[0] ?? []
  expect(worker.peer.noticesOf('abort')).toEqual([{ lingpai: 'abort', call: id }])
})

test('an abort ends a call that still waits for the first worker, with its exact reason', async () => {
  const session = connect({ dedicated: starting<Worker>(new FakeWorker({ hello: never })).start })
  const controller = new AbortController()
  const outcome = outcomeOf(session.fetch('https://api.example/', { signal: controller.signal }))
  await vi.advanceTimersByTimeAsync(10)
  const reason = { exactly: 'this' }
  controller.abort(reason)
  expect(await outcome).toBe(reason)
})

test('an abort ends a call that waits for the worker that replaces a lost one, with its exact reason', async () => {
  const first = new FakeWorker()
  const silent = new FakeWorker({ hello: never }, 'second')
  const session = connect({ dedicated: starting<Worker>(first, silent).start })
  await vi.advanceTimersByTimeAsync(10)
  first.peer.post({ lingpai: 'snapshot', instance: 'other', snapshot: { status: 'signed-out', tokenServer: 'ok' } })
  await vi.advanceTimersByTimeAsync(10)
  const controller = new AbortController()
  const outcome = outcomeOf(session.fetch('https://api.example/', { signal: controller.signal }))
  await vi.advanceTimersByTimeAsync(10)
  const reason = { exactly: 'this' }
  controller.abort(reason)
  await vi.advanceTimersByTimeAsync(10)
  expect(await Promise.race([outcome, 'still waiting'])).toBe(reason)
})

test('a call whose signal was aborted before the worker started rejects at once, with the exact reason', async () => {
  const session = connect({ dedicated: starting<Worker>(new FakeWorker({ hello: never })).start })
  const reason = { exactly: 'this' }
  const outcome = outcomeOf(session.fetch('https://api.example/', { signal: AbortSignal.abort(reason) }))
  await vi.advanceTimersByTimeAsync(10)
  expect(await Promise.race([outcome, 'still waiting'])).toBe(reason)
})

test('a message of other code in the worker does not count as its loss', async () => {
  const worker = new FakeWorker()
  const { start, started } = starting<Worker>(worker)
  const session = connect({ dedicated: start })
  await vi.advanceTimersByTimeAsync(0)
  worker.peer.post({ progress: 1 })
  await vi.advanceTimersByTimeAsync(0)
  expect(session.getSnapshot().status).toBe('signed-out')
  expect(started).toHaveLength(1)
})

test('fetch of an origin that is not listed does not wait while the worker is started again', async () => {
  const fetchOfPage = vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response('fine'))
  const { start } = starting<Worker>(
    new FakeWorker({ ping: never, fetch: never }),
    new FakeWorker({ hello: never }, 'second'),
  )
  const session = connect({ dedicated: start })
  await vi.advanceTimersByTimeAsync(0)
  void outcomeOf(session.fetch('https://api.example/a'))
  await vi.advanceTimersByTimeAsync(15_000)
  expect(session.getSnapshot().status).toBe('connecting')
  expect(await (await session.fetch('https://elsewhere.example/b')).text()).toBe('fine')
  expect(fetchOfPage).toHaveBeenCalledTimes(1)
})

test('a request whose signal was already aborted leaves no timer behind', async () => {
  const { start } = starting<Worker>(new FakeWorker({ request: never }))
  const session = connect({ dedicated: start })
  await vi.advanceTimersByTimeAsync(6000)
  expect(vi.getTimerCount()).toBe(0)
  expect(await outcomeOf(session.request({ url: 'https://api.example/a', signal: AbortSignal.abort() }))).toMatchObject(
    {
      code: 'aborted',
    },
  )
  await vi.advanceTimersByTimeAsync(2000)
  expect(vi.getTimerCount()).toBe(0)
})

test('after close, even a fetch of an origin that is not listed rejects with closed', async () => {
  const fetchOfPage = vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response('fine'))
  const { start } = starting<Worker>(new FakeWorker())
  const session = connect({ dedicated: start })
  await vi.advanceTimersByTimeAsync(0)
  session.close()
  expect(await outcomeOf(session.fetch('https://elsewhere.example/b'))).toMatchObject({ code: 'closed' })
  expect(fetchOfPage).not.toHaveBeenCalled()
})

test('after an error of the configuration, close still makes calls reject with closed', async () => {
  const hello = () => {
    throw new Refusal({ name: 'LingpaiError', message: 'serve(): store is missing.', code: 'invalid_config' })
  }
  const worker = new FakeWorker({ hello })
  const session = connect({ dedicated: starting<Worker>(worker).start })
  expect(await outcomeOf(session.explain())).toMatchObject({ code: 'invalid_config' })
  expect(worker.isTerminated).toBe(true)
  session.close()
  expect(await outcomeOf(session.explain())).toMatchObject({ code: 'closed' })
})

test('if no worker can be started, calls reject with worker_lost and a later call tries again', async () => {
  let isBroken = true
  const worker = new FakeWorker({ explain: () => [] })
  const session = connect({
    dedicated: () => {
      if (isBroken) throw new Error('no worker today')
      return worker as unknown as Worker
    },
  })
  expect(await outcomeOf(session.explain())).toMatchObject({ code: 'worker_lost' })
  expect(session.getSnapshot()).toMatchObject({ status: 'connecting', reason: 'worker_failed' })
  isBroken = false
  expect(await session.explain()).toEqual([])
})

test('calls reject with invalid_call if connect was given no host', async () => {
  const session = connect({})
  expect(await outcomeOf(session.explain())).toMatchObject({ code: 'invalid_call' })
  expect(session.getSnapshot()).toMatchObject({ status: 'connecting' })
})

test('on a server, connect starts nothing, the snapshot is connecting, and every call rejects at once', async () => {
  vi.stubGlobal('WorkerGlobalScope', undefined)
  Reflect.deleteProperty(globalThis, 'WorkerGlobalScope')
  const [shared, dedicated] = [starting<SharedWorker>(new FakeWorker()), starting<Worker>(new FakeWorker())]
  const session = connect({ shared: shared.start, dedicated: dedicated.start })
  expect(session.getSnapshot()).toEqual({ status: 'connecting', tokenServer: 'ok', mode: 'inline' })
  const calls = [
    session.ready(),
    session.explain(),
    session.signOut(),
    session.request({ url: 'https://api.example/' }),
  ]
  for (const call of calls) {
    expect(await outcomeOf(call)).toMatchObject({ code: 'invalid_call', message: expect.stringContaining('server') })
  }
  expect(await outcomeOf(session.fetch('https://api.example/'))).toMatchObject({ code: 'invalid_call' })
  await vi.advanceTimersByTimeAsync(60_000)
  expect([...shared.started, ...dedicated.started]).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
  session.close()
  expect(await outcomeOf(session.ready())).toMatchObject({ code: 'closed' })
})

test('a wrong configuration of the worker is one error in the console of the page, where developers look', async () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => {})
  const hello = () => {
    throw new Refusal({ name: 'LingpaiError', message: 'serve(): store is missing.', code: 'invalid_config' })
  }
  const session = connect({ dedicated: starting<Worker>(new FakeWorker({ hello })).start })
  await outcomeOf(session.explain())
  await outcomeOf(session.explain())
  expect(log.mock.calls.map(([error]) => (error as Error).message)).toEqual([
    expect.stringContaining('serve(): store is missing.'),
  ])
})

test('a worker that cannot be started is one error in the console of the page, however many calls try again', async () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => {})
  const session = connect({
    dedicated: () => {
      throw new Error('its script did not load')
    },
  })
  for (let count = 0; count < 3; count += 1) await outcomeOf(session.explain())
  expect(log.mock.calls.map(([error]) => (error as Error).message)).toEqual([
    expect.stringContaining('No worker could be started: its script did not load.'),
  ])
})

test('closing a session writes nothing to the console', async () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => {})
  const session = connect({ dedicated: starting<Worker>(new FakeWorker({ hello: never })).start })
  const outcome = outcomeOf(session.explain())
  session.close()
  expect(await outcome).toMatchObject({ code: 'closed' })
  expect(log).not.toHaveBeenCalled()
})

test('ready resolves with the first snapshot that is not connecting', async () => {
  const worker = new FakeWorker({
    hello: () => welcomeOf({ snapshot: { status: 'signed-in', tokenServer: 'ok', user: { subject: 'alice' } } }),
  })
  const session = connect({ dedicated: starting<Worker>(worker).start })
  expect(session.getSnapshot().status).toBe('connecting')
  expect(await session.ready()).toMatchObject({ status: 'signed-in', user: { subject: 'alice' } })
  expect(await session.ready()).toBe(session.getSnapshot())
})

test.each([
  ['the worker refuses its configuration', 'invalid_config'],
  ['the session is closed', 'closed'],
  ['no worker can be started', 'worker_lost'],
  ['the worker never answers', 'timeout'],
])('ready rejects if %s', async (_when, code) => {
  const hello = {
    invalid_config: () => {
      throw new Refusal({ name: 'LingpaiError', message: 'serve(): store is missing.', code: 'invalid_config' })
    },
  }[code]
  const worker = new FakeWorker({ hello: hello ?? never })
  const session = connect({
    dedicated: () => {
      if (code === 'worker_lost') throw new Error('no worker today')
      return worker as unknown as Worker
    },
  })
  const outcome = outcomeOf(session.ready())
  if (code === 'closed') session.close()
  await vi.advanceTimersByTimeAsync(40_000)
  expect(await outcome).toMatchObject({ code })
})

test('every call rejects with an error of the configuration, and no other host is tried', async () => {
  const hello = () => {
    throw new Refusal({ name: 'LingpaiError', message: 'serve(): store is missing.', code: 'invalid_config' })
  }
  const dedicated = starting<Worker>(new FakeWorker())
  const session = connect({
    shared: starting<SharedWorker>(new FakeWorker({ hello })).start,
    dedicated: dedicated.start,
  })
  expect(await outcomeOf(session.explain())).toMatchObject({ code: 'invalid_config' })
  expect(await outcomeOf(session.request({ url: 'https://api.example/' }))).toMatchObject({ code: 'invalid_config' })
  expect(session.getSnapshot()).toMatchObject({ status: 'connecting', reason: 'invalid_config' })
  expect(dedicated.started).toEqual([])
})

test('close before the worker has answered rejects calls with closed at once, and closes the port', async () => {
  const silent = new FakeWorker({ hello: never, ping: never })
  const session = connect({ dedicated: starting<Worker>(silent).start })
  const outcome = outcomeOf(session.explain())
  const settled = vi.fn()
  void outcome.then(settled)
  session.close()
  await vi.advanceTimersByTimeAsync(100)
  expect(settled).toHaveBeenCalledOnce()
  expect(await outcome).toMatchObject({ code: 'closed' })
  expect(silent.isTerminated).toBe(true)
  await vi.advanceTimersByTimeAsync(6000)
  expect(vi.getTimerCount()).toBe(0)
})

test('close rejects pending and later calls with closed, says goodbye, and may be called twice', async () => {
  const worker = new FakeWorker({ explain: never })
  const session = connect({ shared: starting<SharedWorker>(worker).start })
  await vi.advanceTimersByTimeAsync(10)
  const pending = outcomeOf(session.explain())
  session.close()
  session.close()
  expect(await pending).toMatchObject({ code: 'closed' })
  expect(await outcomeOf(session.explain())).toMatchObject({ code: 'closed' })
  await expect(session.fetch('https://api.example/')).rejects.toBeInstanceOf(TypeError)
  await expect(session.fetch('https://api.example/')).rejects.toMatchObject({ code: 'closed' })
  expect(worker.peer.noticesOf('goodbye')).toHaveLength(1)
  expect(worker.peer.isClosed()).toBe(true)
})

test('after close, a call whose signal was already aborted rejects with the exact reason, as fetch does', async () => {
  const session = connect({ dedicated: starting<Worker>(new FakeWorker()).start })
  session.close()
  const reason = { exactly: 'this' }
  expect(await outcomeOf(session.fetch('https://api.example/', { signal: AbortSignal.abort(reason) }))).toBe(reason)
})

test('a fetch rejects if the session closes while its body is read (I3)', async () => {
  const session = connect({ shared: starting<SharedWorker>(new FakeWorker({ fetch: never })).start })
  await vi.advanceTimersByTimeAsync(10)
  const body = new ReadableStream({
    start(controller) {
      setTimeout(() => controller.close(), 1000)
    },
  })
  const outcome = outcomeOf(
    session.fetch('https://api.example/', { method: 'POST', body, duplex: 'half' } as RequestInit),
  )
  const settled = vi.fn()
  void outcome.then(settled)
  await vi.advanceTimersByTimeAsync(500)
  session.close()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(settled).toHaveBeenCalledOnce()
  expect(await outcome).toMatchObject({ code: 'closed' })
})

test('a listener that throws neither stops the other listeners nor breaks the connection', async () => {
  const dedicated = starting<Worker>(new FakeWorker())
  const session = connect({ shared: starting<SharedWorker>(new FakeWorker()).start, dedicated: dedicated.start })
  const listener = vi.fn()
  session.subscribe(() => {
    throw new Error('a bug of the app')
  })
  session.subscribe(listener)
  // The app's error is reported in one of these two ways, and not thrown into the library's code.
  const report = vi.fn()
  vi.stubGlobal('reportError', report)
  const log = vi.spyOn(console, 'error').mockImplementation(() => {})
  await vi.advanceTimersByTimeAsync(10)
  expect([...report.mock.calls, ...log.mock.calls]).toEqual([
    [expect.objectContaining({ message: 'a bug of the app' })],
  ])
  expect(listener).toHaveBeenCalledOnce()
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', mode: 'shared' })
  expect(dedicated.started).toEqual([])
})

test('a loss that is reported late, or twice, does not affect the next worker (I7)', async () => {
  const { candidate, peers, lose } = losing()
  const client = createClient([candidate])
  await vi.advanceTimersByTimeAsync(0)
  lose(0)
  lose(0)
  await vi.advanceTimersByTimeAsync(0)
  expect(client.getSnapshot()).toMatchObject({ status: 'signed-out' })
  const changes = vi.fn()
  client.subscribe(changes)
  lose(0)
  await vi.advanceTimersByTimeAsync(10)
  expect(changes).not.toHaveBeenCalled()
  expect(peers).toHaveLength(2)
  expect(peers[1]?.isClosed()).toBe(false)
  lose(1)
  await vi.advanceTimersByTimeAsync(10)
  expect(peers).toHaveLength(3)
})

test('resume notifies the connected worker, and does nothing if there is no connection', async () => {
  const { candidate, peers, lose } = losing({}, { hello: never })
  const client = createClient([candidate])
  client.resume()
  await vi.advanceTimersByTimeAsync(0)
  expect(peers[0]?.noticesOf('resumed')).toEqual([])
  client.resume()
  expect(peers[0]?.noticesOf('resumed')).toEqual([{ lingpai: 'resumed' }])
  lose(0)
  await vi.advanceTimersByTimeAsync(0)
  client.resume()
  expect(peers.map((peer) => peer.noticesOf('resumed').length)).toEqual([1, 0])
  client.close()
  client.resume()
  expect(peers.map((peer) => peer.noticesOf('resumed').length)).toEqual([1, 0])
})

test('a worker is pinged until a body has arrived, and no longer', async () => {
  const { port1, port2 } = new MessageChannel()
  const answer = { url: '', status: 200, statusText: '', type: 'basic', redirected: false, headers: [], body: port2 }
  const worker = new FakeWorker({ fetch: () => answer })
  const session = connect({ dedicated: starting<Worker>(worker).start })
  await vi.advanceTimersByTimeAsync(10)
  const response = await session.fetch('https://api.example/')
  await vi.advanceTimersByTimeAsync(5000)
  const pings = () => worker.peer.callsOf('ping').length
  expect(pings()).toBeGreaterThan(2)
  port1.postMessage(null)
  expect(await response.text()).toBe('')
  await vi.advanceTimersByTimeAsync(2000)
  const before = pings()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(pings()).toBe(before)
})
