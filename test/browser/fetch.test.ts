import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { connect, isLingpaiError, type Session } from '../../src/index.ts'
import { createPeer, never } from '../fixtures/scripted-peer.ts'
import { settingsOf, startShared } from '../fixtures/workers.ts'

const api = inject('apiOrigin')
let session: Session

beforeAll(async () => {
  const settings = settingsOf()
  session = connect({ shared: () => startShared(settings) }) as Session
  await session.signIn({ account: 'alice' })
})
afterAll(() => session.close())

interface Echo {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly bodyText: string
  readonly bodySha256: string
  readonly contentType: string | null
}

async function echo(init: RequestInit | Request, query = ''): Promise<Echo> {
  const response = await (init instanceof Request ? session.fetch(init) : session.fetch(`${api}/echo${query}`, init))
  return (await response.json()) as Echo
}

async function sha256(bytes: BufferSource): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes)
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error('resolved')
    },
    (error: unknown) => error,
  )

test.each<[string, () => BodyInit]>([
  ['text', () => 'tea & ink 令牌'],
  ['URLSearchParams', () => new URLSearchParams({ a: '1', b: '令' })],
  ['an ArrayBuffer', () => new Uint8Array([0, 1, 254, 255]).buffer],
  ['a typed array over part of its buffer', () => new Uint8Array([9, 9, 1, 2, 3, 9]).subarray(2, 5)],
  ['a DataView', () => new DataView(new Uint8Array([4, 5, 6]).buffer)],
  ['a Blob with a type', () => new Blob(['{"a":1}'], { type: 'application/x-thing' })],
  ['a Blob without a type', () => new Blob(['bare'])],
  ['a File', () => new File(['file'], 'a.txt', { type: 'text/plain' })],
  ['empty text', () => ''],
  ['an empty buffer', () => new ArrayBuffer(0)],
])('a body that is %s arrives as fetch would send it', async (_what, body) => {
  const own = await echo({ method: 'POST', body: body() })
  const expected = new Request(`${api}/echo`, { method: 'POST', body: body() })
  expect(own.contentType).toBe(expected.headers.get('content-type'))
  expect(own.bodySha256).toBe(await sha256(await expected.arrayBuffer()))
})

test('a File in FormData arrives with its name, type and bytes', async () => {
  const form = new FormData()
  form.set('note', '令牌')
  form.set('upload', new File([new Uint8Array([1, 2, 3])], 'photo.png', { type: 'image/png' }))
  const { contentType, bodyText } = await echo({ method: 'POST', body: form })
  expect(contentType).toMatch(/^multipart\/form-data; boundary=/)
  expect(bodyText).toContain(contentType?.split('boundary=')[1])
  expect(bodyText).toContain('name="upload"; filename="photo.png"')
  expect(bodyText).toContain('image/png')
  expect(bodyText).toContain('令牌')
})

test('a Request object is sent with its method, headers and body', async () => {
  const request = new Request(`${api}/echo?a=1`, { method: 'PUT', headers: { 'x-one': '1' }, body: 'text' })
  expect(await echo(request)).toMatchObject({
    method: 'PUT',
    query: { a: '1' },
    bodyText: 'text',
    headers: { 'x-one': '1' },
  })
  expect(request.bodyUsed).toBe(true)
})

test('init has priority over a Request object', async () => {
  const request = new Request(`${api}/echo`, { method: 'POST', body: 'first' })
  const response = await session.fetch(request, { method: 'PATCH', body: 'second', headers: { 'x-two': '2' } })
  expect(await response.json()).toMatchObject({ method: 'PATCH', bodyText: 'second', headers: { 'x-two': '2' } })
})

test('a null body in init keeps the body of the Request, as with fetch', async () => {
  const request = new Request(`${api}/echo`, { method: 'POST', body: 'kept' })
  expect(await (await session.fetch(request, { body: null })).json()).toMatchObject({ bodyText: 'kept' })
})

