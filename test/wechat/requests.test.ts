import { beforeEach, expect, test } from 'vitest'
import { type CallServer, startCallServer } from '../fixtures/wechat/call-server.ts'
import {
  abort,
  begin,
  type CallOptions,
  type CallPhoneOptions,
  call,
  failureOf,
  measureMessages,
  startSignedInPhone,
} from '../fixtures/wechat/calls.ts'
import type { Phone } from '../fixtures/wechat/phone.ts'

let server: CallServer

beforeEach(async () => {
  server = await startCallServer()
})

const stories: readonly CallPhoneOptions[] = [
  { engine: 'jsc', baseLibrary: '2.20.2', delivery: 'bare' },
  { engine: 'quickjs', baseLibrary: 'latest', delivery: 'wrapped', listeners: 'add' },
]

/** An API whose code 40101 says, with HTTP 200, that the token has expired. */
const softly = { api: `envelope: envelope({ success: 'SUCCESS', expired: 40101 }),` }
const unsigned = { api: 'sign: undefined,' }

function toPath(path: string, options: CallOptions = {}): CallOptions {
  return { url: server.origin + path, method: 'POST', data: {}, ...options }
}

function request(phone: Phone, path: string, options: CallOptions = {}) {
  return call(phone, 'request', toPath(path, options))
}

async function refusal(phone: Phone, path: string, options: CallOptions = {}) {
  return failureOf(await request(phone, path, options), server)
}

const MEGABYTES_5 = 5 << 20
const LIST = { items: ['tea', 'ink'], subject: 'alice' }

test.each(stories)('a call resolves with its payload, even if that is null or absent, on $engine', async (options) => {
  const phone = await startSignedInPhone(server, options)
  expect(await request(phone, '/list')).toEqual({ value: LIST })
  expect(await request(phone, '/null')).toEqual({ value: null })
  expect(await request(phone, '/say', { data: { text: '{"code":"SUCCESS"}' } })).toEqual({ value: undefined })
})

test.each(stories)('explain lists the steps of a call, without its URL (I11), on $engine', async (options) => {
  const phone = await startSignedInPhone(server, options)
  await request(phone, '/list?secret=canary')
  await request(phone, '/fail')
  const history = await phone.run<{ event: string; api?: string; status?: number }[]>('getApp().session.explain()')
  const steps = history.filter(({ event }) => event.startsWith('call-'))
  expect(steps.slice(-6).map(({ event }) => event)).toEqual([
    'call-received',
    'call-sent',
    'call-answered',
    'call-received',
    'call-sent',
    'call-failed',
  ])
  expect(steps.at(-1)).toMatchObject({ code: 'api_error', status: 200, own: true })
  expect(JSON.stringify(history)).not.toMatch(/canary|\/fail/)
})

test.each(stories)('a business code rejects with api_error and the API’s message, on $engine', async (options) => {
  const phone = await startSignedInPhone(server, options)
  const error = await refusal(phone, '/fail')
  expect(error).toMatchObject({ code: 'api_error', status: 200, apiCode: 42, apiMessage: 'out of stock' })
  expect(error.message).toContain('out of stock')
})

test.each(stories)(
  'a code that says "expired" with HTTP 200 costs one refresh and one replay, on $engine',
  async (options) => {
    const phone = await startSignedInPhone(server, { ...options, app: softly })
    server.api.expireAccessTokens()
    expect(await request(phone, '/expired-code')).toEqual({ value: { subject: 'alice' } })
    expect(server.seen.map(({ path }) => path)).toEqual(['/login', '/expired-code', '/refresh', '/expired-code'])
  },
)

