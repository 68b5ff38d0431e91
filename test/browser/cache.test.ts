import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { connect, type Session } from '../../src/index.ts'
import { HOSTS, hostOf, settingsOf } from '../fixtures/workers.ts'

const api = inject('steadyOrigin')
const sessions = {} as Record<string, Session>

beforeAll(async () => {
  for (const host of HOSTS) {
    const session = connect(hostOf(host, settingsOf({ apiOrigin: api, cache: 'default' }))) as Session
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

test.each(HOSTS)('with the cache rule default, cache modes work as with fetch, on %s', async (host) => {
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

/** A session whose requests follow another cache rule than the others of this file. */
async function openWith(host: (typeof HOSTS)[number], changes: Parameters<typeof settingsOf>[0]): Promise<Session> {
  const session = connect(hostOf(host, settingsOf({ apiOrigin: api, ...changes }))) as Session
  await session.signIn({ account: 'alice' })
  return session
}
const textOf = async (session: Session, url: string, init?: RequestInit) => (await session.fetch(url, init)).text()
const ANY = { Authorization: 'Bearer any' }

test.each(HOSTS)(
  'with no-store, which is the default, nothing is left in the cache for a script of the page, on %s',
  async (host) => {
    const session = await openWith(host, { cache: 'no-store' })
    const url = `${api}/cached?${crypto.randomUUID()}`
    const seen = [await textOf(session, url), await textOf(session, url, { cache: 'force-cache' })]
    expect(new Set(seen).size).toBe(2)
    // The script reads with the same header, as the cache may be keyed by it.
    const stolen = await (await fetch(url, { cache: 'force-cache', headers: ANY })).text()
    expect(seen).not.toContain(stolen)
    session.close()
  },
)

test.each(HOSTS)('with revalidate, the server is asked each time, and may answer 304, on %s', async (host) => {
  const session = await openWith(host, { cache: 'revalidate' })
  const url = `${api}/cached?${crypto.randomUUID()}`
  const first = await textOf(session, url)
  // The server sends another number, unless the request has If-None-Match.
  expect(await textOf(session, url)).toBe(first)
  expect(await textOf(session, url, { cache: 'force-cache' })).toBe(first)
  expect(await textOf(session, url, { cache: 'reload' })).not.toBe(first)
  session.close()
})

test.each(HOSTS)(
  'with default, the first request of each URL after a change of user is revalidated (I6), on %s',
  async (host) => {
    const session = await openWith(host, { cache: 'default' })
    const url = `${api}/vary-by-user?${crypto.randomUUID()}`
    const ofAlice = await textOf(session, url)
    expect(await textOf(session, url)).toBe(ofAlice)
    await session.signIn({ account: 'bob' })
    const ofBob = await textOf(session, url)
    expect(ofBob).not.toBe(ofAlice)
    expect(await textOf(session, url)).toBe(ofBob)
    session.close()
  },
)

test('a request with no-store has two more headers, and needs nothing of CORS for them', async () => {
  const session = await openWith('shared', { cache: 'no-store' })
  const { headers } = await (await session.fetch(`${api}/echo`)).json()
  expect([headers['cache-control'], headers.pragma]).toEqual(['no-cache', 'no-cache'])
  session.close()
})
