import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { BUILD } from '../../../src/protocol/handshake.ts'
import { DOUBT } from '../../../src/protocol/life-lock.ts'
import { createFakeLocks } from '../../fixtures/fake-locks.ts'
import {
  apiOrigin,
  callFrame,
  codeOf,
  createTestServer,
  type Fetch,
  RawPage,
  type Reply,
} from '../../fixtures/raw-page.ts'

const pages: RawPage[] = []
let locks: ReturnType<typeof createFakeLocks>

beforeEach(() => {
  locks = createFakeLocks()
  vi.stubGlobal('navigator', { locks })
})
afterEach(() => {
  vi.unstubAllGlobals()
  for (const page of pages.splice(0)) page.close()
})

const never = () => new Promise<never>(() => {})
const pause = () => new Promise((resolve) => setTimeout(resolve, 20))
/** Waits longer than a page may take to say hello after it lost its lock. */
const longPause = () => new Promise((resolve) => setTimeout(resolve, 2 * DOUBT.interval * DOUBT.times))
const lock = 'lingpai:page:one'
const hello = (more: object = {}) => callFrame('hello', { oldest: 1, newest: 1, build: BUILD, ...more })
const eventStream = { 'content-type': 'text/event-stream' }
const fetchFrame = (call: string, more: object = {}) =>
  callFrame('fetch', call, { url: `${apiOrigin}/orders`, method: 'GET', headers: [], ...more })

/** A signed-in worker with two pages. The first page has named its lock. */
async function open(fetch: Fetch) {
  const server = createTestServer({}, fetch)
  const [page, other] = [new RawPage(server), new RawPage(server)]
  pages.push(page, other)
  locks.hold(lock)
  await page.ask(hello({ lock }))
  await other.ask(hello())
  await page.call('signIn', 'signIn', {})
  return { server, page, other }
}

const noticesOf = (page: RawPage, kind: string): Reply[] => page.replies.filter(({ lingpai }) => lingpai === kind)

test('if a page dies without a goodbye, the worker stops its requests, its bodies and its notices', async () => {
  const signals: AbortSignal[] = []
  const cancelled = vi.fn()
  const { page, other } = await open(async (_url, init) => {
    signals.push(init.signal as AbortSignal)
    if (signals.length > 1) return never()
    return new Response(new ReadableStream({ pull: never, cancel: cancelled }), {
      headers: eventStream,
    })
  })
  await page.ask(fetchFrame('stream'))
  void page.ask(fetchFrame('pending'))
  void page.ask(fetchFrame('lasting', { keepalive: true }))
  await pause()
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, false])
  locks.kill(lock)
  await vi.waitFor(() => expect(signals[1]?.aborted).toBe(true), 5000)
  // A request with keepalive outlives its page.
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, true, false])
  expect(cancelled).toHaveBeenCalledOnce()
  const before = noticesOf(page, 'snapshot').length
  await other.call('signOut', false)
  expect(noticesOf(other, 'snapshot').length).toBeGreaterThan(0)
  expect(noticesOf(page, 'snapshot')).toHaveLength(before)
})

test('an abort that arrives after the response was sent stops the body', async () => {
  const cancelled = vi.fn()
  const { page } = await open(
    async () => new Response(new ReadableStream({ pull: never, cancel: cancelled }), { headers: eventStream }),
  )
  await page.ask(fetchFrame('stream'))
  page.post({ lingpai: 'abort', call: 'other' })
  await pause()
  expect(cancelled).not.toHaveBeenCalled()
  page.post({ lingpai: 'abort', call: 'stream' })
  await expect.poll(() => cancelled.mock.calls.length).toBe(1)
})

test("if a page dies before it has read a body to its end, the body's port is closed", async () => {
  const { page } = await open(
    async () => new Response(new ReadableStream({ start: (source) => source.close() }), { headers: eventStream }),
  )
  const { value } = await page.ask(fetchFrame('stream'))
  const port = (value as { body: MessagePort }).body
  const isClosed = vi.fn()
  port.addEventListener('close', isClosed)
  port.start()
  await pause()
  expect(isClosed).not.toHaveBeenCalled()
  locks.kill(lock)
  await expect.poll(() => isClosed.mock.calls.length).toBe(1)
})

test('a live page that lost its lock and does not say hello again gets a goodbye', async () => {
  const { page, other } = await open(never)
  locks.kill(lock)
  await vi.waitFor(() => expect(noticesOf(page, 'goodbye')).toHaveLength(1), 5000)
  expect(noticesOf(other, 'goodbye')).toEqual([])
})

test.each([
  ['another lock', { lock: 'lingpai:page:two' }],
  ['no lock', {}],
])('a page whose lock was stolen keeps its calls if it says hello with %s', async (_what, more) => {
  const { page } = await open(async () => Response.json({ fine: true }))
  locks.hold('lingpai:page:two')
  await locks.steal(lock)
  await page.ask(hello(more))
  await longPause()
  expect(noticesOf(page, 'goodbye')).toEqual([])
  expect((await page.ask(fetchFrame('later'))).type).toBe('RAW')
  expect(noticesOf(page, 'snapshot').length).toBeGreaterThan(0)
})

