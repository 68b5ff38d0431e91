import { fileURLToPath } from 'node:url'
import { parse } from 'acorn'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import type { LegacyApi } from '../../demo/server/legacy-api.ts'
import { startMiniprogramServer } from '../../demo/server/miniprogram.ts'
import { readFolder } from '../fixtures/wechat/files.ts'
import { builtLibrary } from '../fixtures/wechat/mini-program.ts'
import { type Engine, type Phone, startPhone } from '../fixtures/wechat/phone.ts'
import { renderPage } from '../fixtures/wechat/rendered-page.ts'

// The demo's own files, as a person opens them in DevTools, against the demo's own server.

const root = fileURLToPath(new URL('../../demo/miniprogram', import.meta.url))
const engines: readonly Engine[] = ['jsc', 'quickjs']

let api: LegacyApi

beforeEach(async () => {
  api = await startMiniprogramServer()
  onTestFinished(() => api.close())
})

async function openDemo(engine: Engine): Promise<Phone> {
  const server = `exports.origin = '${api.origin}'`
  const phone = await startPhone({
    engine,
    root,
    files: { ...builtLibrary(), 'server.js': server, 'workers/server.js': server },
    start: Date.now(),
  })
  onTestFinished(() => phone.close())
  await phone.openPage('pages/login/login')
  return phone
}

async function openSignedIn(engine: Engine): Promise<Phone> {
  const phone = await openDemo(engine)
  type(phone, 'typePassword', 'lingpai')
  await press(phone, '#password')
  await phone.until(() => phone.page?.path === 'pages/list/list')
  await phone.until(() => texts(phone, '.row .good').length === 6)
  return phone
}

function topPage(phone: Phone) {
  if (phone.page === undefined) throw new Error('There is no page.')
  return phone.page
}

function texts(phone: Phone, selector?: string): string[] {
  return renderPage(root, topPage(phone)).texts(selector)
}

function type(phone: Phone, handler: string, value: string): void {
  phone.tap(topPage(phone), handler, { detail: { value } })
}

/** Taps what the page's WXML shows, and waits for what the page's function returns. */
async function press(phone: Phone, selector: string): Promise<void> {
  const page = topPage(phone)
  const { handler, event } = await renderPage(root, page).tap(selector)
  await phone.until(Promise.resolve(phone.tap(page, handler, event)))
}

test.each(engines)('a wrong password is told in words, with code and message, on %s', async (engine) => {
  const phone = await openDemo(engine)
  type(phone, 'typePassword', 'wrong')
  await press(phone, '#password')
  expect(texts(phone, '.problem')).toEqual([
    expect.stringMatching(/登录没有成功（sign_in_failed）.*account or password is wrong/),
  ])
  expect(phone.page?.path).toBe('pages/login/login')
  expect(phone.navigations).toEqual([])
})

test.each(engines)('a password leads to the list, whose six calls are answered, on %s', async (engine) => {
  const phone = await openSignedIn(engine)
  expect(texts(phone, '.heading')).toEqual(['Alice Liddell'])
  expect(texts(phone, '.row')).toHaveLength(6)
  expect(texts(phone, '.row')[0]).toMatch(/^请求 1 ?成功 done ?tea、ink · \d+ ms$/)
  expect(texts(phone)[0]).toContain('mode: wechat')
  expect(phone.navigations.map(({ url }) => url)).toEqual(['/pages/list/list'])
})

test('wx.login signs in, and the page never sees its code', async () => {
  const phone = await openDemo('jsc')
  await press(phone, '#wechat')
  await phone.until(() => phone.page?.path === 'pages/list/list')
  expect(phone.logins).toHaveLength(1)
  expect(api.counters.logins).toBe(1)
})

test('whoever is signed in is led on from the login page when the app is opened again', async () => {
  const phone = await openSignedIn('jsc')
  phone.killApp()
  await phone.restartApp()
  await phone.openPage('pages/login/login')
  await phone.until(() => phone.page?.path === 'pages/list/list')
  expect(api.counters.logins).toBe(1)
})

test.each(engines)('after "expire", six calls cost one refresh, which the page shows, on %s (I1)', async (engine) => {
  const phone = await openSignedIn(engine)
  await press(phone, '#expire')
  expect(texts(phone, '.row .good')).toHaveLength(6)
  expect(api.counters).toMatchObject({ refreshes: 1, reuseDetections: 0 })
  expect(texts(phone)[0]).toContain('续期 refreshes 1')
})

