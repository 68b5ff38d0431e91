import { Buffer } from 'node:buffer'
import { beforeEach, expect, test } from 'vitest'
import { downloadBytes } from '../../servers/http/download-bytes.ts'
import { type CallServer, startCallServer } from '../fixtures/wechat/call-server.ts'
import {
  abort,
  begin,
  type CallOptions,
  type CallPhoneOptions,
  call,
  failureOf,
  measureMessages,
  startSignedInPhone,
} from '../fixtures/wechat/calls.ts'
import type { Phone } from '../fixtures/wechat/phone.ts'

let server: CallServer

beforeEach(async () => {
  server = await startCallServer()
})

const stories: readonly CallPhoneOptions[] = [
  { engine: 'jsc', baseLibrary: '2.20.2', delivery: 'wrapped' },
  { engine: 'quickjs', baseLibrary: 'latest', delivery: 'bare' },
]

const PHOTO = 'http://tmp/photo.jpg'
const softly = { api: `envelope: envelope({ success: 'SUCCESS', expired: 40101 }),` }

/** A phone with a photo of 3,000 bytes, including every byte that is not text. */
async function startWithPhoto(options: CallPhoneOptions = {}): Promise<Phone> {
  const phone = await startSignedInPhone(server, options)
  phone.files.set(PHOTO, downloadBytes(0, 3000))
  return phone
}

function toUpload(path: string, options: CallOptions = {}): CallOptions {
  return { url: server.origin + path, filePath: PHOTO, name: 'photo', ...options }
}

function upload(phone: Phone, path = '/upload', options: CallOptions = {}) {
  return call(phone, 'uploadFile', toUpload(path, options))
}

function download(phone: Phone, path: string, options: CallOptions = {}) {
  return call(phone, 'downloadFile', { url: server.origin + path, ...options })
}

/** The files besides the photo. */
function filesOf(phone: Phone): string[] {
  return [...phone.files.keys()].filter((path) => path !== PHOTO)
}

const progressOf = (phone: Phone) => phone.evaluate<unknown[]>('getApp().progress')

test.each(stories)(
  'an upload with an expired token is refreshed and sent again, with file and signed form, on $engine',
  async (options) => {
    const phone = await startWithPhoto(options)
    server.api.expireAccessTokens()
    expect(await upload(phone, '/upload', { formData: { note: '茶 & ink', album: 7 } })).toEqual({
      value: { subject: 'alice', size: 3000, note: '茶 & ink' },
    })
    const attempts = server.seenAt('/upload')
    expect(attempts).toHaveLength(2)
    for (const { file, parameters } of attempts) {
      expect(file).toEqual(downloadBytes(0, 3000))
      expect(parameters).toMatchObject({ note: '茶 & ink', album: '7', appId: 'app' })
    }
    expect(new Set(attempts.map(({ parameters }) => parameters.nonce)).size).toBe(2)
    expect(server.api.counters).toMatchObject({ refreshes: 1, reuseDetections: 0 })
  },
)

test.each(stories)(
  'a download with an expired token is refreshed and fetched again, and no error body is left, on $engine',
  async (options) => {
    const phone = await startWithPhoto(options)
    server.api.expireAccessTokens()
    const outcome = await download(phone, '/file?size=3000')
    expect(outcome).toEqual({ value: { statusCode: 200, tempFilePath: expect.any(String) } })
    const { tempFilePath } = (outcome as { value: { tempFilePath: string } }).value
    expect(filesOf(phone)).toEqual([tempFilePath])
    expect(phone.files.get(tempFilePath)).toEqual(downloadBytes(0, 3000))
    expect(server.api.counters.refreshes).toBe(1)
  },
)

test.each(
  (['uploadFile', 'downloadFile'] as const).flatMap((kind) =>
    (['that it has', 'that has expired'] as const).map((token) => ({ kind, token })),
  ),
)('a worker that dies during $kind with a token $token: its successor judges the answer', async ({ kind, token }) => {
  const phone = await startWithPhoto()
  const [path, options] =
    kind === 'uploadFile' ? ['/upload', toUpload('/upload')] : ['/file', { url: `${server.origin}/file?size=3000` }]
  if (token === 'that has expired') server.api.expireAccessTokens()
  const answer = phone.holdNext(kind, { afterwards: true })
  const pending = begin(phone, kind, options)
  await phone.until(() => answer.reached)
  await phone.killWorker()
  await phone.settle()
  answer.release()
  expect(await phone.until(pending)).toHaveProperty('value')
  const isExpired = token === 'that has expired'
  expect(server.seenAt(path)).toHaveLength(isExpired ? 2 : 1)
  expect(server.api.counters).toEqual({ logins: 1, refreshes: isExpired ? 1 : 0, reuseDetections: 0 })
  if (kind === 'downloadFile') expect(filesOf(phone)).toHaveLength(1)
})

