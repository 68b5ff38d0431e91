import { expect, inject, test } from 'vitest'
import { openSessions } from '../fixtures/host-sessions.ts'
import { ownFetch } from '../fixtures/own-fetch.ts'
import { createStream, errorOf, sha256 } from '../fixtures/streams.ts'
import { HOSTS } from '../fixtures/workers.ts'

// Every feature of a response compared with the page's own fetch, on each host, without and after a 401.

const api = inject('steadyOrigin')
const secure = inject('secureOrigin')

const sessions = openSessions({ apiOrigin: api, others: [secure] })

const onEachHost = test.each(HOSTS)
const after401 = (origin: string, then: string) =>
  `${origin}/after-401?id=${crypto.randomUUID()}&then=${encodeURIComponent(then)}`

/** The parts of a response that a caller can read, without the URL's own query. */
async function readAnswer(answer: Promise<Response>): Promise<unknown> {
  try {
    const response = await answer
    const { status, statusText, type, redirected, ok, body, bodyUsed } = response
    const [copy, further] = [response.clone(), response.clone().clone()]
    return {
      ...{ status, statusText, type, redirected, ok, bodyUsed },
      url: response.url.replace(/id=[^&]*/, ''),
      // Chromium gives these an empty body, but the standard says null.
      isNull: body === null || [204, 205, 304].includes(status),
      classes: [response instanceof Response, copy instanceof Response, response.headers instanceof Headers],
      headers: [...response.headers].filter(([name]) => !['date', 'x-request-id'].includes(name)),
      copies: [copy, further].map(({ url, status, type }) => [url === response.url, status, type]),
      text: await further.text().catch((error: Error) => error.name),
      blob: await copy.blob().then(
        ({ size, type }) => [size, type],
        (error: Error) => error.name,
      ),
      bytes: await response.bytes().then(
        (bytes) => [bytes.constructor.name, bytes.length],
        (error: Error) => error.name,
      ),
    }
  } catch (error) {
    return { isTypeError: error instanceof TypeError, name: (error as Error).name }
  }
}

const answers: [string, RequestInit?][] = [
  ...[201, 204, 205, 206, 304, 400, 404, 418, 429, 503, 599].map((status): [string] => [`/status/${status}`]),
  ['/orders?page=2#part'],
  ['/orders', { method: 'HEAD' }],
  ['/headers'],
  ['/html'],
  ['/truncated'],
  ['/empty'],
  ['/download?size=0'],
  ['/download?size=300000'],
  ['/download?size=300000', { method: 'HEAD' }],
  ['/none'],
  ['/drop'],
  ['/always-403', { method: 'POST', body: 'text' }],
  ['/public', { mode: 'no-cors' }],
  [`/redirect?to=${encodeURIComponent(`${api}/headers`)}`],
  [`/redirect?to=${encodeURIComponent(`${api}/headers`)}`, { redirect: 'manual' }],
  [`/redirect?to=${encodeURIComponent(`${api}/headers`)}`, { redirect: 'error' }],
  [`/redirect?to=${encodeURIComponent('/orders')}#kept`],
]

test.each(HOSTS.flatMap((host) => answers.map(([path, init = {}]) => [host, path, init] as const)))(
  'on %s, the response of %s with %j is the same as with fetch, over HTTP/1.1 and after a 401 over HTTP/2',
  async (host, path, init) => {
    const plain: RequestInit = { cache: 'no-store', ...init }
    expect(await readAnswer(sessions[host].fetch(api + path, plain))).toEqual(
      await readAnswer(ownFetch(api + path, plain)),
    )
    // An opaque 401 is an ordinary response.
    if (init.mode) return
    const own = await readAnswer(ownFetch(after401(secure, path), init))
    // If the replay of an earlier row broke off, a 401 soon after it would cause no refresh. A sign-in ends that pause.
    await sessions[host].signIn({ account: 'alice' })
    expect(await readAnswer(sessions[host].fetch(after401(secure, path), init))).toEqual(own)
  },
)

