import { expect, inject, test } from 'vitest'
import { isLingpaiError } from '../../src/index.ts'
import { openSessions } from '../fixtures/host-sessions.ts'
import { withoutCache } from '../fixtures/own-fetch.ts'
import { createStream, delay, errorOf, sha256 } from '../fixtures/streams.ts'
import { HOSTS } from '../fixtures/workers.ts'

const api = inject('steadyOrigin')
const secure = inject('secureOrigin')
const ANY = { authorization: 'Bearer any' }

const sessions = openSessions({ apiOrigin: api, others: [secure] })

const onEachHost = test.each(HOSTS)
/** The server answers the first request with 401 after its complete body, and returns the body of the second. */
const deniedOnce = (origin = api) => `${origin}/denied-once?id=${crypto.randomUUID()}`
const large = Uint8Array.from({ length: 8_000_000 }, (_none, index) => index % 251)

const bodies: [string, () => BodyInit][] = [
  ['text', () => 'tea & ink 令牌'],
  ['empty text', () => ''],
  ['URLSearchParams', () => new URLSearchParams({ a: '1', b: '令' })],
  ['an ArrayBuffer', () => new Uint8Array([0, 1, 254, 255]).buffer],
  ['a part of a buffer', () => new Uint8Array([9, 9, 1, 2, 3, 9]).subarray(2, 5)],
  ['a DataView', () => new DataView(new Uint8Array([4, 5, 6]).buffer)],
  ['a Blob of 8 MB', () => new Blob([large], { type: 'application/x-thing' })],
  ['a typed array of 8 MB', () => large],
  ['a File', () => new File(['file'], 'a.txt', { type: 'text/plain' })],
  ['an empty buffer', () => new ArrayBuffer(0)],
  ['an empty Blob', () => new Blob([])],
  ['a Blob without a type', () => new Blob(['bare'])],
  ['numbers of two bytes', () => new Uint16Array([1, 515, 65_535])],
  ['an object, which becomes text', () => ({ toString: () => '令牌 42' }) as never],
  ['a number, which becomes text', () => 42 as never],
]

test.each(HOSTS.flatMap((host) => bodies.map(([what, body]) => [host, what, body] as const)))(
  'on %s, a body that is %s is sent again unchanged after a 401 (I10)',
  async (host, _what, body) => {
    for (const isRequest of [false, true]) {
      const [url, init] = [deniedOnce(), { method: 'POST', body: body() }]
      const expected = new Request(url, { method: 'POST', body: body() })
      const response = await (isRequest
        ? sessions[host].fetch(new Request(url, init))
        : sessions[host].fetch(url, init))
      expect(response.status).toBe(200)
      expect(response.headers.get('content-type')).toBe(
        expected.headers.get('content-type') ?? 'application/octet-stream',
      )
      expect(await sha256(await response.arrayBuffer())).toBe(await sha256(await expected.arrayBuffer()))
    }
  },
)

test.each(HOSTS.flatMap((host) => [false, true].map((isRequest) => [host, isRequest] as const)))(
  'on %s, a form keeps its fields, files, names and types across a 401 (as a Request: %s)',
  async (host, isRequest) => {
    const form = new FormData()
    form.append('note', '令牌\nline')
    form.append('note', 'second')
    form.append('quo"ted', '')
    form.append('file', new File([large], '照片".png', { type: 'image/png' }))
    form.append('blob', new Blob(['bare']))
    const [url, init] = [deniedOnce(), { method: 'POST', body: form }]
    const response = await (isRequest ? sessions[host].fetch(new Request(url, init)) : sessions[host].fetch(url, init))
    const expected = await new Response(form).formData()
    const readForm = async (data: FormData) =>
      Promise.all(
        [...data].map(async ([name, value]) =>
          typeof value === 'string'
            ? [name, value]
            : [name, value.name, value.type, await sha256(await value.arrayBuffer())],
        ),
      )
    expect(await readForm(await response.formData())).toEqual(await readForm(expected))
  },
)