test("a Request's body is sent even if the platform has no Request.body, as in Firefox", async () => {
  const descriptor = Object.getOwnPropertyDescriptor(Request.prototype, 'body') as PropertyDescriptor
  delete (Request.prototype as { body?: unknown }).body
  try {
    expect(await echo(new Request(`${api}/echo`, { method: 'POST', body: 'text' }))).toMatchObject({ bodyText: 'text' })
    expect(await echo(new Request(`${api}/echo`))).toMatchObject({ method: 'GET', bodyText: '' })
  } finally {
    Object.defineProperty(Request.prototype, 'body', descriptor)
  }
})

test('a Request with a used body rejects with a TypeError', async () => {
  const request = new Request(`${api}/echo`, { method: 'POST', body: 'text' })
  await request.text()
  expect(await errorOf(session.fetch(request))).toBeInstanceOf(TypeError)
})

test('headers of every form arrive, and repeated ones are joined', async () => {
  const pairs: [string, string][] = [
    ['X-Many', 'a'],
    ['X-Many', 'b'],
  ]
  expect((await echo({ headers: pairs })).headers).toMatchObject({ 'x-many': 'a, b' })
  expect((await echo({ headers: new Headers({ 'X-One': '1' }) })).headers).toMatchObject({ 'x-one': '1' })
  expect((await echo({ headers: { accept: 'text/x' } })).headers).toMatchObject({ accept: 'text/x' })
})

test("the session's token replaces the page's own Authorization", async () => {
  const { headers } = await echo({ headers: { authorization: 'Bearer forged' } })
  expect(headers.authorization).toBe('present')
})

test('the page does not get a response that contains the token (I11)', async () => {
  const error = await errorOf(session.fetch(`${api}/echo?raw=1`))
  expect(error).toBeInstanceOf(TypeError)
  expect(error).toMatchObject({ code: 'token_reflected', status: 200 })
})

test('binary bodies arrive byte for byte in both directions', async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(65_536))
  const response = await session.fetch(`${api}/bytes`, { method: 'POST', body: bytes })
  expect(await sha256(await response.arrayBuffer())).toBe(await sha256(bytes))
  const large = await session.fetch(`${api}/download?size=3000000`)
  const downloaded = new Uint8Array(await large.arrayBuffer())
  expect(downloaded).toHaveLength(3_000_000)
  expect(downloaded.every((byte, index) => byte === index % 251)).toBe(true)
})

