import { expect, inject, test } from 'vitest'
import { connect, type SessionRequestInit, type UploadProgress } from '../../src/index.ts'
import { serveInline } from '../../worker/host/inline.ts'
import { watchUpload } from '../../worker/transport/upload.ts'
import { openSessions } from '../fixtures/host-sessions.ts'
import { createPeer, never } from '../fixtures/scripted-peer.ts'
import { createStream, delay, errorOf, sha256 } from '../fixtures/streams.ts'
import { optionsOf } from '../fixtures/token-options.ts'
import { HOSTS, settingsOf } from '../fixtures/workers.ts'

const api = inject('steadyOrigin')
const secure = inject('secureOrigin')
const headerApi = inject('headerOrigin')
const witness = inject('witnessOrigin')

const sessions = openSessions({ apiOrigin: api, others: [secure], exposeAccessToken: true })
const headerSessions = openSessions({ apiOrigin: headerApi, tokenHeader: 'X-Token', exposeAccessToken: true })

const onEachHost = test.each(HOSTS)
const large = Uint8Array.from({ length: 3_000_000 }, (_none, index) => index % 251)
const form = new FormData()
form.set('note', '令牌')
form.set('file', new File([large], 'a.png', { type: 'image/png' }))

/** The options of a POST that notes its upload progress. */
function watch(init: SessionRequestInit = {}): { seen: UploadProgress[]; init: SessionRequestInit } {
  const seen: UploadProgress[] = []
  return { seen, init: { method: 'POST', ...init, onUploadProgress: (progress) => void seen.push(progress) } }
}

const bodies: [string, () => BodyInit][] = [
  ['text', () => '令'.repeat(1000)],
  ['URLSearchParams', () => new URLSearchParams({ a: '令' })],
  ['a buffer of 3 MB', () => large],
  ['a Blob of 3 MB', () => new Blob([large], { type: 'application/x-thing' })],
]

test.each(
  HOSTS.flatMap((host) =>
    [api, secure].flatMap((origin) => bodies.map(([what, body]) => [host, origin, what, body] as const)),
  ),
)(
  'on %s, to %s, the upload of %s reports progress to its end, and starts again after a 401',
  async (host, origin, _what, body) => {
    const { size } = await new Response(body()).blob()
    const { seen, init } = watch({ body: body() })
    const response = await sessions[host].fetch(`${origin}/denied-once?id=${crypto.randomUUID()}`, init)
    expect(response.status).toBe(200)
    const expected = new Request(origin, { method: 'POST', body: body() })
    expect(response.headers.get('content-type')).toBe(
      expected.headers.get('content-type') ?? 'application/octet-stream',
    )
    expect(await sha256(await response.arrayBuffer())).toBe(await sha256(await expected.arrayBuffer()))
    expect(new Set(seen.map(({ total }) => total))).toEqual(new Set([size]))
    expect(seen.filter(({ loaded }) => loaded === size)).toHaveLength(2)
    expect(seen.at(-1)).toEqual({ loaded: size, total: size })
    const falls = seen.filter(({ loaded }, index) => index > 0 && loaded < (seen[index - 1]?.loaded ?? 0))
    expect(falls.length).toBeLessThanOrEqual(1)
  },
)

onEachHost('a watched form arrives with its files (%s)', async (host) => {
  const { seen, init } = watch({ body: form })
  const response = await sessions[host].fetch(`${api}/denied-once?id=${crypto.randomUUID()}`, init)
  const fields = await response.formData()
  expect(fields.get('note')).toBe('令牌')
  const file = fields.get('file') as File
  expect([file.name, file.type, await sha256(await file.arrayBuffer())]).toEqual([
    'a.png',
    'image/png',
    await sha256(large),
  ])
  expect(seen.at(-1)?.loaded).toBeGreaterThan(large.length)
})

