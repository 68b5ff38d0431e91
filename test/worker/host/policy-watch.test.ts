import { afterEach, expect, test, vi } from 'vitest'
import { watchPolicy } from '../../../worker/host/policy-watch.ts'

const app = 'https://app.example'
const developer = 'http://localhost:5173'
const allowed = () => Promise.resolve(new Response(''))
const refused = () => Promise.reject(new TypeError('Failed to fetch'))

afterEach(() => vi.restoreAllMocks())

async function run(origin: string, answer: () => Promise<unknown>, checks = 1) {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const fetch = vi.fn((_url: string) => answer())
  const onMissing = vi.fn()
  const check = watchPolicy(fetch, origin, onMissing)
  const atStart = fetch.mock.calls.length
  for (let count = 0; count < checks; count += 1) await check()
  return { urls: fetch.mock.calls.map(([url]) => url), atStart, missing: onMissing.mock.calls.length, warn }
}

test('a connection to data: that is allowed shows that the worker has no policy, and nothing is sent', async () => {
  const { urls, missing } = await run(app, allowed)
  expect(urls).toEqual(['data:,'])
  expect(missing).toBe(1)
})

test('a connection to data: that is refused shows a policy', async () => {
  expect(await run(app, refused)).toMatchObject({ missing: 0 })
  expect(await run(developer, refused)).toMatchObject({ missing: 0 })
})

test('the check is made once, however often it is asked for', async () => {
  expect(await run(app, allowed, 3)).toMatchObject({ urls: ['data:,'], missing: 1 })
  expect(await run(developer, allowed, 3)).toMatchObject({ urls: ['data:,'], missing: 1 })
})

test('in production, nothing is checked at the start, and the console stays silent', async () => {
  const { atStart, warn } = await run(app, allowed)
  expect(atStart).toBe(0)
  expect(warn).not.toHaveBeenCalled()
})

test('on the developer’s machine, the worker checks at its start and warns in the console', async () => {
  const { atStart, warn } = await run(developer, allowed)
  expect(atStart).toBe(1)
  expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('docs/hardening.md'))
  vi.restoreAllMocks()
  expect((await run(developer, refused)).warn).not.toHaveBeenCalled()
})
