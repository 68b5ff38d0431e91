import { expect, inject, test } from 'vitest'
import type { SessionRequestInit } from '../../src/index.ts'
import { openSessions } from '../fixtures/host-sessions.ts'
import { errorOf, sha256 } from '../fixtures/streams.ts'
import { HOSTS } from '../fixtures/workers.ts'

// These files test the parts of the fetch contract, on each host:
// bodies of requests, across a 401     request-bodies, upload-progress; members of RequestInit: here
// what the server sees                 request-bodies (values), likeness (spelling, cookies, policy of connect), cache
// refusals, used bodies                request-bodies; forbidden headers too
// redirects                            redirects
// bodies of answers, clone, tee, abort streaming, idle-streams; after a 401: here
// url, type, status, headers, redirects answers: beside fetch, at once and after a 401
// opaque answers, integrity            here
// an API on the page's own origin      own-origin: cookies, too
// streams that are sent                request-bodies
// a page that leaves, keepalive        test/tabs/leaving

const api = inject('steadyOrigin')
const secure = inject('secureOrigin')

const sessions = openSessions({ apiOrigin: api, others: [secure] })

const onEachHost = test.each(HOSTS)
const deniedOnce = (origin = api) => `${origin}/denied-once?id=${crypto.randomUUID()}`

const members: SessionRequestInit[] = [
  { headers: { 'X-A': '1' } },
  { credentials: 'include' },
  { credentials: 'omit' },
  { mode: 'cors' },
  { cache: 'no-store' },
  { cache: 'reload' },
  { redirect: 'error' },
  { redirect: 'manual' },
  { keepalive: true },
  { priority: 'low' },
  { referrer: '' },
  { referrerPolicy: 'no-referrer' },
  { signal: new AbortController().signal },
  { auth: true },
  { window: null },
]

test.each(HOSTS.flatMap((host) => members.map((init) => [host, init] as const)))(
  'on %s, a request with %j is sent again after a 401, and the page gets the response to the replay (I10)',
  async (host, init) => {
    for (const origin of [api, secure]) {
      const url = deniedOnce(origin)
      const response = await sessions[host].fetch(url, { method: 'POST', body: '令牌', ...init })
      expect(response).toBeInstanceOf(Response)
      expect(response.headers).toBeInstanceOf(Headers)
      expect(response).toMatchObject({ status: 200, ok: true, url, type: 'cors', redirected: false, bodyUsed: false })
      const [copy, text] = await Promise.all([response.clone().text(), response.text()])
      expect([copy, text, response.bodyUsed]).toEqual(['令牌', '令牌', true])
    }
  },
)

onEachHost('after a 401, both sides of a clone get a large response completely (%s)', async (host) => {
  const body = Uint8Array.from({ length: 1_000_000 }, (_none, index) => index % 251)
  const response = await sessions[host].fetch(deniedOnce(), { method: 'POST', body })
  const copies = await Promise.all([response.clone().arrayBuffer(), response.arrayBuffer()])
  for (const copy of copies) expect(await sha256(copy)).toBe(await sha256(body))
})

onEachHost('after a 401, an abort ends a small or large body with its reason (%s)', async (host) => {
  for (const length of [10, 1_000_000]) {
    const controller = new AbortController()
    const init = { method: 'POST', body: new Uint8Array(length), signal: controller.signal }
    const response = await sessions[host].fetch(deniedOnce(), init)
    const reason = { length }
    controller.abort(reason)
    expect(await errorOf(response.arrayBuffer())).toBe(reason)
  }
})

onEachHost('integrity works as with fetch: a body that matches passes, and a 401 rejects (%s)', async (host) => {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('text'))
  const integrity = `sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}`
  const init = { method: 'POST', body: 'text', integrity }
  expect(await (await sessions[host].fetch(`${api}/bytes`, init)).text()).toBe('text')
  expect(await errorOf(sessions[host].fetch(`${api}/bytes`, { ...init, body: 'other' }))).toBeInstanceOf(TypeError)
  expect(await errorOf(sessions[host].fetch(deniedOnce(), init))).toBeInstanceOf(TypeError)
  expect(await errorOf(fetch(deniedOnce(), { ...init, headers: { authorization: 'Bearer any' } }))).toBeInstanceOf(
    TypeError,
  )
})

onEachHost('an opaque response shows nothing, and does not count as a rejection of the token (%s)', async (host) => {
  for (const [path, init] of [
    ['/public', {}],
    ['/orders', {}],
    ['/bytes', { method: 'POST', body: 'text' }],
  ] as const) {
    const readAnswer = async (answer: Promise<Response>) => {
      const response = await answer
      const { type, status, statusText, ok, url, redirected, body } = response
      return {
        type,
        status,
        statusText,
        ok,
        url,
        redirected,
        body,
        headers: [...response.headers],
        text: await response.clone().text(),
      }
    }
    const ours = await readAnswer(sessions[host].fetch(api + path, { ...init, mode: 'no-cors' }))
    expect(ours).toEqual(await readAnswer(fetch(api + path, { ...init, mode: 'no-cors' })))
    expect(ours).toMatchObject({ type: 'opaque', status: 0, ok: false, body: null })
  }
})

onEachHost('a response that CORS hides is a TypeError, as with fetch (%s)', async (host) => {
  const init = { mode: 'same-origin' } as const
  expect(await errorOf(fetch(`${api}/public`, init))).toBeInstanceOf(TypeError)
  expect(await errorOf(sessions[host].fetch(`${api}/public`, init))).toBeInstanceOf(TypeError)
})
