import { beforeEach, expect, test } from 'vitest'
import type { LegacyApi } from '../../servers/legacy/legacy-api.ts'
import { serveOptions } from '../fixtures/wechat/mini-program.ts'
import type { Phone } from '../fixtures/wechat/phone.ts'
import {
  answered,
  beginLists,
  countRequests,
  fetchLists,
  listCall,
  outcome,
  phoneEngines,
  readSnapshot,
  refused,
  signIn,
  startApi,
  startApp,
  startSignedIn,
} from '../fixtures/wechat/session-app.ts'

let api: LegacyApi

beforeEach(async () => {
  api = await startApi()
})

const PAGE = `signInPage: { url: '/pages/login/login' }`

/** An app that owns its worker, with a dispatcher on each side: `ask` sends a message, whose echo arrives in `heard`. */
function ownApp() {
  return {
    files: {
      'workers/token.js': `
        const { serve } = require('./lingpai.js')
        const broker = serve(Object.assign({ ownDispatcher: true }, require('./options.js')(require('./lingpai.js'))))
        worker.onMessage((given) => {
          if (broker.handleMessage(given)) return
          const message = given.message || given
          worker.postMessage({ echo: message.ask })
        })`,
      'app.js': `
        const { connect } = require('lingpai/wechat')
        const heard = []
        let session
        function createWorker() {
          const worker = wx.createWorker('workers/token.js')
          worker.onMessage((message) => { if (!session.handleMessage(message)) heard.push(message) })
          return worker
        }
        let worker = createWorker()
        session = connect({ wechat: { worker, ${PAGE} } })
        App({
          session,
          heard,
          ask: (text) => worker.postMessage({ ask: text }),
          recreate: () => {
            worker.terminate()
            worker = createWorker()
            session.replaceWorker(worker)
          },
        })`,
    },
  }
}

/** An app with an inline broker in case no worker can be created. */
function inlineApp(wechat: string) {
  return {
    files: {
      'options.js': serveOptions({ origin: api.origin }),
      'app.js': `
        const { connect } = require('lingpai/wechat')
        const library = require('lingpai/inline')
        const inline = () => library.serveInline(require('./options.js')(library))
        App({ session: connect({ wechat: { ${wechat} ${PAGE} }, inline }) })`,
    },
  }
}

const deliveries = ['bare', 'wrapped'] as const
const ownVariants = phoneEngines.flatMap((engine) => deliveries.map((delivery) => ({ engine, delivery })))

test.each(ownVariants)(
  'in a worker of the app, $delivery messages reach lingpai and the app, each its own, on $engine',
  async ({ engine, delivery }) => {
    const phone = await startSignedIn(api, { engine, delivery, listeners: 'replace', app: ownApp() })
    api.expireAccessTokens()
    const lists = beginLists(phone, api)
    await phone.evaluate(`getApp().ask('hello')`)
    expect(await phone.until(lists)).toEqual(answered())
    await phone.evaluate(`getApp().ask('again')`)
    await phone.settle()
    const echoes = [{ echo: 'hello' }, { echo: 'again' }]
    expect(await phone.evaluate('getApp().heard')).toEqual(
      delivery === 'bare' ? echoes : echoes.map((message) => ({ message })),
    )
    expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
  },
)

test.each(deliveries)('a worker that lingpai creates accepts %s messages', async (delivery) => {
  const phone = await startSignedIn(api, { delivery, listeners: 'replace' })
  api.expireAccessTokens()
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
})

test('in a worker of the app, if a second onMessage is added, no message is handled twice', async () => {
  const phone = await startSignedIn(api, { listeners: 'add', app: ownApp() })
  await fetchLists(phone, api)
  const openings = phone.messages.filter(({ data }) => (data as { kind?: string }).kind === 'open')
  const readies = phone.messages.filter(({ data }) => {
    const { kind, connection } = data as { kind?: string; connection?: string }
    return kind === 'ready' && connection !== undefined
  })
  expect(readies).toHaveLength(openings.length)
})

test('after the app has replaced its worker, the session is restored, and no request in flight is sent again', async () => {
  const phone = await startSignedIn(api, { app: ownApp() })
  const answer = phone.holdNext('request', { matching: '/list', afterwards: true })
  const list = phone.evaluate(outcome(listCall(api)))
  await phone.settle()
  await phone.evaluate('getApp().recreate()')
  await phone.settle()
  answer.release()
  expect(await phone.until(list)).toBe('answered')
  expect(countRequests(api, '/list')).toBe(1)
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in' })
  await phone.evaluate(`getApp().ask('still there')`)
  await phone.settle()
  expect(await phone.evaluate('getApp().heard')).toEqual([{ echo: 'still there' }])
})

test('if a worker of the app dies during a refresh, the next worker gets the answer (I2)', async () => {
  const phone = await startSignedIn(api, { app: ownApp() })
  api.expireAccessTokens()
  const answer = phone.holdNext('request', { matching: '/refresh', afterwards: true })
  const lists = beginLists(phone, api)
  await phone.settle()
  await phone.killWorker()
  await phone.advance(1000)
  await phone.evaluate('getApp().recreate()')
  answer.release()
  expect(await phone.until(lists)).toEqual(answered())
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
})

test('lingpai does not wait for a worker of the app that is replaced while it starts', async () => {
  const phone = await startSignedIn(api, { app: ownApp() })
  const loading = phone.holdNext('getStorage')
  await phone.evaluate('getApp().recreate()')
  await phone.settle()
  await phone.evaluate('getApp().recreate()')
  loading.release()
  expect(await fetchLists(phone, api)).toEqual(answered())
})

