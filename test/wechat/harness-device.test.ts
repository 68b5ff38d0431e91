import { expect, onTestFinished, test } from 'vitest'
import type { PhoneOptions } from '../fixtures/wechat/phone.ts'
import { events, startSample } from '../fixtures/wechat/sample-app.ts'

async function start(options: Partial<PhoneOptions> = {}) {
  const phone = await startSample(options)
  onTestFinished(() => phone.close())
  return phone
}

test('storage keeps JSON copies', async () => {
  const phone = await start()
  await phone.run(`wx.setStorage({ key: 'a', data: { list: [1] } })`)
  expect(await phone.run(`wx.getStorage({ key: 'a' })`)).toEqual({ data: { list: [1] }, errMsg: 'getStorage:ok' })
  expect(phone.storage.get('a')).toEqual({ list: [1] })
  expect(await phone.evaluate('wx.getStorageInfoSync().keys')).toEqual(['a'])
})

test('storage copies a value at the time of the call', async () => {
  const phone = await start()
  await phone.evaluate(`(function () { var data = { a: 1 }; wx.setStorage({ key: 'k', data: data }); data.a = 2 })()`)
  await phone.settle()
  expect(phone.storage.get('k')).toEqual({ a: 1 })
})

test('getStorage fails for a missing key, and getStorageSync returns an empty string', async () => {
  const phone = await start()
  const failure = await phone.run(`wx.getStorage({ key: 'none' })`).catch((reason) => reason)
  expect(failure).toMatchObject({ errMsg: 'getStorage:fail data not found' })
  expect(await phone.evaluate(`wx.getStorageSync('none')`)).toBe('')
})

test('encrypted and plain values are separate', async () => {
  const phone = await start()
  await phone.run(`wx.setStorage({ key: 'a', data: 'secret', encrypt: true })`)
  expect(await phone.run(`wx.getStorage({ key: 'a', encrypt: true })`)).toMatchObject({ data: 'secret' })
  expect(await phone.run(`wx.getStorage({ key: 'a' })`).catch((reason) => reason.errMsg)).toContain('data not found')
  expect(phone.storage.get('a')).toBeUndefined()
  expect(phone.storage.getEncrypted('a')).toBe('secret')
})

test('a base library without encrypted storage ignores the option', async () => {
  const phone = await start({ baseLibrary: '2.20.2' })
  await phone.run(`wx.setStorage({ key: 'a', data: 1, encrypt: true })`)
  expect(phone.storage.get('a')).toBe(1)
  expect(await phone.evaluate(`wx.canIUse('setStorage.object.encrypt')`)).toBe(false)
  expect(await phone.evaluate('wx.getAppBaseInfo().SDKVersion')).toBe('2.20.2')
})

test.each([
  ['of a plain value', 1024, ''],
  ['of an encrypted value', 717, ', encrypt: true'],
])('the size %s is limited', async (_name, kilobytes, encrypt) => {
  const phone = await start()
  const write = (size: number) =>
    phone.run(`wx.setStorage({ key: 'a', data: new Array(${size}).join('x')${encrypt} })`).catch((reason) => reason)
  expect(await write((kilobytes - 1) * 1024)).toMatchObject({ errMsg: 'setStorage:ok' })
  expect(await write(kilobytes * 1024 + 1)).toMatchObject({ errMsg: expect.stringContaining('size limit') })
})

test('a write can fail, or succeed while its answer is lost', async () => {
  const phone = await start()
  phone.failNext('setStorage', { errMsg: 'setStorage:fail full' }, { matching: 'a' })
  phone.failNext('setStorage', { errMsg: 'setStorage:fail lost' }, { afterwards: true })
  const write = () => phone.run(`wx.setStorage({ key: 'a', data: 1 })`).catch((reason) => reason.errMsg)
  expect(await write()).toBe('setStorage:fail full')
  expect(phone.storage.keys()).toEqual([])
  expect(await write()).toBe('setStorage:fail lost')
  expect(phone.storage.keys()).toEqual(['a'])
})

test('callbacks run later, success before complete', async () => {
  const phone = await start()
  await phone.evaluate(`(function () {
    var app = getApp()
    wx.getNetworkType({ success: app.note('success'), complete: app.note('complete'), fail: app.note('fail') })
    app.note('called')()
  })()`)
  await phone.settle()
  expect(await events(phone)).toEqual(['called', 'success', 'complete'])
})

test('a fifth login within a second is rejected', async () => {
  const phone = await start()
  const login = () => phone.run<{ code: string }>('wx.login()').catch((reason) => reason)
  for (let count = 1; count <= 4; count += 1) expect(await login()).toMatchObject({ code: `code-${count}` })
  expect(await login()).toMatchObject({ errno: 45009 })
  await phone.advance(1000)
  expect(await login()).toMatchObject({ code: expect.any(String) })
  expect(phone.logins.filter(({ code }) => code !== undefined)).toHaveLength(5)
})

test('an older platform lacks newer APIs', async () => {
  const phone = await start({ wx: { without: ['createWorker', 'getRandomValues'] } })
  expect(
    await phone.evaluate(`[typeof wx.createWorker, typeof wx.getRandomValues, wx.canIUse('createWorker')]`),
  ).toEqual(['undefined', 'undefined', false])
})

