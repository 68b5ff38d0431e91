import { beforeEach, expect, test } from 'vitest'
import type { LegacyApi } from '../../servers/legacy/legacy-api.ts'
import type { Page } from '../fixtures/wechat/pages.ts'
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
  type SessionAppOptions,
  signIn,
  startApi,
  startApp,
  startSignedIn,
} from '../fixtures/wechat/session-app.ts'

let api: LegacyApi

beforeEach(async () => {
  api = await startApi()
})

const TOAST = '登录失败，请重新登录'
const LOGIN = '/pages/login/login'

/** The server's answer to a refresh that it rejects. */
function rejection(code: number) {
  return { kind: 'answer', status: 200, body: JSON.stringify({ code, message: 'no', data: null }) } as const
}

function pageOptions(options: string): string {
  return `{ wechat: { worker: 'workers/token.js', ${options} } }`
}

/** An app at its home page, whose session the server no longer knows. */
async function startRejected(options: SessionAppOptions = {}) {
  const phone = await startSignedIn(api, options)
  await phone.openPage('pages/home/home')
  api.expireAccessTokens()
  api.expireRefreshTokens()
  return phone
}

test.each([...phoneEngines, 'vm'] as const)(
  'six calls with an expired token cost one refresh, and get six answers, on %s (I1)',
  async (engine) => {
    const phone = await startSignedIn(api, { engine, baseLibrary: '2.20.2' })
    api.expireAccessTokens()
    const lists = await phone.run(
      `Promise.all([1, 2, 3, 4, 5, 6].map((n) => getApp().session.request({ url: '${api.origin}/list', method: 'POST', data: { n } })))`,
    )
    expect(lists).toEqual(Array(6).fill({ items: ['tea', 'ink'], subject: 'alice' }))
    expect(api.counters).toMatchObject({ refreshes: 1, reuseDetections: 0 })
  },
)

/** Six pages, each of which calls at its `onLoad`, over a session that a module exports. */
function sixPages(): Readonly<Record<string, string>> {
  const paths = [1, 2, 3, 4, 5, 6].map((number) => `pages/list${number}/list${number}`)
  const page = `
    const { session } = require('../../session.js')
    Page({
      onLoad() {
        session.request({ url: '${api.origin}/list', method: 'POST', data: {} }).then(
          ({ items }) => this.setData({ shown: items.join() }),
          ({ code }) => this.setData({ shown: code }))
      },
    })`
  return {
    'session.js': `
      const { connect } = require('lingpai/wechat')
      exports.session = connect(${pageOptions(`signInPage: { url: '${LOGIN}' }`)})`,
    'app.js': `App({ session: require('./session.js').session })`,
    'app.json': JSON.stringify({ pages: [...paths, LOGIN.slice(1)], workers: 'workers' }),
    ...Object.fromEntries(paths.map((path) => [`${path}.js`, page])),
  }
}

async function openSixPages(phone: Phone): Promise<unknown[]> {
  const opened: Page[] = []
  for (const number of [1, 2, 3, 4, 5, 6]) opened.push(await phone.openPage(`pages/list${number}/list${number}`))
  await phone.until(() => opened.every(({ data }) => data.shown !== undefined))
  return opened.map(({ data }) => data.shown)
}

test('six pages that are opened with an expired token cost one refresh, over the session of a module (I1)', async () => {
  const phone = await startSignedIn(api, { app: { files: sixPages() } })
  api.expireAccessTokens()
  const refresh = phone.holdNext('request', { matching: '/refresh' })
  const shown = openSixPages(phone)
  await phone.until(() => refresh.reached)
  await phone.advance(1000)
  refresh.release()
  expect(await shown).toEqual(Array(6).fill('tea,ink'))
  expect(api.counters).toMatchObject({ refreshes: 1, reuseDetections: 0 })
  expect(new Set(phone.messages.map(({ worker }) => worker)).size).toBe(1)
})

