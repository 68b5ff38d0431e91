import { beforeEach, expect, test } from 'vitest'
import { type CallServer, startCallServer } from '../fixtures/wechat/call-server.ts'
import {
  abort,
  begin,
  type CallOptions,
  type CallPhoneOptions,
  failureOf,
  type Outcome,
  startSignedInPhone,
} from '../fixtures/wechat/calls.ts'
import type { Phone } from '../fixtures/wechat/phone.ts'

let server: CallServer

beforeEach(async () => {
  server = await startCallServer()
})

const stories: readonly CallPhoneOptions[] = [
  { engine: 'jsc', baseLibrary: '2.20.2', delivery: 'bare' },
  { engine: 'quickjs', baseLibrary: 'latest', delivery: 'wrapped' },
]

/** An app that counts how many of WeChat's tasks run at once. The eleventh fails, as with older clients. */
const counting: CallPhoneOptions = {
  overLimit: 'fail',
  app: {
    files: {
      'app.js': `
        var running = 0
        var counter = { most: 0, list: [] }
        ;['request', 'uploadFile', 'downloadFile'].forEach(function (api) {
          var send = wx[api]
          wx[api] = function (options) {
            var complete = options.complete
            running += 1
            counter.most = Math.max(counter.most, running)
            options.complete = function (result) {
              running -= 1
              if (complete) complete(result)
            }
            return send.call(wx, options)
          }
        })
        const { connect } = require('lingpai/wechat')
        App({ counter: counter, session: connect({ wechat: { worker: 'workers/token.js' } }) })`,
    },
  },
}

const mostAtOnce = (phone: Phone) => phone.evaluate<number>('getApp().counter.most')

function toPath(path: string, options: CallOptions = {}): CallOptions {
  return { url: server.origin + path, method: 'POST', data: {}, ...options }
}

/** Starts this many numbered requests; each has a controller of its number. */
function beginMany(phone: Phone, count: number, path = '/echo'): Promise<Outcome>[] {
  return Array.from({ length: count }, (_none, n) =>
    begin(phone, 'request', toPath(path, { data: { n }, signal: true }), String(n)),
  )
}

/** The paths of WeChat's tasks that run now. */
function runningPaths(phone: Phone): string[] {
  return phone.tasks.filter(({ state }) => state === 'running').map(({ url }) => new URL(url).pathname)
}

/** The numbers of the requests at the server, in the order of arrival. */
function numbersAt(path = '/echo'): unknown[] {
  return server.seenAt(path).map(({ parameters }) => parameters.n)
}

/** Expects that no slot was lost: nine requests run at once, and a tenth waits. */
async function expectAllPlaces(phone: Phone): Promise<void> {
  const held = phone.holdNext('request', { matching: '/list', times: 9 })
  const pending = beginMany(phone, 10, '/list')
  await phone.settle()
  expect(runningPaths(phone)).toEqual(Array(9).fill('/list'))
  held.release()
  for (const outcome of await phone.until(Promise.all(pending))) expect(outcome).toHaveProperty('value')
}

test.each(stories)(
  'thirty requests with an expired token get one refresh, never an eleventh task, and thirty answers, on $engine (I1)',
  async (options) => {
    const phone = await startSignedInPhone(server, { ...options, ...counting })
    server.api.expireAccessTokens()
    const outcomes = await phone.until(Promise.all(beginMany(phone, 30)))
    expect(
      outcomes.map((outcome) => 'value' in outcome && (outcome.value as { parameters: { n: number } }).parameters.n),
    ).toEqual(Array.from({ length: 30 }, (_none, n) => n))
    expect(server.api.counters).toMatchObject({ refreshes: 1, reuseDetections: 0 })
    const most = await mostAtOnce(phone)
    expect(most).toBeGreaterThanOrEqual(9)
    expect(most).toBeLessThanOrEqual(10)
  },
)

test.each(stories)('a refresh runs as the tenth task beside nine that do not end, on $engine', async (options) => {
  const phone = await startSignedInPhone(server, { ...options, ...counting })
  server.api.expireAccessTokens()
  const denied = phone.holdNext('request', { matching: '/echo', afterwards: true })
  const others = phone.holdNext('request', { matching: '/list', times: 9 })
  const first = begin(phone, 'request', toPath('/echo'))
  const waiting = beginMany(phone, 20, '/list')
  await phone.settle()
  expect(runningPaths(phone)).toEqual(['/echo', ...Array(8).fill('/list')])
  const refresh = phone.holdNext('request', { matching: '/refresh' })
  denied.release()
  await phone.settle()
  expect(refresh.reached).toBe(true)
  expect(runningPaths(phone).filter((path) => path === '/refresh')).toHaveLength(1)
  expect(runningPaths(phone).length).toBeLessThanOrEqual(10)
  refresh.release()
  await phone.settle()
  expect(server.api.counters.refreshes).toBe(1)
  others.release()
  for (const outcome of await phone.until(Promise.all([first, ...waiting]))) expect(outcome).toHaveProperty('value')
  expect(await mostAtOnce(phone)).toBe(10)
  expect(server.api.counters.refreshes).toBe(1)
})

