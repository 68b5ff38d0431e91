import { beforeEach, expect, test } from 'vitest'
import type { LegacyApi } from '../../servers/legacy/legacy-api.ts'
import {
  answered,
  beginLists,
  countRequests,
  fetchLists,
  listCall,
  outcome,
  phoneEngines,
  readSnapshot,
  receive,
  refused,
  startApi,
  startApp,
  startSignedIn,
} from '../fixtures/wechat/session-app.ts'

let api: LegacyApi
let owner: string | undefined

beforeEach(async () => {
  owner = 'alice'
  api = await startApi({ ownerOfCode: () => owner })
})

const WITH_CODE = `getApp().session.signIn({ via: 'wx.login' })`

function codeGrant(options = '') {
  return { grant: `signIn: { url: '${api.origin}/login-with-code' }, ${options}` }
}

/** An app that signs in by code, and silently, whose session the server no longer knows. */
async function startSilent(options: Parameters<typeof startApp>[1] = {}) {
  const phone = await startApp(api, { app: codeGrant('silentSignIn: true'), ...options })
  await phone.run(WITH_CODE)
  await phone.openPage('pages/home/home')
  api.expireAccessTokens()
  api.expireRefreshTokens()
  return phone
}

test.each(phoneEngines)('a password signs in, and six calls are answered, on %s', async (engine) => {
  const phone = await startSignedIn(api, { engine, baseLibrary: '2.20.2' })
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', user: { subject: 'alice' }, mode: 'wechat' })
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(phone.logins).toEqual([])
})

test('a wrong password is sign_in_failed, with the code of the API', async () => {
  const phone = await startApp(api)
  const call = `getApp().session.signIn({ account: 'alice', password: 'no' })`
  expect(await phone.run(`${call}.catch(({ code, apiCode }) => [code, apiCode])`)).toEqual(['sign_in_failed', 100401])
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-out' })
})

test.each(phoneEngines)('a code of wx.login signs in, on %s', async (engine) => {
  const phone = await startApp(api, { engine, app: codeGrant() })
  await phone.run(WITH_CODE)
  expect(phone.logins).toHaveLength(1)
  expect(await fetchLists(phone, api)).toEqual(answered())
})

test('the other fields are sent with the code', async () => {
  const phone = await startApp(api, { app: codeGrant() })
  await phone.run(`getApp().session.signIn({ via: 'wx.login', invitation: 'abc' })`)
  expect(JSON.parse(String(phone.tasks.at(-1)?.data))).toMatchObject({ code: 'code-1', invitation: 'abc' })
})

test('a code that the API rejects is sign_in_failed, and the next attempt gets its own code', async () => {
  const phone = await startApp(api, { app: codeGrant() })
  owner = undefined
  expect(await phone.run(outcome(WITH_CODE))).toBe('sign_in_failed')
  owner = 'alice'
  await phone.run(WITH_CODE)
  expect(phone.logins.map(({ code }) => code)).toEqual(['code-1', 'code-2'])
})

test('six sign-ins at once ask for two codes, a second apart, and one of them wins', async () => {
  const phone = await startApp(api, { app: codeGrant() })
  const outcomes = await phone.run<string[]>(`Promise.all([${Array(6).fill(outcome(WITH_CODE)).join(', ')}])`)
  expect(outcomes.filter((one) => one === 'answered')).toHaveLength(1)
  expect(outcomes.filter((one) => one === 'sign_in_cancelled')).toHaveLength(5)
  const times = phone.logins.map(({ at }) => at)
  // The codes of the first sign-in, which was in flight, and of the last one.
  expect(times).toHaveLength(2)
  expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(1000)
  expect(api.counters.logins).toBe(1)
  expect(await fetchLists(phone, api)).toEqual(answered())
})

test('a wx.login that fails rejects with network_error, and the next one works', async () => {
  const phone = await startApp(api, { app: codeGrant() })
  phone.failNext('login', { errMsg: 'login:fail internal error' })
  expect(await phone.run(outcome(WITH_CODE))).toBe('network_error')
  expect(await phone.run(outcome(WITH_CODE))).toBe('answered')
})

test.each(phoneEngines)(
  'with silentSignIn, a rejected refresh costs one wx.login, and six calls are answered without a toast, on %s',
  async (engine) => {
    const phone = await startSilent({ engine })
    expect(await fetchLists(phone, api)).toEqual(answered())
    expect(phone.logins).toHaveLength(2)
    expect(api.counters).toEqual({ logins: 2, refreshes: 1, reuseDetections: 0 })
    await phone.advance(5000)
    expect([phone.toasts, phone.navigations]).toEqual([[], []])
    expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', user: { subject: 'alice' } })
  },
)

