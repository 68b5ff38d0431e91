import { beforeAll, expect, inject, test } from 'vitest'
import type { SessionRequestInit } from '../../src/index.ts'
import { openSessions } from '../fixtures/host-sessions.ts'
import { ownFetch } from '../fixtures/own-fetch.ts'
import { errorOf } from '../fixtures/streams.ts'
import { HOSTS } from '../fixtures/workers.ts'

// An API on the page's own origin: requests need no CORS, and carry the page's cookies.

const api = `${location.origin}/own-api`
const ANY = { Authorization: 'Bearer any' }

beforeAll(async () => {
  document.cookie = 'lax=1; path=/; SameSite=Lax'
  document.cookie = 'strict=1; path=/; SameSite=Strict'
  const attributes = encodeURIComponent('Path=/own-api; HttpOnly; SameSite=Strict')
  await fetch(`${api}/set-cookie?name=hidden&attributes=${attributes}`, { headers: ANY })
})
const sessions = openSessions({ apiOrigin: location.origin, pathPrefix: '/own-api' })

const after401 = (then: string) => `${api}/after-401?id=${crypto.randomUUID()}&then=${encodeURIComponent(then)}`

interface Sighting {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly headerNames: readonly string[]
  readonly bodyText: string
}

/** The request that the server received, without client hints, which workers do not send, and without the token. */
async function sightingOf(answer: Response) {
  const { method, headers, headerNames, bodyText } = (await answer.json()) as Sighting
  const isHint = (name: string) => /^sec-ch-/i.test(name)
  // These tests set other cookies between two requests.
  const cookies = (headers.cookie ?? '').split('; ').filter((cookie) => /^(lax|strict|hidden)=/.test(cookie))
  const kept = Object.entries(headers).filter(([name]) => !isHint(name) && !['authorization', 'cookie'].includes(name))
  return {
    method,
    bodyText,
    cookies: cookies.sort(),
    headers: Object.fromEntries(kept),
    names: headerNames.filter((name) => !isHint(name)).sort(),
  }
}

const onUploadProgress = () => {}
const post = { method: 'POST', body: 'text' }
const ways: [string, SessionRequestInit][] = [
  ['a plain call', {}],
  ['a body', post],
  ['a watched body', { ...post, onUploadProgress }],
  ['a watched form', { method: 'PUT', body: new URLSearchParams({ a: '1' }), onUploadProgress }],
  ['keepalive', { ...post, keepalive: true }],
  ['mode same-origin', { mode: 'same-origin' }],
  ['mode same-origin, watched', { ...post, mode: 'same-origin', onUploadProgress }],
  ['custom header names', { ...post, headers: { 'X-Custom-Case': '1', 'x-small': '2' } }],
  ['custom header names, watched', { ...post, headers: { 'X-Custom-Case': '1' }, onUploadProgress }],
  ...(['same-origin', 'include', 'omit'] as const).flatMap((credentials): [string, SessionRequestInit][] => [
    [`${credentials} credentials`, { credentials }],
    [`${credentials} credentials and a body`, { ...post, credentials }],
    [`${credentials} credentials and a watched body`, { ...post, credentials, onUploadProgress }],
  ]),
  ...(['', 'no-referrer', 'origin', 'unsafe-url', 'same-origin'] as const).flatMap(
    (referrerPolicy): [string, SessionRequestInit][] => [
      [`referrer policy ${JSON.stringify(referrerPolicy)}`, { referrerPolicy }],
    ],
  ),
  ['no referrer', { ...post, referrer: '' }],
]

test.each(HOSTS.flatMap((host) => ways.map(([what, init]) => [host, what, init] as const)))(
  "on %s, a request with %s reaches an API on the page's own origin as from fetch, with its cookies, also after a 401",
  async (host, _what, init) => {
    const { onUploadProgress: isWatched, ...plain } = init
    // XMLHttpRequest cannot set a referrer: it sends the script's address, as the guide says. The rest is sent by fetch.
    const isOwnReferrer = !isWatched || host === 'inline' || init.mode === 'same-origin' || init.credentials === 'omit'
    const headers = isOwnReferrer ? {} : { referer: expect.stringContaining('/token.worker.ts') }
    for (const urlOf of [() => `${api}/echo`, () => after401('/echo')]) {
      const own = await sightingOf(await ownFetch(urlOf(), plain))
      const ours = await sightingOf(await sessions[host].fetch(urlOf(), init))
      expect(ours).toEqual({ ...own, headers: { ...own.headers, ...headers } })
      expect(own).toMatchObject({ cookies: init.credentials === 'omit' ? [] : ['hidden=1', 'lax=1', 'strict=1'] })
    }
  },
)