onEachHost('an upload reports progress while it is in flight (%s)', async (host) => {
  const stream = createStream(secure, [], api)
  const { seen, init } = watch({ body: new Blob([large, large, large]) })
  const controller = new AbortController()
  const reason = { exactly: 'this' }
  const outcome = errorOf(sessions[host].fetch(stream.url, { ...init, signal: controller.signal }))
  await expect.poll(() => seen.length, { timeout: 5000 }).toBeGreaterThan(0)
  await delay(300)
  expect(seen.every(({ loaded, total }) => loaded < total)).toBe(true)
  controller.abort(reason)
  expect(await outcome).toBe(reason)
  const count = seen.length
  await expect.poll(stream.state, { timeout: 5000 }).toMatchObject({ isClosed: true })
  expect(seen).toHaveLength(count)
})

/** The parts of a response that a caller can read. */
async function readAnswer(answer: Promise<Response>): Promise<unknown> {
  try {
    const response = await answer
    const { status, statusText, type, url, redirected, ok, body } = response
    const headers = [...response.headers].filter(([name]) => !['date', 'x-request-id'].includes(name))
    const isNull = body === null
    return { status, statusText, type, url, redirected, ok, isNull, headers, text: await response.clone().text() }
  } catch (error) {
    const { name, code, message } = error as Error & { code?: string }
    return { isTypeError: error instanceof TypeError, name, code, message }
  }
}

test.each(
  HOSTS.flatMap((host) =>
    [
      '/echo?a=1#part',
      '/status/204',
      '/status/404',
      '/status/503',
      '/always-403',
      '/drop',
      '/echo?raw=1',
      '/orders',
      '/none',
      '/bytes',
      `/redirect?status=307&to=${encodeURIComponent(`${api}/echo`)}`,
      `/redirect?status=303&to=${encodeURIComponent(`${api}/orders`)}`,
      `/redirect?status=307&to=${encodeURIComponent(`${witness}/seen`)}`,
    ].map((path) => [host, path] as const),
  ),
)('on %s, the response of %s is the same if the upload is watched', async (host, path) => {
  for (const body of ['text', '']) {
    const init = { method: 'POST', body, headers: { 'content-type': 'text/plain;charset=iso-8859-1', 'x-own': '1' } }
    const plain = await readAnswer(sessions[host].fetch(api + path, init))
    expect(await readAnswer(sessions[host].fetch(api + path, watch(init).init))).toEqual(plain)
  }
})

onEachHost('a redirect of a watched upload to another origin carries no token (I4, %s)', async (host) => {
  const [session, headerSession] = [sessions[host], headerSessions[host]]
  const mark = crypto.randomUUID()
  const to = encodeURIComponent(`${witness}/seen?mark=${mark}`)
  for (const status of [301, 302, 303, 307, 308]) {
    const path = `/redirect?status=${status}&to=${to}`
    expect((await session.fetch(api + path, watch({ body: 'text' }).init)).status).toBe(200)
    const { seen, init } = watch({ body: 'text' })
    expect(await errorOf(headerSession.fetch(headerApi + path, init))).toMatchObject({ code: 'redirect_refused' })
    expect(seen).toEqual([])
  }
  const sightings = await (await fetch(`${witness}/log?of=${mark}`)).text()
  expect(JSON.parse(sightings).filter(({ method }: { method: string }) => method !== 'OPTIONS')).toHaveLength(5)
  for (const { getAccessToken } of [session, headerSession]) expect(sightings).not.toContain(await getAccessToken())
})

onEachHost('a request that cannot be watched is sent by fetch, without progress (%s)', async (host) => {
  const ways: [string, RequestInit][] = [
    [api, { method: 'GET' }],
    [api, { body: 'text', redirect: 'manual' }],
    [api, { body: 'text', redirect: 'error' }],
    [api, { body: 'text', credentials: 'omit' }],
    [api, { body: 'text', keepalive: true }],
    [api, { body: 'text', integrity: 'sha256-AAAA' }],
    [secure, { body: new Blob(['text']).stream(), ...({ duplex: 'half' } as object) }],
  ]
  for (const [origin, way] of ways) {
    const { seen, init } = watch(way)
    const answer = await sessions[host].fetch(`${origin}/bytes`, init).catch((error) => error)
    if (way.integrity) expect(answer).toBeInstanceOf(TypeError)
    else expect(await answer.text()).toBe(way.body ? 'text' : '')
    expect(seen).toEqual([])
  }
  const { seen, init } = watch({ body: 'text' })
  await sessions[host].fetch(`${witness}/seen`, init)
  expect(seen).toEqual([])
})

