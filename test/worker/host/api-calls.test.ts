import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { connect, type Session } from '../../../src/index.ts'
import { envelope } from '../../../worker/envelope.ts'
import { serveInline } from '../../../worker/host/inline.ts'
import type { ApiOptions } from '../../../worker/host/options.ts'
import { MAX_PER_PAGE } from '../../../worker/host/request-semaphore.ts'
import { memoryStore } from '../../../worker/store/memory.ts'
import { header } from '../../../worker/transport/attach.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

let answer: Answer
let server: Server
let origin: string
let session: Session
let refreshes: number

beforeEach(async () => {
  refreshes = 0
  server = createServer((request, response) => answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  origin = `http://localhost:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  vi.restoreAllMocks()
  session?.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

/** Signs in with `old-token`; a refresh gives `new-token`. */
async function open(api: Partial<ApiOptions> = {}): Promise<void> {
  session = connect({
    inline: () =>
      serveInline({
        grant: {
          async refresh() {
            refreshes += 1
            return { accessToken: 'new-token' }
          },
        },
        apis: [{ origin, attach: header('X-TOKEN'), ...api }],
        store: memoryStore(),
        adopt: true,
      }),
  })
  await session.adopt({ accessToken: 'old-token', refreshToken: 'refresh' })
}

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

test.each([undefined, false])(
  'request rejects with network_error if the body breaks off, with auth %s',
  async (auth) => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"a":')
      setTimeout(() => response.destroy(), 20)
    }
    await open()
    const options = { url: `${origin}/a`, ...(auth !== undefined && { auth }) }
    expect(await errorOf(session.request(options))).toMatchObject({ name: 'LingpaiError', code: 'network_error' })
  },
)

test('request refreshes even if the 401 quotes the expired token, and returns only the second response', async () => {
  answer = ({ headers }, response) => {
    const token = headers['x-token']
    response
      .writeHead(token === 'new-token' ? 200 : 401)
      .end(JSON.stringify({ error: `${token} has expired` }).replace('new-token', 'it'))
  }
  await open()
  expect(await session.request({ url: `${origin}/a` })).toEqual({ error: 'it has expired' })
  expect(refreshes).toBe(1)
})

test.each<[string, (response: ServerResponse, token: unknown) => void]>([
  ['a header', (response, token) => response.writeHead(200, { 'X-Debug': `got ${token}` }).end('{}')],
  ['its status text', (response, token) => response.writeHead(200, `got ${token}`).end('{}')],
])(
  'fetch rejects a response that contains the token in %s, which request does not hand over (I11)',
  async (_part, write) => {
    answer = ({ headers }, response) => write(response, headers['x-token'])
    await open()
    const expected = { code: 'token_reflected', status: 200 }
    expect(await errorOf(session.fetch(`${origin}/a`))).toMatchObject(expected)
    expect(await session.request({ url: `${origin}/a` })).toEqual({})
  },
)

test.each<[string, (token: string) => string]>([
  ['as it is', (token) => JSON.stringify({ echo: token })],
  ['as a key', (token) => JSON.stringify({ [token]: 1 })],
  ['with an escaped letter', (token) => `{"echo":"${token.replace('o', '\\u006f')}"}`],
  ['with an escaped dash, deep inside', (token) => `{"a":[{"b":"got ${token.replace('-', '\\u002D')}"}]}`],
  ['in base64', (token) => JSON.stringify({ echo: btoa(`Bearer ${token}`) })],
])('request does not hand over a payload with the token %s (I11)', async (_how, write) => {
  answer = ({ headers }, response) => response.writeHead(200).end(write(String(headers['x-token'])))
  await open()
  expect(await errorOf(session.request({ url: `${origin}/a` }))).toMatchObject({ code: 'token_reflected', status: 200 })
})

test('an error whose message quotes the token is not handed over (I11)', async () => {
  answer = ({ headers }, response) =>
    response.writeHead(500).end(JSON.stringify({ message: `no: ${headers['x-token']}` }))
  await open()
  expect(await errorOf(session.request({ url: `${origin}/a` }))).toMatchObject({ code: 'token_reflected', status: 500 })
})

test('a token in a part of the answer that the page does not get hides nothing', async () => {
  answer = ({ headers }, response) =>
    response.writeHead(200).end(JSON.stringify({ code: 0, message: `for ${headers['x-token']}`, data: { tea: '\\' } }))
  await open({ envelope: envelope() })
  expect(await session.request({ url: `${origin}/a` })).toEqual({ tea: '\\' })
})

test('an API that quotes the token and asks for a sign-in gets it', async () => {
  answer = ({ headers }, response) =>
    response.writeHead(200).end(JSON.stringify({ code: 11012, message: `token 无效：${headers['x-token']}` }))
  await open({ envelope: envelope({ success: 200, signInRequired: 11012 }) })
  expect(await errorOf(session.request({ url: `${origin}/a` }))).toMatchObject({
    code: 'sign_in_required',
    status: 200,
  })
  expect(session.getSnapshot()).toMatchObject({ reason: 'sign_in_required' })
})

test('the page does not get the text of an engine error that quotes the token (I11)', async () => {
  const fetch = vi.spyOn(globalThis, 'fetch')
  await open()
  fetch.mockRejectedValue(new TypeError('"old-token" is an invalid header value'))
  const errors = [
    await errorOf(session.fetch(`${origin}/a`)),
    await errorOf(session.request({ url: `${origin}/a` })),
  ] as Error[]
  for (const { message, stack, cause } of errors) expect(`${message} ${stack} ${cause}`).not.toContain('old-token')
  expect(errors[0]).toMatchObject({ name: 'TypeError', message: 'Failed to fetch' })
  expect(errors[1]).toMatchObject({ code: 'network_error' })
})

test('a response with a status in signInRequired frees its connection', async () => {
  let isClosed = false
  answer = (request, response) => {
    request.socket.on('close', () => {
      isClosed = true
    })
    response.writeHead(403).write('x'.repeat(1000))
  }
  await open({ signInRequired: [403] })
  expect(await errorOf(session.fetch(`${origin}/endless`))).toMatchObject({ code: 'sign_in_required', status: 403 })
  await expect.poll(() => isClosed).toBe(true)
})

test.each<[string, (response: ServerResponse, token: unknown) => void]>([
  ['its head', (response, token) => response.writeHead(200, { 'X-Debug': `got ${token}` }).write('one')],
  ['its body', (response, token) => response.writeHead(200).write(`got ${token}`)],
])('an endless response that contains the token in %s frees its connection', async (_what, write) => {
  let isClosed = false
  answer = ({ headers, socket }, response) => {
    socket.on('close', () => {
      isClosed = true
    })
    write(response, headers['x-token'])
  }
  await open()
  expect(await errorOf(session.fetch(`${origin}/endless`))).toMatchObject({ code: 'token_reflected' })
  await expect.poll(() => isClosed).toBe(true)
})

test('a 403 of a call without a token is an api_error, not sign_in_required', async () => {
  answer = (_request, response) => void response.writeHead(403).end('{}')
  await open({ signInRequired: [403] })
  expect(await errorOf(session.request({ url: `${origin}/login`, auth: false }))).toMatchObject({
    code: 'api_error',
    status: 403,
  })
})

test('if a signer throws, fetch rejects with a TypeError that has the code invalid_config', async () => {
  answer = (_request, response) => void response.end('{}')
  await open({
    sign() {
      throw new Error('no key')
    },
  })
  const error = await errorOf(session.fetch(`${origin}/a`))
  expect(error).toBeInstanceOf(TypeError)
  expect(error).toMatchObject({ code: 'invalid_config', message: expect.stringContaining('no key') })
})

test('the goodbye of a page aborts its requests, except those with keepalive', async () => {
  const closed: string[] = []
  const arrived: string[] = []
  answer = (request) => {
    arrived.push(request.url ?? '')
    request.socket.on('close', () => closed.push(request.url ?? ''))
  }
  await open()
  const calls = [
    session.fetch(`${origin}/plain`),
    session.fetch(`${origin}/lasting`, { method: 'POST', keepalive: true }),
  ]
  await expect.poll(() => arrived.length).toBe(2)
  session.close()
  await Promise.allSettled(calls)
  await expect.poll(() => closed).toEqual(['/plain'])
})

test.each<[string, (url: string, init: RequestInit) => Promise<Response>]>([
  ['in the options', (url, init) => session.fetch(url, init)],
  ['in a Request', (url, init) => session.fetch(new Request(url, init))],
])('an abort ends the upload of an endless body %s', async (_part, send) => {
  answer = (_request, response) => void response.end()
  await open()
  const controller = new AbortController()
  const body = new ReadableStream({ pull: () => new Promise(() => {}) })
  const call = send(`${origin}/a`, { method: 'POST', body, duplex: 'half', signal: controller.signal } as RequestInit)
  const reason = new Error('enough')
  setTimeout(() => controller.abort(reason), 10)
  expect(await errorOf(call)).toBe(reason)
})

test('a replay frees the connection of the rejected response', async () => {
  const closed: string[] = []
  answer = ({ headers, socket }, response) => {
    const token = String(headers['x-token'])
    socket.on('close', () => closed.push(token))
    if (token === 'new-token') response.writeHead(200).write('x'.repeat(1000))
    else response.writeHead(401).write('x'.repeat(1000))
  }
  await open()
  expect(await session.fetch(`${origin}/endless`)).toMatchObject({ status: 200 })
  await expect.poll(() => closed).toEqual(['old-token'])
})

test('a page uses its full limit of requests in flight and no more, however its earlier calls ended', async () => {
  const held: (() => void)[] = []
  let isHolding = true
  answer = ({ url, socket }, response) => {
    if (url === '/broken') return socket.destroy()
    if (url === '/quick' || !isHolding) return response.end()
    held.push(() => response.end())
  }
  await open()
  const call = (path: string) => session.fetch(origin + path).catch(() => undefined)
  const slow = Array.from({ length: MAX_PER_PAGE / 2 }, () => call('/slow'))
  await Promise.all(Array.from({ length: MAX_PER_PAGE }, (_none, index) => call(index % 2 ? '/quick' : '/broken')))
  const later = Array.from({ length: 2 * MAX_PER_PAGE }, () => call('/slow'))
  await expect.poll(() => held.length, { timeout: 20_000 }).toBe(MAX_PER_PAGE)
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(held.length).toBe(MAX_PER_PAGE)
  isHolding = false
  for (const end of held) end()
  await Promise.all([...slow, ...later])
})