test.each(engines)('after "revoke", six calls bring one toast and one login page, on %s', async (engine) => {
  const phone = await openSignedIn(engine)
  await press(phone, '#revoke')
  expect(texts(phone, '.row .bad')).toEqual(Array(6).fill('请先登录'))
  await phone.until(() => phone.page?.path === 'pages/login/login')
  await phone.advance(10_000)
  expect(phone.toasts.map(({ title }) => title)).toEqual(['登录失败，请重新登录'])
  expect(phone.navigations.filter(({ url }) => url === '/pages/login/login')).toHaveLength(1)
  expect(api.counters.refreshes).toBe(1)
})

test('"sign out" leads to the login page without a toast', async () => {
  const phone = await openSignedIn('jsc')
  await press(phone, '#sign-out')
  await phone.until(() => phone.page?.path === 'pages/login/login')
  expect(phone.toasts).toEqual([])
  expect(phone.storage.getEncrypted('lingpai.session')).toBeUndefined()
})

test('a server that cannot be reached is told in words', async () => {
  const phone = await openSignedIn('jsc')
  await phone.setNetwork('none')
  await press(phone, '#expire')
  expect(texts(phone, '.problem')).toEqual([expect.stringContaining('网络不通，或服务器没有启动（network_error）')])
})

test.each(engines)('a chosen image is uploaded, listed, downloaded and previewed, on %s', async (engine) => {
  const phone = await openSignedIn(engine)
  const image = Buffer.alloc(100_000, 7)
  phone.files.set('http://tmp/photo.png', image)
  await phone.evaluate(`wx.chooseMedia = ({ success }) =>
    success({ tempFiles: [{ tempFilePath: 'http://tmp/photo.png' }] })`)
  await phone.evaluate('wx.previewImage = ({ urls }) => { wx.previewed = urls }')
  await press(phone, '#upload')
  await phone.until(() => phone.page?.path === 'pages/upload/upload')
  const page = topPage(phone)

  await press(phone, '#choose')
  await phone.until(() => texts(phone, '.file').length === 1)
  expect(texts(phone, '.file')[0]).toContain('photo.png · 100000 B')
  expect(shownProgress(page.changes)).toContain(100)

  await press(phone, '.file .button')
  expect(page.data.problem).toBeNull()
  expect(phone.files.get(String(page.data.preview))).toEqual(image)
  await press(phone, '.preview')
  expect(await phone.evaluate('wx.previewed')).toEqual([page.data.preview])
})

function shownProgress(changes: readonly Record<string, unknown>[]): unknown[] {
  return changes.map(({ progress }) => progress).filter((progress) => progress !== undefined)
}

test('an upload is aborted by its button, and the page says so', async () => {
  const phone = await openSignedIn('jsc')
  phone.files.set('http://tmp/photo.png', Buffer.alloc(1000))
  await press(phone, '#upload')
  await phone.until(() => phone.page?.path === 'pages/upload/upload')
  const page = topPage(phone)
  const hold = phone.holdNext('uploadFile', { afterwards: true })
  const upload = phone.tap(page, 'upload', 'http://tmp/photo.png') as Promise<void>
  await phone.until(() => hold.reached)
  await press(phone, '#abort')
  await phone.until(upload)
  expect(texts(phone, '.problem')).toEqual([expect.stringContaining('已取消（aborted）')])
  expect(page.data.isRunning).toBe(false)
})

test.each(engines)('the checklist runs its automatic checks, and copies what it found, on %s', async (engine) => {
  const phone = await openSignedIn(engine)
  await phone.evaluate('wx.setClipboardData = ({ data }) => { wx.copied = data }')
  await press(phone, '#checklist')
  await phone.until(() => phone.page?.path === 'pages/checklist/checklist')
  await press(phone, '#run')
  const { automatic } = topPage(phone).data as { automatic: { id: string; state: string; note: string }[] }
  expect(automatic.filter(({ state }) => state !== 'passed')).toEqual([])
  expect(automatic.length).toBeGreaterThan(8)
  expect(texts(phone, '.mark.good')).toHaveLength(automatic.length)
  await press(phone, '#copy')
  expect(await phone.evaluate('wx.copied')).toContain('✓ six 六个请求，一次续期 ok ok ok ok ok ok · refreshes 1')
})

test('the checklist shows a failed check with its reason', async () => {
  const phone = await openSignedIn('jsc')
  await press(phone, '#checklist')
  await phone.until(() => phone.page?.path === 'pages/checklist/checklist')
  phone.failNext('uploadFile', { errMsg: 'uploadFile:fail interrupted' })
  await press(phone, '#run')
  expect(texts(phone, '.mark.bad')).toEqual(['✗'])
  expect(texts(phone, '.result')).toContainEqual(expect.stringContaining('network_error'))
})