test('requests that wait for a slot are sent in order, with the newest token and a fresh signature', async () => {
  const phone = await startSignedInPhone(server)
  const held = phone.holdNext('request', { matching: '/list', times: 9 })
  const nine = beginMany(phone, 9, '/list')
  await phone.settle()
  const waiting = beginMany(phone, 3)
  const askedAt = phone.now()
  await phone.advance(10_000)
  await phone.run(`getApp().session.signIn({ account: 'alice', password: 'lingpai' })`)
  expect(numbersAt()).toEqual([])
  held.release()
  await phone.until(Promise.all([...nine, ...waiting]))
  expect(numbersAt()).toEqual([0, 1, 2])
  const [newest] = server.api.issuedTokens.filter((token) => token.startsWith('access.')).slice(-1)
  for (const { token, parameters } of server.seenAt('/echo')) {
    expect(token).toBe(newest)
    expect(parameters.time).toBeGreaterThanOrEqual(askedAt + 10_000)
  }
})

test('a request that waits for a slot is never sent as another user (I6)', async () => {
  const phone = await startSignedInPhone(server)
  const held = phone.holdNext('request', { matching: '/list', times: 9 })
  const nine = beginMany(phone, 9, '/list')
  await phone.settle()
  const waiting = beginMany(phone, 2)
  await phone.settle()
  await phone.run(`getApp().session.signIn({ account: 'bob', password: 'lingpai' })`)
  held.release()
  await phone.until(Promise.all(nine))
  for (const outcome of await phone.until(Promise.all(waiting))) expect(outcome).toHaveProperty('error')
  expect(numbersAt()).toEqual([])
  await expectAllPlaces(phone)
})

test('a token that expires while a request waits for a slot is refreshed for it', async () => {
  const phone = await startSignedInPhone(server)
  const held = phone.holdNext('request', { matching: '/list', times: 9 })
  const nine = beginMany(phone, 9, '/list')
  await phone.settle()
  const waiting = begin(phone, 'request', toPath('/echo'))
  await phone.settle()
  await phone.run(`getApp().session.signIn({ account: 'alice', password: 'lingpai' })`)
  server.api.expireAccessTokens()
  held.release()
  expect(await phone.until(waiting)).toHaveProperty('value')
  await phone.until(Promise.all(nine))
})

test('a request that is aborted while it waits for a slot leaves the queue, and the others stay', async () => {
  const phone = await startSignedInPhone(server)
  const held = phone.holdNext('request', { matching: '/list', times: 9 })
  const nine = beginMany(phone, 9, '/list')
  await phone.settle()
  const waiting = beginMany(phone, 5)
  await phone.settle()
  for (const name of ['0', '2', '4']) await abort(phone, name)
  await phone.settle()
  held.release()
  await phone.until(Promise.all(nine))
  const outcomes = await phone.until(Promise.all(waiting))
  expect(outcomes.map((outcome) => ('error' in outcome ? outcome.error.code : 'answered'))).toEqual([
    'aborted',
    'answered',
    'aborted',
    'answered',
    'aborted',
  ])
  expect(numbersAt()).toEqual([1, 3])
  await expectAllPlaces(phone)
})

test('a request that times out while it waits for a slot leaves the queue too', async () => {
  const phone = await startSignedInPhone(server)
  const held = phone.holdNext('request', { matching: '/list', times: 9 })
  const nine = beginMany(phone, 9, '/list')
  await phone.settle()
  const waiting = begin(phone, 'request', toPath('/echo', { timeout: 1000 }))
  await phone.advance(1100)
  expect(failureOf(await waiting, server)).toMatchObject({ code: 'timeout' })
  held.release()
  await phone.until(Promise.all(nine))
  expect(numbersAt()).toEqual([])
  await expectAllPlaces(phone)
})

test('uploads and downloads need slots too', async () => {
  const phone = await startSignedInPhone(server, counting)
  phone.files.set('http://tmp/a', Buffer.from('a'))
  const held = [phone.holdNext('uploadFile', { times: 5 }), phone.holdNext('downloadFile', { times: 4 })]
  const pending = [
    ...Array.from({ length: 5 }, () =>
      begin(phone, 'uploadFile', { url: `${server.origin}/upload`, filePath: 'http://tmp/a', name: 'a' }),
    ),
    ...Array.from({ length: 5 }, () => begin(phone, 'downloadFile', { url: `${server.origin}/file?size=9` })),
    ...beginMany(phone, 5),
  ]
  await phone.settle()
  expect(runningPaths(phone)).toEqual([...Array(5).fill('/upload'), ...Array(4).fill('/file')])
  for (const one of held) one.release()
  for (const outcome of await phone.until(Promise.all(pending))) expect(outcome).toHaveProperty('value')
  expect(await mostAtOnce(phone)).toBe(9)
})