test('form fields arrive as signed: strings unchanged, numbers, booleans and objects as JSON; null and undefined are omitted', async () => {
  const phone = await startWithPhoto()
  const formData = { n: 1.5, yes: true, list: [1, { a: '茶' }], empty: '', none: null, absent: undefined }
  expect(await upload(phone, '/upload', { formData })).toMatchObject({ value: { subject: 'alice' } })
  const [seen] = server.seenAt('/upload')
  const { appId, time, nonce, signature, ...fields } = seen?.parameters ?? {}
  expect(fields).toEqual({ n: '1.5', yes: 'true', list: '[1,{"a":"茶"}]', empty: '' })
})

test('an upload without formData is signed too', async () => {
  const phone = await startWithPhoto()
  expect(await upload(phone)).toMatchObject({ value: { subject: 'alice', size: 3000 } })
  expect(server.seenAt('/upload')[0]?.parameters).toHaveProperty('signature')
})

test('without a signer, the fields are sent unchanged, and the worker never sees them', async () => {
  server = await startCallServer({ isSigned: false })
  const phone = await startWithPhoto({ app: { api: 'sign: undefined,' } })
  const note = 'n'.repeat(200_000)
  const size = await measureMessages(phone, async () => {
    expect(await upload(phone, '/upload', { formData: { note } })).toMatchObject({ value: { note } })
  })
  expect(size).toBeLessThan(10_000)
  expect(server.seenAt('/upload')[0]?.parameters).toEqual({ note })
})

test('an upload reports its progress, and its business code is read', async () => {
  const phone = await startWithPhoto()
  const outcome = await upload(phone, '/upload-full', { onProgress: 'note' })
  expect(failureOf(outcome, server)).toMatchObject({
    code: 'api_error',
    status: 200,
    apiCode: 42,
    apiMessage: 'no room',
  })
  expect(await progressOf(phone)).toEqual([
    { progress: 50, totalBytesSent: 1500, totalBytesExpectedToSend: 3000 },
    { progress: 100, totalBytesSent: 3000, totalBytesExpectedToSend: 3000 },
  ])
})

test.each(['uploadFile', 'downloadFile'] as const)('a progress callback that throws does not end %s', async (kind) => {
  const phone = await startWithPhoto()
  const options = kind === 'uploadFile' ? toUpload('/upload') : { url: `${server.origin}/file?size=10` }
  expect(await call(phone, kind, { ...options, onProgress: 'throw' })).toHaveProperty('value')
  expect(phone.console.filter(({ text }) => text.includes('a bug of the app'))).toHaveLength(2)
})

test.each<[string, CallOptions, RegExp]>([
  ['no file', { filePath: '' }, /filePath is missing/],
  ['no form field for the file', { name: undefined }, /name, the form field/],
  ['a form that is not an object', { formData: 'a=b' }, /formData must be an object/],
  ['a form that is a list', { formData: ['a'] }, /formData must be an object/],
  ['`header`', { header: {} }, /called headers/],
  ['a relative URL', { url: '/upload' }, /absolute URL/],
])('an upload with %s is an invalid_call, and nothing is sent', async (_name, options, message) => {
  const phone = await startWithPhoto()
  const before = phone.tasks.length
  const outcome = await upload(phone, '/upload', options)
  expect(failureOf(outcome, server)).toMatchObject({
    code: 'invalid_call',
    message: expect.stringMatching(message),
  })
  expect(failureOf(outcome, server).message).toContain('session.uploadFile')
  expect(phone.tasks).toHaveLength(before)
})

test('the error of a missing file quotes WeChat', async () => {
  const phone = await startWithPhoto()
  const outcome = await upload(phone, '/upload', { filePath: 'http://tmp/gone.jpg' })
  expect(failureOf(outcome, server).message).toContain('file not found')
  expect(server.seenAt('/upload')).toHaveLength(0)
  expect(await upload(phone)).toHaveProperty('value')
})

test.each(['uploadFile', 'downloadFile'] as const)('an abort ends the request of %s', async (kind) => {
  const phone = await startWithPhoto()
  const held = phone.holdNext(kind)
  const options = kind === 'uploadFile' ? toUpload('/upload') : { url: `${server.origin}/file?size=10` }
  const pending = begin(phone, kind, { ...options, signal: true })
  await phone.until(() => held.reached)
  await abort(phone)
  expect(failureOf(await phone.until(pending, { within: 1 }), server)).toMatchObject({ code: 'aborted' })
  expect(phone.tasks.at(-1)).toMatchObject({ state: 'failed', failure: { errMsg: `${kind}:fail abort` } })
  expect(filesOf(phone)).toEqual([])
})

