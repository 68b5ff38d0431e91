import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { connect } from '../../../src/index.ts'
import { FakeWorker, outcomeOf, starting } from '../../fixtures/fake-workers.ts'
import { never } from '../../fixtures/scripted-peer.ts'

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

/** Events of the page, which a test can dispatch. */
function stubEvents() {
  const listeners = new Map<string, (event: { persisted: boolean }) => void>()
  vi.stubGlobal('addEventListener', (type: string, listener: () => void) => listeners.set(type, listener))
  vi.stubGlobal('removeEventListener', (type: string) => listeners.delete(type))
  return { happen: (type: string, persisted = true) => listeners.get(type)?.({ persisted }), listeners }
}

test('a hidden page opens no port, which would evict it from the back/forward cache, and repeats its calls when it is shown', async () => {
  const { happen } = stubEvents()
  const first = new FakeWorker({ explain: never, signIn: never })
  const shared = starting<SharedWorker>(first, new FakeWorker({ explain: () => ['answered'] }))
  const session = connect({ shared: shared.start })
  await vi.advanceTimersByTimeAsync(10)
  const explained = session.explain()
  const signedIn = outcomeOf(session.signIn({}))
  await vi.advanceTimersByTimeAsync(10)
  happen('pagehide')
  const request = session.explain()
  await vi.advanceTimersByTimeAsync(900)
  expect(await signedIn).toMatchObject({ code: 'worker_lost' })
  expect(first.peer.isClosed()).toBe(true)
  expect(shared.started).toHaveLength(1)
  happen('pageshow')
  expect(await Promise.all([explained, request])).toEqual([['answered'], ['answered']])
  expect(shared.started).toHaveLength(2)
})

test('a page that is hidden while it connects continues when it is shown, and so do its calls', async () => {
  const { happen } = stubEvents()
  const silent = new FakeWorker({ hello: never })
  const shared = starting<SharedWorker>(silent, new FakeWorker({ signIn: () => undefined }))
  const dedicated = starting<Worker>()
  const session = connect({ shared: shared.start, dedicated: dedicated.start })
  const signedIn = session.signIn({})
  await vi.advanceTimersByTimeAsync(10)
  happen('pagehide')
  await vi.advanceTimersByTimeAsync(900)
  expect(silent.peer.isClosed()).toBe(true)
  expect(shared.started).toHaveLength(1)
  happen('pageshow')
  await signedIn
  expect(shared.started).toHaveLength(2)
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', mode: 'shared' })
})

test('a hidden page that still runs after a second is not cached: its calls continue without an event (I3)', async () => {
  const { happen } = stubEvents()
  const shared = starting<SharedWorker>(new FakeWorker(), new FakeWorker({ explain: () => ['answered'] }))
  const session = connect({ shared: shared.start })
  await vi.advanceTimersByTimeAsync(10)
  happen('pagehide')
  const explained = session.explain()
  await vi.advanceTimersByTimeAsync(1100)
  expect(await explained).toEqual(['answered'])
})

test('the time that a page is hidden does not count towards a deadline', async () => {
  const { happen } = stubEvents()
  const shared = starting<SharedWorker>(new FakeWorker(), new FakeWorker({ signIn: () => undefined }))
  const session = connect({ shared: shared.start })
  await vi.advanceTimersByTimeAsync(10)
  happen('pagehide')
  const signedIn = outcomeOf(session.signIn({}))
  await vi.advanceTimersByTimeAsync(600_000)
  happen('pageshow')
  expect(await signedIn).toBeUndefined()
})

test('a call that waits in a hidden page rejects with closed when the session is closed (I3)', async () => {
  const { happen, listeners } = stubEvents()
  const session = connect({ shared: starting<SharedWorker>(new FakeWorker()).start })
  await vi.advanceTimersByTimeAsync(10)
  happen('pagehide')
  const outcome = outcomeOf(session.signIn({}))
  await vi.advanceTimersByTimeAsync(10)
  session.close()
  expect(await outcome).toMatchObject({ code: 'closed' })
  expect([...listeners.keys()]).toEqual([])
})

test.each(['online', 'visibilitychange', 'pageshow'])(
  'the worker is notified of %s, so that an outage ends early',
  async (type) => {
    const { happen } = stubEvents()
    const page = { hidden: true }
    vi.stubGlobal('document', page)
    const worker = new FakeWorker()
    connect({ shared: starting<SharedWorker>(worker).start })
    await vi.advanceTimersByTimeAsync(10)
    if (type === 'visibilitychange') happen(type)
    expect(worker.peer.noticesOf('resumed')).toEqual([])
    page.hidden = false
    happen(type, false)
    expect(worker.peer.noticesOf('resumed')).toHaveLength(1)
  },
)
