import { afterEach, expect, test } from 'vitest'
import { connect, type Session } from '../../../src/index.ts'
import { serveInline } from '../../../worker/host/inline.ts'
import { MAX_PER_PAGE, MAX_TOGETHER } from '../../../worker/host/request-semaphore.ts'
import { apiOrigin, callFrame, codeOf, createTestServer, RawPage, type Reply } from '../../fixtures/raw-page.ts'

const pages: RawPage[] = []

afterEach(() => {
  for (const page of pages.splice(0)) page.close()
})

/** A worker with several pages and a scripted network. The first page signs in. */
async function open(count: number, answer: (url: string) => Promise<Response>) {
  const urls: string[] = []
  const server = createTestServer({}, (url, init) => {
    urls.push(url)
    const aborted = new Promise<never>((_resolve, reject) =>
      init.signal?.addEventListener('abort', () => reject(init.signal?.reason)),
    )
    return Promise.race([answer(url), aborted])
  })
  const opened = Array.from({ length: count }, () => new RawPage(server))
  pages.push(...opened)
  await opened[0]?.call('signIn', 'signIn', {})
  return { opened: opened as [RawPage, ...RawPage[]], urls }
}

let calls = 0
const fetchFrame = (path: string, call = `call${++calls}`) =>
  callFrame('fetch', call, { url: apiOrigin + path, method: 'GET', headers: [] })
const never = () => new Promise<never>(() => {})
const headOf = ({ value }: Reply) => (value as { status?: number } | undefined)?.status

test('a tab that floods the worker with ten thousand calls sends only its share, and another tab is served', async () => {
  const { opened, urls } = await open(2, (url) =>
    url.endsWith('/calm') ? Promise.resolve(new Response('x')) : never(),
  )
  const [flood, calm] = opened as [RawPage, RawPage]
  for (let sent = 0; sent < 9999; sent += 1) void flood.ask(fetchFrame('/flood'))
  expect(headOf(await calm.ask(fetchFrame('/calm')))).toBe(200)
  expect(urls.filter((url) => url.endsWith('/flood'))).toHaveLength(MAX_PER_PAGE)
})

test('many tabs together stay below the common limit, and all their calls are answered', async () => {
  let current = 0
  let most = 0
  const { opened, urls } = await open(10, async () => {
    current += 1
    most = Math.max(most, current)
    await new Promise((resolve) => setImmediate(resolve))
    current -= 1
    return new Response('x')
  })
  const answers = await Promise.all(
    opened.flatMap((page) => Array.from({ length: 200 }, () => page.ask(fetchFrame('/a')))),
  )
  expect(answers.filter((answer) => headOf(answer) === 200)).toHaveLength(2000)
  expect(urls).toHaveLength(2000)
  expect(most).toBeLessThanOrEqual(MAX_TOGETHER)
  expect(most).toBeGreaterThan(MAX_PER_PAGE)
})

test('streams that stay open do not hold a slot', async () => {
  const { opened } = await open(1, async (url) =>
    url.endsWith('/stream')
      ? new Response(new ReadableStream({ pull: never }), { headers: { 'content-type': 'text/event-stream' } })
      : new Response('x'),
  )
  const [page] = opened
  for (let count = 0; count < MAX_PER_PAGE + 50; count += 1)
    expect(headOf(await page.ask(fetchFrame('/stream')))).toBe(200)
  expect(headOf(await page.ask(fetchFrame('/after')))).toBe(200)
})

test('an abort ends a call that waits for a slot, and the call is never sent (I3)', async () => {
  const { opened, urls } = await open(1, never)
  const [page] = opened
  for (let sent = 0; sent < MAX_PER_PAGE; sent += 1) void page.ask(fetchFrame('/first'))
  const waiting = page.ask(fetchFrame('/waiting', 'waiting'))
  await page.call('ping')
  page.post({ lingpai: 'abort', call: 'waiting' })
  expect((await waiting).type).toBe('HANDLER')
  expect(urls.filter((url) => url.endsWith('/waiting'))).toEqual([])
})

test('requests that fail release their slots', async () => {
  const { opened } = await open(1, (url) =>
    url.endsWith('/fail') ? Promise.reject(new TypeError('no')) : Promise.resolve(new Response('x')),
  )
  const [page] = opened
  const failed = await Promise.all(Array.from({ length: 3 * MAX_PER_PAGE }, () => page.ask(fetchFrame('/fail'))))
  expect(failed.filter(({ type }) => type === 'HANDLER')).toHaveLength(3 * MAX_PER_PAGE)
  expect(headOf(await page.ask(fetchFrame('/fine')))).toBe(200)
})

test('a page that leaves releases its slots, and its waiting calls are not sent', async () => {
  const { opened, urls } = await open(7, (url) =>
    url.endsWith('/mine') ? Promise.resolve(new Response('x')) : never(),
  )
  const [mine, ...others] = opened
  for (const other of others) for (let sent = 0; sent < 150; sent += 1) void other.ask(fetchFrame('/theirs'))
  for (const other of others) await other.call('ping')
  const answer = mine.ask(fetchFrame('/mine'))
  await mine.call('ping')
  expect(urls.filter((url) => url.endsWith('/mine'))).toEqual([])
  for (const other of others) other.post({ lingpai: 'goodbye' })
  expect(headOf(await answer)).toBe(200)
  expect(urls.filter((url) => url.endsWith('/theirs')).length).toBeLessThan(6 * 150)
})

test('a tab with more than ten thousand unanswered calls gets busy, and works again after them', async () => {
  const { opened } = await open(1, never)
  const [page] = opened
  for (let sent = 0; sent < 10_000; sent += 1) void page.ask(fetchFrame('/first', `first${sent}`))
  expect(codeOf(await page.ask(fetchFrame('/one-too-many')))).toBe('busy')
  for (let sent = 0; sent < 10_000; sent += 1) page.post({ lingpai: 'abort', call: `first${sent}` })
  expect((await page.ask(callFrame('ping'))).type).toBe('RAW')
})

const CALLS = Number(process.env.LINGPAI_CALLS ?? 30_000)

test(`the heap of a worker does not grow over ${CALLS} calls`, { timeout: Math.max(60_000, CALLS * 5) }, async () => {
  const { setFlagsFromString } = await import('node:v8')
  setFlagsFromString('--expose-gc')
  const { runInNewContext } = await import('node:vm')
  const collectGarbage = runInNewContext('gc') as () => void
  const fetch = globalThis.fetch
  globalThis.fetch = async () => Response.json({})
  let session: Session | undefined
  try {
    session = connect({
      inline: () =>
        serveInline({
          grant: {
            signIn: async () => ({ accessToken: 'first-token' }),
            refresh: async () => ({ accessToken: 'second-token' }),
          },
          apis: [{ origin: apiOrigin }],
          store: { load: () => undefined, save() {}, clear() {} },
        }),
    })
    await session.signIn({})
    const { request } = session
    const heapAfter = async (count: number): Promise<number> => {
      for (let done = 0; done < count; done += 100)
        await Promise.all(Array.from({ length: 100 }, () => request({ url: `${apiOrigin}/${done}` })))
      await new Promise((resolve) => setTimeout(resolve, 50))
      collectGarbage()
      return process.memoryUsage().heapUsed
    }
    const before = await heapAfter(Math.min(10_000, CALLS))
    const after = await heapAfter(CALLS)
    // With a leak of 100 bytes, 100,000 calls would add ten megabytes to a heap of about thirty.
    expect((after - before) / CALLS).toBeLessThan(30)
  } finally {
    session?.close()
    globalThis.fetch = fetch
  }
})
