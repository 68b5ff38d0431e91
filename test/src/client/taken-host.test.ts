import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { connect, type Session } from '../../../src/index.ts'
import { SHARED_WORKER_LOCK, toWorkerKey } from '../../../src/protocol/handshake.ts'
import { FakeWorker, outcomeOf } from '../../fixtures/fake-workers.ts'
import { Refusal } from '../../fixtures/scripted-peer.ts'

const url = 'https://app.example/token.worker.js'
/** Whether another tab runs a SharedWorker of the same URL and name with other options, and whether its lock is visible. */
let isTaken: boolean
let hasLock: boolean
let started: FakeWorker[]
let isBroken: boolean

beforeEach(() => {
  vi.useFakeTimers()
  isTaken = true
  hasLock = true
  isBroken = false
  started = []
  vi.stubGlobal('document', { baseURI: 'https://app.example/' })
  vi.stubGlobal('navigator', {
    locks: {
      query: async () => ({ held: hasLock ? [{ name: `${SHARED_WORKER_LOCK}1${toWorkerKey('session', url)}` }] : [] }),
      request: async (_name: string, held: () => Promise<unknown>) => held(),
    },
  })
  vi.stubGlobal(
    'SharedWorker',
    class extends FakeWorker {
      constructor() {
        // As in browsers: the error event says nothing, and no script is run.
        super(
          isTaken || isBroken ? { hello: () => new Promise(() => {}) } : { explain: () => [] },
          `of ${started.length}`,
        )
        started.push(this)
        if (isTaken || isBroken) queueMicrotask(() => this.fail())
      }
    },
  )
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

async function open(dedicated?: () => Worker): Promise<Session> {
  const session = connect({
    shared: () => new SharedWorker(url, { type: 'module', name: 'session' }),
    ...(dedicated && { dedicated }),
  })
  await vi.advanceTimersByTimeAsync(10)
  return session
}

test('while a SharedWorker with other options runs, each call rejects with protocol_mismatch soon', async () => {
  const session = await open()
  expect(session.getSnapshot()).toMatchObject({ status: 'connecting', reason: 'protocol_mismatch' })
  for (let count = 0; count < 3; count += 1) {
    const outcomes = [session.explain(), session.fetch('https://api.example/'), session.signIn({})].map(outcomeOf)
    await vi.advanceTimersByTimeAsync(2500)
    for (const outcome of outcomes) {
      expect(await Promise.race([outcome, 'still waiting'])).toMatchObject({ code: 'protocol_mismatch' })
    }
    await vi.advanceTimersByTimeAsync(10_000)
  }
})

test('when the SharedWorker with other options has ended, the page connects without a call', async () => {
  const session = await open()
  const changes: string[] = []
  session.subscribe(() => changes.push(session.getSnapshot().status))
  await vi.advanceTimersByTimeAsync(60_000)
  isTaken = false
  hasLock = false
  await vi.advanceTimersByTimeAsync(5000)
  expect(session.getSnapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok', mode: 'shared' })
  expect(changes).toEqual(['signed-out'])
  expect(await session.explain()).toEqual([])
})

test('while it tries again, the page starts no dedicated worker beside the SharedWorker', async () => {
  const dedicated = vi.fn(() => new FakeWorker() as unknown as Worker)
  await open(dedicated)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(dedicated).not.toHaveBeenCalled()
  // One attempt at a time, with a pause between them.
  expect(started.length).toBeGreaterThan(5)
  expect(started.length).toBeLessThan(60)
})

test('if the other SharedWorker ends between its refusal and the search for it, the page uses no dedicated worker', async () => {
  const dedicated = vi.fn(() => new FakeWorker() as unknown as Worker)
  const session = await open(dedicated)
  // The next attempt is refused, and then the lock is gone.
  hasLock = false
  await vi.advanceTimersByTimeAsync(2500)
  isTaken = false
  await vi.advanceTimersByTimeAsync(5000)
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', mode: 'shared' })
  expect(dedicated).not.toHaveBeenCalled()
})

test('if the script does not load after the other SharedWorker has ended, the page uses the dedicated worker', async () => {
  const session = await open(() => new FakeWorker() as unknown as Worker)
  isTaken = false
  hasLock = false
  isBroken = true
  await vi.advanceTimersByTimeAsync(10_000)
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', mode: 'dedicated' })
})

test('a session that was closed while the SharedWorker was taken stays closed', async () => {
  const session = await open()
  session.close()
  const count = started.length
  isTaken = false
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await outcomeOf(session.explain())).toMatchObject({ code: 'closed' })
  expect(started).toHaveLength(count)
})

test('a worker that refuses the version of the page is not asked again: only a reload helps', async () => {
  isTaken = false
  const hello = vi.fn(() => {
    throw new Refusal({ name: 'LingpaiError', message: 'reload', code: 'protocol_mismatch' })
  })
  const start = vi.fn(() => new FakeWorker({ hello }) as unknown as SharedWorker)
  const session = connect({ shared: start })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(start).toHaveBeenCalledOnce()
  expect(await outcomeOf(session.explain())).toMatchObject({ code: 'protocol_mismatch' })
})