test('six pages that are opened when the refresh is rejected get one toast and one reLaunch, over the session of a module', async () => {
  const phone = await startSignedIn(api, { app: { files: sixPages() } })
  api.expireAccessTokens()
  api.expireRefreshTokens()
  expect(await openSixPages(phone)).toEqual(Array(6).fill('sign_in_required'))
  await phone.advance(5000)
  expect(phone.toasts.map(({ title }) => title)).toEqual([TOAST])
  expect(phone.navigations.filter(({ url }) => url === LOGIN)).toHaveLength(1)
  expect(api.counters.refreshes).toBe(1)
})

test.each(phoneEngines)(
  'a rejected refresh rejects six calls with sign_in_required, with one toast and one reLaunch, on %s',
  async (engine) => {
    const phone = await startRejected({ engine, baseLibrary: '2.20.2' })
    expect(await fetchLists(phone, api)).toEqual(refused('sign_in_required'))
    const start = phone.now()
    await phone.advance(5000)
    expect(phone.toasts.map(({ title }) => title)).toEqual([TOAST])
    expect(phone.navigations).toEqual([{ api: 'reLaunch', url: LOGIN, at: start + 1200 }])
    expect(api.counters).toMatchObject({ refreshes: 1, reuseDetections: 0 })
    expect(phone.errors).toEqual([])
  },
)

test.each([900211, 900212, 100001])(
  'the code %i of a refresh ends the session, and its token is not sent again (I2, I7)',
  async (code) => {
    const phone = await startSignedIn(api)
    api.expireAccessTokens()
    api.failRefreshes(rejection(code))
    expect(await fetchLists(phone, api)).toEqual(refused('sign_in_required'))
    expect(await fetchLists(phone, api)).toEqual(refused('sign_in_required'))
    expect(countRequests(api, '/refresh')).toBe(1)
    expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-out', reason: 'refresh_rejected' })
  },
)

test('a refresh that brings the tokens of another user ends the session and opens the sign-in page, even if no call waits', async () => {
  const app = { connect: pageOptions(`signInPage: { url: '${LOGIN}' }`) }
  const phone = await startSignedIn(api, { app })
  await phone.openPage('pages/home/home')
  api.expireAccessTokens()
  const data = { token: { accessToken: 'access-of-bob', refreshToken: 'refresh-of-bob' }, user: { id: 'bob' } }
  const body = JSON.stringify({ code: 'SUCCESS', message: '', data })
  api.failRefreshes({ kind: 'answer', status: 200, body })
  const refresh = phone.holdNext('request', { matching: '/refresh' })
  const call = phone.evaluate(outcome(listCall(api, 'timeout: 1000')))
  await phone.until(() => refresh.reached)
  await phone.advance(2000)
  expect(await call).toBe('timeout')
  expect(phone.navigations).toEqual([])
  refresh.release()
  await phone.until(() => phone.toasts.length > 0)
  await phone.advance(5000)
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-out', reason: 'subject_changed' })
  expect(phone.navigations.map(({ url }) => url)).toEqual([LOGIN])
  expect(api.requests.some(({ headers }) => headers['x-token'] === 'access-of-bob')).toBe(false)
})

test('a code below the listed ones does not end the session (I7)', async () => {
  const phone = await startSignedIn(api)
  api.expireAccessTokens()
  api.failRefreshes(rejection(100000))
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(api.counters).toMatchObject({ refreshes: 2, reuseDetections: 0 })
  expect(phone.toasts).toEqual([])
})

test('the end of a later session opens the sign-in page again', async () => {
  const phone = await startRejected()
  await fetchLists(phone, api)
  await phone.advance(2000)
  await signIn(phone)
  await phone.openPage('pages/home/home')
  expect(await fetchLists(phone, api)).toEqual(answered())
  api.expireAccessTokens()
  api.expireRefreshTokens()
  expect(await fetchLists(phone, api)).toEqual(refused('sign_in_required'))
  await phone.advance(5000)
  expect(phone.toasts).toHaveLength(2)
  expect(phone.navigations.map(({ url }) => url)).toEqual([LOGIN, LOGIN])
})

