import { afterEach, expect, inject, test, vi } from 'vitest'
import { connect, type Session } from '../../src/index.ts'
import { settingsOf, startDedicated, startShared, type WorkerSettings } from '../fixtures/workers.ts'

const sessions: Session[] = []

afterEach(() => {
  vi.unstubAllGlobals()
  for (const session of sessions.splice(0)) session.close()
})

function keep(session: Session): Session {
  sessions.push(session)
  return session
}

function hosts(settings: WorkerSettings = settingsOf()) {
  return { shared: () => startShared(settings), dedicated: () => startDedicated(settings) }
}

async function connected(session: Session): Promise<void> {
  await vi.waitFor(() => expect(session.getSnapshot().status).not.toBe('connecting'), { timeout: 10_000 })
}

const errorOf = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)
const ordersOf = async (session: Session) => (await session.fetch(`${inject('apiOrigin')}/orders`)).json()

test('the mode is shared if the browser has SharedWorker', async () => {
  const session = keep(connect(hosts()))
  await connected(session)
  expect(session.getSnapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok', mode: 'shared' })
})

test('a session in a SharedWorker signs in, and its token stays there', async () => {
  const session = keep(connect(hosts()))
  await session.signIn({ account: 'alice' })
  expect(await ordersOf(session)).toMatchObject({ subject: 'alice' })
  await expect(session.getAccessToken()).rejects.toMatchObject({ code: 'token_not_exposed' })
})

test('two pages share one session, and both get its end', async () => {
  const settings = settingsOf()
  const [one, other] = [keep(connect(hosts(settings))), keep(connect(hosts(settings)))]
  await one.signIn({ account: 'bob' })
  expect(await ordersOf(other)).toMatchObject({ subject: 'bob' })
  expect(other.getSnapshot()).toMatchObject({ status: 'signed-in', user: { subject: 'bob' } })
  await other.signOut()
  await vi.waitFor(() => expect(one.getSnapshot().status).toBe('signed-out'))
})

test('the mode is dedicated if the browser has no SharedWorker', async () => {
  vi.stubGlobal('SharedWorker', undefined)
  const session = keep(connect(hosts()))
  await session.signIn({ account: 'alice' })
  expect(session.getSnapshot().mode).toBe('dedicated')
  expect(await ordersOf(session)).toMatchObject({ subject: 'alice' })
})

test('the mode is dedicated if the constructor of SharedWorker throws', async () => {
  const shared = () => new SharedWorker('https://other.example/worker.js')
  const session = keep(connect({ ...hosts(), shared }))
  await connected(session)
  expect(session.getSnapshot().mode).toBe('dedicated')
})

test("the mode is dedicated if the SharedWorker's script does not load, and no second worker starts later (I7)", async () => {
  let started = 0
  const settings = settingsOf()
  const session = keep(
    connect({
      shared: () => new SharedWorker('/nowhere.worker.js', { type: 'module' }),
      dedicated: () => {
        started += 1
        return startDedicated(settings)
      },
    }),
  )
  await session.signIn({ account: 'alice' })
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-in', mode: 'dedicated' })
  await new Promise((resolve) => setTimeout(resolve, 14_000))
  expect(started).toBe(1)
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-in', mode: 'dedicated' })
}, 40_000)

test('calls reject with worker_lost if no script loads', async () => {
  const session = keep(
    connect({
      shared: () => new SharedWorker('/nowhere.worker.js', { type: 'module' }),
      dedicated: () => new Worker('/nowhere.worker.js', { type: 'module' }),
    }),
  )
  expect(await errorOf(session.explain())).toMatchObject({ code: 'worker_lost' })
  expect(session.getSnapshot()).toMatchObject({ status: 'connecting', reason: 'worker_failed' })
})

test.each(['shared', 'dedicated'] as const)('a configuration error in a %s worker reaches the page', async (mode) => {
  const { [mode]: start } = hosts(settingsOf({ without: 'store' }))
  const session = keep(connect({ [mode]: start }))
  const error = await errorOf(session.explain())
  expect(error).toMatchObject({ code: 'invalid_config' })
  expect((error as Error).message).toContain('store')
})

test.each(['shared', 'dedicated'] as const)(
  'a malformed header name in a %s worker rejects the call in the page',
  async (mode) => {
    const { [mode]: start } = hosts(settingsOf({ tokenHeader: 'not a name' }))
    const session = keep(connect({ [mode]: start }))
    const late = new Promise((resolve) => setTimeout(() => resolve('no answer after 8 s'), 8000))
    expect(await Promise.race([errorOf(session.explain()), late])).toMatchObject({
      code: 'worker_lost',
      message: expect.stringContaining('not a name'),
    })
  },
  15_000,
)

test('after a dedicated worker is terminated, pending calls reject with worker_lost and the session reconnects (I3)', async () => {
  const workers: Worker[] = []
  const settings = settingsOf({ database: `terminated-${crypto.randomUUID()}` })
  const dedicated = () => {
    const worker = startDedicated(settings)
    workers.push(worker)
    return worker
  }
  const session = keep(connect({ dedicated }))
  await session.signIn({ account: 'alice' })
  const pending = [
    session.fetch(`${inject('apiOrigin')}/delay/20000`, { method: 'POST' }),
    session.request({ url: `${inject('apiOrigin')}/delay/20000`, method: 'POST' }),
  ]
  const outcomes = Promise.all(pending.map(errorOf))
  await new Promise((resolve) => setTimeout(resolve, 300))
  const started = performance.now()
  workers[0]?.terminate()
  const [fromFetch, fromRequest] = await outcomes
  expect(performance.now() - started).toBeLessThan(3000)
  // These are POST requests: an idempotent one would be sent again.
  expect(fromFetch).toBeInstanceOf(TypeError)
  expect(fromFetch).toMatchObject({ code: 'worker_lost' })
  expect(fromRequest).toMatchObject({ code: 'worker_lost' })
  expect(await ordersOf(session)).toMatchObject({ subject: 'alice' })
  expect(workers).toHaveLength(2)
})

test('the next worker reads the session from IndexedDB (I6)', async () => {
  const database = `kept-${crypto.randomUUID()}`
  const first = keep(connect({ dedicated: () => startDedicated(settingsOf({ database })) }))
  await first.signIn({ account: 'bob' })
  first.close()
  const second = keep(connect({ dedicated: () => startDedicated(settingsOf({ database })) }))
  await connected(second)
  expect(second.getSnapshot()).toMatchObject({ status: 'signed-in', user: { subject: 'bob' } })
  expect(await ordersOf(second)).toMatchObject({ subject: 'bob' })
})