/** Starts the manual check of this name, and returns what becomes of it. */
async function beginCheck(phone: Phone, id: string) {
  await press(phone, '#checklist')
  await phone.until(() => phone.page?.path === 'pages/checklist/checklist')
  const page = topPage(phone)
  const rows = () => page.data.manual as { id: string; state: string; note: string }[]
  const index = rows().findIndex((row) => row.id === id)
  const work = phone.tap(page, 'begin', { currentTarget: { dataset: { index } } }) as Promise<void>
  return {
    page,
    work,
    read: () => rows()[index],
    event: (state: string) => ({ currentTarget: { dataset: { index, state } } }),
  }
}

test('the check "background": six calls are answered after the app was frozen during their refresh', async () => {
  const phone = await openSignedIn('jsc')
  const { work, read } = await beginCheck(phone, 'background')
  await phone.until(() => phone.tasks.some(({ url, state }) => url.endsWith('/refresh') && state === 'running'))
  await phone.hide()
  await phone.advance(15_000)
  // Its eight seconds are real ones, and those of the phone are not.
  api.clearFaults()
  await phone.show()
  await phone.until(work)
  expect(read()).toMatchObject({ state: 'passed', note: expect.stringContaining('ok ok ok ok ok ok') })
})

test('the check "airplane": nobody is signed out for a network that was lost during a refresh', async () => {
  const phone = await openSignedIn('jsc')
  const { work, read } = await beginCheck(phone, 'airplane')
  await phone.until(() => phone.tasks.some(({ url, state }) => url.endsWith('/refresh') && state === 'running'))
  await phone.setNetwork('none')
  await phone.advance(5000)
  await phone.setNetwork('wifi')
  await phone.until(work)
  expect(read()).toMatchObject({ state: 'passed' })
})

test('the check "killed": it waits until the app was really ended, and finds the user signed in', async () => {
  const phone = await openSignedIn('jsc')
  const { read } = await beginCheck(phone, 'killed')
  expect(read()?.state).toBe('waiting')
  await phone.advance(1000)
  phone.killApp()
  await phone.restartApp()
  await phone.openPage('pages/login/login')
  await phone.until(() => phone.page?.path === 'pages/list/list')
  const page = await phone.openPage('pages/checklist/checklist')
  await phone.settle()
  expect(page.data.manual).toContainEqual(
    expect.objectContaining({ id: 'killed', state: 'passed', note: 'signed-in alice' }),
  )
})

test('the check "revoked": the person says what they saw', async () => {
  const phone = await openSignedIn('jsc')
  await beginCheck(phone, 'revoked')
  await phone.until(() => phone.page?.path === 'pages/login/login')
  const page = await phone.openPage('pages/checklist/checklist')
  const row = () => (page.data.manual as { id: string; state: string }[]).find(({ id }) => id === 'revoked')
  expect(row()?.state).toBe('waiting')
  const { handler, event } = await renderPage(root, page).tap('.pass')
  phone.tap(page, handler, event)
  expect(row()?.state).toBe('passed')
})

const files = Object.entries(readFolder(root)).filter(
  ([name]) => name.endsWith('.js') && !name.startsWith('miniprogram_npm/') && name !== 'workers/lingpai.js',
)

test.each(files)('%s needs no enhanced compilation', (_name, source) => {
  expect(() => parse(source, { ecmaVersion: 2017, sourceType: 'script' })).not.toThrow()
  expect(source).not.toMatch(/\basync\b|\bawait\b|\.finally\(/)
})

test('an upload with an expired token costs one refresh, and its fields are signed anew', async () => {
  const phone = await openSignedIn('jsc')
  phone.files.set('http://tmp/photo.png', Buffer.alloc(1000))
  await press(phone, '#upload')
  await phone.until(() => phone.page?.path === 'pages/upload/upload')
  api.expireAccessTokens()
  await phone.until(Promise.resolve(phone.tap(topPage(phone), 'upload', 'http://tmp/photo.png')))
  expect(texts(phone, '.file')).toHaveLength(1)
  expect(api.counters.refreshes).toBe(1)
  expect(api.requests.filter(({ path }) => path === '/upload').map(({ status }) => status)).toEqual([401, 200])
})

test("the demo's server refuses what is not signed", async () => {
  for (const path of ['/list', '/login', '/refresh', '/files'])
    expect((await fetch(api.origin + path, { method: 'POST', body: '{}' })).status).toBe(400)
  expect((await fetch(`${api.origin}/download?id=sample`)).status).toBe(400)
})

test('pages and worker name the same server', () => {
  const originOf = (file: string) => /'(http[^']+)'/.exec(readFolder(root)[file] ?? '')?.[1]
  expect(originOf('server.js')).toMatch(/^https?:/)
  expect(originOf('workers/server.js')).toBe(originOf('server.js'))
})
