import { fileURLToPath } from 'node:url'
import { parse } from 'acorn'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import type { LegacyApi } from '../../servers/legacy/legacy-api.ts'
import { startMiniprogramServer } from '../../servers/legacy/miniprogram-server.ts'
import { readFolder } from '../fixtures/wechat/files.ts'
import { builtLibrary } from '../fixtures/wechat/mini-program.ts'
import { type Engine, type Phone, type PhoneOptions, startPhone } from '../fixtures/wechat/phone.ts'
import { renderPage } from '../fixtures/wechat/rendered-page.ts'

// The demo's own files, as opened in DevTools, against the demo's own server.

const root = fileURLToPath(new URL('../../demo/miniprogram', import.meta.url))
const engines: readonly Engine[] = ['jsc', 'quickjs']

let api: LegacyApi

beforeEach(async () => {
  api = await startMiniprogramServer()
  onTestFinished(() => api.close())
})

async function openDemo(engine: Engine, { files, ...options }: Partial<PhoneOptions> = {}): Promise<Phone> {
  const server = `exports.origin = '${api.origin}'`
  const phone = await startPhone({
    engine,
    root,
    files: { ...builtLibrary(), 'server.js': server, 'workers/server.js': server, ...files },
    start: Date.now(),
    ...options,
  })
  onTestFinished(() => phone.close())
  await phone.openPage('pages/login/login')
  return phone
}

