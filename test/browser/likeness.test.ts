import { beforeAll, expect, inject, test } from 'vitest'
import { connect, type Session, type SessionRequestInit } from '../../src/index.ts'
import { openSessions } from '../fixtures/host-sessions.ts'
import { withoutCache } from '../fixtures/own-fetch.ts'
import { HOSTS, hostOf, settingsOf } from '../fixtures/workers.ts'

const api = inject('steadyOrigin')
const secure = inject('secureOrigin')

const settings = () => settingsOf({ apiOrigin: api, others: [secure] })

beforeAll(async () => {
  document.cookie = 'page=1; path=/; SameSite=Lax'
})
const sessions = openSessions({ apiOrigin: api, others: [secure] })

interface Sighting {
  readonly headers: Readonly<Record<string, string>>
  readonly headerNames: readonly string[]
}

/** The headers that the server received, without client hints, which workers do not send, and without the token. */
async function sightingOf(answer: Promise<Response>): Promise<unknown> {
  const { headers, headerNames } = (await (await answer).json()) as Sighting
  const isHint = (name: string) => /^sec-ch-/i.test(name)
  return {
    values: Object.fromEntries(
      Object.entries(headers).filter(([name]) => !isHint(name) && name.toLowerCase() !== 'authorization'),
    ),
    names: headerNames.filter((name) => !isHint(name)).sort(),
  }
}

/** The requests that the server received from the page's own fetch and from the session's. */
async function compare(session: Session, url: string, init: SessionRequestInit): Promise<[unknown, unknown]> {
  const pairs = init.headers instanceof Headers ? [...init.headers] : Object.entries(init.headers ?? {})
  const headers = Object.fromEntries([...pairs, ['Authorization', 'Bearer any']])
  return [
    await sightingOf(fetch(url, { ...init, headers, ...withoutCache(init) })),
    await sightingOf(session.fetch(url, init)),
  ]
}

const post = { method: 'POST', body: 'text' }
const onUploadProgress = () => {}
const ways: [string, SessionRequestInit][] = [
  ['a plain call', {}],
  ['a body', post],
  ['a watched body', { ...post, onUploadProgress }],
  ['custom header names', { headers: { 'X-Custom-Case': '1', 'x-small': '2', 'Accept-Language': 'xx', DNT: '1' } }],
  ['custom header names, watched', { ...post, onUploadProgress, headers: { 'X-Custom-Case': '1', 'X-B': 'b' } }],
  ['another content type', { ...post, headers: { 'Content-Type': 'application/json', Accept: 'a/b' } }],
  ['high priority', { priority: 'high' }],
  ['low priority', { priority: 'low' }],
  ['keepalive', { ...post, keepalive: true }],
  ...(['same-origin', 'include', 'omit'] as const).map(
    (credentials) => [`${credentials} credentials`, { credentials }] as [string, SessionRequestInit],
  ),
  ['include credentials, watched', { ...post, credentials: 'include', onUploadProgress }],
  ['omit credentials, watched', { ...post, credentials: 'omit', onUploadProgress }],
  ...(['no-store', 'reload', 'no-cache'] as const).map(
    (cache) => [`cache mode ${cache}`, { cache }] as [string, SessionRequestInit],
  ),
]

test.each(HOSTS.flatMap((host) => ways.map(([what, init]) => [host, what, init] as const)))(
  'on %s, a request with %s has the headers of fetch, in the same spelling, and the same cookies',
  async (host, _what, init) => {
    for (const origin of [api, secure]) {
      const [own, ours] = await compare(sessions[host], `${origin}/echo?${crypto.randomUUID()}`, init)
      expect(ours).toEqual(own)
      const isSent = origin === api && init.credentials === 'include'
      expect(JSON.stringify(ours).includes('page=1')).toBe(isSent)
    }
  },
)

test.each(HOSTS)('cookies are stored as with fetch (%s)', async (host) => {
  for (const credentials of ['same-origin', 'include', 'omit'] as const) {
    for (const [name, send] of Object.entries({ own: fetch, ours: sessions[host].fetch })) {
      const headers = { Authorization: 'Bearer any' }
      await send(`${api}/set-cookie?name=${host}-${credentials}-${name}`, { credentials, headers })
      expect(document.cookie.includes(`${host}-${credentials}-${name}=1`)).toBe(credentials === 'include')
    }
  }
})

test.each(HOSTS)("connect's referrer policy applies to a request without one (%s)", async (host) => {
  for (const referrerPolicy of ['no-referrer', 'unsafe-url', 'origin'] as const) {
    const session = connect({ ...hostOf(host, settings()), referrerPolicy }) as Session
    await session.signIn({ account: 'alice' })
    const url = `${api}/echo?${crypto.randomUUID()}`
    const headers = { Authorization: 'Bearer any' }
    const own = async (init: RequestInit) => sightingOf(fetch(url, { ...init, headers, ...withoutCache(init) }))
    const ours = async (init: RequestInit) => sightingOf(session.fetch(url, init))
    expect(await ours({})).toEqual(await own({ referrerPolicy }))
    expect(await ours({ referrerPolicy: 'same-origin' })).toEqual(await own({ referrerPolicy: 'same-origin' }))
    session.close()
  }
})