test('an abort during the refresh for a rejected download leaves no file', async () => {
  const phone = await startWithPhoto()
  server.api.expireAccessTokens()
  const held = phone.holdNext('request', { matching: '/refresh' })
  const pending = begin(phone, 'downloadFile', { url: `${server.origin}/file?size=10`, signal: true })
  await phone.until(() => held.reached)
  expect(filesOf(phone)).toHaveLength(1)
  await abort(phone)
  expect(failureOf(await phone.until(pending, { within: 1 }), server)).toMatchObject({ code: 'aborted' })
  await phone.settle()
  expect(filesOf(phone)).toEqual([])
  held.release()
  await phone.settle()
  expect(server.seenAt('/file')).toHaveLength(1)
})

test.each(['uploadFile', 'downloadFile'] as const)('the timeout of %s applies to each attempt', async (kind) => {
  const phone = await startWithPhoto()
  const options = kind === 'uploadFile' ? toUpload('/upload') : { url: `${server.origin}/file?size=10` }
  phone.holdNext(kind)
  const first = begin(phone, kind, { ...options, timeout: 2000 })
  await phone.advance(1900)
  expect(phone.tasks.at(-1)?.state).toBe('running')
  await phone.advance(200)
  expect(failureOf(await phone.until(first), server)).toMatchObject({ code: 'timeout' })
  const held = phone.holdNext(kind)
  const second = begin(phone, kind, { ...options, timeout: 90_000 })
  await phone.advance(80_000)
  held.release()
  expect(await phone.until(second)).toHaveProperty('value')
})

test.each([
  ['interrupted', { errno: 600003 }, 'network_error'],
  ['timeout', { errno: 5 }, 'timeout'],
  ['errcode:10011 network change, cancel all task', { errno: 600001 }, 'network_error'],
] as const)('a transfer that fails with %s is not repeated', async (words, errno, code) => {
  const phone = await startWithPhoto()
  for (const kind of ['uploadFile', 'downloadFile'] as const) {
    phone.failNext(kind, { errMsg: `${kind}:fail ${words}`, ...errno })
    const before = phone.tasks.length
    const outcome = await (kind === 'uploadFile' ? upload(phone) : download(phone, '/file?size=10'))
    expect(failureOf(outcome, server)).toMatchObject({ code, message: expect.stringContaining(words) })
    await phone.advance(30_000)
    expect(phone.tasks).toHaveLength(before + 1)
  }
})

test.each([403, 401])('an upload that is rejected with %i again rejects with that status', async (status) => {
  const phone = await startWithPhoto()
  const text = JSON.stringify({ code: 7, message: 'no', data: null })
  const outcome = await upload(phone, '/say', { formData: { status, text } })
  expect(failureOf(outcome, server)).toMatchObject(
    status === 403 ? { code: 'sign_in_required', status } : { code: 'api_error', status, apiCode: 7 },
  )
  expect(server.seenAt('/say')).toHaveLength(status === 403 ? 1 : 2)
})

test('a code "expired" in the answer to an upload causes a refresh, and the file is sent again', async () => {
  const phone = await startWithPhoto({ app: softly })
  server.api.expireAccessTokens()
  const text = JSON.stringify({ code: 40101, message: 'expired' })
  const outcome = await upload(phone, '/say', { formData: { text } })
  expect(failureOf(outcome, server)).toMatchObject({ code: 'api_error', apiCode: 40101 })
  expect(server.seenAt('/say').map(({ file }) => file?.length)).toEqual([3000, 3000])
})

test('a download reports its progress, and is saved at filePath', async () => {
  const phone = await startWithPhoto()
  const filePath = 'http://usr/chart.bin'
  expect(await download(phone, '/file?size=800', { filePath, onProgress: 'note' })).toEqual({
    value: { statusCode: 200, filePath },
  })
  expect(phone.files.get(filePath)).toEqual(downloadBytes(0, 800))
  expect(await progressOf(phone)).toEqual([
    { progress: 50, totalBytesWritten: 400, totalBytesExpectedToWrite: 800 },
    { progress: 100, totalBytesWritten: 800, totalBytesExpectedToWrite: 800 },
  ])
})

