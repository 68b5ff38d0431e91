import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { connect, type RequestOptions, type Session } from '../../src/index.ts'
import { serveInline } from '../../worker/host/inline.ts'
import { memoryStore } from '../../worker/store/memory.ts'
import { createPeer, never } from '../fixtures/scripted-peer.ts'

let answer: (request: IncomingMessage, response: ServerResponse) => void
let server: Server
let origin: string
let sent: { method: string | undefined; url: string | undefined; headers: unknown; body: string }[]
const sessions: Session[] = []

beforeEach(async () => {
  sent = []
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { connection: _connection, ...headers } = request.headers
    sent.push({ method: request.method, url: request.url, headers, body: Buffer.concat(chunks).toString() })
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  origin = `http://localhost:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  vi.restoreAllMocks()
  for (const session of sessions.splice(0)) session.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function open(listed: string): Session {
  const session = connect({
    inline: () =>
      serveInline({
        grant: { refresh: async () => ({ accessToken: 'token' }) },
        apis: [{ origin: listed }],
        store: memoryStore(),
        adopt: true,
      }),
  })
  sessions.push(session)
  return session
}

async function openUnlisted(): Promise<Session> {
  const session = open('https://listed.example')
  await session.adopt({ accessToken: 'the-token' })
  return session
}

const outcomeOf = (promise: Promise<unknown>) =>
  promise.then(
    (value) => ({ value }),
    ({ name, code, status }) => ({ name, code, status }),
  )

/** The outcome of a request without a token, sent by the worker, and sent by the page. */
async function compare(options: (origin: string) => RequestOptions) {
  const listed = await outcomeOf(open(origin).request({ ...options(origin), auth: false }))
  const unlisted = await outcomeOf((await openUnlisted()).request(options(origin)))
  return { listed, unlisted }
}

test.each<[string, number, string]>([
  ['JSON', 200, '{"a":[1,null,"令牌"]}'],
  ['JSON that is not an object', 200, '0'],
  ['null', 200, 'null'],
  ['an empty string in JSON', 200, '""'],
  ['no body', 200, ''],
  ['no content', 204, ''],
  ['another success', 299, '{"a":1}'],
  ['text that is not JSON', 200, '<html>'],
  ['a body that is only a space', 200, ' '],
  ['a 401', 401, '{"code":1}'],
  ['a 403', 403, '{}'],
  ['a 404 that is not JSON', 404, '<html>'],
  ['a 500', 500, ''],
  ['a 304', 304, ''],
])('an answer with %s means the same, whether the API is listed or not', async (_what, status, body) => {
  answer = (_request, response) => void response.writeHead(status).end(body)
  const { listed, unlisted } = await compare((target) => ({ url: `${target}/a` }))
  expect(unlisted).toEqual(listed)
})

test.each<[string, Partial<RequestOptions>]>([
  ['the query of a GET', { data: { page: 2, q: '令牌' } }],
  ['the body of a POST', { method: 'post', data: { a: [1] } }],
  ['a POST without data', { method: 'POST' }],
  ['a DELETE', { method: 'DELETE' }],
  ['headers', { method: 'PATCH', data: 0, headers: { 'Content-Type': 'application/merge-patch+json', 'X-A': 'b' } }],
])('the server gets the same request, whether it is listed or not: %s', async (_what, options) => {
  answer = (_request, response) => void response.end('1')
  await compare((target) => ({ url: `${target}/a?b=c`, ...options }))
  expect(sent).toHaveLength(2)
  expect(sent[1]).toEqual(sent[0])
})

test.each<[string, () => void, Partial<RequestOptions>, string]>([
  ['a connection that breaks', () => server.closeAllConnections(), {}, 'network_error'],
  ['a server that never answers', () => {}, { timeout: 50 }, 'timeout'],
])('%s means the same, whether the API is listed or not', async (_what, respond, options, code) => {
  answer = respond
  const { listed, unlisted } = await compare((target) => ({ url: `${target}/a`, ...options }))
  expect(unlisted).toEqual(listed)
  expect(unlisted).toMatchObject({ code })
})

test('a body that breaks off means the same, whether the API is listed or not', async () => {
  answer = (_request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{"a":')
    setTimeout(() => response.destroy(), 20)
  }
  const { listed, unlisted } = await compare((target) => ({ url: `${target}/a` }))
  expect(unlisted).toEqual(listed)
  expect(unlisted).toMatchObject({ code: 'network_error' })
})

test('the page sends a request to a server that is not listed, by its fetch as it was at connect()', async () => {
  answer = (_request, response) => void response.end('1')
  const peer = createPeer({})
  const session = connect({ inline: () => peer.endpoint })
  sessions.push(session)
  const later = vi.spyOn(globalThis, 'fetch')
  expect(await session.request({ url: `${origin}/a` })).toBe(1)
  expect(peer.callsOf('request')).toEqual([])
  expect(later).not.toHaveBeenCalled()
})

test('a request to a server that is not listed carries no token', async () => {
  answer = (_request, response) => void response.end('1')
  const session = await openUnlisted()
  expect(await session.request({ url: `${origin}/a` })).toBe(1)
  expect(JSON.stringify(sent)).not.toContain('the-token')
})

test('auth: true at a server that is not listed rejects with origin_not_allowed, and nothing is sent', async () => {
  const session = await openUnlisted()
  expect(await outcomeOf(session.request({ url: `${origin}/a`, auth: true }))).toMatchObject({
    name: 'LingpaiError',
    code: 'origin_not_allowed',
  })
  expect(sent).toEqual([])
})

test.each<[string, () => Partial<RequestOptions>, string]>([
  ['the timeout', () => ({ timeout: 100 }), 'timeout'],
  ['an abort', () => ({ signal: AbortSignal.timeout(100) }), 'aborted'],
])('%s ends a request to a server that is not listed, and its connection', async (_what, options, code) => {
  let isClosed = false
  answer = (_request, response) => {
    response.on('close', () => {
      isClosed = true
    })
    response.writeHead(200).write('{"a":')
  }
  const session = await openUnlisted()
  expect(await outcomeOf(session.request({ url: `${origin}/a`, ...options() }))).toMatchObject({ code })
  await expect.poll(() => isClosed).toBe(true)
})

test('a request whose signal was aborted before is not sent to a server that is not listed', async () => {
  answer = (_request, response) => void response.end('1')
  const session = await openUnlisted()
  const signal = AbortSignal.abort('why')
  expect(await outcomeOf(session.request({ url: `${origin}/a`, signal }))).toMatchObject({ code: 'aborted' })
  await session.request({ url: `${origin}/later` })
  expect(sent).toMatchObject([{ url: '/later' }])
})

test('a request aborted in the moment after its call is not sent to a server that is not listed', async () => {
  answer = (_request, response) => void response.end('1')
  const session = await openUnlisted()
  const controller = new AbortController()
  const outcome = outcomeOf(session.request({ url: `${origin}/a`, signal: controller.signal }))
  controller.abort()
  expect(await outcome).toMatchObject({ code: 'aborted' })
  await session.request({ url: `${origin}/later` })
  expect(sent).toMatchObject([{ url: '/later' }])
})

test('until a worker has said which APIs are listed, a request waits for it, but only until its timeout', async () => {
  const session = connect({ inline: () => createPeer({ hello: never }).endpoint })
  sessions.push(session)
  expect(await outcomeOf(session.request({ url: `${origin}/a`, timeout: 100 }))).toMatchObject({ code: 'timeout' })
  expect(sent).toEqual([])
})

test('after close, a request to a server that is not listed rejects with closed', async () => {
  const session = await openUnlisted()
  session.close()
  expect(await outcomeOf(session.request({ url: `${origin}/a` }))).toMatchObject({ code: 'closed' })
  expect(sent).toEqual([])
})