test('an app that is killed between the toast and the page opens the page after its restart', async () => {
  const phone = await startRejected()
  await fetchLists(phone, api)
  await phone.advance(600)
  phone.killApp()
  await phone.advance(5000)
  expect(phone.navigations).toEqual([])
  await phone.restartApp()
  await phone.openPage('pages/home/home')
  expect(await fetchLists(phone, api)).toEqual(refused('sign_in_required'))
  await phone.advance(5000)
  expect(phone.toasts).toHaveLength(2)
  expect(phone.navigations.map(({ url }) => url)).toEqual([LOGIN])
})

test('nothing happens if the user is already on the sign-in page', async () => {
  const phone = await startRejected()
  await phone.openPage('pages/login/login')
  expect(await fetchLists(phone, api)).toEqual(refused('sign_in_required'))
  await phone.advance(5000)
  expect(phone.toasts).toEqual([])
  expect(phone.navigations).toEqual([])
})

test('the sign-in page does not open again if the user goes there while the toast is shown', async () => {
  const phone = await startRejected()
  await fetchLists(phone, api)
  await phone.openPage('pages/login/login')
  await phone.advance(5000)
  expect(phone.navigations).toEqual([])
  await phone.openPage('pages/home/home')
  await fetchLists(phone, api)
  await phone.advance(5000)
  expect(phone.navigations.map(({ url }) => url)).toEqual([LOGIN])
})

test('if the reLaunch fails, a later call tries again', async () => {
  const phone = await startRejected()
  phone.failNext('reLaunch', { errMsg: 'reLaunch:fail timeout' })
  await fetchLists(phone, api)
  await phone.advance(5000)
  expect(phone.navigations).toEqual([])
  await fetchLists(phone, api)
  await phone.advance(5000)
  expect(phone.navigations.map(({ url }) => url)).toEqual([LOGIN])
  expect(phone.toasts).toHaveLength(2)
})

test('the page, the message and the delay are those of the app’s options', async () => {
  const page = `signInPage: { url: '/pages/login/login?from=lost', message: 'Please sign in', delay: 300 }`
  const phone = await startRejected({ app: { connect: pageOptions(page) } })
  await fetchLists(phone, api)
  const start = phone.now()
  await phone.advance(5000)
  expect(phone.toasts.map(({ title }) => title)).toEqual(['Please sign in'])
  expect(phone.navigations).toEqual([{ api: 'reLaunch', url: '/pages/login/login?from=lost', at: start + 300 }])
})

test('an empty message shows no toast', async () => {
  const phone = await startRejected({
    app: { connect: pageOptions(`signInPage: { url: '${LOGIN}', message: '' }`) },
  })
  await fetchLists(phone, api)
  await phone.advance(5000)
  expect(phone.toasts).toEqual([])
  expect(phone.navigations).toHaveLength(1)
})

test("the app's own onSignInRequired replaces the page", async () => {
  const handler = `onSignInRequired: () => { wx.showToast({ title: 'mine' }) }, signInPage: { url: '${LOGIN}' }`
  const phone = await startRejected({ app: { connect: pageOptions(handler) } })
  expect(await fetchLists(phone, api, 1)).toEqual(refused('sign_in_required', 1))
  await phone.advance(5000)
  expect(phone.toasts.map(({ title }) => title)).toContain('mine')
  expect(phone.toasts.map(({ title }) => title)).not.toContain(TOAST)
  expect(phone.navigations).toEqual([])
})

test('without the option signInPage, no page opens', async () => {
  const phone = await startRejected({ app: { connect: pageOptions('') } })
  expect(await fetchLists(phone, api)).toEqual(refused('sign_in_required'))
  await phone.advance(5000)
  expect([phone.toasts, phone.navigations]).toEqual([[], []])
})