test('a download to a filePath that is first rejected is complete in the end', async () => {
  const phone = await startWithPhoto()
  server.api.expireAccessTokens()
  const filePath = 'http://usr/chart.bin'
  expect(await download(phone, '/file?size=800', { filePath })).toEqual({ value: { statusCode: 200, filePath } })
  await phone.settle()
  expect(phone.files.get(filePath)).toEqual(downloadBytes(0, 800))
})

test('a file of five megabytes does not cross to the worker, and is not read', async () => {
  const phone = await startWithPhoto()
  const size = await measureMessages(phone, async () => {
    expect(await download(phone, `/file?size=${5 << 20}`)).toHaveProperty('value')
  })
  expect(size).toBeLessThan(10_000)
  const [path = ''] = filesOf(phone)
  // Byte by byte, `toEqual` takes half a minute.
  expect(phone.files.get(path)?.equals(downloadBytes(0, 5 << 20))).toBe(true)
})

test('an error body with the code "expired" and HTTP 200 causes a refresh, and the file is fetched again', async () => {
  const phone = await startWithPhoto({ app: softly })
  server.api.expireAccessTokens()
  expect(await download(phone, '/file-expired-code')).toHaveProperty('value')
  const paths = filesOf(phone)
  expect(paths).toHaveLength(1)
  expect(phone.files.get(paths[0] ?? '')).toEqual(downloadBytes(0, 100))
})

test.each([
  ['/file-sold-out', { code: 'api_error', status: 200, apiCode: 42, apiMessage: 'out of stock' }],
  ['/file-forbidden', { code: 'sign_in_required', status: 403 }],
  ['/file-missing', { code: 'api_error', status: 404, apiCode: 40401, apiMessage: 'no such file' }],
  ['/say?status=502', { code: 'api_error', status: 502 }],
] as const)('%s instead of a file rejects with its error, and no file is left', async (path, error) => {
  const phone = await startWithPhoto()
  expect(failureOf(await download(phone, path), server)).toMatchObject(error)
  await phone.settle()
  expect(filesOf(phone)).toEqual([])
})

test('a download that is rejected again after its refresh leaves no file', async () => {
  const phone = await startWithPhoto()
  const text = encodeURIComponent('{"code":7,"message":"no"}')
  const outcome = await download(phone, `/say?status=401&text=${text}`)
  expect(failureOf(outcome, server)).toMatchObject({ code: 'api_error', status: 401, apiCode: 7 })
  await phone.settle()
  expect(filesOf(phone)).toEqual([])
  expect(server.seenAt('/say')).toHaveLength(2)
})

test('a download whose refresh is rejected rejects with sign_in_required, and leaves no file', async () => {
  const phone = await startWithPhoto()
  server.api.expireAccessTokens()
  server.api.expireRefreshTokens()
  expect(failureOf(await download(phone, '/file?size=10'), server)).toMatchObject({ code: 'sign_in_required' })
  await phone.settle()
  expect(filesOf(phone)).toEqual([])
})

test.each([
  ['JSON without a code', '/price-list.json', Buffer.from('{"tea": 3, "ink": 7}')],
  ['an HTML page', '/say', undefined],
  ['an empty file', '/file?size=0', Buffer.alloc(0)],
  ['JSON with a code of success', `/say?text=${encodeURIComponent('{"code":"SUCCESS"}')}`, undefined],
  ['invalid JSON', `/say?text=${encodeURIComponent('{"code":')}`, undefined],
  ['a list', `/say?text=${encodeURIComponent('[{"code":42}]')}`, Buffer.from('[{"code":42}]')],
] as const)('%s is saved as a file', async (_name, path, content) => {
  const phone = await startWithPhoto()
  expect(await download(phone, path)).toEqual({ value: { statusCode: 200, tempFilePath: expect.any(String) } })
  const [file = ''] = filesOf(phone)
  if (content !== undefined) expect(phone.files.get(file)).toEqual(content)
})

test('a file of another server is fetched without a token, and is not parsed', async () => {
  const other = await startCallServer()
  const phone = await startWithPhoto()
  const text = encodeURIComponent('{"code":42}')
  const open = await call(phone, 'downloadFile', { url: `${other.origin}/file?size=10` })
  expect(failureOf(open, server)).toMatchObject({ code: 'api_error', status: 400 })
  other.api.expireAccessTokens()
  expect(other.seen).toMatchObject([{ path: '/file', token: undefined }])
  const unsigned = await startCallServer({ isSigned: false })
  expect(await call(phone, 'downloadFile', { url: `${unsigned.origin}/say?text=${text}` })).toHaveProperty('value')
  const demanded = await call(phone, 'downloadFile', { url: `${unsigned.origin}/say`, auth: true })
  expect(failureOf(demanded, server)).toMatchObject({ code: 'origin_not_allowed' })
})