test.each(stories)(
  'each attempt is signed again, and the server accepts every signature, on $engine',
  async (options) => {
    const phone = await startSignedInPhone(server, options)
    server.api.expireAccessTokens()
    const data = { b: 2, a: 'tea & ink', 门: '票', nested: { z: [1, null], y: true }, empty: '', none: null }
    expect(await request(phone, '/echo', { data })).toMatchObject({ value: { parameters: data } })
    const attempts = server.seenAt('/echo').map(({ parameters }) => parameters)
    expect(attempts).toHaveLength(2)
    for (const name of ['nonce', 'signature']) expect(new Set(attempts.map((one) => one[name])).size).toBe(2)
    for (const { appId, time } of attempts) expect([appId, typeof time]).toEqual(['app', 'number'])
  },
)

test.each(stories)('five megabytes in either direction never cross to the worker, on $engine', async (options) => {
  server = await startCallServer({ isSigned: false })
  const phone = await startSignedInPhone(server, { ...options, app: unsigned })
  server.api.expireAccessTokens()
  const text = '令'.repeat(MEGABYTES_5 / 3)
  const size = await measureMessages(phone, async () => {
    expect(await request(phone, '/echo', { data: { text } })).toEqual({
      value: { method: 'POST', parameters: { text }, subject: 'alice' },
    })
    expect(await request(phone, '/big', { data: { size: MEGABYTES_5 } })).toEqual({ value: 'x'.repeat(MEGABYTES_5) })
  })
  expect(size).toBeLessThan(20_000)
})

test('if the API is signed, the worker sees the data, and never the answer', async () => {
  const phone = await startSignedInPhone(server)
  const size = await measureMessages(phone, async () => {
    await request(phone, '/big', { data: { size: MEGABYTES_5 } })
  })
  expect(size).toBeLessThan(10_000)
  const text = 'x'.repeat(MEGABYTES_5)
  const before = phone.messages.length
  expect(await request(phone, '/echo', { data: { text } })).toMatchObject({ value: { parameters: { text } } })
  const big = phone.messages.slice(before).filter(({ data }) => JSON.stringify(data).length > MEGABYTES_5)
  expect(big.map(({ from }) => from)).toEqual(['app', 'worker'])
})

test('a configured 403 requires a sign-in, and the session stays (I7)', async () => {
  const phone = await startSignedInPhone(server, { app: { connect: `{ wechat: { worker: 'workers/token.js' } }` } })
  expect(await refusal(phone, '/forbidden')).toMatchObject({ code: 'sign_in_required', status: 403 })
  expect(await phone.evaluate('getApp().session.getSnapshot().status')).toBe('signed-in')
  expect(await request(phone, '/list')).toEqual({ value: LIST })
  expect(server.api.counters).toMatchObject({ logins: 1, refreshes: 0 })
})

test('a configured code of the envelope requires a sign-in, with any status', async () => {
  const app = { api: `envelope: envelope({ success: 'SUCCESS', signInRequired: 42 }),` }
  const phone = await startSignedInPhone(server, { app })
  expect(await refusal(phone, '/fail')).toMatchObject({ code: 'sign_in_required', status: 200 })
})

test('an API that answers 401 again gets one replay, and the page gets the answer (I10)', async () => {
  const phone = await startSignedInPhone(server)
  const text = JSON.stringify({ code: 9, message: 'not you', data: null })
  const error = await refusal(phone, '/say', { data: { status: 401, text } })
  expect(error).toMatchObject({ code: 'api_error', status: 401, apiCode: 9, apiMessage: 'not you' })
  expect(server.seen.map(({ path }) => path)).toEqual(['/login', '/say', '/refresh', '/say'])
})

test('a code that still says "expired" after the replay is the answer (I10)', async () => {
  const phone = await startSignedInPhone(server, { app: softly })
  const text = JSON.stringify({ code: 40101, message: 'expired' })
  expect(await refusal(phone, '/say', { data: { text } })).toMatchObject({
    code: 'api_error',
    status: 200,
    apiCode: 40101,
  })
  expect(server.seenAt('/say')).toHaveLength(2)
  expect(server.api.counters.refreshes).toBe(1)
})