test.each(['2.20.2', 'latest'] as const)(
  'after a sign-out, no page opens until a call needs a token, with base library %s',
  async (baseLibrary) => {
    const phone = await startSignedIn(api, { baseLibrary })
    await phone.openPage('pages/home/home')
    await phone.run('getApp().session.signOut()')
    await phone.advance(5000)
    expect(phone.toasts).toEqual([])
    expect(phone.navigations).toEqual([])
    expect(await fetchLists(phone, api)).toEqual(refused('sign_in_required'))
    await phone.advance(5000)
    expect(phone.toasts).toHaveLength(1)
    expect(phone.navigations).toHaveLength(1)
  },
)

test('the page does not open if the user signs in again during the delay', async () => {
  const phone = await startRejected()
  await fetchLists(phone, api)
  await phone.advance(600)
  await signIn(phone)
  await phone.advance(5000)
  expect(phone.toasts).toHaveLength(1)
  expect(phone.navigations).toEqual([])
})

test('an app that starts without a session opens no page until a call needs a token', async () => {
  const phone = await startApp(api)
  await phone.openPage('pages/home/home')
  await phone.advance(5000)
  expect(phone.toasts).toEqual([])
  expect(await phone.run(outcome(listCall(api)))).toBe('sign_in_required')
  await phone.advance(5000)
  expect(phone.toasts).toHaveLength(1)
})

test('a 403 that means sign-in opens the page, and the session stays', async () => {
  const phone = await startSignedIn(api)
  await phone.openPage('pages/home/home')
  const call = `getApp().session.request({ url: '${api.origin}/forbidden', method: 'POST', data: {} })`
  expect(await phone.run(outcome(call))).toBe('sign_in_required')
  await phone.advance(5000)
  expect(phone.navigations).toHaveLength(1)
  expect(api.counters.refreshes).toBe(0)
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in' })
})

test('the snapshot of a signed-in session says that the API requires a sign-in, until the next one', async () => {
  const phone = await startSignedIn(api)
  await phone.openPage('pages/home/home')
  const call = `getApp().session.request({ url: '${api.origin}/forbidden', method: 'POST', data: {} })`
  await phone.run(outcome(call))
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', reason: 'sign_in_required' })
  api.expireAccessTokens()
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', reason: 'sign_in_required' })
  await phone.advance(5000)
  expect([phone.toasts.length, phone.navigations.length]).toEqual([1, 1])
  await signIn(phone)
  expect(await readSnapshot(phone)).not.toHaveProperty('reason')
})

test('calls during a refresh wait for it, and calls without a token do not', async () => {
  const phone = await startSignedIn(api)
  api.expireAccessTokens()
  const refresh = phone.holdNext('request', { matching: '/refresh' })
  const early = beginLists(phone, api, 2)
  await phone.settle()
  expect(refresh.reached).toBe(true)
  const late = beginLists(phone, api, 2)
  const free = `getApp().session.request({ url: '${api.origin}/expired-code', method: 'POST', data: {}, auth: false })`
  expect(await phone.run(outcome(free))).toBe('api_error')
  refresh.release()
  expect(await phone.until(Promise.all([early, late]))).toEqual([answered(2), answered(2)])
  expect(api.counters.refreshes).toBe(1)
})

test('a 401 for a token that was replaced meanwhile causes a replay without another refresh', async () => {
  const phone = await startSignedIn(api)
  api.expireAccessTokens()
  const slow = phone.holdNext('request', { matching: '/list', afterwards: true })
  const first = beginLists(phone, api, 1)
  await phone.settle()
  expect(await fetchLists(phone, api, 1)).toEqual(answered(1))
  slow.release()
  expect(await phone.until(first)).toEqual(answered(1))
  expect(api.counters).toMatchObject({ refreshes: 1, reuseDetections: 0 })
})

test('an API that keeps answering 401 gets one replay, and the call rejects with the 401 (I10)', async () => {
  const phone = await startSignedIn(api, { app: { api: `attach: header('X-OTHER')` } })
  expect(await phone.run(outcome(listCall(api)))).toBe('api_error')
  expect(countRequests(api, '/list')).toBe(2)
  expect(countRequests(api, '/refresh')).toBe(1)
})