test('a silent sign-in that the API rejects ends the session, and opens the sign-in page', async () => {
  const phone = await startSilent()
  owner = undefined
  expect(await fetchLists(phone, api)).toEqual(refused('sign_in_required'))
  await phone.advance(5000)
  expect(phone.toasts).toHaveLength(1)
  expect(phone.navigations).toHaveLength(1)
  expect(phone.logins).toHaveLength(2)
})

test('a silent sign-in as another user does not replace the session (I6)', async () => {
  const phone = await startSilent()
  owner = 'bob'
  expect(await fetchLists(phone, api)).not.toContain('answered')
  expect(await readSnapshot(phone)).not.toMatchObject({ user: { subject: 'bob' } })
})

test('a wx.login that fails does not end the session: it is retried, and the rejected token is not sent again (I2, I7)', async () => {
  const phone = await startSilent()
  phone.failNext('login', { errMsg: 'login:fail internal error' })
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(countRequests(api, '/refresh')).toBe(1)
  expect(phone.logins).toHaveLength(2)
  expect(phone.toasts).toEqual([])
})

test('a code whose answer is lost is not used again', async () => {
  const phone = await startSilent()
  phone.failNext('request', { errMsg: 'request:fail', errno: 5 }, { matching: '/login-with-code', afterwards: true })
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(phone.logins.map(({ code }) => code)).toEqual(['code-1', 'code-2', 'code-3'])
  expect(api.counters).toEqual({ logins: 3, refreshes: 1, reuseDetections: 0 })
})

/** An app whose tokens are rejected, and whose silent sign-in cannot reach the server. */
async function startFailing() {
  const grant = `signIn: { url: 'http://localhost:1/login' }, silentSignIn: true,`
  const phone = await startApp(api, { app: { grant, serve: 'adopt: true,' } })
  await phone.run(`getApp().session.adopt({ accessToken: 'old', subject: 'alice' })`)
  return phone
}

test('a silent sign-in that keeps failing calls wx.login three times, and then after increasing minutes', async () => {
  const phone = await startFailing()
  expect(await phone.run(outcome(listCall(api)))).toBe('refresh_unavailable')
  for (let minute = 0; minute < 60; minute += 1) {
    await phone.advance(60_000)
    await receive(phone)
  }
  const times = phone.logins.map(({ at }) => at)
  expect(times.length).toBeGreaterThan(5)
  expect(times.length).toBeLessThanOrEqual(12)
  const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0))
  for (const [index, pause] of pauses.slice(2).entries())
    expect(pause).toBeGreaterThanOrEqual(Math.min(60_000 * 2 ** index, 600_000))
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', tokenServer: 'unreachable' })
})

test('a worker that is killed during a silent sign-in does not end the session', async () => {
  const phone = await startSilent()
  const login = phone.holdNext('login')
  const lists = phone.evaluate(outcome(listCall(api)))
  await phone.until(() => login.reached)
  await phone.killWorker()
  login.release()
  expect(await phone.until(lists)).toBe('answered')
  expect(countRequests(api, '/refresh')).toBe(1)
  expect(phone.toasts).toEqual([])
})

test('without silentSignIn, wx.login is not called for a rejected refresh', async () => {
  const phone = await startApp(api, { app: codeGrant() })
  await phone.run(WITH_CODE)
  api.expireAccessTokens()
  api.expireRefreshTokens()
  expect(await fetchLists(phone, api)).toEqual(refused('sign_in_required'))
  expect(phone.logins).toHaveLength(1)
})

test.each(phoneEngines)(
  'calls during a sign-in by wx.login wait for it, and nothing is shown, on %s',
  async (engine) => {
    const phone = await startApp(api, { engine, app: codeGrant() })
    await phone.openPage('pages/home/home')
    const login = phone.holdNext('login')
    const signedIn = phone.evaluate(outcome(WITH_CODE))
    const lists = beginLists(phone, api)
    await phone.settle()
    expect(countRequests(api, '/list')).toBe(0)
    login.release()
    expect(await phone.until(signedIn)).toBe('answered')
    expect(await phone.until(lists)).toEqual(answered())
    await phone.advance(5000)
    expect([phone.toasts, phone.navigations]).toEqual([[], []])
  },
)

test('a call right after a sign-in waits for it, even if promises use timers', async () => {
  const phone = await startApp(api, { app: codeGrant(), promises: 'macrotask' })
  const both = `Promise.all([${outcome(WITH_CODE)}, ${outcome(listCall(api))}])`
  expect(await phone.run(both)).toEqual(answered(2))
})