onEachHost("the caller's own multipart content type is kept (%s)", async (host) => {
  const headers = { 'content-type': 'multipart/form-data; boundary=mine' }
  const body = '--mine\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--mine--\r\n'
  const response = await sessions[host].fetch(deniedOnce(), { method: 'POST', headers, body })
  expect(response.headers.get('content-type')).toBe(headers['content-type'])
  const form = new FormData()
  form.set('a', '1')
  const init = { method: 'POST', headers, body: form }
  const own = await fetch(`${api}/bytes`, { ...init, headers: { ...headers, ...ANY } })
  const ours = await sessions[host].fetch(`${api}/bytes`, init)
  expect(ours.headers.get('content-type')).toBe(own.headers.get('content-type'))
  const request = new Request(`${api}/bytes`, { method: 'POST', headers })
  const kept = await sessions[host].fetch(request, { body: form })
  expect(kept.headers.get('content-type')).toBe(headers['content-type'])
  const drawnAgain = await sessions[host].fetch(request, { body: form, headers: {} })
  expect((await drawnAgain.formData()).get('a')).toBe('1')
})

onEachHost('a change to a body after the call is not sent (%s)', async (host) => {
  const bytes = new Uint8Array([1, 2, 3])
  const form = new FormData()
  form.set('a', 'before')
  const fields = new URLSearchParams({ a: 'before' })
  // One after the other: a call that waits for the refresh of another would get the 401 itself (I10).
  const send = async (body: BodyInit, change: () => void): Promise<Response> => {
    const answer = sessions[host].fetch(deniedOnce(), { method: 'POST', body })
    change()
    return answer
  }
  const sent = await send(bytes, () => bytes.fill(9))
  expect(new Uint8Array(await sent.arrayBuffer())).toEqual(new Uint8Array([1, 2, 3]))
  const sentForm = await send(form, () => form.set('a', 'after'))
  expect((await sentForm.formData()).get('a')).toBe('before')
  const sentFields = await send(fields, () => fields.set('a', 'after'))
  expect(await sentFields.text()).toBe('a=before')
})

onEachHost('a Request whose body was read or is being read rejects with a TypeError (%s)', async (host) => {
  const request = new Request(`${api}/bytes`, { method: 'POST', body: 'text' })
  const first = sessions[host].fetch(request)
  expect(await errorOf(sessions[host].fetch(request))).toBeInstanceOf(TypeError)
  expect(await (await first).text()).toBe('text')
  expect(request.bodyUsed).toBe(true)
})

const streamed = (...parts: string[]): RequestInit => ({
  method: 'POST',
  body: new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part))
      controller.close()
    },
  }),
  ...({ duplex: 'half' } as object),
})

onEachHost('a stream is sent over HTTP/2 chunk by chunk (%s)', async (host) => {
  expect(await (await sessions[host].fetch(`${secure}/bytes`, streamed('one ', 'two'))).text()).toBe('one two')
  const request = new Request(`${secure}/bytes`, streamed('three'))
  expect(await (await sessions[host].fetch(request)).text()).toBe('three')
})

onEachHost('a stream is sent only once, so a 401 reaches the caller (%s)', async (host) => {
  const response = await sessions[host].fetch(deniedOnce(secure), streamed('one'))
  expect(response.status).toBe(401)
  expect(await response.json()).toMatchObject({ received: 3 })
})

onEachHost('a stream without duplex, or over HTTP/1.1, rejects with a TypeError, as with fetch (%s)', async (host) => {
  const { duplex: _none, ...bare } = streamed('one') as RequestInit & { duplex: string }
  expect(await errorOf(sessions[host].fetch(`${secure}/bytes`, bare))).toBeInstanceOf(TypeError)
  expect(await errorOf(fetch(`${api}/bytes`, { ...streamed('one'), headers: ANY }))).toBeInstanceOf(TypeError)
  expect(await errorOf(sessions[host].fetch(`${api}/bytes`, streamed('one')))).toBeInstanceOf(TypeError)
})

onEachHost('a stream that fails during the upload rejects the call, as with fetch (%s)', async (host) => {
  const failing = () => ({
    ...streamed(),
    body: new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('first')),
      async pull(controller) {
        await delay(50)
        controller.error(new RangeError('no more'))
      },
    }),
  })
  expect(await errorOf(fetch(`${secure}/bytes`, { ...failing(), headers: ANY }))).toBeInstanceOf(TypeError)
  const error = await errorOf(sessions[host].fetch(`${secure}/bytes`, failing()))
  expect(error).toBeInstanceOf(TypeError)
  expect(isLingpaiError(error)).toBe(false)
})