test('tasks that hold a slot and wait for a token do not delay requests without a token', async () => {
  const phone = await startSignedInPhone(server)
  server.api.expireAccessTokens()
  const refresh = phone.holdNext('request', { matching: '/refresh' })
  const waiting = beginMany(phone, 30)
  await phone.until(() => refresh.reached)
  await phone.settle()
  const open = begin(phone, 'request', toPath('/open', { auth: false }))
  expect(await phone.until(open, { within: 10 })).toMatchObject({ value: { hasToken: false } })
  refresh.release()
  for (const outcome of await phone.until(Promise.all(waiting))) expect(outcome).toHaveProperty('value')
  expect(server.api.counters.refreshes).toBe(1)
  await expectAllPlaces(phone)
})

test('a slot is not lost if a request ends because of its worker while it waits for one', async () => {
  const phone = await startSignedInPhone(server)
  const held = phone.holdNext('request', { matching: '/list', times: 9 })
  const nine = beginMany(phone, 9, '/list')
  await phone.settle()
  const waiting = begin(phone, 'request', toPath('/echo'))
  await phone.settle()
  // The worker dies again and again: after some retries, the calls reject with worker_lost.
  for (let loss = 0; loss < 4; loss += 1) {
    await phone.killWorker()
    await phone.advance(3000)
  }
  expect(server.seenAt('/echo')).toHaveLength(0)
  expect(failureOf(await waiting, server)).toMatchObject({ code: 'worker_lost' })
  held.release()
  await phone.until(Promise.all(nine))
  expect(await phone.until(begin(phone, 'request', toPath('/list')))).toHaveProperty('value')
  await expectAllPlaces(phone)
})

test('a hundred calls that end in every possible way lose no slot', async () => {
  const phone = await startSignedInPhone(server, { ...counting, manualRedirect: 'success' })
  phone.files.set('http://tmp/a', Buffer.from('a'))
  const upload = { url: `${server.origin}/upload`, filePath: 'http://tmp/a', name: 'a' }
  const kinds: ((name: string) => Promise<Outcome>)[] = [
    () => begin(phone, 'request', toPath('/list')),
    () => begin(phone, 'request', toPath('/fail')),
    () => begin(phone, 'request', toPath('/forbidden')),
    () => begin(phone, 'request', toPath('/say', { data: { status: 401 } })),
    () => begin(phone, 'request', toPath('/say', { data: { status: 502 } })),
    () => begin(phone, 'request', toPath('/redirect', { data: { to: `${server.origin}/list` } })),
    () => begin(phone, 'request', toPath('/list', { method: 'PATCH' })),
    () => begin(phone, 'request', toPath('/list?slow', { timeout: 500 })),
    (name) => begin(phone, 'request', toPath('/list?slow', { signal: true }), name),
    () => begin(phone, 'request', toPath('/echo?failing')),
    () => begin(phone, 'request', { url: 'https://elsewhere.example/' }),
    () => begin(phone, 'request', toPath('/open', { auth: false })),
    () => begin(phone, 'request', toPath('/list', { data: [1] })),
    () => begin(phone, 'uploadFile', upload),
    () => begin(phone, 'uploadFile', { ...upload, url: `${server.origin}/upload-full`, onProgress: 'throw' }),
    () => begin(phone, 'uploadFile', { ...upload, filePath: 'http://tmp/gone' }),
    (name) => begin(phone, 'uploadFile', { ...upload, url: `${upload.url}?slow`, signal: true }, name),
    () => begin(phone, 'downloadFile', { url: `${server.origin}/file?size=100` }),
    () => begin(phone, 'downloadFile', { url: `${server.origin}/file-missing` }),
    (name) => begin(phone, 'downloadFile', { url: `${server.origin}/file?slow`, signal: true }, name),
  ]
  for (const kind of ['request', 'uploadFile', 'downloadFile']) phone.holdNext(kind, { matching: 'slow', times: 100 })
  phone.failNext('request', { errMsg: 'request:fail interrupted', errno: 600003 }, { matching: '/echo', times: 9 })
  const pending = Array.from({ length: 100 }, (_none, n) => kinds[n % kinds.length]?.(String(n)) as Promise<Outcome>)
  const slow = Array.from({ length: 100 }, (_none, n) => n).filter((n) => [8, 16, 19].includes(n % kinds.length))
  // Some are aborted before they are sent, some while they wait for a slot, and some while they run.
  for (const n of slow.slice(-4)) await abort(phone, String(n))
  for (const n of slow.slice(0, -4)) {
    await phone.settle()
    await abort(phone, String(n))
    if (n === 48) server.api.expireAccessTokens()
  }
  const outcomes = await phone.until(Promise.all(pending))
  const codes = outcomes.map((outcome) => ('error' in outcome ? outcome.error.code : 'answered'))
  expect(new Set(codes)).toEqual(
    new Set([
      'answered',
      'api_error',
      'sign_in_required',
      'redirect_refused',
      'invalid_call',
      'timeout',
      'aborted',
      'network_error',
      'invalid_config',
    ]),
  )
  expect(await mostAtOnce(phone)).toBeLessThanOrEqual(10)
  // One path has refused every token, so for a while a 401 of this API causes no refresh.
  await phone.advance(10_000)
  await expectAllPlaces(phone)
})