test('calls that wait for a failing sign-in all reject, and open the sign-in page once', async () => {
  const phone = await startApp(api, { app: codeGrant() })
  await phone.openPage('pages/home/home')
  owner = undefined
  const login = phone.holdNext('login')
  const signedIn = phone.evaluate(outcome(WITH_CODE))
  const lists = beginLists(phone, api)
  await phone.settle()
  expect(phone.toasts).toEqual([])
  login.release()
  expect(await phone.until(signedIn)).toBe('sign_in_failed')
  expect(await phone.until(lists)).toEqual(refused('sign_in_required'))
  await phone.advance(5000)
  expect(phone.toasts).toHaveLength(1)
  expect(phone.navigations).toHaveLength(1)
})

/** A sign-in that replaces another one, for which a call has waited; its `wx.login` is held. */
async function replaceSignIn() {
  const phone = await startApp(api, { app: codeGrant() })
  await phone.openPage('pages/home/home')
  const first = phone.holdNext('login')
  const replaced = phone.evaluate(outcome(WITH_CODE))
  const list = phone.evaluate(outcome(listCall(api)))
  await phone.settle()
  const login = phone.holdNext('login')
  const signedIn = phone.evaluate(outcome(WITH_CODE))
  expect(await phone.until(Promise.all([replaced, list]))).toEqual(['sign_in_cancelled', 'sign_in_required'])
  first.release()
  await phone.advance(5000)
  expect(login.reached).toBe(true)
  expect([phone.toasts, phone.navigations]).toEqual([[], []])
  return { phone, login, signedIn }
}

test('a call whose sign-in was replaced does not open the sign-in page if the other one succeeds', async () => {
  const { phone, login, signedIn } = await replaceSignIn()
  login.release()
  expect(await phone.until(signedIn)).toBe('answered')
  await phone.advance(5000)
  expect([phone.toasts, phone.navigations]).toEqual([[], []])
})

test('a call whose sign-in was replaced opens the sign-in page if the other one fails', async () => {
  const { phone, login, signedIn } = await replaceSignIn()
  login.fail({ errMsg: 'login:fail internal error' })
  expect(await phone.until(signedIn)).toBe('network_error')
  await phone.advance(5000)
  expect(phone.toasts).toHaveLength(1)
  expect(phone.navigations).toHaveLength(1)
})

/** A sign-in that begins while the toast of an earlier call is shown; its `wx.login` is held. */
async function signInDuringToast() {
  const phone = await startApp(api, { app: codeGrant() })
  await phone.openPage('pages/home/home')
  expect(await phone.run(outcome(listCall(api)))).toBe('sign_in_required')
  expect(phone.toasts).toHaveLength(1)
  const login = phone.holdNext('login')
  const signedIn = phone.evaluate(outcome(WITH_CODE))
  await phone.advance(5000)
  expect(phone.navigations).toEqual([])
  return { phone, login, signedIn }
}

test('a sign-in that begins while the toast is shown keeps the user on the page', async () => {
  const { phone, login, signedIn } = await signInDuringToast()
  login.release()
  expect(await phone.until(signedIn)).toBe('answered')
  await phone.advance(5000)
  expect(phone.navigations).toEqual([])
})

test('a sign-in that begins while the toast is shown, and fails, opens the sign-in page', async () => {
  const { phone, login, signedIn } = await signInDuringToast()
  login.fail({ errMsg: 'login:fail internal error' })
  expect(await phone.until(signedIn)).toBe('network_error')
  await phone.advance(5000)
  expect(phone.navigations).toHaveLength(1)
})

test('a sign-out cancels a sign-in that waits for its code', async () => {
  const phone = await startApp(api, { app: codeGrant() })
  const login = phone.holdNext('login')
  const call = phone.evaluate(outcome(WITH_CODE))
  await phone.settle()
  await phone.run('getApp().session.signOut()')
  login.release()
  expect(await phone.until(call)).toBe('sign_in_cancelled')
  expect(countRequests(api, '/login-with-code')).toBe(0)
})

test('a call of the last user that fails because another user has signed in does not open the sign-in page', async () => {
  const phone = await startSignedIn(api)
  await phone.openPage('pages/home/home')
  api.expireAccessTokens()
  const refresh = phone.holdNext('request', { matching: '/refresh' })
  const denied = phone.evaluate(outcome(listCall(api)))
  await phone.until(() => refresh.reached)
  const waiting = phone.evaluate(outcome(listCall(api)))
  await phone.settle()
  await phone.run(`getApp().session.signIn({ account: 'bob', password: 'lingpai' })`)
  expect(await phone.until(Promise.all([denied, waiting]))).toEqual(['api_error', 'sign_in_required'])
  await phone.advance(5000)
  expect([phone.toasts, phone.navigations]).toEqual([[], []])
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', user: { subject: 'bob' } })
  refresh.release()
})
