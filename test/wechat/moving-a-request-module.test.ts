import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type LegacyApi, type LegacyApiOptions, startLegacyApi } from '../../servers/legacy/legacy-api.ts'
import { createVerifier } from '../../servers/legacy/signature-check.ts'
import { builtLibrary } from '../fixtures/wechat/mini-program.ts'
import { type Engine, type Phone, startPhone } from '../fixtures/wechat/phone.ts'

// Runs the code of docs/moving-a-request-module.md unchanged, against a server of that protocol.
const page = readFileSync(new URL('../../docs/moving-a-request-module.md', import.meta.url), 'utf8')

/** The code blocks of a section, by the file name in their first line. */
function readFiles(heading: string): Record<string, string> {
  const section = page.split(/^(?=## )/m).find((text) => text.startsWith(`## ${heading}\n`)) ?? ''
  const blocks = section.matchAll(/^```js\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)
  return Object.fromEntries([...blocks].map(([, path = '', code = '']) => [path, code]))
}

const before = readFiles('Before')
const after = readFiles('After')
const pages = {
  'pages/home/home.js': after['pages/home/home.js'] ?? '',
  'pages/login/login.js': after['pages/login/login.js'] ?? '',
}
/** The parts of the old app that the page omits: its hash and its nonces. */
const signing = `
  const { sortedParams } = require('lingpai/envelope')
  const signer = sortedParams({ algorithm: 'md5', secret: 'secret', fields: { timestamp: false, nonce: false } })
  exports.sign = (data) => signer({ url: 'https://api.example.com/', method: 'POST', headers: {}, data }).data
  exports.createNonce = () => Math.random().toString(36).slice(2)`
const settings = {
  'app.json': JSON.stringify({ pages: ['pages/home/home', 'pages/login/login'], workers: 'workers' }),
  'pages/empty.js': 'Page({})',
}

const prelude = `
  globalThis.post = require('./services/api.js').post
  globalThis.settle = (call) => call.then(
    (value) => ({ value }),
    ({ code, status, apiCode, apiMessage, errCode, errMsg }) => ({ error: { code, status, apiCode, apiMessage, errCode, errMsg } }),
  )`

let api: LegacyApi

async function startApi(options: LegacyApiOptions): Promise<void> {
  api = await startLegacyApi({ accessTokenSeconds: 1000, ...options })
  onTestFinished(() => api.close())
}

async function startApp(files: Readonly<Record<string, string>>, engine: Engine): Promise<Phone> {
  const phone = await startPhone({
    engine,
    hosts: { 'api.example.com': Number(new URL(api.origin).port) },
    // The server compares the time of a signature with its own clock.
    start: Date.now(),
    files: { ...builtLibrary(), ...settings, ...pages, ...files },
  })
  onTestFinished(() => phone.close())
  await phone.evaluate(`(() => { ${prelude} })()`)
  return phone
}

const account = { account: 'alice', password: 'lingpai' }

async function signIn(phone: Phone): Promise<void> {
  await phone.run(`require('./services/api.js').signIn(${JSON.stringify(account)})`)
}

/** Signs in with the documented pages: the sign-in page opens the home page, which makes six calls. */
async function openHome(phone: Phone): Promise<void> {
  const login = await phone.openPage('pages/login/login')
  await phone.until(Promise.resolve(phone.tap(login, 'submit', { detail: { value: account } })))
  await phone.until(() => (phone.page?.data as { lists?: unknown[] } | undefined)?.lists?.length === 6)
}

/** The outcomes of six calls after ten minutes. */
async function outcomes(phone: Phone): Promise<unknown> {
  await phone.evaluate(`(() => {
    globalThis.ended = Array(6).fill('waiting')
    ended.forEach((_, n) => settle(post('/list', { n })).then((outcome) => { ended[n] = outcome }))
  })()`)
  await phone.advance(600_000)
  return phone.evaluate('ended')
}

const listed = { value: { items: ['tea', 'ink'], subject: 'alice' } }
const sentTo = (phone: Phone, path: string) => phone.tasks.filter(({ url }) => url.endsWith(path))
const bodies = (phone: Phone, path: string) =>
  sentTo(phone, path).map(({ data }) => (typeof data === 'string' ? JSON.parse(data) : data) as Record<string, unknown>)

test('the page has the files of both versions', () => {
  expect(Object.keys(before)).toEqual(['services/api.js', 'app.js'])
  expect(Object.keys(after)).toEqual([
    'workers/token.js',
    'app.js',
    'services/api.js',
    'pages/home/home.js',
    'pages/login/login.js',
  ])
})

describe('before', () => {
  let phone: Phone

  async function start(options: LegacyApiOptions = {}): Promise<void> {
    // With the check of nonces, the first replay would fail.
    const verifySignature = createVerifier({ algorithm: 'md5', secret: 'secret', nonceField: false })
    await startApi({ verifySignature, ...options })
    phone = await startApp({ ...before, 'services/sign.js': signing }, 'vm')
    await signIn(phone)
  }

  test('six calls with an expired token cost one refresh if it succeeds', async () => {
    await start()
    api.expireAccessTokens()
    expect(await outcomes(phone)).toEqual(Array(6).fill(listed))
    expect(api.counters.refreshes).toBe(1)
  })

  test('a rejected refresh leaves six calls waiting for ever, and no sign-in page opens', async () => {
    await start()
    api.expireAccessTokens()
    api.expireRefreshTokens()
    expect(await outcomes(phone)).toEqual(Array(6).fill('waiting'))
    expect([phone.toasts, phone.navigations.filter(({ url }) => url.includes('login'))]).toEqual([[], []])
  })

  test('an outage of the token server does the same', async () => {
    await start()
    api.expireAccessTokens()
    api.failRefreshes({ kind: 'answer', status: 503, body: '{}' })
    expect(await outcomes(phone)).toEqual(Array(6).fill('waiting'))
  })

  test('a 401 that arrives after the refresh costs another refresh', async () => {
    await start()
    expect(await lateDenial(phone)).toEqual(listed)
    expect(api.counters.refreshes).toBe(2)
  })

  test('an API that keeps answering 401 gets endless requests', async () => {
    await start({ accessTokenSeconds: 0 })
    await phone.evaluate(`void post('/list', {})`)
    const settled = phone.settle()
    while (api.counters.refreshes < 20) await delay(5)
    api.expireRefreshTokens()
    await settled
  })

  test('six answers 403 cause six toasts and six navigations, and the calls resolve with undefined', async () => {
    await start()
    const count = phone.navigations.length
    expect(await forbidden(phone)).toEqual(Array(6).fill({}))
    expect(phone.toasts).toHaveLength(6)
    expect(phone.navigations.slice(count)).toHaveLength(6)
  })

  test('a replay repeats time and nonce, and a refresh has no nonce', async () => {
    await start()
    api.expireAccessTokens()
    await phone.run(`post('/list', {})`)
    const [first, second] = bodies(phone, '/list')
    expect(second).toEqual(first)
    expect(bodies(phone, '/refresh')).toMatchObject([{ nonce: '' }])
  })

  test('a server that checks nonces refuses the replay', async () => {
    await start({ verifySignature: acceptOnce() })
    api.expireAccessTokens()
    expect(await outcomes(phone)).toEqual(Array(6).fill('waiting'))
  })
})

describe.each<Engine>(['jsc', 'vm'])('after, with the worker in %s', (engine) => {
  let phone: Phone

  async function start(options: LegacyApiOptions = {}): Promise<void> {
    await startApi({ verifySignature: acceptOnce(), ...options })
    phone = await startApp(after, engine)
    await signIn(phone)
  }

  const apiError = (fields: object) => ({ error: expect.objectContaining({ code: 'api_error', ...fields }) })
  const mustSignIn = { error: expect.objectContaining({ code: 'sign_in_required' }) }

  test('a success resolves with the payload', async () => {
    await start()
    expect(await phone.run(`post('/list', {})`)).toEqual({ items: ['tea', 'ink'], subject: 'alice' })
    expect(await phone.run(`post('/null', {})`)).toBe(null)
  })

  test("the API's own codes, other statuses and a lost network reject", async () => {
    await start()
    expect(await phone.run(`settle(post('/fail', {}))`)).toEqual(
      apiError({ status: 200, apiCode: 42, apiMessage: 'out of stock' }),
    )
    expect(await phone.run(`settle(post('/nowhere', {}))`)).toEqual(apiError({ status: 404 }))
    await phone.setNetwork('none')
    expect(await phone.run(`settle(post('/list', {}))`)).toMatchObject({ error: { code: 'network_error' } })
  })

  test('six calls with an expired token cost one refresh, and get six answers (I1)', async () => {
    await start()
    api.expireAccessTokens()
    expect(await outcomes(phone)).toEqual(Array(6).fill(listed))
    expect(api.counters).toMatchObject({ refreshes: 1, reuseDetections: 0 })
  })

  test('every attempt has its own time and nonce, and so has a refresh', async () => {
    await start()
    api.expireAccessTokens()
    await phone.run(`post('/list', {})`)
    const sent = [...bodies(phone, '/list'), ...bodies(phone, '/refresh')]
    expect(new Set(sent.map(({ nonce }) => nonce)).size).toBe(3)
    expect(sent.map(({ signature }) => signature)).toEqual(Array(3).fill(expect.stringMatching(/^[0-9a-f]{32}$/)))
    expect(bodies(phone, '/refresh')).toMatchObject([{ appId: 'wx1', refreshToken: expect.stringMatching(/^refresh/) }])
  })

  test('a refresh rejected with 900211 ends six calls, with one toast and one navigation after 1200 ms', async () => {
    await start()
    api.expireAccessTokens()
    api.expireRefreshTokens()
    const count = phone.navigations.length
    expect(await outcomes(phone)).toEqual(Array(6).fill(mustSignIn))
    expectOneSignInPage(count)
    expect(api.counters.refreshes).toBe(1)
  })

  test('so does one rejected with 900212', async () => {
    await start()
    // Restore an old backup of the phone: its refresh token has been used since.
    const key = phone.storage.keys().find((name) => name.startsWith('lingpai')) ?? ''
    const kept = phone.storage.getEncrypted(key)
    api.expireAccessTokens()
    await phone.run(`post('/list', {})`)
    api.expireAccessTokens()
    phone.killApp()
    phone.storage.set(key, kept, { encrypt: true })
    await phone.restartApp()
    await phone.evaluate(`(() => { ${prelude} })()`)
    const count = phone.navigations.length
    expect(await outcomes(phone)).toEqual(Array(6).fill(mustSignIn))
    expect(sentTo(phone, '/refresh').at(-1)?.answer).toContain('900212')
    expectOneSignInPage(count)
  })

  test('six answers 403 reject, with one toast and one navigation', async () => {
    await start()
    const count = phone.navigations.length
    expect(await forbidden(phone)).toEqual(Array(6).fill(mustSignIn))
    expectOneSignInPage(count)
  })

  test('during an outage of the token server six calls wait, and the session goes on (I7)', async () => {
    await start()
    api.expireAccessTokens()
    api.failRefreshes({ kind: 'answer', status: 503, body: '{}' })
    expect(await outcomes(phone)).toEqual(Array(6).fill(listed))
    expect(phone.toasts).toEqual([])
  })

  test('a 401 that arrives after the refresh does not cost another', async () => {
    await start()
    expect(await lateDenial(phone)).toEqual(listed)
    expect(api.counters.refreshes).toBe(1)
  })

  test('an API that keeps answering 401 gets one refresh and one replay (I10)', async () => {
    await start({ accessTokenSeconds: 0 })
    expect(await phone.run(`settle(post('/list', {}))`)).toEqual(apiError({ status: 401 }))
    expect(api.counters.refreshes).toBe(1)
    expect(sentTo(phone, '/list')).toHaveLength(2)
  })

  test('the next start of the app still knows who is signed in', async () => {
    await start()
    phone.killApp()
    await phone.restartApp()
    await phone.evaluate(`(() => { ${prelude} })()`)
    expect(await phone.run(`post('/list', {})`)).toEqual(listed.value)
    expect(api.counters.logins).toBe(1)
  })

  function expectOneSignInPage(navigationsBefore: number): void {
    const [toast] = phone.toasts
    const [navigation] = phone.navigations.slice(navigationsBefore)
    expect(phone.toasts).toMatchObject([{ title: '登录失败，请重新登录' }])
    expect(phone.navigations.slice(navigationsBefore)).toMatchObject([{ api: 'reLaunch', url: '/pages/login/login' }])
    expect((navigation?.at ?? 0) - (toast?.at ?? 0)).toBe(1200)
  }
})

test.each([
  ['before', { ...before, 'services/sign.js': signing }],
  ['after', after],
])('the pages work with the module of %s', async (_version, files) => {
  await startApi({ verifySignature: acceptOnce() })
  const phone = await startApp(files, 'vm')
  await openHome(phone)
  expect(phone.page?.data).toEqual({ lists: Array(6).fill(listed.value) })
})

const acceptOnce = () => createVerifier({ algorithm: 'md5', secret: 'secret', tolerance: 3_600_000 })

/** Two calls with an expired token; the 401 of the first arrives after the answer to the second. Returns the outcome of the first. */
async function lateDenial(phone: Phone): Promise<unknown> {
  api.expireAccessTokens()
  const denial = phone.holdNext('request', { matching: '/list', afterwards: true })
  const late = phone.evaluate(`settle(post('/list', {}))`)
  await phone.settle()
  expect(await phone.run(`settle(post('/list', {}))`)).toEqual(listed)
  denial.release()
  return phone.until(late)
}

async function forbidden(phone: Phone): Promise<unknown> {
  const ended = await phone.run(`Promise.all([1, 2, 3, 4, 5, 6].map(() => settle(post('/forbidden', {}))))`)
  await phone.advance(5000)
  return ended
}