test('close() does not end the app’s worker, and every later call rejects with closed', async () => {
  const phone = await startSignedIn(api, { app: ownApp() })
  await phone.evaluate('getApp().session.close()')
  expect(await fetchLists(phone, api, 1)).toEqual(refused('closed', 1))
  await phone.evaluate(`getApp().ask('hello')`)
  await phone.settle()
  expect(await phone.evaluate('getApp().heard')).toEqual([{ echo: 'hello' }])
})

test('replaceWorker throws if lingpai creates the worker', async () => {
  const phone = await startApp(api)
  const call = `Promise.resolve().then(() => getApp().session.replaceWorker({ postMessage() {} }))`
  expect(await phone.run(outcome(call))).toBe('invalid_call')
})

const OCCUPIED = `try { wx.createWorker('workers/other.js') } catch (error) {}`

/** An app in which another part has created the one worker. */
function occupied(app: { files: Record<string, string> }) {
  const { 'app.js': source = '' } = app.files
  return { files: { ...app.files, 'workers/other.js': '', 'app.js': `${OCCUPIED}\n${source}` } }
}

const noWorker = [
  [
    'wx.createWorker is missing',
    (app: { files: Record<string, string> }) => ({ app, wx: { without: ['createWorker'] } }),
  ],
  ['there is another worker', (app: { files: Record<string, string> }) => ({ app: occupied(app) })],
] as const

test.each(noWorker)('if %s, the broker runs on the app thread if the app has set `inline`', async (_why, prepare) => {
  const phone = await startSignedIn(api, prepare(inlineApp(`worker: 'workers/token.js',`)))
  api.expireAccessTokens()
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', mode: 'inline' })
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
})

test.each(noWorker)('if %s, without `inline`, calls reject with worker_lost and the reason', async (why, prepare) => {
  const app = {
    files: {
      'app.js': `
        const { connect } = require('lingpai/wechat')
        App({ session: connect({ wechat: { worker: 'workers/token.js', ${PAGE} } }) })`,
    },
  }
  const phone = await startApp(api, prepare(app))
  const text = await phone.run(`${listCall(api)}.catch((error) => error.code + ': ' + error.message)`)
  expect(text).toMatch(why.includes('missing') ? /^worker_lost: .*createWorker/ : /^worker_lost: .*limit/)
})

test.each(['2.20.2', 'latest'] as const)(
  'if the worker’s script throws at its start, the broker runs on the app thread, with base library %s',
  async (baseLibrary) => {
    const app = inlineApp(`worker: 'workers/token.js',`)
    const files = { ...app.files, 'workers/token.js': `throw new Error('no such luck')` }
    const phone = await startSignedIn(api, { baseLibrary, app: { files } })
    expect(await fetchLists(phone, api)).toEqual(answered())
    expect(await readSnapshot(phone)).toMatchObject({ mode: 'inline' })
    expect(phone.hasWorker).toBe(false)
  },
)

test('a worker that the system ends while it starts is started again', async () => {
  const phone = await startSignedIn(api, { app: inlineApp(`worker: 'workers/token.js',`) })
  const loading = phone.holdNext('getStorage')
  await phone.killWorker()
  await phone.settle()
  await phone.killWorker()
  loading.release()
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(await readSnapshot(phone)).toMatchObject({ mode: 'wechat' })
})

test.each(['2.20.2', 'latest'] as const)(
  'inline only, six calls with an expired token cost one refresh, with base library %s (I1)',
  async (baseLibrary) => {
    const phone = await startSignedIn(api, { baseLibrary, app: inlineApp('') })
    api.expireAccessTokens()
    expect(await fetchLists(phone, api)).toEqual(answered())
    expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
    expect(phone.messages).toEqual([])
  },
)

async function openHome(phone: Phone): Promise<void> {
  await phone.openPage('pages/home/home')
}

test('inline, a rejected refresh rejects six calls with sign_in_required, with one toast and one reLaunch', async () => {
  const phone = await startSignedIn(api, { app: inlineApp('') })
  await openHome(phone)
  api.expireAccessTokens()
  api.expireRefreshTokens()
  expect(await fetchLists(phone, api)).toEqual(refused('sign_in_required'))
  await phone.advance(5000)
  expect(phone.toasts).toHaveLength(1)
  expect(phone.navigations.map(({ url }) => url)).toEqual(['/pages/login/login'])
})

test('inline, a restarted app continues its session, and sends an interrupted refresh again', async () => {
  const phone = await startSignedIn(api, { app: inlineApp('') })
  await phone.restartApp()
  await openHome(phone)
  expect(await fetchLists(phone, api)).toEqual(answered())
  api.expireAccessTokens()
  phone.holdNext('request', { matching: '/refresh' })
  const lists = beginLists(phone, api)
  await phone.settle()
  await phone.hide()
  await phone.advance(600_000)
  await phone.show()
  expect(await phone.until(lists)).toEqual(answered())
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
})

test('a session works on an app thread whose promises use timers (iOS 15)', async () => {
  const phone = await startApp(api, { promises: 'macrotask' })
  await signIn(phone)
  api.expireAccessTokens()
  expect(await fetchLists(phone, api)).toEqual(answered())
  await phone.killWorker()
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
})