onEachHost('an abort ends a stream in flight, and cancels its source (%s)', async (host) => {
  const controller = new AbortController()
  const reason = { exactly: 'this' }
  let isCancelled = false
  const body = new ReadableStream({
    start: (source) => source.enqueue(new TextEncoder().encode('first')),
    cancel() {
      isCancelled = true
    },
  })
  const { url, state } = createStream(secure, [], api)
  const outcome = errorOf(sessions[host].fetch(url, { ...streamed(), body, signal: controller.signal }))
  await expect.poll(state, { timeout: 8000 }).toMatchObject({ isOpen: true })
  controller.abort(reason)
  expect(await outcome).toBe(reason)
  await expect.poll(state, { timeout: 8000 }).toMatchObject({ isClosed: true })
  await expect.poll(() => isCancelled, { timeout: 8000 }).toBe(true)
})

onEachHost('a stream that the server does not read is buffered only up to a limit (%s)', async (host) => {
  const pulledBy = async (send: typeof fetch, headers = {}) => {
    let pulled = 0
    const body = new ReadableStream({
      pull(source) {
        pulled += 65_536
        source.enqueue(new Uint8Array(65_536))
        if (pulled >= 64 << 20) source.close()
      },
    })
    const controller = new AbortController()
    // The server neither answers nor reads.
    const { url, state } = createStream(secure, [], api)
    const outcome = errorOf(send(url, { ...streamed(), body, headers, signal: controller.signal }))
    await expect.poll(state, { timeout: 8000 }).toMatchObject({ isOpen: true })
    let before = -1
    while (before !== pulled) {
      before = pulled
      await delay(500)
    }
    controller.abort()
    await outcome
    return pulled
  }
  const own = await pulledBy(fetch, ANY)
  expect(await pulledBy(sessions[host].fetch)).toBeLessThan(own + (4 << 20))
  expect(own).toBeLessThan(32 << 20)
})

onEachHost('a keepalive body of more than 64 KiB rejects, as with fetch (%s)', async (host) => {
  for (const [size, isRefused] of [
    [60_000, false],
    [65_537, true],
  ] as const) {
    const init = { method: 'POST', body: 'x'.repeat(size), keepalive: true }
    for (const send of [fetch, sessions[host].fetch]) {
      // Requests in flight count towards the limit, so each response is read before the next request.
      const outcome = await send(`${api}/bytes`, { ...init, headers: ANY }).then(
        (answer) => answer.text(),
        (error) => error,
      )
      if (isRefused) expect(outcome).toBeInstanceOf(TypeError)
      else expect(outcome).toHaveLength(size)
    }
  }
})

/** The requests that the server received from the page's own fetch and from the session's. */
async function compare(
  host: (typeof HOSTS)[number],
  init: RequestInit,
  origin = api,
  isRequest = false,
): Promise<[unknown, unknown]> {
  const url = `${origin}/echo`
  const headers = Object.fromEntries(new Headers(init.headers))
  const own = await (await fetch(url, { ...init, headers: { ...headers, ...ANY }, ...withoutCache(init) })).json()
  const { fetch: send } = sessions[host]
  const ours = await (await (isRequest ? send(new Request(url, init)) : send(url, init))).json()
  return [own, ours].map(({ method, bodyText, headers }) => ({
    method,
    bodyText,
    // Chromium sends client hints only from pages, not from workers.
    ...Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('sec-ch-'))),
    authorization: undefined,
  })) as [unknown, unknown]
}