test.each(HOSTS.flatMap((host) => [false, true].map((isWatched) => [host, isWatched] as const)))(
  "on %s, cookies of a response from the page's own origin are stored as with fetch, also those of a 401 (watched: %s)",
  async (host, isWatched) => {
    for (const credentials of ['same-origin', 'include', 'omit'] as const) {
      const init = { ...post, credentials, ...(isWatched && { onUploadProgress }) }
      for (const [name, send] of Object.entries({ own: ownFetch, ours: sessions[host].fetch })) {
        const cookie = `${host}-${isWatched}-${credentials}-${name}`
        await send(`${api}/set-cookie?name=${cookie}`, init)
        expect(document.cookie.includes(`${cookie}=1`)).toBe(credentials !== 'omit')
        const url = after401('/echo')
        await send(url, init)
        const refused = `refused-${new URL(url).searchParams.get('id')}=1`
        expect(document.cookie.includes(refused)).toBe(credentials !== 'omit')
        document.cookie = `${cookie}=; Max-Age=0; path=/`
        document.cookie = `${refused}; Max-Age=0; path=/`
      }
    }
  },
)

/** The parts of a response that a caller can read. */
async function readAnswer(answer: Promise<Response>): Promise<unknown> {
  try {
    const response = await answer
    const { status, statusText, type, url, redirected, ok, body } = response
    // Chromium gives a 204 an empty body, but the standard says null.
    const isNull = body === null || status === 204
    const headers = [...response.headers].filter(([name]) => !['date', 'x-request-id'].includes(name))
    const text = await response.clone().text()
    return { status, statusText, type, url, redirected, ok, isNull, headers, text }
  } catch (error) {
    return { isTypeError: error instanceof TypeError, name: (error as Error).name }
  }
}

const other = `${inject('steadyOrigin')}/public`
const to = (url: string, status = 307) => `/redirect?status=${status}&to=${encodeURIComponent(url)}`
const answers: [string, RequestInit][] = [
  ['/headers', {}],
  ['/headers#part', { method: 'HEAD' }],
  ['/status/204', {}],
  ['/status/404', {}],
  ['/status/503', {}],
  ['/html', {}],
  ['/drop', {}],
  ['/none', {}],
  ['/public', { mode: 'no-cors' }],
  ['/orders', { cache: 'only-if-cached', mode: 'same-origin' }],
  ['/bytes', post],
  ['/always-403', post],
  [to(`${api}/orders`), {}],
  [to(`${api}/bytes`), post],
  [to(`${api}/orders`, 303), post],
  [to(`${api}/orders`), { redirect: 'error' }],
  [to(`${api}/orders`), { redirect: 'manual' }],
  [to(other), {}],
  [to(other), { mode: 'same-origin' }],
  [to(other), { mode: 'no-cors' }],
  [to(other), { ...post, mode: 'same-origin' }],
]

test.each(HOSTS.flatMap((host) => answers.map(([path, init]) => [host, path, init] as const)))(
  "on %s, the response of %s with %j from the page's own origin is the same as with fetch",
  async (host, path, init) => {
    const own = await readAnswer(ownFetch(api + path, init))
    expect(await readAnswer(sessions[host].fetch(api + path, init))).toEqual(own)
    if (init.body)
      expect(await readAnswer(sessions[host].fetch(api + path, { ...init, onUploadProgress }))).toEqual(own)
  },
)

test.each(HOSTS)(
  "a relative URL of an API on the page's own origin gets the token, and resolves against <base> (%s)",
  async (host) => {
    const { fetch: load } = sessions[host]
    expect((await load('/own-api/orders')).status).toBe(200)
    const base = Object.assign(document.createElement('base'), { href: '/own-api/deep/' })
    document.head.prepend(base)
    try {
      expect(await load('../orders?page=2')).toMatchObject({ status: 200, url: `${api}/orders?page=2`, type: 'basic' })
      expect((await load(new Request('../orders'))).status).toBe(200)
    } finally {
      base.remove()
    }
    // Another path of the same origin is not part of the API.
    expect((await load('/own-apis/orders')).url).toBe(`${location.origin}/own-apis/orders`)
    expect(await errorOf(load('/elsewhere', { auth: true }))).toMatchObject({ code: 'origin_not_allowed' })
  },
)