test.each([
  ['an HTML page with status 200', { status: 200 }, /is not JSON/],
  ['an HTML page of a broken gateway', { status: 502 }, /status 502/],
  ['plain text', { text: 'ok' }, /is not JSON/],
  ['JSON that is cut short', { text: '{"code":"SUCCESS","data":{"a"' }, /is not JSON/],
  ['JSON without the envelope', { text: '{"items":[]}' }, /no code/],
  ['a bare null', { text: 'null' }, /no code/],
  ['an empty body', { status: 200, text: '' }, /no code/],
  ['a code that is an object', { text: '{"code":{"SUCCESS":1}}' }, /no code/],
] as const)('%s rejects with an api_error with the status, and is sent once', async (_name, data, message) => {
  const phone = await startSignedInPhone(server)
  const status = 'status' in data ? data.status : 200
  const error = await refusal(phone, '/say', { data })
  expect(error).toMatchObject({ code: 'api_error', status, message: expect.stringMatching(message) })
  expect(error.message).not.toContain('<')
  expect(server.seenAt('/say')).toHaveLength(1)
})

test('without an envelope, the JSON body is the payload, and an empty body is undefined', async () => {
  const phone = await startSignedInPhone(server, { app: { api: 'envelope: undefined,' } })
  expect(await request(phone, '/say', { data: { text: '[1,2]' } })).toEqual({ value: [1, 2] })
  expect(await request(phone, '/say', { data: { status: 204, text: '' } })).toEqual({ value: undefined })
  expect(await refusal(phone, '/say', { data: { status: 500, text: '[]' } })).toMatchObject({ status: 500 })
})

test('an answer with status 204 has no envelope, and its payload is undefined', async () => {
  const phone = await startSignedInPhone(server)
  expect(await request(phone, '/say', { data: { status: 204, text: '' } })).toEqual({ value: undefined })
})

test.each<[string, CallOptions, RegExp]>([
  ['PATCH', { method: 'PATCH' }, /wx\.request has no PATCH.*PUT or POST/],
  ['patch', { method: 'patch' }, /has no PATCH/],
  ['an unknown method', { method: 'FETCH' }, /method must be one of .*POST/],
  ['a method that is not a string', { method: 7 }, /method must be one of/],
  ['`header`', { header: { a: 'b' } }, /called headers, not header/],
  ['headers whose values are not strings', { headers: { a: 1 } }, /headers must be an object of strings/],
  ['a relative URL', { url: '/list' }, /absolute URL/],
  ['no URL', { url: undefined }, /absolute URL/],
  ['another scheme', { url: 'ftp://localhost/list' }, /absolute URL/],
  ['a string as the data of a GET', { method: 'GET', data: 'a=b' }, /must be an object/],
  ['an auth that is not a boolean', { auth: 'yes' }, /auth must be true or false/],
  ['a timeout that is not a number', { timeout: '5' }, /timeout must be milliseconds/],
  ['a negative timeout', { timeout: -1 }, /timeout must be milliseconds/],
])('%s rejects with invalid_call, and nothing is sent', async (_name, options, message) => {
  const phone = await startSignedInPhone(server)
  const before = phone.tasks.length
  const error = await refusal(phone, '/list', options)
  expect(error).toMatchObject({ code: 'invalid_call', message: expect.stringMatching(message) })
  expect(error.message).not.toContain('localhost')
  expect(phone.tasks).toHaveLength(before)
})

test('data that are not JSON, or cannot be signed, reject with invalid_call', async () => {
  const phone = await startSignedInPhone(server)
  const before = phone.tasks.length
  const send = (data: string) =>
    phone.run(`getApp().session.request({ url: '${server.origin}/list', method: 'POST', data: ${data} })`)
  await expect(send('(function () { var a = {}; a.a = a; return a })()')).rejects.toMatchObject({
    code: 'invalid_call',
  })
  await expect(send('function () {}')).rejects.toMatchObject({ code: 'invalid_call' })
  await expect(send('[1]')).rejects.toMatchObject({ code: 'invalid_call', message: expect.stringMatching(/an array/) })
  expect(phone.tasks).toHaveLength(before)
})