async function openSignedIn(engine: Engine, options?: Partial<PhoneOptions>): Promise<Phone> {
  const phone = await openDemo(engine, options)
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

/** Taps an element of the page's WXML, and waits for the result of its handler. */
async function press(phone: Phone, selector: string): Promise<void> {
  const page = topPage(phone)
  const { handler, event } = await renderPage(root, page).tap(selector)
  await phone.until(Promise.resolve(phone.tap(page, handler, event)))
}

test.each(engines)('a wrong password shows a text with code and message, on %s', async (engine) => {
  const phone = await openDemo(engine)
  type(phone, 'typePassword', 'wrong')
  await press(phone, '#password')
  expect(texts(phone, '.problem')).toEqual([
    expect.stringMatching(/登录失败（sign_in_failed）.*account or password is wrong/),
  ])
  expect(phone.page?.path).toBe('pages/login/login')
  expect(phone.navigations).toEqual([])
})

test.each(engines)('a sign-in with a password opens the list, whose six calls are answered, on %s', async (engine) => {
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

test('the login page opens the list if the user is signed in when the app is opened again', async () => {
  const phone = await openSignedIn('jsc')
  phone.killApp()
  await phone.restartApp()
  await phone.openPage('pages/login/login')
  await phone.until(() => phone.page?.path === 'pages/list/list')
  expect(api.counters.logins).toBe(1)
})

test.each(engines)('after "expire", six calls cost one refresh, and the page shows it, on %s (I1)', async (engine) => {
  const phone = await openSignedIn(engine)
  await press(phone, '#expire')
  expect(texts(phone, '.row .good')).toHaveLength(6)
  expect(api.counters).toMatchObject({ refreshes: 1, reuseDetections: 0 })
  expect(texts(phone)[0]).toContain('刷新 refreshes 1')
})

test.each(engines)('after "revoke", six calls show one toast and open the login page once, on %s', async (engine) => {
  const phone = await openSignedIn(engine)
  await press(phone, '#revoke')
  expect(texts(phone, '.row .bad')).toEqual(Array(6).fill('请先登录'))
  await phone.until(() => phone.page?.path === 'pages/login/login')
  await phone.advance(10_000)
  expect(phone.toasts.map(({ title }) => title)).toEqual(['登录失败，请重新登录'])
  expect(phone.navigations.filter(({ url }) => url === '/pages/login/login')).toHaveLength(1)
  expect(api.counters.refreshes).toBe(1)
})

test('an API that requires a sign-in causes one toast and one login page, which stays until the user signs in', async () => {
  const list = readFolder(root)['pages/list/list.js'] ?? ''
  const phone = await openDemo('jsc', { files: { 'pages/list/list.js': list.replace('/list`', '/forbidden`') } })
  const signIn = async () => {
    type(phone, 'typePassword', 'lingpai')
    await press(phone, '#password')
    await phone.until(() => phone.page?.path === 'pages/list/list')
    await phone.until(() => texts(phone, '.row .bad').length === 6)
  }
  await signIn()
  await phone.until(() => phone.page?.path === 'pages/login/login')
  await phone.advance(30_000)
  expect(phone.toasts).toHaveLength(1)
  expect(phone.navigations.map(({ url }) => url)).toEqual(['/pages/list/list', '/pages/login/login'])
  await signIn()
  expect(phone.navigations.map(({ url }) => url).slice(2)).toEqual(['/pages/list/list'])
  expect(api.counters.logins).toBe(2)
})

test('"sign out" opens the login page without a toast', async () => {
  const phone = await openSignedIn('jsc')
  await press(phone, '#sign-out')
  await phone.until(() => phone.page?.path === 'pages/login/login')
  expect(phone.toasts).toEqual([])
  expect(phone.storage.getEncrypted('lingpai.session')).toBeUndefined()
})

test('an unreachable server shows a text', async () => {
  const phone = await openSignedIn('jsc')
  await phone.setNetwork('none')
  await press(phone, '#expire')
  expect(texts(phone, '.problem')).toEqual([expect.stringContaining('网络异常，或服务器未启动（network_error）')])
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

/** Presses the button for a picture; the phone denies access to the album. */
async function chooseInVain(errMsg: string): Promise<Phone> {
  const phone = await openSignedIn('jsc')
  await phone.evaluate(`wx.chooseMedia = ({ fail }) => fail({ errMsg: '${errMsg}' })`)
  await press(phone, '#upload')
  await phone.until(() => phone.page?.path === 'pages/upload/upload')
  await press(phone, '#choose')
  return phone
}

test.each(['chooseMedia:fail auth deny', 'chooseMedia:fail api scope is not declared in the privacy agreement'])(
  'an album that may not be opened (%s) shows a text',
  async (errMsg) => {
    const phone = await chooseInVain(errMsg)
    expect(texts(phone, '.problem .bad')).toEqual(['无法打开相册，请检查相册权限和隐私保护指引（chooseMedia）'])
    expect(texts(phone, '.problem')).toEqual([expect.stringContaining(errMsg)])
  },
)

test('no text is shown if the user closes the album without choosing', async () => {
  expect(texts(await chooseInVain('chooseMedia:fail cancel'), '.problem')).toEqual([])
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

test.each(engines)('the checklist runs its automatic checks, and copies the results, on %s', async (engine) => {
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
  expect(await phone.evaluate('wx.copied')).toContain('✓ six 六个请求只刷新一次 ok ok ok ok ok ok · refreshes 1')
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

/** The result of the automatic check of this name, after all have run. */
async function runChecks(phone: Phone): Promise<(id: string) => { state: string; note: string } | undefined> {
  await press(phone, '#checklist')
  await phone.until(() => phone.page?.path === 'pages/checklist/checklist')
  await press(phone, '#run')
  const { automatic } = topPage(phone).data as { automatic: { id: string; state: string; note: string }[] }
  return (id) => automatic.find((row) => row.id === id)
}

test('the automatic checks report the behaviour of a current phone', async () => {
  const checks = await runChecks(await openSignedIn('jsc'))
  expect(checks('phone')?.note).toContain('promises are the engine’s')
  expect(checks('wx-login')).toMatchObject({ state: 'passed', note: 'signed-in after 0 ms' })
  expect(checks('storage-speed')?.note).toBe('slowest write 0 ms, slowest read 0 ms')
  expect(checks('eleventh')?.note).toBe('11 of 11 answered · at most 10 at once at the server · the rest waited')
})

test('the automatic checks report the behaviour of an old phone, and pass if lingpai supports it', async () => {
  const checks = await runChecks(await openSignedIn('jsc', { promises: 'macrotask', overLimit: 'fail' }))
  expect(checks('phone')?.note).toContain('promises are WeChat’s own')
  expect(checks('eleventh')).toEqual(
    expect.objectContaining({
      state: 'passed',
      note: expect.stringMatching(/^10 of 11 answered · .* · refused: request:fail exceed max concurrent task limit$/),
    }),
  )
})

test.each([
  ['wx-login', 'login', 'login:fail system error', 'network_error'],
  ['storage-speed', 'setStorage', 'setStorage:fail quota', 'setStorage:fail quota'],
  ['eleventh', 'request', 'request:fail too many', '9 of 11 answered'],
])('the check "%s" fails if its API fails', async (id, api, errMsg, note) => {
  const phone = await openSignedIn('jsc')
  const matching = { login: '', setStorage: 'checklist.speed', request: '/demo/wait' }[api] ?? ''
  phone.failNext(api, { errMsg }, { matching, times: 2 })
  const checks = await runChecks(phone)
  expect(checks(id)).toEqual(expect.objectContaining({ state: 'failed', note: expect.stringContaining(note) }))
})

test('the check "storage-speed" fails if an operation takes longer than a second', async () => {
  const phone = await openSignedIn('jsc')
  const hold = phone.holdNext('getStorage', { matching: 'checklist.speed' })
  await press(phone, '#checklist')
  await phone.until(() => phone.page?.path === 'pages/checklist/checklist')
  const page = topPage(phone)
  const run = phone.tap(page, 'runAutomatic') as Promise<void>
  await phone.until(() => hold.reached)
  await phone.advance(1500)
  hold.release()
  await phone.until(run)
  expect(page.data.automatic).toContainEqual(
    expect.objectContaining({
      id: 'storage-speed',
      state: 'failed',
      note: expect.stringContaining('slowest read 1500 ms'),
    }),
  )
})

/** Starts the manual check of this name, and returns its result. */
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
  // Its eight seconds are real time; the phone's time is virtual.
  api.clearFaults()
  await phone.show()
  await phone.until(work)
  expect(read()).toMatchObject({ state: 'passed', note: expect.stringContaining('ok ok ok ok ok ok') })
})

test('the check "airplane": a network that is lost during a refresh does not end the session', async () => {
  const phone = await openSignedIn('jsc')
  const { work, read } = await beginCheck(phone, 'airplane')
  await phone.until(() => phone.tasks.some(({ url, state }) => url.endsWith('/refresh') && state === 'running'))
  await phone.setNetwork('none')
  await phone.advance(5000)
  await phone.setNetwork('wifi')
  await phone.until(work)
  expect(read()).toMatchObject({ state: 'passed' })
})

test('the check "killed": waits until the app was really ended, and finds the user signed in', async () => {
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

test('the check "freeze": passed, once the timers are on time again', async () => {
  const phone = await openSignedIn('jsc')
  const { work, read } = await beginCheck(phone, 'freeze')
  await phone.hide()
  await phone.advance(20_000)
  await phone.show()
  await phone.until(work)
  expect(read()).toMatchObject({
    state: 'passed',
    note: expect.stringMatching(/^a timer was 1\d{4} ms late; after the return, at most 0 ms$/),
  })
})

test('the check "freeze": failed, if timers stay late', async () => {
  const phone = await openSignedIn('jsc')
  const { work, read } = await beginCheck(phone, 'freeze')
  await phone.hide()
  await phone.advance(20_000)
  await phone.evaluate(`(() => {
    const start = setTimeout
    globalThis.setTimeout = (callback, milliseconds) => start(callback, milliseconds + 1500)
  })()`)
  await phone.show()
  await phone.until(work)
  expect(read()).toMatchObject({ state: 'failed', note: expect.stringMatching(/after the return, at most 1500 ms$/) })
})

test('the check "freeze": says so if the app was not frozen', async () => {
  const phone = await openSignedIn('jsc')
  const { page, work, read } = await beginCheck(phone, 'freeze')
  await phone.until(work)
  expect(read()).toMatchObject({ state: 'skipped', mark: '–', note: expect.stringContaining('was not frozen') })
  expect(page.data.isOver).toBe(false)
})

test('the check "memory": passed, if the worker was ended and another one started', async () => {
  const phone = await openSignedIn('jsc')
  await phone.killWorker()
  const { work, read } = await beginCheck(phone, 'memory')
  await phone.until(work)
  expect(read()).toMatchObject({ state: 'passed', note: expect.stringContaining('ok ok ok ok ok ok') })
})

test('the check "memory": failed, if one of the six calls failed', async () => {
  const phone = await openSignedIn('jsc')
  const { work, read } = await beginCheck(phone, 'memory')
  phone.failNext('request', { errMsg: 'request:fail timeout' }, { matching: '/list' })
  await phone.until(work)
  expect(read()).toMatchObject({ state: 'failed', note: expect.stringContaining('timeout') })
})

/** Runs a check that needs the only worker, until the app is restarted. */
async function probe(phone: Phone, id: string) {
  await phone.evaluate('wx.restartMiniProgram = ({ path }) => { wx.restartedAt = path }')
  const { page, work, read } = await beginCheck(phone, id)
  await phone.until(work)
  expect(await phone.evaluate('wx.restartedAt')).toBe('/pages/checklist/checklist')
  expect(phone.hasWorker).toBe(false)
  expect(page.data.isOver).toBe(false)
  return read()
}

test.each(
  engines.flatMap((engine) => [
    [engine, 'bare', 'replace', 'replaces the first'] as const,
    [engine, 'wrapped', 'add', 'is called as well'] as const,
  ]),
)('the check "messages" tells how they arrive on %s: %s, and %s', async (engine, delivery, listeners, second) => {
  const phone = await openSignedIn(engine, { delivery, listeners })
  expect(await probe(phone, 'messages')).toMatchObject({
    state: 'passed',
    note: [
      `to the worker: ${delivery}, to the app: ${delivery}`,
      'whole',
      `a second onMessage in the worker ${second}, in the app ${second}`,
    ].join(' · '),
  })
})

/** Changes the workers that the app creates from now on. */
async function spoilWorkers(phone: Phone, spoil: string): Promise<void> {
  await phone.evaluate(`(() => {
    const { createWorker } = wx
    wx.createWorker = (...given) => {
      const worker = createWorker(...given)
      const spoil = ${spoil}
      spoil(worker)
      return worker
    }
  })()`)
}

test('the check "messages" fails if a message is lost', async () => {
  const phone = await openSignedIn('jsc')
  await spoilWorkers(
    phone,
    `(worker) => {
      const { postMessage } = worker
      worker.postMessage = ({ ask, data }) => postMessage(data ? { ask, data: { text: data.text } } : { ask })
    }`,
  )
  expect(await probe(phone, 'messages')).toMatchObject({
    state: 'failed',
    note: expect.stringContaining('CHANGED ON THE WAY'),
  })
})

test.each(['messages', 'worker-error', 'worker-killed'])(
  'the check "%s" fails if the worker sends nothing',
  async (id) => {
    const phone = await openSignedIn('jsc')
    await spoilWorkers(phone, '(worker) => { worker.postMessage = () => {} }')
    expect(await probe(phone, id)).toMatchObject({ state: 'failed', note: 'the worker does not answer' })
  },
)

test('the check "worker-error": passed, if onError reports it', async () => {
  const phone = await openSignedIn('jsc')
  expect(await probe(phone, 'worker-error')).toMatchObject({
    state: 'passed',
    note: expect.stringMatching(/^onError: .*planted by the checklist.* · the worker continues$/),
  })
})

test('the check "worker-error": passed, if there is no onError and the worker goes on', async () => {
  const phone = await openSignedIn('jsc', { baseLibrary: '2.20.2' })
  expect(await probe(phone, 'worker-error')).toMatchObject({
    state: 'passed',
    note: 'there is no onError · the worker continues',
  })
})

/** The worker sends nothing more after it gets this question. */
const dieAt = (question: string) => `(worker) => {
  const { postMessage, onMessage } = worker
  let isDead = false
  worker.postMessage = (message) => {
    isDead = isDead || message.ask === '${question}'
    postMessage(message)
  }
  worker.onMessage = (listener) => onMessage((message) => isDead || listener(message))
  worker.onError = () => {}
  worker.onProcessKilled = () => {}
}`

test.each([
  ['worker-error', 'fail', 'onError did not run · the worker does not answer'],
  ['worker-killed', 'end', 'it does not answer, and onProcessKilled did not run'],
])('the check "%s" fails if a worker dies silently', async (id, question, note) => {
  const phone = await openSignedIn('jsc')
  await spoilWorkers(phone, dieAt(question))
  expect(await probe(phone, id)).toMatchObject({ state: 'failed', note: expect.stringContaining(note) })
})

test('the check "worker-killed": passed, if the end is reported and another worker starts', async () => {
  const phone = await openSignedIn('jsc')
  expect(await probe(phone, 'worker-killed')).toMatchObject({
    state: 'passed',
    note: expect.stringMatching(/^started in \d+ ms · onProcessKilled ran · the next worker answers$/),
  })
})

test('the check "worker-killed": says so if no worker is ended', async () => {
  const phone = await openSignedIn('jsc')
  await spoilWorkers(
    phone,
    `(worker) => {
      const { postMessage } = worker
      worker.postMessage = (message) => message.ask !== 'end' && postMessage(message)
    }`,
  )
  expect(await probe(phone, 'worker-killed')).toMatchObject({
    state: 'skipped',
    note: expect.stringMatching(/^started in \d+ ms · not tried: nothing has ended it$/),
  })
})

test('after a check that used the worker, the app is restarted and the user still signed in', async () => {
  const phone = await openSignedIn('jsc')
  // A base library before 3.0.1 cannot restart an app.
  const { page, work } = await beginCheck(phone, 'worker-killed')
  await phone.until(work)
  expect(page.data.isOver).toBe(true)
  expect(texts(phone, '.problem')).toEqual([expect.stringContaining('请彻底关闭小程序，再重新打开')])
  await phone.restartApp()
  const { data } = await phone.openPage('pages/checklist/checklist')
  expect(data.manual).toContainEqual(expect.objectContaining({ id: 'worker-killed', state: 'passed' }))
  const list = `getApp().session.request({ url: '${api.origin}/list', method: 'POST', data: {} })`
  expect(await phone.run(list)).toMatchObject({ subject: 'alice' })
})

test('the check "revoked": the tester reports what the phone showed', async () => {
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

test('an upload with an expired token costs one refresh, and its fields are signed again', async () => {
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

test("the demo's server rejects requests without a signature", async () => {
  for (const path of ['/list', '/login', '/refresh', '/files'])
    expect((await fetch(api.origin + path, { method: 'POST', body: '{}' })).status).toBe(400)
  expect((await fetch(`${api.origin}/download?id=sample`)).status).toBe(400)
})

test('pages and worker use the same server', () => {
  const originOf = (file: string) => /'(http[^']+)'/.exec(readFolder(root)[file] ?? '')?.[1]
  expect(originOf('server.js')).toMatch(/^https?:/)
  expect(originOf('workers/server.js')).toBe(originOf('server.js'))
})
