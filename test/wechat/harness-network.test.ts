import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { PhoneOptions } from '../fixtures/wechat/phone.ts'
import { events, startSample } from '../fixtures/wechat/sample-app.ts'

interface StoreRead {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A phone for which api.example.com is a server that answers by path. */
async function start(options: Partial<PhoneOptions> = {}) {
  const seen: StoreRead[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part) => parts.push(part))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      seen.push({ method, url, headers, body: Buffer.concat(parts).toString('utf8') })
      if (url.startsWith('/never')) return
      if (url === '/moved') {
        response.writeHead(302, { Location: '/json' }).end()
      } else if (url === '/denied') {
        response.writeHead(401, { 'Content-Type': 'application/json' }).end('{"code":401}')
      } else if (url === '/text') {
        response.end('not { json')
      } else {
        response.setHeader('Set-Cookie', ['a=1', 'b=2'])
        response.setHeader('X-Answer', 'yes')
        response.end('{"ok":true}')
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const phone = await startSample({ hosts: { 'api.example.com': port }, ...options })
  onTestFinished(() => phone.close())

  /** Calls an API and returns the arguments of its callbacks. */
  const call = <T = Record<string, unknown>>(api: string, asked: string) =>
    phone.run<T>(`new Promise(function (resolve) {
      var asked = ${asked}
      asked.success = function (result) { resolve({ success: result }) }
      asked.fail = function (failure) { resolve({ fail: failure }) }
      wx.${api}(asked)
    })`)
  return { phone, seen, call }
}

test('a request is really sent, with `header`, and `headers` is ignored', async () => {
  const { seen, call } = await start()
  await call(
    'request',
    `{ url: 'https://api.example.com/json', header: { 'X-Token': 't' }, headers: { 'X-Wrong': 'w' } }`,
  )
  expect(seen).toHaveLength(1)
  expect(seen[0]?.headers).toMatchObject({
    host: 'api.example.com',
    'x-token': 't',
    'content-type': 'application/json',
  })
  expect(seen[0]?.headers).not.toHaveProperty('x-wrong')
})

test('every status is a success', async () => {
  const { call, phone } = await start()
  const { success } = await call<{ success: object }>('request', `{ url: 'https://api.example.com/denied' }`)
  expect(success).toMatchObject({ statusCode: 401, data: { code: 401 }, errMsg: 'request:ok' })
  expect(phone.tasks).toEqual([
    expect.objectContaining({ api: 'request', status: 401, state: 'succeeded', sent: true }),
  ])
})

test('an answer has its header, its cookies, and data that is parsed if it is JSON', async () => {
  const { call } = await start()
  expect(await call('request', `{ url: 'https://api.example.com/json' }`)).toMatchObject({
    success: { data: { ok: true }, cookies: ['a=1', 'b=2'], header: { 'X-Answer': 'yes' } },
  })
  expect(await call('request', `{ url: 'https://api.example.com/text' }`)).toMatchObject({
    success: { data: 'not { json' },
  })
  expect(await call('request', `{ url: 'https://api.example.com/json', dataType: 'text' }`)).toMatchObject({
    success: { data: '{"ok":true}' },
  })
})

test('an answer can be bytes of the app thread', async () => {
  const { phone } = await start()
  const text = await phone.run(`new Promise(function (resolve) {
    wx.request({ url: 'https://api.example.com/json', responseType: 'arraybuffer', success: function (result) {
      resolve([result.data instanceof ArrayBuffer, result.data.byteLength])
    } })
  })`)
  expect(text).toEqual([true, 11])
})

test.each([
  [
    'of a GET goes into the query',
    `method: 'GET', data: { a: 1, b: '中 文' }`,
    '/json?a=1&b=%E4%B8%AD%20%E6%96%87',
    '',
  ],
  ['of a POST is JSON', `method: 'POST', data: { a: 1 }`, '/json', '{"a":1}'],
  [
    'of a form is encoded',
    `method: 'POST', header: { 'Content-Type': 'application/x-www-form-urlencoded' }, data: { a: 'b c' }`,
    '/json',
    'a=b%20c',
  ],
  ['that is a string is sent unchanged', `method: 'PUT', data: 'as it is'`, '/json', 'as it is'],
])('data %s', async (_name, asked, url, body) => {
  const { seen, call } = await start()
  await call('request', `{ url: 'https://api.example.com/json', ${asked} }`)
  expect(seen[0]).toMatchObject({ url, body })
})

test('requests return a task; other APIs return a promise if they get no callbacks', async () => {
  const { phone } = await start()
  const [request, login, withCallback] = await phone.evaluate<string[]>(`[
    typeof wx.request({ url: 'https://api.example.com/json' }).then,
    typeof wx.login().then,
    typeof wx.login({ success: function () {} })
  ]`)
  expect([request, login, withCallback]).toEqual(['undefined', 'function', 'undefined'])
})

test.each([
  ['with PATCH', `{ url: 'https://api.example.com/json', method: 'PATCH' }`, 'request:fail invalid method "PATCH"'],
  ['to an unknown host', `{ url: 'https://other.example.com/' }`, 'request:fail url not in domain list'],
  ['without a URL', '{}', expect.stringContaining('parameter.url should be String')],
])('a request %s fails', async (_name, asked, errMsg) => {
  const { call, seen } = await start()
  expect(await call('request', asked)).toMatchObject({ fail: { errMsg } })
  expect(seen).toEqual([])
})

test('a redirect is followed, or ends the request with its headers', async () => {
  const { call, phone } = await start()
  expect(await call('request', `{ url: 'https://api.example.com/moved' }`)).toMatchObject({
    success: { statusCode: 200, data: { ok: true } },
  })
  await phone.evaluate(`(function () {
    var note = getApp().note('answered')
    wx.request({ url: 'https://api.example.com/moved', redirect: 'manual', success: note, fail: note, complete: note })
      .onHeadersReceived(function (result) { getApp().events.push(result.statusCode + ' ' + result.header.Location) })
  })()`)
  await phone.settle()
  expect(await events(phone)).toEqual(['302 /json'])
})

test('a request without an answer fails after its timeout in virtual time', async () => {
  const { call, phone } = await start({ patience: 50 })
  const begin = phone.now()
  expect(await call('request', `{ url: 'https://api.example.com/never', timeout: 3000 }`)).toMatchObject({
    fail: { errMsg: 'request:fail timeout' },
  })
  expect(phone.now() - begin).toBe(3000)
})

test('a request can be aborted, whether it is sent or held', async () => {
  const { phone } = await start()
  const held = phone.holdNext('request')
  await phone.evaluate(`(function () {
    var task = wx.request({ url: 'https://api.example.com/json', fail: function (failure) { getApp().events.push(failure.errMsg) } })
    setTimeout(function () { task.abort(); task.abort() }, 10)
  })()`)
  await phone.settle()
  expect(held.reached).toBe(true)
  await phone.advance(10)
  held.release()
  await phone.settle()
  expect(await events(phone)).toEqual(['request:fail abort'])
  expect(phone.tasks[0]).toMatchObject({ state: 'failed', sent: false })
})

const ELEVEN = `(function () {
  for (var index = 0; index < 11; index += 1) wx.request({ url: 'https://api.example.com/json?' + index,
    success: function () { getApp().events.push('ok') }, fail: function (failure) { getApp().events.push(failure.errMsg) } })
})()`

test('the eleventh task waits for one of the first ten', async () => {
  const { phone } = await start()
  const held = phone.holdNext('request', { times: 10 })
  await phone.evaluate(ELEVEN)
  await phone.settle()
  expect(phone.tasks.map(({ state }) => state)).toEqual([...Array(10).fill('running'), 'queued'])
  held.release()
  await phone.settle()
  expect(await events(phone)).toEqual(Array(11).fill('ok'))
})

test('on an older client the eleventh task fails', async () => {
  const { phone } = await start({ overLimit: 'fail' })
  await phone.evaluate(ELEVEN)
  await phone.settle()
  expect((await events(phone)).filter((text) => text !== 'ok')).toEqual([expect.stringContaining('exceed max')])
})

test('requests in flight after five seconds in the background are interrupted, and fail on return', async () => {
  const { phone, seen } = await start()
  phone.holdNext('request', { afterwards: true })
  const answer = phone.evaluate(`new Promise(function (resolve) {
    wx.request({ url: 'https://api.example.com/json', fail: resolve, success: resolve })
  })`)
  await phone.settle()
  await phone.hide()
  await phone.advance(5000)
  expect(phone.tasks[0]).toMatchObject({ state: 'failed', sent: true, failure: { errno: 600003 } })
  expect(seen).toHaveLength(1)
  await phone.show()
  expect(await answer).toEqual({ errMsg: 'request:fail interrupted', errno: 600003 })
})

test('no request can be sent from the background, but again in the foreground', async () => {
  const { phone, call, seen } = await start({ freezes: false })
  await phone.hide()
  await phone.advance(5000)
  expect(await call('request', `{ url: 'https://api.example.com/json' }`)).toMatchObject({ fail: { errno: 600003 } })
  expect(seen).toEqual([])
  await phone.show()
  expect(await call('request', `{ url: 'https://api.example.com/json' }`)).toMatchObject({
    success: { statusCode: 200 },
  })
})

test('a change of the network fails the requests in flight, and calls the app’s listener', async () => {
  const { phone, call } = await start()
  phone.holdNext('request', { afterwards: true })
  await phone.evaluate(`(wx.onNetworkStatusChange(function (change) { getApp().events.push(JSON.stringify(change)) }),
    void wx.request({ url: 'https://api.example.com/json', fail: function (failure) { getApp().events.push(failure.errno) } }))`)
  await phone.settle()
  await phone.setNetwork('none')
  expect(await events(phone)).toEqual([600001, '{"isConnected":false,"networkType":"none"}'])
  expect(await call('request', `{ url: 'https://api.example.com/json' }`)).toMatchObject({ fail: { errno: 600001 } })
  await phone.setNetwork('wifi')
  expect(await call('request', `{ url: 'https://api.example.com/json' }`)).toMatchObject({ success: {} })
})

test('a failure can come before the server is asked, or instead of its answer', async () => {
  const { phone, call, seen } = await start()
  phone.failNext('request', { errMsg: 'request:fail first', errno: 1 }, { matching: '/json' })
  phone.failNext('request', { errMsg: 'request:fail second', errno: 2 }, { afterwards: true })
  const asked = `{ url: 'https://api.example.com/json' }`
  expect(await call('request', asked)).toEqual({ fail: { errMsg: 'request:fail first', errno: 1 } })
  expect(seen).toHaveLength(0)
  expect(await call('request', asked)).toEqual({ fail: { errMsg: 'request:fail second', errno: 2 } })
  expect(seen).toHaveLength(1)
  expect(await call('request', asked)).toMatchObject({ success: {} })
})

test('an upload sends a form with the file, reports its progress, and answers with text', async () => {
  const { phone, call, seen } = await start()
  phone.files.set('http://tmp/photo.png', Buffer.from('picture'))
  const answer = await call(
    'uploadFile',
    `{ url: 'https://api.example.com/json', filePath: 'http://tmp/photo.png', name: 'photo', formData: { kind: 'id' } }`,
  )
  expect(answer).toMatchObject({ success: { statusCode: 200, data: '{"ok":true}' } })
  expect(seen[0]?.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
  expect(seen[0]?.body).toContain('name="photo"; filename="photo.png"')
  expect(seen[0]?.body).toContain('picture')
  expect(seen[0]?.body).toContain('name="kind"\r\n\r\nid')
  await phone.evaluate(`void wx.uploadFile({ url: 'https://api.example.com/json', filePath: 'http://tmp/photo.png', name: 'photo' })
    .onProgressUpdate(function (update) { getApp().events.push(update.progress) })`)
  await phone.settle()
  expect(await events(phone)).toEqual([50, 100])
})

test('an upload of a missing file fails', async () => {
  const { call } = await start()
  expect(
    await call('uploadFile', `{ url: 'https://api.example.com/json', filePath: 'none', name: 'f' }`),
  ).toMatchObject({
    fail: { errMsg: 'uploadFile:fail file not found' },
  })
})

test('the download of a 401 succeeds, and the file holds the error body', async () => {
  const { phone, call } = await start()
  const { success } = await call<{ success: { tempFilePath: string } }>(
    'downloadFile',
    `{ url: 'https://api.example.com/denied' }`,
  )
  expect(success).toMatchObject({ statusCode: 401 })
  const read = `wx.getFileSystemManager().readFileSync(values[0], 'utf8')`
  expect(await phone.evaluate(read, success.tempFilePath)).toBe('{"code":401}')
})

test('a download can be saved at filePath, and the file removed', async () => {
  const { phone, call } = await start()
  const path = 'http://usr/report.json'
  const answer = await call('downloadFile', `{ url: 'https://api.example.com/json', filePath: '${path}' }`)
  expect(answer).toMatchObject({ success: { filePath: path } })
  expect(phone.files.get(path)?.toString()).toBe('{"ok":true}')
  const unlink = `wx.getFileSystemManager().unlinkSync('${path}')`
  await phone.evaluate(unlink)
  await expect(phone.evaluate(unlink)).rejects.toThrow('unlinkSync:fail no such file')
})

test('a killed app gets no answer to its requests in flight', async () => {
  const { phone } = await start()
  const held = phone.holdNext('request', { afterwards: true })
  await phone.evaluate(
    `void wx.request({ url: 'https://api.example.com/json', complete: function () { wx.setStorageSync('heard', 1) } })`,
  )
  await phone.settle()
  phone.killApp()
  held.release()
  await phone.restartApp()
  expect(phone.storage.keys()).toEqual([])
})

test('code of a killed app that still runs has no effect', async () => {
  const { phone, seen } = await start()
  void phone.evaluate(`Promise.resolve().then(function () {}).then(function () {
    wx.request({ url: 'https://api.example.com/json' }).abort()
    wx.request({ url: 'https://api.example.com/json' }).onHeadersReceived(function () {})
    wx.setStorageSync('late', 1)
    wx.createWorker('workers/main.js').postMessage({})
    return wx.setStorage({ key: 'later', data: 1 })
  })`)
  phone.killApp()
  await phone.settle()
  expect(phone.storage.keys()).toEqual([])
  expect(phone.tasks).toEqual([])
  expect(seen).toEqual([])
  expect(phone.messages).toEqual([expect.objectContaining({ lost: true })])
})