test('the data of a GET become its query, which is signed, and there is no body', async () => {
  const phone = await startSignedInPhone(server)
  const data = { page: 2, q: 'tea & 茶+1', flag: true }
  expect(await request(phone, '/echo?a=1', { method: undefined, data })).toMatchObject({
    value: { method: 'GET', parameters: { a: '1', page: '2', q: 'tea & 茶+1', flag: 'true' }, subject: 'alice' },
  })
  expect(phone.tasks.at(-1)).toMatchObject({ method: 'GET', data: undefined })
})

test.each(['PUT', 'DELETE', 'put'])('%s sends its data as JSON, signed', async (method) => {
  const phone = await startSignedInPhone(server)
  expect(await request(phone, '/echo', { method, data: { id: 7 } })).toMatchObject({
    value: { method: method.toUpperCase(), parameters: { id: 7 } },
  })
})

test('headers are sent, the default content type is JSON, and a page cannot set the token', async () => {
  const phone = await startSignedInPhone(server)
  await request(phone, '/list', { headers: { 'X-Trace': 't1', 'x-token': 'forged' } })
  await request(phone, '/list', { headers: { 'Content-Type': 'application/json; charset=utf-8' } })
  const [first, second] = phone.tasks.slice(-2)
  expect(first?.header).toMatchObject({ 'x-trace': 't1', 'content-type': 'application/json' })
  expect(server.api.issuedTokens).toContain(first?.header['x-token'])
  expect(second?.header['content-type']).toBe('application/json; charset=utf-8')
})

test('with auth: false a listed API gets a signed request without a token, even during a refresh', async () => {
  const phone = await startSignedInPhone(server)
  server.api.expireAccessTokens()
  const held = phone.holdNext('request', { matching: '/refresh' })
  const waiting = begin(phone, 'request', toPath('/list'))
  await phone.until(() => held.reached)
  expect(await request(phone, '/open', { auth: false, data: { a: 1 } })).toMatchObject({
    value: { parameters: { a: 1 }, hasToken: false },
  })
  expect(held.reached).toBe(true)
  held.release()
  expect(await phone.until(waiting)).toEqual({ value: LIST })
})

test('with auth: false a 401 is the answer: nothing is refreshed', async () => {
  const phone = await startSignedInPhone(server)
  expect(await refusal(phone, '/list', { auth: false })).toMatchObject({ code: 'api_error', status: 401 })
  expect(server.api.counters.refreshes).toBe(0)
  expect(server.api.requests.filter(({ path }) => path === '/list')).toHaveLength(1)
})

test('a signed-out user may call with auth: false, and other calls reject with sign_in_required', async () => {
  const phone = await startSignedInPhone(server)
  await phone.run('getApp().session.signOut()')
  expect(await request(phone, '/open', { auth: false })).toMatchObject({ value: { hasToken: false } })
  const before = phone.tasks.length
  expect(await refusal(phone, '/list')).toMatchObject({ code: 'sign_in_required' })
  expect(phone.tasks).toHaveLength(before)
})

test('the token is sent only to the listed origin; auth: true for another rejects before anything is sent (I4)', async () => {
  const other = await startCallServer()
  const phone = await startSignedInPhone(server, { app: unsigned })
  const elsewhere = (options: CallOptions) =>
    call(phone, 'request', { url: `${other.origin}/say`, method: 'POST', data: { text: '{"free":1}' }, ...options })
  expect(failureOf(await elsewhere({ auth: true }), server)).toMatchObject({ code: 'origin_not_allowed' })
  expect(other.seen).toHaveLength(0)
  // The request is not signed, so the other server rejects it: it got the request, but no token.
  expect(failureOf(await elsewhere({}), server)).toMatchObject({ code: 'api_error', status: 400 })
  expect(other.seen).toMatchObject([{ path: '/say', token: undefined }])
  for (const token of server.api.issuedTokens) {
    expect(JSON.stringify(other.api.requests)).not.toContain(token)
  }
})

