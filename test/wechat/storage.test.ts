import { beforeEach, expect, test } from 'vitest'
import type { LegacyApi } from '../../servers/legacy/legacy-api.ts'
import type { Phone } from '../fixtures/wechat/phone.ts'
import {
  answered,
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

const KEY = 'lingpai.session'
const PLAIN_KEY = `${KEY}.plain`

test.each(phoneEngines)(
  'a restarted app continues its session, and refreshes an expired token once, on %s',
  async (engine) => {
    const phone = await startSignedIn(api, { engine })
    await phone.restartApp()
    expect(await fetchLists(phone, api)).toEqual(answered())
    api.expireAccessTokens()
    await phone.restartApp()
    expect(await fetchLists(phone, api)).toEqual(answered())
    expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', user: { subject: 'alice' } })
    expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
  },
)

test('an app that is killed during a refresh sends it again, and the server’s answer counts (I7)', async () => {
  const phone = await startSignedIn(api)
  api.expireAccessTokens()
  phone.holdNext('request', { matching: '/refresh' })
  void phone.evaluate(outcome(listCall(api)))
  await phone.settle()
  phone.killApp()
  await phone.restartApp()
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
})

test('the record is encrypted if the phone can do it, and the snapshot has no reason', async () => {
  const phone = await startSignedIn(api)
  expect(phone.storage.keys()).toEqual([KEY])
  expect(phone.storage.get(KEY)).toBeUndefined()
  expect(phone.storage.getEncrypted(KEY)).toContain('alice')
  expect(await readSnapshot(phone)).not.toHaveProperty('reason')
})

test('if the phone cannot encrypt, the record is plain, and the snapshot says so', async () => {
  const phone = await startSignedIn(api, { baseLibrary: '2.20.2' })
  expect(phone.storage.keys()).toEqual([PLAIN_KEY])
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', reason: 'stored-unencrypted' })
  await phone.restartApp()
  expect(await fetchLists(phone, api, 1)).toEqual(answered(1))
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', reason: 'stored-unencrypted' })
})

test('after an update of the base library, the plain record is found, and the next one is encrypted', async () => {
  const old = await startSignedIn(api, { baseLibrary: '2.20.2' })
  const record = old.storage.get(PLAIN_KEY)
  const phone = await startApp(api)
  // The state that the old base library has left: nothing was read before.
  phone.killApp()
  phone.storage.set(PLAIN_KEY, record)
  await phone.restartApp()
  expect(await fetchLists(phone, api)).toEqual(answered())
  api.expireAccessTokens()
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(phone.storage.keys()).toEqual([KEY])
  expect(phone.storage.get(PLAIN_KEY)).toBeUndefined()
  expect(phone.storage.getEncrypted(KEY)).toContain('alice')
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
})

test.each([
  ['not JSON', '{"format":1,'],
  ['not a session', '{"format":1,"tokens":{"accessToken":7}}'],
  ['of another format', '{"format":99}'],
  ['not a string', { format: 1 }],
  ['null', 'null'],
])('a record that is %s is ignored, and the next sign-in replaces it', async (_what, record) => {
  const phone = await startApp(api)
  phone.killApp()
  phone.storage.set(KEY, record, { encrypt: true })
  await phone.restartApp()
  expect(await fetchLists(phone, api, 1)).toEqual(refused('sign_in_required', 1))
  await signIn(phone)
  await phone.restartApp()
  expect(await fetchLists(phone, api, 1)).toEqual(answered(1))
})

test('if the storage is full, the session continues in memory, and the snapshot says so', async () => {
  const phone = await startApp(api)
  phone.failNext('setStorage', { errMsg: 'setStorage:fail exceed storage max size 10Mb' }, { times: 100 })
  await signIn(phone)
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', reason: 'store_failed' })
  api.expireAccessTokens()
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(phone.storage.keys()).toEqual([])
})

test('when the storage works again, the next tokens are stored, and the reason disappears', async () => {
  const phone = await startApp(api)
  phone.failNext('setStorage', { errMsg: 'setStorage:fail' })
  await signIn(phone)
  expect(await readSnapshot(phone)).toMatchObject({ reason: 'store_failed' })
  api.expireAccessTokens()
  await fetchLists(phone, api)
  expect(await readSnapshot(phone)).not.toHaveProperty('reason')
  await phone.restartApp()
  expect(await fetchLists(phone, api)).toEqual(answered())
})

test('after a failed write, the record of an older session is not left behind (I6)', async () => {
  const phone = await startSignedIn(api)
  phone.failNext('setStorage', { errMsg: 'setStorage:fail' })
  await phone.run(`getApp().session.signIn({ account: 'bob', password: 'lingpai' })`)
  await phone.settle()
  expect(phone.storage.keys()).toEqual([])
  expect(await readSnapshot(phone)).toMatchObject({ user: { subject: 'bob' }, reason: 'store_failed' })
})

test('a read that fails is retried, and the session is restored', async () => {
  const phone = await startSignedIn(api)
  phone.failNext('getStorage', { errMsg: 'getStorage:fail internal error' })
  await phone.restartApp()
  expect(await fetchLists(phone, api)).toEqual(answered())
})

test('a storage that is slower than the worker’s timeout does not end the session (I7)', async () => {
  const phone = await startSignedIn(api)
  const loading = phone.holdNext('getStorage')
  await phone.restartApp()
  await phone.advance(4000)
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-out', reason: 'store_failed' })
  loading.release()
  await phone.settle()
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', user: { subject: 'alice' } })
  expect(await fetchLists(phone, api)).toEqual(answered())
})

test('a write that never ends does not block calls', async () => {
  const phone = await startApp(api)
  phone.holdNext('setStorage')
  await signIn(phone)
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', reason: 'store_failed' })
})

test.each(['2.20.2', 'latest'] as const)(
  'a sign-out deletes both records, with base library %s',
  async (baseLibrary) => {
    const phone = await startSignedIn(api, { baseLibrary })
    phone.storage.set(PLAIN_KEY, '{}')
    phone.storage.set(KEY, '{}')
    await phone.run('getApp().session.signOut()')
    expect(phone.storage.keys()).toEqual([])
    await phone.restartApp()
    expect(await fetchLists(phone, api, 1)).toEqual(refused('sign_in_required', 1))
  },
)

test('a rejected refresh deletes the record', async () => {
  const phone = await startSignedIn(api)
  api.expireAccessTokens()
  api.expireRefreshTokens()
  await fetchLists(phone, api)
  await phone.settle()
  expect(phone.storage.keys()).toEqual([])
})

test('a sign-out whose record cannot be deleted says so', async () => {
  const phone = await startSignedIn(api)
  phone.failNext('removeStorage', { errMsg: 'removeStorage:fail' }, { times: 10 })
  expect(await phone.run(outcome('getApp().session.signOut()'))).toBe('store_failed')
  await phone.advance(5000)
  expect(phone.toasts).toEqual([])
})

test('the store uses the key of the app’s options, and the worker cannot reach the app’s other keys', async () => {
  const phone = await startSignedIn(api, { app: { serve: `store: wechatStore({ key: 'mine' })` } })
  expect(phone.storage.keys()).toEqual(['lingpai.mine'])
})

/** Every visible text that contains a token. */
async function findTokens(phone: Phone, seen: readonly unknown[]): Promise<string[]> {
  const text = JSON.stringify([seen, phone.console, phone.errors, phone.toasts, phone.navigations])
  return api.issuedTokens.filter((token) => text.includes(token))
}

test.each(phoneEngines)('snapshots, errors, history and consoles contain no token, on %s (I11)', async (engine) => {
  const phone = await startSignedIn(api, { engine })
  const describe = (call: string) => `${call}.catch((error) => [error.message, error.stack, JSON.stringify(error)])`
  const fail = `getApp().session.request({ url: '${api.origin}/fail', method: 'POST', data: {} })`
  const seen: unknown[] = [await readSnapshot(phone), await phone.run(describe(fail))]
  api.expireAccessTokens()
  phone.failNext('request', { errMsg: 'request:fail', errno: 5 }, { matching: '/refresh' })
  seen.push(await fetchLists(phone, api))
  await phone.crashWorker('boom')
  api.expireAccessTokens()
  api.expireRefreshTokens()
  seen.push(await phone.run(describe(listCall(api))), await phone.run('getApp().session.explain()'))
  seen.push(await readSnapshot(phone))
  expect(api.issuedTokens.length).toBeGreaterThan(3)
  expect(await findTokens(phone, seen)).toEqual([])
})

test('a message contains a token only if a request or the storage needs it', async () => {
  const phone = await startSignedIn(api)
  api.expireAccessTokens()
  await fetchLists(phone, api)
  const holding = phone.messages.filter(({ data }) => {
    const text = JSON.stringify(data)
    return api.issuedTokens.some((token) => text.includes(token))
  })
  const names = holding.map(({ from, data }) => {
    const { kind, body } = data as { kind: string; body: { path?: string[] } }
    return `${from} ${kind} ${body.path?.[0] ?? 'answer'}`
  })
  expect(new Set(names)).toEqual(
    new Set(['worker services send', 'worker services save', 'worker services sendTask', 'app services answer']),
  )
})
