import { beforeEach, expect, test } from 'vitest'
import type { LegacyApi } from '../../servers/legacy/legacy-api.ts'
import type { AppOptions } from '../fixtures/wechat/mini-program.ts'
import { listCall, outcome, readSnapshot, startApi, startApp, startSignedIn } from '../fixtures/wechat/session-app.ts'

// Mistakes of a first set-up, and where the developer sees the error.
let api: LegacyApi

beforeEach(async () => {
  api = await startApi()
})

const failure = (call: string) => `${call}.then(() => 'answered', ({ code, message }) => code + ': ' + message)`
const connectTo = (worker: string) => `{ wechat: { worker: ${worker} } }`
const appFile = (options: string) => `require('lingpai/wechat').connect(${options})\nApp({})`

const workerMistakes: readonly (readonly [string, Partial<AppOptions>, RegExp])[] = [
  ['a path to nothing', { connect: connectTo(`'workers/tokens.js'`) }, /app\.json must have "workers"/],
  ['no "workers" in app.json', { files: { 'app.json': '{"pages":["pages/home/home"]}' } }, /must have "workers"/],
  ['a second connect()', { files: { 'app.js': '' } }, /call connect\(\) once, in app\.js/],
  [
    'no lingpai.js beside the worker file',
    { files: { 'workers/token.js': `require('./lingpai.js.js')` } },
    /npx lingpai init/,
  ],
  ['a signer without a secret', { grant: `sign: sortedParams({ algorithm: 'md5' }),` }, /secret must be a string/],
  ['a worker file without serve()', { files: { 'workers/token.js': '' } }, /did not call serve\(\)/],
]

test.each(workerMistakes)(
  '%s is reported by the call and on the console, with the remedy',
  async (name, app, remedy) => {
    const twice = `
    const { connect } = require('lingpai/wechat')
    const options = ${connectTo(`'workers/token.js'`)}
    connect(options)
    App({ session: connect(options) })`
    const phone = await startApp(api, {
      app: name === 'a second connect()' ? { files: { 'app.js': twice } } : app,
    })
    const told = await phone.run<string>(failure(listCall(api)))
    expect(told).toMatch(/^worker_lost: /)
    expect(told).toMatch(remedy)
    expect(told.match(/docs\/errors/g)).toHaveLength(1)
    expect(phone.console.filter(({ thread, text }) => thread === 'app' && remedy.test(text))).not.toEqual([])
  },
)

test.each([
  ['api', { serve: 'api: [],' }],
  ['apis[0].header', { api: `header: 'X-TOKEN',` }],
  ['envelopeGrant(): login', { grant: `login: {},` }],
])('the unknown option %s is named on the app thread too', async (_name, app) => {
  const phone = await startApp(api, { app })
  expect(await phone.run(failure(listCall(api)))).toMatch(/^invalid_config: .* is not an option; the options are /)
  expect(phone.console.filter(({ thread, text }) => thread === 'app' && /is not an option/.test(text))).toHaveLength(1)
})

test.each([
  [`{ wechat: { workerPath: 'workers/token.js' } }`, 'wechat.workerPath is not an option'],
  [`{ wechat: { worker: 'workers/token.js' }, signInPage: {} }`, 'signInPage is not an option'],
  [connectTo(`'/workers/token.js'`), 'without a leading slash or dot'],
  [connectTo(`'./workers/token.js'`), 'without a leading slash or dot'],
  [connectTo(`() => wx.createWorker('workers/token.js')`), 'or a worker of wx.createWorker()'],
])('connect(%s) throws synchronously', async (options, text) => {
  await expect(startApp(api, { app: { files: { 'app.js': appFile(options) } } })).rejects.toThrow(text)
})

test.each([
  ['success() {}', 'await the promise'],
  ['body: {}', 'called data, not body'],
  [`url: 'https://接口.中国/list'`, 'a plain ASCII domain name'],
  [`url: 'https://xn--fsqu00a.cn/list'`, 'a plain ASCII domain name'],
])('a request with %s is rejected, not sent without it', async (option, text) => {
  const phone = await startSignedIn(api)
  expect(await phone.run(failure(listCall(api, option)))).toMatch(new RegExp(`^invalid_call: .*${text}`))
})

test('an upload of a missing file is not a network_error', async () => {
  const phone = await startSignedIn(api)
  const upload = `getApp().session.uploadFile({ url: '${api.origin}/pictures', filePath: 'wxfile://none', name: 'file' })`
  expect(await phone.run(outcome(upload))).toBe('invalid_call')
})

test('an unlisted code of the refresh rejects with refresh_unavailable, within the default timeout', async () => {
  const phone = await startSignedIn(api, { app: { grant: 'rejected: [],' } })
  api.expireAccessTokens()
  api.expireRefreshTokens()
  expect(await phone.run(outcome(listCall(api)))).toBe('refresh_unavailable')
  expect(JSON.stringify(await phone.run('getApp().session.explain()'))).toContain('code_900211')
})