test('an origin is compared whole: another port, host or scheme gets no token (I4)', async () => {
  const phone = await startSignedInPhone(server, { hosts: { 'localhost.example.com': portOf(server.origin) } })
  const port = portOf(server.origin)
  for (const url of [`http://127.0.0.1:${port}/open`, `http://localhost.example.com:${port}/open`]) {
    expect(failureOf(await call(phone, 'request', { url, auth: true }), server)).toMatchObject({
      code: 'origin_not_allowed',
    })
    await call(phone, 'request', { url })
    expect(phone.tasks.at(-1)?.url).toBe(url)
    expect(phone.tasks.at(-1)?.header).not.toHaveProperty('x-token')
  }
})

test('a URL with a user name gets no token (I4)', async () => {
  const phone = await startSignedInPhone(server)
  const port = portOf(server.origin)
  for (const url of [`http://localhost:${port}@127.0.0.1:${port}/open`, `http://me@localhost:${port}/open`]) {
    const before = phone.tasks.length
    const { code } = failureOf(await call(phone, 'request', { url, auth: true }), server)
    expect(['invalid_call', 'origin_not_allowed']).toContain(code)
    expect(phone.tasks).toHaveLength(before)
    await call(phone, 'request', { url })
    for (const { header } of phone.tasks.slice(before)) expect(header).not.toHaveProperty('x-token')
  }
})

test.each(['silent', 'success'] as const)(
  'a redirect of a request with a token is not followed, and the other server gets no request (%s, I4)',
  async (manualRedirect) => {
    const other = await startCallServer()
    const phone = await startSignedInPhone(server, { manualRedirect })
    for (const status of [301, 302, 303, 307, 308]) {
      const error = await refusal(phone, '/redirect', { data: { to: `${other.origin}/open`, status } })
      expect(error).toMatchObject({ code: 'redirect_refused' })
    }
    expect(other.api.requests).toHaveLength(0)
    expect(await request(phone, '/list')).toEqual({ value: LIST })
  },
)

test('a redirect of a refresh is not followed either, and the session stays (I4, I7)', async () => {
  const other = await startCallServer()
  const phone = await startSignedInPhone(server)
  server.api.expireAccessTokens()
  server.api.failRefreshes({ kind: 'answer', status: 307, headers: { Location: `${other.origin}/refresh` } })
  const waiting = begin(phone, 'request', toPath('/list'))
  expect(await phone.until(waiting)).toEqual({ value: LIST })
  expect(other.api.requests).toHaveLength(0)
})

test('the timeout applies to the whole call, and aborts the request in flight', async () => {
  const phone = await startSignedInPhone(server)
  const held = phone.holdNext('request', { matching: '/list' })
  const pending = begin(phone, 'request', toPath('/list', { timeout: 2500 }))
  await phone.advance(2400)
  expect(held.reached).toBe(true)
  expect(phone.tasks.at(-1)).toMatchObject({ state: 'running' })
  await phone.advance(200)
  expect(failureOf(await pending, server)).toMatchObject({ code: 'timeout' })
  expect(phone.tasks.at(-1)).toMatchObject({ state: 'failed' })
})

test('the timeout also ends a wait for a token, and nothing is sent later', async () => {
  const phone = await startSignedInPhone(server)
  server.api.expireAccessTokens()
  const held = phone.holdNext('request', { matching: '/refresh' })
  const first = begin(phone, 'request', toPath('/list'))
  await phone.until(() => held.reached)
  const pending = begin(phone, 'request', toPath('/echo', { timeout: 1000 }))
  await phone.advance(1100)
  expect(failureOf(await pending, server)).toMatchObject({ code: 'timeout' })
  held.release()
  expect(await phone.until(first)).toEqual({ value: LIST })
  expect(server.seenAt('/echo')).toHaveLength(0)
})

