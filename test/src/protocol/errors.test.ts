import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { type ApiRules, findApi } from '../../../src/protocol/apis.ts'
import type { Envelope } from '../../../src/protocol/envelope.ts'
import { readAnswer } from '../../../src/protocol/envelope.ts'
import {
  decodeError,
  encodeError,
  isLingpaiError,
  LingpaiError,
  type LingpaiErrorLike,
  toFetchError,
} from '../../../src/protocol/errors.ts'

const full = { status: 402, apiCode: 900_211, apiMessage: '登录失败，请重新登录', cause: new Error('why') }

/** Copies a message as a channel does that carries only JSON. */
function overJson<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value))
}

test('an error carries its code and fields, and its cause is not enumerable', () => {
  const error = new LingpaiError('api_error', 'The API said no.', full)
  expect(error).toMatchObject({ name: 'LingpaiError', code: 'api_error', status: 402, apiCode: 900_211 })
  expect(error.apiMessage).toBe(full.apiMessage)
  expect((error as LingpaiErrorLike).cause).toBe(full.cause)
  expect(Object.keys(error)).not.toContain('cause')
  expect(error).toBeInstanceOf(Error)
})

test('the message of an error says what failed and ends with a link to its explanation', () => {
  const { message } = new LingpaiError('timeout', 'Too late.')
  expect(message).toMatch(/^Too late\..*docs\/errors\.md#timeout/)
})

test('an error has only the fields that were passed', () => {
  const error = new LingpaiError('timeout', 'Too late.')
  for (const name of ['status', 'apiCode', 'apiMessage', 'cause']) expect(error).not.toHaveProperty(name)
})

test('an error keeps its code and fields over a JSON channel, and drops its stack and cause', () => {
  const error = new LingpaiError('api_error', 'The API said no.', full)
  const wire = encodeError(error)
  expect(overJson(wire)).toEqual({
    name: 'LingpaiError',
    message: error.message,
    code: 'api_error',
    status: 402,
    apiCode: 900_211,
    apiMessage: full.apiMessage,
  })
  const decoded = decodeError(overJson(wire))
  expect(isLingpaiError(decoded)).toBe(true)
  expect(decoded).toBeInstanceOf(LingpaiError)
  expect(decoded).toMatchObject({ code: 'api_error', status: 402, apiCode: 900_211, apiMessage: full.apiMessage })
  expect(decoded.message).toBe(error.message)
  expect(decoded).not.toHaveProperty('cause')
})

test('an encoded error contains no undefined, which JSON would lose', () => {
  const wire = encodeError(new LingpaiError('timeout', 'Too late.'))
  expect(Object.keys(wire)).toEqual(['name', 'message', 'code'])
  expect(wire).toEqual(overJson(wire))
})

test('a TypeError stays a TypeError over a channel', () => {
  const decoded = decodeError(overJson(encodeError(new TypeError('Failed to fetch'))))
  expect(decoded).toBeInstanceOf(TypeError)
  expect(decoded.message).toBe('Failed to fetch')
  expect(isLingpaiError(decoded)).toBe(false)
})

test('an error of another class keeps its name and message', () => {
  const decoded = decodeError(overJson(encodeError(new DOMException('stopped', 'AbortError'))))
  expect(decoded.name).toBe('AbortError')
  expect(decoded.message).toBe('stopped')
  expect(decoded).toBeInstanceOf(Error)
})

test.each([
  ['a string', 'canary'],
  ['undefined', undefined],
  ['null', null],
  ['an object', { token: 'canary' }],
])('a thrown %s crosses a channel as an error that does not quote it (I11)', (_title, thrown) => {
  const wire = encodeError(thrown)
  expect(JSON.stringify(wire)).not.toContain('canary')
  expect(decodeError(wire)).toBeInstanceOf(Error)
})

test.each([new LingpaiError('timeout', 'Too late.'), new TypeError('Failed to fetch'), new Error('Too late.')])(
  'no stack crosses a channel: %s',
  (error) => {
    error.stack = 'canary'
    expect(JSON.stringify(encodeError(error))).not.toContain('canary')
    expect(decodeError(encodeError(error)).stack).not.toContain('canary')
  },
)

test('toFetchError returns a TypeError with the code and fields, for which isLingpaiError is true', () => {
  const original = new LingpaiError('origin_not_allowed', 'Not there.', full)
  const error = toFetchError(original)
  expect(error).toBeInstanceOf(TypeError)
  expect(error.name).toBe('TypeError')
  expect(isLingpaiError(error)).toBe(true)
  expect(error).toMatchObject({ code: 'origin_not_allowed', status: 402, apiCode: 900_211 })
  expect(error.message).toBe(original.message)
})

test('toFetchError keeps the cause', () => {
  expect(toFetchError(new LingpaiError('aborted', 'Stopped.', full)).cause).toBe(full.cause)
})

test('a copy of the fields of an error is not an error of lingpai', () => {
  expect(isLingpaiError({ ...new LingpaiError('timeout', 'Too late.') })).toBe(false)
})

test('a TypeError with a code of lingpai keeps the code over a channel', () => {
  const error = toFetchError(new LingpaiError('sign_in_required', 'The user is not signed in.'))
  expect(decodeError(overJson(encodeError(error)))).toMatchObject({ code: 'sign_in_required' })
})

test('an error of another copy of the bundle is recognised', () => {
  const brand = Symbol.for('lingpai.error')
  const error = Object.assign(new Error('Too late.'), { code: 'timeout', [brand]: true })
  expect(isLingpaiError(error)).toBe(true)
  expect(error).not.toBeInstanceOf(LingpaiError)
  expect(encodeError(error).code).toBe('timeout')
})

test('an error of another realm is recognised', () => {
  const error: unknown = runInNewContext(
    `Object.assign(new Error('Too late.'), { code: 'timeout', [Symbol.for('lingpai.error')]: true })`,
  )
  expect(error).not.toBeInstanceOf(Error)
  expect(isLingpaiError(error)).toBe(true)
})

test.each([
  undefined,
  null,
  0,
  '',
  'timeout',
  {},
  [],
  new Error('timeout'),
  { code: 'timeout' },
  Object.assign(new Error('no'), { code: 'timeout' }),
])('%j is not an error of lingpai', (value) => {
  expect(isLingpaiError(value)).toBe(false)
})

const envelope: Envelope = {
  code: 'code',
  message: ['message'],
  data: 'data',
  success: ['SUCCESS', 0],
  expired: [40_101],
  signInRequired: [900_211, 900_212],
}

const failing = (code: string, status: number, fields: object = {}) => ({
  kind: 'error',
  error: expect.objectContaining({ code, status, ...fields }),
})
const expiredAnswer = { kind: 'expired', error: expect.objectContaining({ code: 'api_error' }) }

test.each<[string, number, string, unknown]>([
  ['200 with the code of success', 200, '{"code":"SUCCESS","data":{"id":1}}', { kind: 'payload', payload: { id: 1 } }],
  ['200 with another code of success', 200, '{"code":0,"data":[1]}', { kind: 'payload', payload: [1] }],
  ['201 with the code of success', 201, '{"code":0,"data":1}', { kind: 'payload', payload: 1 }],
  ['200 with the code of success and no data', 200, '{"code":0}', { kind: 'payload', payload: undefined }],
  ['200 with the code of success and null', 200, '{"code":0,"data":null}', { kind: 'payload', payload: null }],
  [
    '200 with another code',
    200,
    '{"code":5,"message":"sold out"}',
    failing('api_error', 200, { apiCode: 5, apiMessage: 'sold out' }),
  ],
  ['200 with the code of success as text', 200, '{"code":"0","data":1}', { kind: 'payload', payload: 1 }],
  ['200 with the code of an expired token as text', 200, '{"code":"40101"}', expiredAnswer],
  ['204 without a body', 204, '', { kind: 'payload', payload: undefined }],
  ['205 without a body', 205, '', { kind: 'payload', payload: undefined }],
  [
    '200 with the payload beside the code',
    200,
    '{"code":0,"message":"ok","rows":[1],"total":1}',
    { kind: 'payload', payload: { rows: [1], total: 1 } },
  ],
  [
    '200 with an own __proto__',
    200,
    '{"code":0,"__proto__":{"data":1}}',
    { kind: 'payload', payload: JSON.parse('{"__proto__":{"data":1}}') },
  ],
  ['200 without a code', 200, '{"data":1}', failing('api_error', 200)],
  ['200 with a code that is an object', 200, '{"code":{}}', failing('api_error', 200)],
  ['200 with an array', 200, '[1]', failing('api_error', 200)],
  ['200 with a bare number', 200, '1', failing('api_error', 200)],
  ['200 with null', 200, 'null', failing('api_error', 200)],
  ['200 without a body', 200, '', failing('api_error', 200)],
  ['200 with HTML', 200, '<html>', failing('api_error', 200)],
  ['200 with the code of an expired token', 200, '{"code":40101,"message":"expired"}', expiredAnswer],
  ['200 with a code that asks for sign-in', 200, '{"code":900211}', { kind: 'signInRequired' }],
  ['401 with an envelope', 401, '{"code":1}', expiredAnswer],
  ['401 without a body', 401, '', expiredAnswer],
  ['401 with HTML', 401, '<html>', expiredAnswer],
  ['401 with the code of success', 401, '{"code":0,"data":1}', expiredAnswer],
  ['401 with a code that asks for sign-in', 401, '{"code":900212}', { kind: 'signInRequired' }],
  ['403', 403, '{"code":7,"message":"no"}', failing('api_error', 403, { apiCode: 7, apiMessage: 'no' })],
  ['403 without a body', 403, '', failing('api_error', 403)],
  ['404 with HTML', 404, '<html>', failing('api_error', 404)],
  ['500 with the code of success', 500, '{"code":0,"data":1}', failing('api_error', 500, { apiCode: 0 })],
  ['500 with the code of an expired token', 500, '{"code":40101}', expiredAnswer],
])('an answer of %s is read with an envelope', (_title, status, text, expected) => {
  expect(readAnswer(envelope, status, text)).toEqual(expected)
})

test.each<[string, number, string, unknown]>([
  ['200 with JSON', 200, '{"id":1}', { kind: 'payload', payload: { id: 1 } }],
  ['200 with null', 200, 'null', { kind: 'payload', payload: null }],
  ['204', 204, '', { kind: 'payload', payload: undefined }],
  ['200 with HTML', 200, '<html>', failing('api_error', 200)],
  ['200 with truncated JSON', 200, '{"id":', failing('api_error', 200)],
  ['401', 401, '', expiredAnswer],
  ['403', 403, '{"code":900211}', failing('api_error', 403)],
  ['500', 500, '', failing('api_error', 500)],
  ['304', 304, '', failing('api_error', 304)],
])('an answer of %s is read without an envelope', (_title, status, text, expected) => {
  expect(readAnswer(undefined, status, text)).toEqual(expected)
})

test('an envelope may have other field names', () => {
  const names: Envelope = { ...envelope, code: 'errcode', message: ['errmsg'], data: 'result' }
  expect(readAnswer(names, 200, '{"errcode":0,"result":1,"data":2}')).toEqual({ kind: 'payload', payload: 1 })
  expect(readAnswer(names, 200, '{"errcode":3,"errmsg":"busy"}')).toMatchObject({ error: { apiMessage: 'busy' } })
})

test('the error about an unreadable answer does not quote it (I11)', () => {
  const answer = readAnswer(envelope, 200, 'canary')
  expect(answer).toMatchObject({ kind: 'error' })
  if (answer.kind === 'error') expect(answer.error.message).not.toContain('canary')
})

const apis: readonly (ApiRules & { readonly name: string })[] = [
  { name: 'inner', origin: 'https://api.example.com', pathPrefix: '/api/v2/' },
  { name: 'api', origin: 'https://api.example.com', pathPrefix: '/api' },
  { name: 'port', origin: 'https://api.example.com:8443', pathPrefix: '/' },
  { name: 'local', origin: 'http://localhost:3000', pathPrefix: '/' },
  { name: 'unicode', origin: 'https://xn--fiqs8s.example', pathPrefix: '/' },
  { name: 'numeric', origin: 'http://127.0.0.1:8080', pathPrefix: '/' },
  { name: 'six', origin: 'http://[::1]:8080', pathPrefix: '/' },
]

test.each<[string, string | undefined]>([
  ['https://api.example.com/api', 'api'],
  ['https://api.example.com/api/', 'api'],
  ['https://api.example.com/api/orders', 'api'],
  ['https://api.example.com/api?x=1', 'api'],
  ['https://api.example.com/api#x', 'api'],
  ['https://api.example.com//api', undefined],
  ['https://api.example.com/api//orders', 'api'],
  ['https://api.example.com/api/./orders', 'api'],
  ['https://api.example.com/x/../api/orders', 'api'],
  ['https://API.EXAMPLE.COM/api', 'api'],
  ['HTTPS://api.example.com/api', 'api'],
  ['https://api.example.com:443/api', 'api'],
  ['https://api.example.com:0443/api', 'api'],
  ['https:\\\\api.example.com\\api', 'api'],
  ['https:api.example.com/api', 'api'],
  ['  https://api.example.com/api', 'api'],
  ['https://api.exam\tple.com/api', 'api'],
  ['https://api%2Eexample.com/api', 'api'],
  ['https://api.example.com/api/v2/orders', 'inner'],
  ['https://api.example.com/api/v2', 'api'],
  ['https://api.example.com/api/v22', 'api'],
  ['https://api.example.com:8443/anything', 'port'],
  ['http://localhost:3000', 'local'],
  ['https://中国.example/', 'unicode'],
  ['https://中国。example/', 'unicode'],
  ['https://api。ＥＸＡＭＰＬＥ．com/api', 'api'],
  ['https://api.exam\u00adple.com/api', 'api'],
  ['https:\n//api.example.com\r/a\tpi', 'api'],
  ['https://api.example.com\\@evil.test/../api', 'api'],
  ['https:/api.example.com/api', 'api'],
  ['https://///api.example.com/api', 'api'],
  ['https://@api.example.com/api', 'api'],
  ['https://api.example.com:/api', 'api'],
  ['http://127.1:8080/', 'numeric'],
  ['http://0x7f.0.0.1:8080/', 'numeric'],
  ['http://2130706433:8080/', 'numeric'],
  ['http://127.0.0.1.:8080/', 'numeric'],
  ['http://[0:0:0:0:0:0:0:1]:8080/', 'six'],
  ['https://api.example.com/', undefined],
  ['https://api.example.com/apix', undefined],
  ['https://api.example.com/api-internal', undefined],
  ['https://api.example.com/api;x', undefined],
  ['https://api.example.com/api.json', undefined],
  ['https://api.example.com/api%2Forders', undefined],
  ['https://api.example.com/API', undefined],
  ['https://api.example.com/%61pi', undefined],
  ['https://api.example.com/api/../admin', undefined],
  ['https://api.example.com/api/%2e%2e/admin', undefined],
  ['https://api.example.com/api/.%2E/admin', undefined],
  ['https://api.example.com/api\\..\\admin', undefined],
  ['https://api.example.com./api', undefined],
  ['https://api.example.com:444/api', undefined],
  ['https://api.example.com:80/api', undefined],
  ['http://api.example.com/api', undefined],
  ['http://api.example.com:443/api', undefined],
  ['wss://api.example.com/api', undefined],
  ['ftp://api.example.com/api', undefined],
  ['https://example.com/api', undefined],
  ['https://xapi.example.com/api', undefined],
  ['https://x.api.example.com/api', undefined],
  ['https://api.example.com.evil.test/api', undefined],
  ['https://api.example.comevil.test/api', undefined],
  ['https://api-example.com/api', undefined],
  ['https://evil.test/https://api.example.com/api', undefined],
  ['https://evil.test/?https://api.example.com/api', undefined],
  ['https://evil.test#https://api.example.com/api', undefined],
  ['https://api.example.com@evil.test/api', undefined],
  ['https://api.example.com:443@evil.test/api', undefined],
  ['https://api.example.com%40evil.test@evil.test/api', undefined],
  ['https://evil.test\\@api.example.com/api', undefined],
  ['https://арi.example.com/api', undefined],
  ['https://api.example.com。/api', undefined],
  ['https://evil.test\t@api.example.com:444/api', undefined],
  ['http://[::ffff:127.0.0.1]:8080/', undefined],
  ['http://127.0.0.1:8080@evil.test/', undefined],
  ['http://127.0.0.1:80/', undefined],
  ['http://0.0.0.0:8080/', undefined],
  ['http://localhost:8080/', undefined],
  ['https://127.0.0.1/api', undefined],
  ['http://localhost/', undefined],
  ['http://localhost:3001/', undefined],
  ['http://127.0.0.1:3000/', undefined],
  ['http://[::1]:3000/', undefined],
  ['blob:https://api.example.com/api', undefined],
  ['blob:https://api.example.com:8443/anything', undefined],
  ['blob:null/anything', undefined],
  ['filesystem:https://api.example.com:8443/temporary/anything', undefined],
  ['view-source:https://api.example.com:8443/anything', undefined],
  ['ws://localhost:3000/', undefined],
  ['data:text/plain,https://api.example.com/api', undefined],
  ['about:blank', undefined],
  ['file:///api', undefined],
  ['javascript:1', undefined],
])('the API of %s is %s', (url, name) => {
  expect(findApi(apis, new URL(url))?.name).toBe(name)
})

test('userinfo is not part of an origin: the code that sends tokens rejects it too', () => {
  const url = new URL('https://user:password@api.example.com/api')
  expect(findApi(apis, url)?.name).toBe('api')
  expect([url.username, url.password]).toEqual(['user', 'password'])
})

test('a URL of another scheme that has the origin of an API does not belong to it, as in Chromium', () => {
  const url = { origin: 'https://api.example.com', protocol: 'filesystem:', pathname: '/api' }
  expect(findApi(apis, url)).toBeUndefined()
})

test('an opaque origin does not belong to any API, not even to one with the origin null', () => {
  expect(findApi([{ origin: 'null', pathPrefix: '/' }], new URL('data:text/plain,x'))).toBeUndefined()
})

test('without listed APIs, none is found', () => {
  expect(findApi([], new URL('https://api.example.com/api'))).toBeUndefined()
})