test('after a theft, the worker drops the page when the second lock is released', async () => {
  const { page } = await open(never)
  locks.hold('lingpai:page:two')
  await locks.steal(lock)
  await page.ask(hello({ lock: 'lingpai:page:two' }))
  locks.kill('lingpai:page:two')
  await vi.waitFor(() => expect(noticesOf(page, 'goodbye')).toHaveLength(1), 5000)
})

test('a page that says hello twice is recorded as connected once', async () => {
  const { page } = await open(never)
  await page.ask(hello({ lock }))
  const { value } = await page.call('explain', {})
  const connected = (value as { event: string; own?: true }[]).filter(
    ({ event, own }) => own && event === 'page-connected',
  )
  expect(connected).toHaveLength(1)
})

test('a worker whose lock was stolen holds another one, and names it in ping and hello', async () => {
  const { page } = await open(never)
  const welcome = async () => ((await page.ask(hello({ lock }))).value as { lock?: string }).lock as string
  const first = await welcome()
  await locks.steal(first)
  await pause()
  const { value: second } = await page.call('ping')
  expect(second).toMatch(/^lingpai:worker:/)
  expect(second).not.toBe(first)
  expect(await welcome()).toBe(second)
  expect(locks.names()).toContain(second)
})

test('a worker whose locks are stolen again and again names no lock, and still serves its pages', async () => {
  const { page } = await open(async () => Response.json({ fine: true }))
  const held = () => locks.names().find((name) => name.startsWith('lingpai:worker:'))
  let thefts = 0
  for (let name = held(); name !== undefined && thefts < 20; name = held()) {
    await locks.steal(name)
    await pause()
    thefts += 1
  }
  expect(held()).toBeUndefined()
  expect((await page.call('ping')).value).toBeUndefined()
  expect((await page.ask(hello({ lock }))).value).not.toHaveProperty('lock')
  expect((await page.ask(fetchFrame('later'))).type).toBe('RAW')
})

test("after a goodbye, the worker does not wait for the page's lock any more", async () => {
  const { page } = await open(never)
  expect(locks.waitingFor(lock)).toBe(1)
  page.post({ lingpai: 'goodbye' })
  await pause()
  expect(locks.waitingFor(lock)).toBe(0)
})

test('if a page says hello again and again, the worker waits for one lock only', async () => {
  const { page } = await open(never)
  for (let times = 0; times < 20; times += 1) await page.ask(hello({ lock }))
  expect(locks.waitingFor(lock)).toBe(1)
})

test.each(['lingpai:refresh', 'lingpai:shared:x', '', 7, null, {}, `lingpai:page:${'x'.repeat(100)}`])(
  'a page cannot make the worker wait for the lock %j, which is not a page’s lock',
  async (name) => {
    const request = vi.spyOn(locks, 'request')
    const page = new RawPage(createTestServer())
    pages.push(page)
    request.mockClear()
    expect(codeOf(await page.ask(hello({ lock: name })))).toBe('invalid_call')
    expect(request).not.toHaveBeenCalled()
  },
)

test('without Web Locks, a page is served until its goodbye', async () => {
  vi.stubGlobal('navigator', {})
  const page = new RawPage(createTestServer())
  pages.push(page)
  expect((await page.ask(hello({ lock }))).type).toBe('RAW')
})

test.each<[string, object, string]>([
  [
    'an older page',
    { oldest: 0, newest: 0, build: '0.0.1' },
    `This page (lingpai 0.0.1) is older than its worker (lingpai ${BUILD}): reload the page`,
  ],
  [
    'a newer page',
    { oldest: 2, newest: 3, build: '9.0.0' },
    `The worker (lingpai ${BUILD}) is older than this page (lingpai 9.0.0): close`,
  ],
])('%s gets an error that names the older side and what to do', async (_who, versions, text) => {
  const page = new RawPage(createTestServer())
  pages.push(page)
  const answer = await page.ask(callFrame('hello', versions))
  expect(codeOf(answer)).toBe('protocol_mismatch')
  expect((answer.value as Error).message).toContain(text)
})

test('a page without a lock is served', async () => {
  const page = new RawPage(createTestServer())
  pages.push(page)
  expect((await page.ask(hello())).value).toMatchObject({ protocol: 1, build: BUILD })
})

test('after a goodbye, the worker sends nothing to the page', async () => {
  const { server, other } = await open(never)
  let deliver = (_event: { data: unknown }): void => {}
  const postMessage = vi.fn()
  server.attach({
    postMessage,
    addEventListener: (_type, listener) => {
      deliver = listener
    },
    removeEventListener() {},
  })
  deliver({ data: { lingpai: 'goodbye' } })
  await other.call('signOut', false)
  expect(postMessage).not.toHaveBeenCalled()
})