test('blob() and json() follow the content type of the response, as with fetch', async () => {
  const init = { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/x-thing' } }
  expect((await (await session.fetch(`${api}/bytes`, init)).blob()).type).toBe('application/x-thing')
  expect(await (await session.fetch(`${api}/bytes`, init)).json()).toEqual({ a: 1 })
})

test('HEAD has headers and no body', async () => {
  const response = await session.fetch(`${api}/orders`, { method: 'HEAD' })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toContain('application/json')
  expect(await response.text()).toBe('')
})

test.each([204, 205, 304])('status %i has a null body', async (status) => {
  const response = await session.fetch(`${api}/status/${status}`, { cache: 'no-store' })
  expect(response).toMatchObject({ status, body: null, ok: status < 300 })
  expect(await response.text()).toBe('')
})

test.each([400, 404, 418, 500, 503])('status %i resolves, as with fetch', async (status) => {
  const response = await session.fetch(`${api}/status/${status}`)
  expect(response).toMatchObject({ status, ok: false })
  expect(response.statusText).not.toBe('')
  expect(await response.json()).toEqual({ status })
})

test("url, type, redirected and statusText are the response's, also on a clone", async () => {
  const plain = await session.fetch(`${api}/orders?page=2#here`)
  const redirected = await session.fetch(`${api}/redirect?to=${encodeURIComponent(`${api}/orders`)}`)
  expect(redirected).toMatchObject({ redirected: true, url: `${api}/orders`, status: 200 })
  for (const response of [plain, plain.clone(), plain.clone().clone()]) {
    expect(response).toMatchObject({
      url: `${api}/orders?page=2`,
      type: 'cors',
      redirected: false,
      statusText: 'OK',
      ok: true,
    })
    expect(response).toBeInstanceOf(Response)
    expect(await response.json()).toMatchObject({ subject: 'alice' })
  }
})

test('clone() throws after the body was read, as with fetch', async () => {
  const response = await session.fetch(`${api}/orders`)
  await response.text()
  expect(response.bodyUsed).toBe(true)
  expect(() => response.clone()).toThrow(TypeError)
  await expect(response.text()).rejects.toBeInstanceOf(TypeError)
})

test('only headers that CORS exposes can be read', async () => {
  const { headers } = await session.fetch(`${api}/headers`)
  expect(headers.get('x-exposed')).toBe('every origin may read this')
  expect(headers.get('retry-after')).toBe('7')
  expect(headers.get('x-request-id')).toMatch(/^\d+$/)
  expect(headers.get('x-hidden')).toBeNull()
})

test('the options of a Request reach the worker', async () => {
  const peer = createPeer({ fetch: never })
  const scripted = connect({ inline: () => peer.endpoint })
  const ways: RequestInit = {
    credentials: 'include',
    mode: 'same-origin',
    cache: 'no-cache',
    redirect: 'error',
    integrity: 'sha256-x',
    keepalive: true,
    referrer: '/from',
    referrerPolicy: 'origin',
  }
  void scripted.fetch('https://api.example/', { ...ways, priority: 'low' }).catch(() => {})
  void scripted.fetch(new Request('https://api.example/', ways)).catch(() => {})
  await expect.poll(() => peer.callsOf('fetch')).toHaveLength(2)
  const [fromInit, fromRequest] = peer.callsOf('fetch').map(([, request]) => request)
  const referrer = new URL('/from', location.href).href
  expect(fromInit).toMatchObject({ ...ways, referrer, priority: 'low' })
  expect(fromRequest).toMatchObject({ ...ways, referrer })
  scripted.close()
})

test.each([204, 205, 304])(
  'an empty body with status %i becomes null, as the Fetch standard requires',
  async (status) => {
    const answer = {
      url: '',
      status,
      statusText: '',
      type: 'cors',
      redirected: false,
      headers: [],
      body: new ArrayBuffer(0),
    }
    const scripted = connect({ inline: () => createPeer({ fetch: () => answer }).endpoint })
    expect(await scripted.fetch('https://api.example/')).toMatchObject({ status, body: null })
    scripted.close()
  },
)

test("the referrer is the page's address unless the caller sets another", async () => {
  const peer = createPeer({ fetch: never })
  const scripted = connect({ inline: () => peer.endpoint })
  void scripted.fetch('https://api.example/').catch(() => {})
  void scripted.fetch('https://api.example/', { referrer: '' }).catch(() => {})
  await expect
    .poll(() => peer.callsOf('fetch').map(([, request]) => (request as RequestInit).referrer))
    .toEqual([location.href, ''])
  scripted.close()
})

test('a request to an unlisted origin goes out unchanged, with its method, headers and body', async () => {
  const init = { method: 'PUT', body: 'text', headers: { 'x-one': '1' } }
  const native = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => new Response('fine'))
  const { fetch: load, close } = connect({ inline: () => createPeer().endpoint })
  try {
    await load('https://other.example/', init)
    const sent = new Request(...(native.mock.calls[0] as [RequestInfo, RequestInit?]))
    expect(sent).toMatchObject({ url: 'https://other.example/', method: 'PUT' })
    expect(sent.headers.get('x-one')).toBe('1')
    expect(await sent.text()).toBe('text')
  } finally {
    close()
    native.mockRestore()
  }
})

test('an abort before the call rejects with its exact reason', async () => {
  const reason = { exactly: 'this' }
  expect(await errorOf(session.fetch(`${api}/orders`, { signal: AbortSignal.abort(reason) }))).toBe(reason)
})

test('an abort during the call rejects with its exact reason, or with an AbortError if it has none', async () => {
  const controller = new AbortController()
  const outcome = errorOf(session.fetch(`${api}/delay/10000`, { signal: controller.signal }))
  const reason = new Error('the user left')
  setTimeout(() => controller.abort(reason), 100)
  expect(await outcome).toBe(reason)
  const other = new AbortController()
  const bare = errorOf(session.fetch(new Request(`${api}/delay/10000`, { signal: other.signal })))
  setTimeout(() => other.abort(), 100)
  expect(await bare).toMatchObject({ name: 'AbortError' })
})