test('an abort ends the upload in the worker, with the reason', async () => {
  const stream = createStream(secure, [], api)
  for (const isEarly of [true, false]) {
    const controller = new AbortController()
    const reason = { isEarly }
    const send = watchUpload(() => {})
    const headers: [string, string][] = [['Authorization', 'Bearer any']]
    if (isEarly) controller.abort(reason)
    const { signal } = controller
    const outcome = errorOf(send(stream.url, { method: 'POST', body: new Blob([large, large]), headers, signal }))
    if (!isEarly) {
      await expect.poll(stream.state, { timeout: 5000 }).toMatchObject({ isOpen: true })
      controller.abort(reason)
    }
    expect(await outcome).toBe(reason)
  }
})

test('the progress port is closed if a call fails', async () => {
  const peer = createPeer({ fetch: () => Promise.reject(new Error('refused')) })
  const session = connect({ inline: () => peer.endpoint })
  const { seen, init } = watch({ body: 'text' })
  await errorOf(session.fetch('https://api.example/', init))
  const [[, request] = []] = peer.callsOf('fetch')
  const { progress } = request as { progress: MessagePort }
  progress.postMessage({ loaded: 1, total: 2 })
  await delay(100)
  expect(seen).toEqual([])
  session.close()
})

test('an upload of a grant that proves its requests is sent by fetch, with its proof, and reports nothing', async () => {
  const options = optionsOf(settingsOf({ apiOrigin: api }))
  const proofs: string[] = []
  const session = connect({
    inline: () =>
      serveInline({
        ...options,
        grant: {
          ...options.grant,
          prove(_tokens, { method }, send) {
            proofs.push(method)
            return send(['DPoP', 'proof'])
          },
        },
      }),
  })
  await session.signIn({ account: 'alice' })
  const { seen, init } = watch({ body: 'text' })
  const response = await session.fetch(`${api}/echo`, init)
  expect((await response.json()).headers.dpop).toBe('proof')
  expect(proofs).toEqual(['POST'])
  expect(seen).toEqual([])
  session.close()
})

test('progress after the response still reaches the caller, until the last message closes the port', async () => {
  const peer = createPeer({
    fetch: () => ({ url: '', status: 204, statusText: '', type: 'cors', redirected: false, headers: [], body: null }),
  })
  const session = connect({ inline: () => peer.endpoint })
  const { seen, init } = watch({ body: 'text' })
  await session.fetch('https://api.example/', init)
  const [[, request] = []] = peer.callsOf('fetch')
  const { progress } = request as { progress: MessagePort }
  const last = { loaded: 2, total: 2 }
  for (const message of [last, null, { loaded: 1, total: 2 }]) progress.postMessage(message)
  await expect.poll(() => seen).toEqual([last])
  await delay(100)
  expect(seen).toEqual([last])
  session.close()
})

test('progress that was sent before an abort and arrives after it is dropped', async () => {
  const peer = createPeer({ fetch: never })
  const session = connect({ inline: () => peer.endpoint })
  const controller = new AbortController()
  const { seen, init } = watch({ body: 'text', signal: controller.signal })
  const outcome = errorOf(session.fetch('https://api.example/', init))
  await expect.poll(() => peer.callsOf('fetch')).toHaveLength(1)
  const [[, request] = []] = peer.callsOf('fetch')
  const { progress } = request as { progress: MessagePort }
  progress.postMessage({ loaded: 1, total: 2 })
  await expect.poll(() => seen).toEqual([{ loaded: 1, total: 2 }])
  progress.postMessage({ loaded: 2, total: 2 })
  controller.abort('left')
  expect(await outcome).toBe('left')
  await delay(100)
  expect(seen).toHaveLength(1)
  session.close()
})