test('the sign-in names a success code that envelope() does not list', async () => {
  const phone = await startApp(api, { app: { grant: 'envelope: envelope(),' } })
  const call = `getApp().session.signIn({ account: 'alice', password: 'lingpai' })`
  expect(await phone.run(failure(call))).toContain('its code "SUCCESS" is not a success (0)')
})

test('a missing sign-in page is named on the console', async () => {
  const connect = `{ wechat: { worker: 'workers/token.js', signInPage: { url: '/pages/none/none' } } }`
  const phone = await startApp(api, { app: { connect } })
  await phone.run(outcome(listCall(api)))
  await phone.advance(5000)
  expect(phone.console).toContainEqual(
    expect.objectContaining({ thread: 'app', text: expect.stringContaining('Check signInPage.url') }),
  )
})

test('the console names an own worker whose messages are not passed on', async () => {
  const phone = await startApp(api, { app: { connect: connectTo(`wx.createWorker('workers/token.js')`) } })
  await phone.advance(10_000)
  expect(phone.console.filter(({ text }) => text.includes('session.handleMessage'))).toHaveLength(1)
})

const patched = (when: string) => `sign: (request) => ${when} ? { ...sign(request), method: 'PATCH' } : sign(request),`

test.each([
  ['signIn', `signIn: { url: 'https://api.example.com/login', method: 'PATCH' },`],
  ['refresh', `refresh: { url: 'https://api.example.com/refresh', method: 'PATCH' },`],
  ['signOut', `signOut: { url: 'https://api.example.com/leave', method: 'PATCH' },`],
])('%s of envelopeGrant with PATCH, which wx.request lacks, is reported at the start', async (_name, grant) => {
  const phone = await startApp(api, { app: { grant } })
  expect(await phone.run(failure(listCall(api)))).toMatch(/^invalid_config: .*PATCH.*wx\.request.*PUT or POST/)
  expect(phone.console.filter(({ thread, text }) => thread === 'app' && /PATCH/.test(text))).toHaveLength(1)
})

test('a sign-in that its signer changes to PATCH rejects with invalid_config, and nothing is sent', async () => {
  const phone = await startApp(api, { app: { grant: patched(`request.url.endsWith('/login')`) } })
  const call = `getApp().session.signIn({ account: 'alice', password: 'lingpai' })`
  expect(await phone.run(failure(call))).toMatch(/^invalid_config: wx\.request has no PATCH/)
  expect(phone.tasks).toEqual([])
})

test('a refresh that its signer changes to PATCH is reported, and is not retried like an outage', async () => {
  const phone = await startSignedIn(api, { app: { grant: patched(`request.url.endsWith('/refresh')`) } })
  api.expireAccessTokens()
  expect(await phone.run(failure(listCall(api)))).toMatch(/^refresh_unavailable: .*invalid_config/)
  await phone.advance(120_000)
  const entries = await phone.run<object[]>('getApp().session.explain()')
  expect(entries.filter((entry) => 'verdict' in entry)).toEqual([expect.objectContaining({ verdict: 'failed' })])
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', tokenServer: 'ok', reason: 'refresh_failed' })
})

test('a silent sign-in that its signer changes to PATCH is reported too, and asks for one code', async () => {
  const grant = `
    signIn: { url: '${api.origin}/login-with-code' },
    silentSignIn: true,
    ${patched(`Boolean(request.data.code)`)}`
  const phone = await startApp(api, { app: { grant, serve: 'adopt: true,' } })
  await phone.run(`getApp().session.adopt({ accessToken: 'old', subject: 'alice' })`)
  expect(await phone.run(failure(listCall(api)))).toMatch(/^refresh_unavailable: .*invalid_config/)
  await phone.advance(120_000)
  expect(phone.logins).toHaveLength(1)
})

test('a call that its signer changes to PATCH rejects with the reason, and does not block others', async () => {
  const phone = await startSignedIn(api, { app: { api: patched('request.data.patched') } })
  const calls = Array.from({ length: 12 }, () => failure(listCall(api, 'data: { patched: true },')))
  const told = await phone.run<string[]>(`Promise.all([${calls.join(', ')}])`)
  for (const one of told) expect(one).toMatch(/^invalid_config: wx\.request has no PATCH/)
  expect(await phone.run(outcome(listCall(api)))).toBe('answered')
})

test('a PATCH of the app’s own grant rejects with invalid_config', async () => {
  const serve = `grant: {
    signIn: (input, io) => io.send({ url: '${api.origin}/login', method: 'PATCH', body: '{}' }),
    refresh() {},
  },`
  const phone = await startApp(api, { app: { serve } })
  expect(await phone.run(failure('getApp().session.signIn({})'))).toMatch(/^invalid_config: wx\.request has no PATCH/)
})
