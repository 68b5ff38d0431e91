import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { connect, type Session } from '../../src/index.ts'
import { HOSTS, hostOf, settingsOf } from '../fixtures/workers.ts'

const api = inject('steadyOrigin')
const sessions = {} as Record<string, Session>

beforeAll(async () => {
  for (const host of HOSTS) {
    const session = connect(hostOf(host, settingsOf({ apiOrigin: api }))) as Session
    await session.signIn({ account: 'alice' })
    sessions[host] = session
  }
})
afterAll(() => {
  for (const session of Object.values(sessions)) session.close()
})

/** The server sends another number each time, and the response may be cached. */
async function read(host: string, url: string, cache: RequestCache): Promise<string> {
  const response = await sessions[host]?.fetch(url, { cache })
  expect(response?.status).toBe(200)
  return (await response?.text()) ?? ''
}

test.each(HOSTS)('cache modes work as with fetch, on %s', async (host) => {
  const url = `${api}/cached?${crypto.randomUUID()}`
  const first = await read(host, url, 'default')
  expect(await read(host, url, 'default')).toBe(first)
  expect(await read(host, url, 'force-cache')).toBe(first)
  // The browser revalidates with If-None-Match, and the server answers 304.
  expect(await read(host, url, 'no-cache')).toBe(first)
  expect(await read(host, url, 'no-store')).not.toBe(first)
  expect(await read(host, url, 'default')).toBe(first)
  const reloaded = await read(host, url, 'reload')
  expect(reloaded).not.toBe(first)
  expect(await read(host, url, 'default')).toBe(reloaded)
})
