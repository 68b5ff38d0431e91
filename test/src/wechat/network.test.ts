import { expect, test, vi } from 'vitest'
import { isRedirect } from '../../../src/protocol/http.ts'
import { createNetwork, isUnsent, type OutgoingRequest, type Running } from '../../../src/wechat/network.ts'

/** The options of `wx.request`, `wx.uploadFile` and `wx.downloadFile`. */
interface Options {
  readonly [name: string]: unknown
  success(answer: object): void
  fail(failure?: object): void
}

/** A `wx` whose requests the test ends. */
function createWx() {
  const sent: { readonly kind: string; readonly options: Options; readonly task: ReturnType<typeof createTask> }[] = []
  const createTask = () => ({ abort: vi.fn(), onHeadersReceived: vi.fn(), onProgressUpdate: vi.fn() })
  const start = (kind: string) => (options: Options) => {
    const task = createTask()
    sent.push({ kind, options, task })
    return task
  }
  const wx = { request: start('request'), uploadFile: start('uploadFile'), downloadFile: start('downloadFile') }
  return {
    network: createNetwork(wx as never),
    last() {
      const exchange = sent.at(-1)
      if (exchange === undefined) throw new Error('nothing was sent')
      return exchange
    },
  }
}

const url = 'https://api.example/orders'
const order: OutgoingRequest = { url, method: 'POST', headers: [['x-a', '1']] }
const errorOf = (running: Running<unknown>) => running.answer.catch((error: unknown) => error)

test('a request is passed to WeChat unchanged, and its answer stays text', async () => {
  const { network, last } = createWx()
  const running = network.request({ ...order, body: '{}', timeout: 1000 })
  const { kind, options } = last()
  expect(kind).toBe('request')
  expect(options).toMatchObject({ url, method: 'POST', header: { 'x-a': '1' }, data: '{}', timeout: 1000 })
  expect(options).toMatchObject({ dataType: 'text', responseType: 'text' })
  options.success({ statusCode: 200, header: { 'X-Request-Id': 'r1', Age: 5 }, data: '{"a":1}' })
  expect(await running.answer).toEqual({ status: 200, headers: { 'x-request-id': 'r1', age: '5' }, text: '{"a":1}' })
})

test('absent options are not passed to WeChat, which treats undefined as a value', () => {
  const { network, last } = createWx()
  void network.request(order)
  for (const name of ['data', 'timeout', 'redirect']) expect(last().options).not.toHaveProperty(name)
  void network.uploadFile({ url, headers: [], filePath: 'f', name: 'n' })
  for (const name of ['formData', 'timeout']) expect(last().options).not.toHaveProperty(name)
  void network.downloadFile({ url, headers: [] })
  for (const name of ['filePath', 'timeout']) expect(last().options).not.toHaveProperty(name)
})

test.each([100, 204, 302, 401, 404, 500, 599])('status %i is an answer, not a failure', async (statusCode) => {
  const { network, last } = createWx()
  const running = network.request(order)
  last().options.success({ statusCode, header: {}, data: '' })
  expect(await running.answer).toMatchObject({ status: statusCode })
})

test.each<[string, unknown, string]>([
  ['an object, parsed in spite of dataType', { a: 1 }, '{"a":1}'],
  ['a number', 5, '5'],
  ['null', null, ''],
  ['nothing', undefined, ''],
])('a body that arrives as %s is converted to text', async (_what, data, text) => {
  const { network, last } = createWx()
  const running = network.request(order)
  last().options.success({ statusCode: 200, header: {}, data })
  expect((await running.answer).text).toBe(text)
})

test('an answer without headers has none', async () => {
  const { network, last } = createWx()
  const running = network.request(order)
  last().options.success({ statusCode: 200, data: '' })
  expect(await running.answer).toEqual({ status: 200, headers: {}, text: '' })
})

test.each<[string, string]>([
  ['request:fail timeout', 'timeout'],
  ['request:fail:timeout', 'timeout'],
  ['request:fail errcode:-118 cronet_error_code:-118 error_msg:net::ERR_CONNECTION_TIMED_OUT timed out', 'timeout'],
  ['request:fail abort', 'aborted'],
  ['uploadFile:fail abort', 'aborted'],
  ['request:fail url not in domain list', 'invalid_config'],
  ['request:fail interrupted', 'network_error'],
  ['request:fail', 'network_error'],
  ['request:fail -109:net::ERR_ADDRESS_UNREACHABLE', 'network_error'],
  ['', 'network_error'],
])('the failure %j rejects with %s', async (errMsg, code) => {
  const { network, last } = createWx()
  for (const start of [
    () => network.request(order),
    () => network.uploadFile({ url, headers: [], filePath: 'f', name: 'n' }),
    () => network.downloadFile({ url, headers: [] }),
  ]) {
    const running = start()
    last().options.fail({ errMsg })
    expect(await errorOf(running)).toMatchObject({ name: 'LingpaiError', code })
  }
})

test.each<[string, object | undefined]>([
  ['nothing', undefined],
  ['an empty object', {}],
  ['a text that is not a string', { errMsg: 5 }],
])('a failure that says %s rejects with network_error', async (_what, failure) => {
  const { network, last } = createWx()
  const running = network.request(order)
  last().options.fail(failure)
  expect(await errorOf(running)).toMatchObject({ code: 'network_error' })
})