test('random values are bytes', async () => {
  const phone = await start()
  const asked = `wx.getRandomValues({ length: 6 }).then(function (result) {
    return [result.randomValues instanceof ArrayBuffer, result.randomValues.byteLength] })`
  expect(await phone.run(asked)).toEqual([true, 6])
})

test('toasts and dialogs are recorded, and a toast disappears', async () => {
  const phone = await start()
  await phone.run(`wx.showToast({ title: '登录失败', icon: 'none', duration: 1200 })`)
  expect(phone.toasts).toEqual([{ title: '登录失败', icon: 'none', duration: 1200, at: phone.now() }])
  expect(phone.user.toast).toBeDefined()
  await phone.advance(1200)
  expect(phone.user.toast).toBeUndefined()
  phone.user.answersModals = false
  expect(await phone.run(`wx.showModal({ title: 'Sure?', content: '' })`)).toMatchObject({
    confirm: false,
    cancel: true,
  })
})

const LIVES = (name: string) => `Page({
  data: { list: [] },
  onLoad: function (query) { getApp().events.push('${name} load ' + JSON.stringify(query)) },
  onShow: function () { getApp().events.push('${name} show') },
  onHide: function () { getApp().events.push('${name} hide') },
  onUnload: function () { getApp().events.push('${name} unload') },
  add: function (event) {
    this.setData({ 'list[0].name': event.name, count: this.data.list.length })
    return Promise.resolve(this.data.list)
  },
})`

const pages = { 'pages/home/home.js': LIVES('home'), 'pages/other/other.js': LIVES('other') }

test('pages are created and destroyed as the user navigates', async () => {
  const phone = await start({ files: pages })
  await phone.openPage('pages/home/home', { id: '1' })
  await phone.run(`wx.navigateTo({ url: '/pages/other/other?a=%E4%B8%AD' })`)
  await phone.run('wx.navigateBack()')
  await phone.run(`wx.redirectTo({ url: '../other/other' })`)
  await phone.run(`wx.reLaunch({ url: '/pages/home/home' })`)
  expect(await events(phone)).toEqual([
    ...['home load {"id":"1"}', 'home show', 'home hide', 'other load {"a":"中"}', 'other show'],
    ...['other unload', 'home show', 'home unload', 'other load {}', 'other show'],
    ...['other unload', 'home load {}', 'home show'],
  ])
  expect(phone.navigations.map(({ api }) => api)).toEqual(['navigateTo', 'navigateBack', 'redirectTo', 'reLaunch'])
})

test('pages hide and show with the app', async () => {
  const phone = await start({ files: pages })
  await phone.openPage('pages/home/home')
  await phone.hide()
  await phone.show()
  expect((await events(phone)).slice(2)).toEqual(['home hide', 'home show'])
})

test.each([
  [
    'a page that app.json does not list',
    'reLaunch',
    '/pages/none/none',
    'reLaunch:fail page "pages/none/none" is not found',
  ],
  ['a tab without switchTab', 'navigateTo', '/pages/tab/tab', 'navigateTo:fail can not navigateTo a tabbar page'],
  [
    'a page that is not a tab with switchTab',
    'switchTab',
    '/pages/home/home',
    'switchTab:fail can not switch to no-tabBar page',
  ],
])('the app cannot go to %s', async (_name, api, url, errMsg) => {
  const phone = await start()
  expect(await phone.run(`wx.${api}({ url: '${url}' })`).catch((reason) => reason)).toMatchObject({ errMsg })
  expect(phone.navigations).toEqual([{ api, url, at: phone.now(), failure: errMsg }])
})

test('a handler runs on its page, and setData understands paths', async () => {
  const phone = await start({ files: pages })
  const page = await phone.openPage('pages/home/home')
  const list = await phone.until(phone.tap(page, 'add', { name: 'first' }) as Promise<unknown[]>)
  expect(list).toHaveLength(1)
  expect(page.data).toEqual({ list: [{ name: 'first' }], count: 0 })
  expect(page.changes).toEqual([{ 'list[0].name': 'first', count: 0 }])
})

test('a component can be a page', async () => {
  const phone = await start({
    files: {
      'pages/home/home.js': `Component({ data: { a: 1 },
        lifetimes: { attached: function () { this.setData({ a: 2 }) }, detached: function () { getApp().events.push('detached') } },
        pageLifetimes: { show: function () { getApp().events.push('show') } },
        methods: { onLoad: function (query) { this.setData({ b: query.b }) }, tap: function () { return this.data.b } } })`,
    },
  })
  const page = await phone.openPage('pages/home/home', { b: 'x' })
  expect(page.data).toEqual({ a: 2, b: 'x' })
  expect(phone.tap(page, 'tap')).toBe('x')
  await phone.run(`wx.reLaunch({ url: '/pages/other/other' })`)
  expect(page.state).toBe('unloaded')
  expect(await events(phone)).toEqual(['show', 'detached'])
})

test('onLaunch and onShow of the app are called', async () => {
  const phone = await start({
    files: {
      'app.js': `App({ globalData: { name: 'app' }, events: [],
        onLaunch: function () { this.events.push('launch') }, onShow: function () { this.events.push('show') },
        onHide: function () { this.events.push('hide') } })`,
    },
  })
  await phone.hide()
  await phone.show()
  expect(await events(phone)).toEqual(['launch', 'show', 'hide', 'show'])
  expect(await phone.evaluate('getApp().globalData.name')).toBe('app')
})