const ways: RequestInit[] = [
  {},
  { method: 'post', body: 'text' },
  { method: 'PATCH', body: 'text' },
  { method: 'delete' },
  { method: 'POST' },
  { method: 'PUT', body: '' },
  { method: 'PROPFIND' },
  {
    headers: { 'X-Custom': 'a', Cookie: 'forbidden', Host: 'forbidden', 'Sec-Forbidden': '1', 'Accept-Language': 'xx' },
  },
  { priority: 'high' },
  { priority: 'low' },
  { credentials: 'omit' },
  { credentials: 'include' },
  { cache: 'no-cache' },
  { cache: 'no-store' },
  { cache: 'reload' },
  { referrer: '' },
  { referrer: '/somewhere' },
  ...(
    [
      'no-referrer',
      'origin',
      'unsafe-url',
      'same-origin',
      'no-referrer-when-downgrade',
      'strict-origin',
      'origin-when-cross-origin',
      'strict-origin-when-cross-origin',
    ] as const
  ).map((referrerPolicy) => ({ referrerPolicy })),
  { referrer: '/somewhere', referrerPolicy: 'unsafe-url' },
  { mode: 'cors' },
  { cache: 'force-cache' },

  { functions: () => 1, foreign: { deep: () => 1 }, timeout: 5, agent: Symbol('x') } as RequestInit,
]

test.each(HOSTS.flatMap((host) => ways.map((init) => [host, init] as const)))(
  'on %s, a request with %j reaches the server as from fetch',
  async (host, init) => {
    for (const origin of [api, secure]) {
      const [own, ours] = await compare(host, init, origin)
      expect(ours).toEqual(own)
      // A Request has no property for its priority.
      if (init.priority) continue
      const [, fromRequest] = await compare(host, init, origin, true)
      expect(fromRequest).toEqual(own)
    }
  },
)

test.each(
  HOSTS.flatMap((host) =>
    ['no-referrer', 'unsafe-url', 'never', 'always', 'origin-when-crossorigin', 'UNSAFE-URL', 'nonsense', ''].map(
      (policy) => [host, policy] as const,
    ),
  ),
)("on %s, a page's <meta name=referrer content=%j> applies as with fetch", async (host, content) => {
  const meta = Object.assign(document.createElement('meta'), { name: 'referrer', content })
  document.head.append(meta)
  try {
    const [own, ours] = await compare(host, {})
    expect(ours).toEqual(own)
  } finally {
    meta.content = 'strict-origin-when-cross-origin'
    meta.remove()
  }
})

onEachHost('options that fetch rejects are rejected with a TypeError (%s)', async (host) => {
  for (const init of [
    { method: 'TRACE' },
    { method: 'CONNECT' },
    { method: 'a b' },
    { method: 'GET', body: 'text' },
    { headers: { 'bad name': '1' } },
    { headers: { good: 'bad\nvalue' } },
    { mode: 'navigate' },
    { cache: 'only-if-cached' },
    { referrerPolicy: 'nonsense' },
    { referrer: 'http://[' },
    { integrity: 'sha256-AAAA' },
    { method: 'HEAD', body: 'text' },
    { credentials: 'nonsense' },
    { redirect: 'nonsense' },
    { mode: 'websocket' },
    { priority: 'nonsense' },
    { duplex: 'full' },
    { signal: {} },
    { mode: 'no-cors', method: 'PUT' },
    { mode: 'no-cors', cache: 'only-if-cached' },
  ] as RequestInit[]) {
    for (const send of [fetch, sessions[host].fetch]) {
      const outcome = await send(`${api}/public`, init).catch((error) => error)
      expect(outcome, JSON.stringify(init)).toBeInstanceOf(TypeError)
    }
  }
})

onEachHost('page code that has patched the built-ins neither breaks a call nor gets a token (%s)', async (host) => {
  if (host === 'inline') return
  const seen: unknown[] = []
  const native = { fetch: globalThis.fetch }
  globalThis.fetch = (...given) => {
    seen.push(given)
    return native.fetch(...given)
  }
  Object.assign(Object.prototype, { polluted: () => 1, redirect2: 'error' })
  Object.defineProperty(Array.prototype, 'last', { value: 1, enumerable: true, configurable: true })
  try {
    const response = await sessions[host].fetch(deniedOnce(), { method: 'POST', body: new URLSearchParams({ a: '1' }) })
    expect(await response.text()).toBe('a=1')
    expect(seen).toEqual([])
  } finally {
    globalThis.fetch = native.fetch
    for (const name of ['polluted', 'redirect2']) delete (Object.prototype as unknown as Record<string, unknown>)[name]
    delete (Array.prototype as unknown as Record<string, unknown>).last
  }
})