test('the error quotes WeChat’s text and errno, but no URL, whose query may hold a code (I11)', async () => {
  const { network, last } = createWx()
  const running = network.request(order)
  last().options.fail({ errMsg: 'request:fail to https://api.example/?code=secret, again', errno: 600_003 })
  const { message } = (await errorOf(running)) as Error
  expect(message).toContain('request:fail to <url>')
  expect(message).toContain('errno 600003')
  expect(message).not.toContain('secret')
})

test('a very long failure text is cut, and quickly', async () => {
  const { network, last } = createWx()
  const running = network.request(order)
  last().options.fail({ errMsg: 'x'.repeat(1_000_000) })
  expect(((await errorOf(running)) as Error).message.length).toBeLessThan(1000)
})

test('an exception of the platform becomes a rejection', async () => {
  const error = new Error('parameter error')
  const wx = {
    request: () => {
      throw error
    },
  }
  expect(await errorOf(createNetwork(wx as never).request(order))).toBe(error)
})

test('abort ends a request, an upload and a download by its own task', () => {
  const { network, last } = createWx()
  for (const start of [
    () => network.request(order),
    () => network.uploadFile({ url, headers: [], filePath: 'f', name: 'n' }),
    () => network.downloadFile({ url, headers: [] }),
  ]) {
    const running = start()
    expect(last().task.abort).not.toHaveBeenCalled()
    running.abort()
    expect(last().task.abort).toHaveBeenCalledOnce()
  }
})

test('if WeChat returns no task, an abort does nothing, and the answer still arrives', async () => {
  let options: Options | undefined
  const request = (given: Options) => {
    options = given
  }
  const network = createNetwork({ request } as never)
  const running = network.request({ ...order, refusesRedirects: true })
  running.abort()
  options?.success({ statusCode: 200, header: {}, data: 'x' })
  expect(await running.answer).toMatchObject({ text: 'x' })
})

test('only a request with refusesRedirects sets redirect, and listens for the headers', () => {
  const { network, last } = createWx()
  void network.request(order)
  expect(last().task.onHeadersReceived).not.toHaveBeenCalled()
  void network.request({ ...order, refusesRedirects: true })
  expect(last().options).toMatchObject({ redirect: 'manual' })
  expect(last().task.onHeadersReceived).toHaveBeenCalledOnce()
})

test('a redirect of which only the headers arrive is an answer', async () => {
  const { network, last } = createWx()
  const running = network.request({ ...order, refusesRedirects: true })
  const listener = last().task.onHeadersReceived.mock.calls[0]?.[0]
  listener({ statusCode: 302, header: { Location: 'https://elsewhere.example/' } })
  expect(await running.answer).toEqual({
    status: 302,
    headers: { location: 'https://elsewhere.example/' },
    text: '',
  })
})

test.each<[string, object]>([
  ['of another status', { statusCode: 200, header: {} }],
  ['of a 304', { statusCode: 304, header: {} }],
  ['without a status', { header: {} }],
])('headers %s are not yet the answer', async (_what, received) => {
  const { network, last } = createWx()
  const running = network.request({ ...order, refusesRedirects: true })
  const { options, task } = last()
  task.onHeadersReceived.mock.calls[0]?.[0](received)
  options.success({ statusCode: 200, header: {}, data: 'body' })
  expect(await running.answer).toMatchObject({ status: 200, text: 'body' })
})

test('301, 302, 303, 307 and 308 are redirects; 200, 300, 304 and 401 are not', () => {
  expect([301, 302, 303, 307, 308].filter((status) => !isRedirect(status))).toEqual([])
  expect([200, 300, 304, 309, 401].filter(isRedirect)).toEqual([])
})

test('an upload passes its file and form to WeChat, and reports its progress', async () => {
  const { network, last } = createWx()
  const onProgress = vi.fn()
  const running = network.uploadFile({
    url,
    headers: [['x-a', '1']],
    filePath: '/tmp/photo',
    name: 'photo',
    formData: { order: 1 },
    timeout: 5,
    onProgress,
  })
  const { kind, options, task } = last()
  expect(kind).toBe('uploadFile')
  expect(options).toMatchObject({
    url,
    filePath: '/tmp/photo',
    name: 'photo',
    header: { 'x-a': '1' },
    formData: { order: 1 },
    timeout: 5,
  })
  expect(task.onProgressUpdate).toHaveBeenCalledExactlyOnceWith(onProgress)
  options.success({ statusCode: 201, data: '{"id":1}' })
  expect(await running.answer).toEqual({ status: 201, headers: {}, text: '{"id":1}' })
})

test('a download returns the path of its file', async () => {
  const { network, last } = createWx()
  const temporary = network.downloadFile({ url, headers: [] })
  last().options.success({ statusCode: 200, tempFilePath: '/tmp/1', filePath: '' })
  expect(await temporary.answer).toEqual({ status: 200, tempFilePath: '/tmp/1' })
  const chosen = network.downloadFile({ url, headers: [], filePath: '/user/1' })
  expect(last().options).toMatchObject({ filePath: '/user/1' })
  last().options.success({ statusCode: 200, filePath: '/user/1' })
  expect(await chosen.answer).toEqual({ status: 200, filePath: '/user/1' })
})

test('only a request that never left the phone is unsent', async () => {
  const { network, last } = createWx()
  const errors = []
  for (const errMsg of ['createRequestTask:fail request limited', 'request:fail abort', 'request:fail']) {
    const running = network.request(order)
    last().options.fail({ errMsg })
    errors.push(await errorOf(running))
  }
  expect(errors.map(isUnsent)).toEqual([true, false, false])
  expect([new Error('createRequestTask:fail'), undefined, 'createRequestTask:fail'].map(isUnsent)).toEqual([
    false,
    false,
    false,
  ])
})