test('a timeout longer than WeChat’s own is not cut short by it', async () => {
  const phone = await startSignedInPhone(server)
  const held = phone.holdNext('request', { matching: '/list' })
  const pending = begin(phone, 'request', toPath('/list', { timeout: 100_000 }))
  await phone.advance(70_000)
  held.release()
  expect(await phone.until(pending)).toEqual({ value: LIST })
})

test('without a timeout a call ends after thirty seconds', async () => {
  const phone = await startSignedInPhone(server)
  phone.holdNext('request', { matching: '/list' })
  const pending = begin(phone, 'request', toPath('/list'))
  const start = phone.now()
  expect(failureOf(await phone.until(pending), server)).toMatchObject({ code: 'timeout' })
  expect(phone.now() - start).toBe(30_000)
})

test('an abort before the call sends nothing', async () => {
  const phone = await startSignedInPhone(server)
  const before = phone.tasks.length
  const error = await phone.run<{ code: string }>(
    `(function (url) {
      var controller = new (require('lingpai/wechat').AbortController)()
      controller.abort()
      return getApp().session.request({ url: url, method: 'POST', data: {}, signal: controller.signal })
        .catch(function (error) { return { code: error.code } })
    })(values[0])`,
    `${server.origin}/list`,
  )
  expect(error).toEqual({ code: 'aborted' })
  expect(phone.tasks).toHaveLength(before)
})

test('an abort while a call waits for a token ends only that call: the refresh goes on for the others', async () => {
  const phone = await startSignedInPhone(server)
  server.api.expireAccessTokens()
  const held = phone.holdNext('request', { matching: '/refresh' })
  const first = begin(phone, 'request', toPath('/list'))
  await phone.until(() => held.reached)
  const aborted = begin(phone, 'request', toPath('/echo', { signal: true }))
  await phone.settle()
  await abort(phone)
  expect(failureOf(await phone.until(aborted, { within: 1 }), server)).toMatchObject({ code: 'aborted' })
  held.release()
  expect(await phone.until(first)).toEqual({ value: LIST })
  expect(server.seenAt('/echo')).toHaveLength(0)
  expect(server.api.counters.refreshes).toBe(1)
})

test('an abort during the request ends it on the network', async () => {
  const phone = await startSignedInPhone(server)
  const held = phone.holdNext('request', { matching: '/list' })
  const pending = begin(phone, 'request', toPath('/list', { signal: true }))
  await phone.until(() => held.reached)
  await abort(phone)
  expect(failureOf(await phone.until(pending, { within: 1 }), server)).toMatchObject({ code: 'aborted' })
  expect(phone.tasks.at(-1)).toMatchObject({ state: 'failed', failure: { errMsg: 'request:fail abort' } })
  expect(await request(phone, '/list')).toEqual({ value: LIST })
})

test('after an abort between a 401 and the replay, the replay is not sent', async () => {
  const phone = await startSignedInPhone(server)
  server.api.expireAccessTokens()
  const held = phone.holdNext('request', { matching: '/refresh' })
  const pending = begin(phone, 'request', toPath('/echo', { signal: true }))
  await phone.until(() => held.reached)
  await abort(phone)
  expect(failureOf(await phone.until(pending, { within: 1 }), server)).toMatchObject({ code: 'aborted' })
  held.release()
  await phone.settle()
  expect(server.seenAt('/echo')).toHaveLength(1)
})

test('an abort after the answer changes nothing', async () => {
  const phone = await startSignedInPhone(server)
  expect(await request(phone, '/list', { signal: true })).toEqual({ value: LIST })
  await abort(phone)
  await phone.settle()
  expect(await request(phone, '/list')).toEqual({ value: LIST })
})

