import { expect, test } from 'vitest'
import { type Envelope, readAnswer } from '../../../src/protocol/envelope.ts'
import { type EnvelopeOptions, envelope } from '../../../worker/envelope.ts'

const read = (options: EnvelopeOptions, status: number, body: unknown) =>
  readAnswer(envelope(options), status, JSON.stringify(body))
const payload = (value: unknown) => ({ kind: 'payload', payload: value })
const failing = (fields: object) => ({
  kind: 'error',
  error: expect.objectContaining({ code: 'api_error', ...fields }),
})
const expired = { kind: 'expired', error: expect.objectContaining({ code: 'api_error' }) }
const signIn = { kind: 'signInRequired' }

const nested: EnvelopeOptions = { code: 'meta.code', message: 'meta.text', data: 'result.value' }

test.each<[string, EnvelopeOptions, number, unknown, unknown]>([
  ['code, message and data at paths', nested, 200, { meta: { code: 0 }, result: { value: [1] } }, payload([1])],
  [
    'a refusal at paths',
    nested,
    200,
    { meta: { code: 7, text: 'no tea' } },
    failing({ status: 200, apiCode: 7, apiMessage: 'no tea' }),
  ],
  ['a code in a list', { code: 'errors.0.code', expired: 'EXPIRED' }, 200, { errors: [{ code: 'EXPIRED' }] }, expired],
  ['a path through a text', { code: 'code.code' }, 200, { code: 'a' }, failing({ status: 200 })],
  ['success: true', { code: 'success', success: true }, 200, { success: true, data: 1 }, payload(1)],
  [
    'success: false',
    { code: 'success', success: true, message: ['error', 'message'] },
    200,
    { success: false, message: 'sold out' },
    failing({ status: 200, apiMessage: 'sold out' }),
  ],
  ['a test of the code', { success: (code) => Number(code) < 100 }, 200, { code: 99, data: 1 }, payload(1)],
  ['a test that refuses', { success: (code) => Number(code) < 100 }, 200, { code: 100 }, failing({ apiCode: 100 })],
  ['several codes of success', { success: [0, 200] }, 200, { code: '200', data: 1 }, payload(1)],
  ['the whole body', { data: '' }, 200, { code: 0, rows: [] }, payload({ code: 0, rows: [] })],
  [
    'a function of the body',
    { data: (body: { rows: unknown[] }) => body.rows.length },
    200,
    { code: 0, rows: [1, 2] },
    payload(2),
  ],
  [
    'a payload beside the code',
    { message: 'msg' },
    200,
    { code: 0, msg: 'ok', user: 1, roles: [] },
    payload({ user: 1, roles: [] }),
  ],
  ['nothing beside the code', {}, 200, { code: 0, message: 'ok' }, payload(undefined)],
  ['null as payload', {}, 200, { code: 0, data: null, rows: [] }, payload(null)],
  ['no code at all', { code: false, data: '' }, 201, { id: 1 }, payload({ id: 1 })],
  [
    'no code, and a message at a path',
    { code: false, data: '', message: 'errors.0.text' },
    422,
    { errors: [{ text: 'too short' }] },
    failing({ status: 422, apiMessage: 'too short' }),
  ],
  [
    'the first message that is a text',
    { message: ['error', 'error.message', 'detail'] },
    400,
    { error: { message: 'bad' }, detail: 'worse' },
    failing({ status: 400, apiMessage: 'bad' }),
  ],
])('%s', (_what, options, status, body, expected) => {
  expect(read(options, status, body)).toEqual(expected)
})

const jeecg: EnvelopeOptions = {
  success: 200,
  meaning: (status, body: { message?: string } | null) => {
    if (status === 500 && body?.message?.includes('Token失效')) return 'expired'
    return body?.message === '用户被冻结' ? 'sign-in-required' : undefined
  },
}

test.each<[string, number, unknown, unknown]>([
  ['a status 500 whose text means an expired token', 500, { code: 500, message: 'Token失效，请重新登录!' }, expired],
  ['a code of success whose text asks for a sign-in', 200, { code: 200, message: '用户被冻结' }, signIn],
  ['what the function leaves to the codes', 200, { code: 200, data: 1 }, payload(1)],
  ['null', 200, null, failing({ status: 200 })],
])('meaning decides before the codes do: %s', (_what, status, body, expected) => {
  expect(read(jeecg, status, body)).toEqual(expected)
})

test('meaning is not asked for a body that is not JSON', () => {
  expect(readAnswer(envelope(jeecg), 500, '<h1>Token失效</h1>')).toEqual(failing({ status: 500 }))
})

test.each([
  ['message', { message: 'no' }, 'no'],
  ['error.message', { error: { message: 'no' } }, 'no'],
  ['detail', { detail: 'no' }, 'no'],
  ['error_description', { error: 'invalid', error_description: 'no' }, 'no'],
  ['error', { error: 'no' }, 'no'],
])('without an envelope, the message of a refusal is at %s', (_place, body, apiMessage) => {
  expect(readAnswer(undefined, 422, JSON.stringify(body))).toEqual(failing({ status: 422, apiMessage }))
})

test.each<[string, unknown, string]>([
  ['a misspelt option', { sucess: 0 }, 'sucess is not an option'],
  ['an empty path of the code', { code: '' }, 'code must be a path'],
  ['a path of the code that is a number', { code: 1 }, 'code must be a path'],
  ['an empty path of the message', { message: ['text', ''] }, 'message must be a path'],
  ['data that is a number', { data: 1 }, 'data must be a path'],
  ['success that is an object', { success: {} }, 'success must be a text, a number, a boolean'],
  ['expired that is a function', { expired: () => true }, 'expired must be'],
  ['meaning that is a text', { meaning: 'expired' }, 'meaning must be a function'],
])('envelope() refuses %s', (_what, options, message) => {
  expect(() => envelope(options as EnvelopeOptions)).toThrow(message)
})

test('an envelope of paths and codes can cross a thread', () => {
  const options: EnvelopeOptions = { code: 'error.code', message: ['a', 'b'], success: [0, true], expired: 'x' }
  const copy = JSON.parse(JSON.stringify(envelope(options))) as Envelope
  expect(copy).toEqual(envelope(options))
})