onEachHost('a 401 after a redirect within the API causes a refresh and a replay (%s)', async (host) => {
  const url = `${api}/redirect?status=307&to=${encodeURIComponent(after401(api, '/bytes'))}`
  const response = await sessions[host].fetch(url, { method: 'POST', body: 'text' })
  expect(response).toMatchObject({ status: 200, redirected: true })
  expect(await response.text()).toBe('text')
})

onEachHost('every method that reads a small or large body works as with fetch, also after a 401 (%s)', async (host) => {
  await sessions[host].signIn({ account: 'alice' })
  for (const filler of ['', 'x'.repeat(300_000)]) {
    const text = JSON.stringify({ filler: `令牌${filler}` })
    const init = { method: 'POST', body: text, headers: { 'content-type': 'application/json' } }
    for (const urlOf of [() => `${api}/bytes`, () => after401(secure, '/bytes')]) {
      const read = () => sessions[host].fetch(urlOf(), init)
      expect(await (await read()).json()).toEqual(JSON.parse(text))
      expect(await (await read()).text()).toBe(text)
      expect(new TextDecoder().decode(await (await read()).bytes())).toBe(text)
      expect(new TextDecoder().decode(await (await read()).arrayBuffer())).toBe(text)
      expect(await (await (await read()).blob()).text()).toBe(text)
      expect((await (await read()).blob()).type).toBe('application/json')
      expect(await errorOf((await read()).formData())).toBeInstanceOf(TypeError)
    }
    const broken = await sessions[host].fetch(`${api}/bytes`, { method: 'POST', body: `{${filler}` })
    expect(await errorOf(broken.json())).toBeInstanceOf(SyntaxError)
  }
})

onEachHost(
  'a clone is complete if its other side is cancelled, and the request ends if both are (%s)',
  async (host) => {
    const whole = await sessions[host].fetch(`${api}/download?size=3000000`)
    const copy = whole.clone()
    // The cancellation settles only with the other side (Streams §4.8.2).
    void whole.body?.cancel()
    const expected = Uint8Array.from({ length: 3_000_000 }, (_none, index) => index % 251)
    expect(await sha256(await copy.arrayBuffer())).toBe(await sha256(expected))
    const stream = createStream(secure, [{ head: {} }, { write: 'first' }], api)
    const response = await sessions[host].fetch(stream.url)
    const other = response.clone()
    await Promise.all([response.body?.cancel('enough'), other.body?.cancel('enough')])
    await expect.poll(stream.state, { timeout: 8000 }).toMatchObject({ isClosed: true })
  },
)

onEachHost('an abort ends both sides of a clone with its exact reason, small or large (%s)', async (host) => {
  for (const size of [10, 3_000_000]) {
    const controller = new AbortController()
    const reason = { size }
    const response = await sessions[host].fetch(`${api}/download?size=${size}`, { signal: controller.signal })
    const [copy, further] = [response.clone(), response.clone().clone()]
    controller.abort(reason)
    for (const side of [response, copy, further]) expect(await errorOf(side.text())).toBe(reason)
  }
})

onEachHost('a locked or used body cannot be read again, as with fetch (%s)', async (host) => {
  for (const size of [10, 300_000]) {
    const url = `${api}/download?size=${size}`
    for (const load of [ownFetch, sessions[host].fetch]) {
      const locked = await load(url)
      const reader = locked.body?.getReader()
      expect([locked.bodyUsed, locked.body?.locked]).toEqual([false, true])
      expect(await errorOf(locked.text())).toBeInstanceOf(TypeError)
      expect(() => locked.clone()).toThrow(TypeError)
      await reader?.cancel()
      expect(locked.bodyUsed).toBe(true)
      const used = await load(url)
      await used.blob()
      expect(await errorOf(used.bytes())).toBeInstanceOf(TypeError)
    }
  }
})