test.each([
  [{ errMsg: 'request:fail timeout', errno: 5 }, 'timeout'],
  [{ errMsg: 'request:fail interrupted', errno: 600003 }, 'network_error'],
  [{ errMsg: 'request:fail errcode:10011 network change, cancel all task', errno: 600001 }, 'network_error'],
  [{ errMsg: 'request:fail url not in domain list', errno: 600002 }, 'invalid_config'],
  [{ errMsg: 'request:fail createRequestTask:fail' }, 'network_error'],
  [{ errMsg: '' }, 'network_error'],
] as const)('the failure %o rejects with %s, and the call is not sent again', async (failure, code) => {
  const phone = await startSignedInPhone(server)
  const before = phone.tasks.length
  phone.failNext('request', failure, { matching: '/list' })
  const error = await refusal(phone, '/list')
  expect(error).toMatchObject({ code, message: expect.stringContaining(failure.errMsg) })
  await phone.advance(60_000)
  expect(phone.tasks).toHaveLength(before + 1)
  expect(await request(phone, '/list')).toEqual({ value: LIST })
})

test('a failure after the server has acted is not sent again either', async () => {
  const phone = await startSignedInPhone(server)
  phone.failNext(
    'request',
    { errMsg: 'request:fail interrupted', errno: 600003 },
    { matching: '/echo', afterwards: true },
  )
  expect(await refusal(phone, '/echo')).toMatchObject({ code: 'network_error' })
  await phone.advance(60_000)
  expect(server.seenAt('/echo')).toHaveLength(1)
})

test('an error never quotes the URL of a failure, whose query may hold a secret', async () => {
  const phone = await startSignedInPhone(server)
  const errMsg = `request:fail invalid url "${server.origin}/list?secret=hush" (https://api.example.com/a?secret=hush)`
  phone.failNext('request', { errMsg, errno: 600009 }, { matching: '/list' })
  const error = await refusal(phone, '/list', { method: 'GET', data: { secret: 'hush' } })
  expect(error).toMatchObject({ code: 'network_error', message: expect.stringContaining('<url>') })
  expect(error.message).not.toContain('hush')
})

test('a server outside of the app’s domain list rejects with invalid_config', async () => {
  const phone = await startSignedInPhone(server)
  const outcome = await call(phone, 'request', { url: 'https://elsewhere.example/list' })
  expect(failureOf(outcome, server)).toMatchObject({
    code: 'invalid_config',
    message: expect.stringMatching(/domain.*mp\.weixin\.qq\.com/),
  })
})

test('each thread has one onMessage registration, however often the worker is asked', async () => {
  const count = (target: string) => `
    var registrations = 0
    var register = ${target}.onMessage
    ${target}.onMessage = function (listener) {
      registrations += 1
      return register.call(${target}, listener)
    }`
  const files = {
    'app.js': `
      var create = wx.createWorker
      var counts = []
      wx.createWorker = function (path, options) {
        var made = create.call(wx, path, options)
        ${count('made')}
        counts.push(function () { return registrations })
        return made
      }
      const { connect } = require('lingpai/wechat')
      App({ counts: counts, session: connect({ wechat: { worker: 'workers/token.js' } }) })`,
    'workers/token.js': `
      ${count('worker')}
      const { serve } = require('./lingpai.js')
      serve(require('./options.js')(require('./lingpai.js')))
      console.log('registrations', registrations)`,
  }
  const phone = await startSignedInPhone(server, { app: { files } })
  server.api.expireAccessTokens()
  await request(phone, '/list')
  await phone.killWorker()
  expect(await request(phone, '/list')).toEqual({ value: LIST })
  expect(await phone.evaluate('getApp().counts.map(function (count) { return count() })')).toEqual([1, 1])
  expect(phone.console.filter(({ thread }) => thread === 'worker').map(({ text }) => text)).toEqual(
    Array(2).fill('registrations 1'),
  )
})

function portOf(origin: string): number {
  return Number(new URL(origin).port)
}