test('AbortSignal.timeout rejects with a TimeoutError', async () => {
  expect(await errorOf(session.fetch(`${api}/delay/10000`, { signal: AbortSignal.timeout(100) }))).toMatchObject({
    name: 'TimeoutError',
  })
})

test("a relative URL resolves against the page's address, and goes out without a token", async () => {
  const response = await session.fetch('/?relative=1')
  expect(new URL(response.url).origin).toBe(location.origin)
  expect(await errorOf(session.fetch('/', { auth: true }))).toMatchObject({ code: 'origin_not_allowed' })
})

test('a URL object works like text', async () => {
  expect((await session.fetch(new URL('/orders', api))).status).toBe(200)
})

test("lingpai's own rejections are a TypeError with a code, network errors a TypeError without one", async () => {
  const refused = await errorOf(session.fetch('https://other.example/', { auth: true }))
  expect(refused).toBeInstanceOf(TypeError)
  expect(isLingpaiError(refused)).toBe(true)
  expect(refused).toMatchObject({ code: 'origin_not_allowed' })
  const lost = await errorOf(session.fetch(`${api}/drop`))
  expect(lost).toBeInstanceOf(TypeError)
  expect(isLingpaiError(lost)).toBe(false)
})

test('redirect: error and redirect: manual behave as with fetch', async () => {
  const url = `${api}/redirect?to=${encodeURIComponent(`${api}/orders`)}`
  expect(await errorOf(session.fetch(url, { redirect: 'error' }))).toBeInstanceOf(TypeError)
  expect(await session.fetch(url, { redirect: 'manual' })).toMatchObject({
    type: 'opaqueredirect',
    status: 0,
    ok: false,
  })
})

test('mode: no-cors gives an opaque response', async () => {
  expect(await session.fetch(`${api}/public`, { mode: 'no-cors' })).toMatchObject({
    type: 'opaque',
    status: 0,
    body: null,
  })
})

test('after a refresh of an expired token, the complete body is sent again', async () => {
  await fetch(`${api}/control/expire-access-tokens`, { method: 'POST' })
  const bytes = crypto.getRandomValues(new Uint8Array(50_000))
  const answers = await Promise.all([
    session.fetch(`${api}/bytes`, { method: 'POST', body: bytes }),
    session.fetch(`${api}/bytes`, { method: 'POST', body: new Blob([bytes]) }),
    session.fetch(new Request(`${api}/bytes`, { method: 'POST', body: bytes })),
  ])
  for (const answer of answers) expect(await sha256(await answer.arrayBuffer())).toBe(await sha256(bytes))
})

test('fetch is bound', async () => {
  const load: typeof fetch = session.fetch
  expect((await load(`${api}/orders`)).status).toBe(200)
})

test.each<[string, typeof fetch]>([
  ['session.fetch', (...given) => session.fetch(...given)],
  ['a function that calls session.fetch', async (input, init) => session.fetch(new Request(input, init))],
])('window.fetch can be replaced by %s', async (what, replacement) => {
  const native = window.fetch
  window.fetch = what === 'session.fetch' ? session.fetch : replacement
  try {
    expect((await fetch(`${api}/orders`)).status).toBe(200)
    expect((await fetch(location.href)).status).toBe(200)
    expect((await session.fetch(location.href, { auth: false })).status).toBe(200)
  } finally {
    window.fetch = native
  }
})

test('the methods of a response can be replaced but its fields cannot, as with fetch', async () => {
  const { signal } = new AbortController()
  for (const load of [fetch, session.fetch]) {
    const response = await load(`${api}/delay/0`, { signal })
    for (const name of ['arrayBuffer', 'blob', 'clone', 'formData', 'json', 'text'] as const) {
      const replacement = async () => name
      Object.assign(response, { [name]: replacement })
      expect(response[name]).toBe(replacement)
    }
    for (const name of ['url', 'type', 'redirected'])
      expect(() => Object.assign(response, { [name]: 'another' }), name).toThrow(TypeError)
  }
})
