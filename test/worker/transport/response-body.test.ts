import { afterEach, expect, test, vi } from 'vitest'
import type { BodyReader } from '../../../worker/transport/outgoing-body.ts'
import { type ResponseBody, readResponseBody } from '../../../worker/transport/response-body.ts'
import { createTokenSearch } from '../../../worker/transport/token-search.ts'

const TOKEN = 'the-access-token'
const unhandled = vi.fn()
process.on('unhandledRejection', unhandled)
afterEach(() => {
  expect(unhandled).not.toHaveBeenCalled()
})

const settle = () => new Promise((resolve) => setTimeout(resolve, 5))
const encode = (text: string) => new TextEncoder().encode(text)

/** A response whose body the test sends, and a clock that the test advances. */
function open(init: ResponseInit = {}, token?: string) {
  let source = {} as ReadableStreamDefaultController<Uint8Array>
  const pull = vi.fn()
  const cancel = vi.fn()
  const start = (controller: typeof source) => {
    source = controller
  }
  const stream = new ReadableStream<Uint8Array>({ start, pull, cancel }, { highWaterMark: 0 })
  const due: (() => void)[] = []
  const timers = {
    setTimeout: vi.fn((work: () => void, _delay: number) => due.push(work)),
    clearTimeout: vi.fn(() => void due.splice(0)),
  }
  const search = token === undefined ? undefined : createTokenSearch([token])
  const body = readResponseBody(new Response(stream, init), search, timers as never)
  return { body, source, pull, cancel, due, timers, pass: () => void due.splice(0).map((work) => work()) }
}

async function readAll(body: ResponseBody): Promise<string> {
  const texts: string[] = []
  for (;;) {
    const { done, value } = await (body as BodyReader).read()
    if (done) return texts.join('|')
    texts.push(new TextDecoder().decode(value))
  }
}

const isWhole = (body: ResponseBody) => body instanceof ArrayBuffer

test('a small body is passed on whole, in the same buffer', async () => {
  const { body, source, timers } = open()
  const chunk = encode('small')
  const { buffer } = chunk
  source.enqueue(chunk)
  source.close()
  expect(await body).toBe(buffer)
  expect(timers.clearTimeout).toHaveBeenCalled()
})

test('a chunk that is a part of a buffer is passed on without the rest of the buffer', async () => {
  const { body, source } = open()
  source.enqueue(encode('a secret, small, secret').subarray(10, 15))
  source.close()
  expect(new TextDecoder().decode((await body) as ArrayBuffer)).toBe('small')
})

test.each([
  [[65_536], true],
  [[65_537], false],
  [[40_000, 25_536], true],
  [[40_000, 25_537], false],
  [[], true],
])('chunks of %j bytes are passed on whole: %s', async (sizes, expected) => {
  const { body, source } = open()
  for (const [index, size] of sizes.entries()) source.enqueue(new Uint8Array(size).fill(97 + index))
  source.close()
  const found = await body
  expect(isWhole(found)).toBe(expected)
  const text = isWhole(found) ? new TextDecoder().decode(found as ArrayBuffer) : await readAll(found)
  expect(text.replaceAll('|', '')).toBe(sizes.map((size, index) => 'ab'.charAt(index).repeat(size)).join(''))
})

test.each<[string, ResponseInit]>([
  ['with a long content-length', { headers: { 'content-length': '65537' } }],
  ['of events', { headers: { 'content-type': 'text/event-stream; charset=utf-8' } }],
])('a body %s becomes a reader at once and is not read before', async (_what, init) => {
  const { body, pull, source, due } = open(init)
  const reader = await body
  expect(isWhole(reader)).toBe(false)
  expect(due).toEqual([])
  await settle()
  expect(pull).not.toHaveBeenCalled()
  source.enqueue(encode('one'))
  source.close()
  expect(await readAll(reader)).toBe('one')
})

test('a late body becomes a reader that returns all chunks in order', async () => {
  const { body, source, pass } = open()
  source.enqueue(encode('one'))
  source.enqueue(encode('two'))
  await settle()
  pass()
  const reader = await body
  source.enqueue(encode('three'))
  source.enqueue(encode('four'))
  source.close()
  expect(await readAll(reader)).toBe('one|two|three|four')
})

test('if no chunk has arrived, the headers wait for a short pause only', async () => {
  const { body, timers, pass } = open()
  await settle()
  expect(timers.setTimeout).toHaveBeenCalledExactlyOnceWith(expect.any(Function), expect.any(Number))
  expect(timers.setTimeout.mock.calls[0]?.[1]).toBeLessThan(50)
  pass()
  expect(isWhole(await body)).toBe(false)
})

test('the error of a body that breaks off reaches its reader only', async () => {
  for (const isLate of [false, true]) {
    const { body, source, pass } = open()
    const error = new TypeError('broken')
    source.enqueue(encode('one'))
    await settle()
    if (isLate) pass()
    source.error(error)
    const reader = (await body) as BodyReader
    await settle()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('one')
    await expect(reader.read()).rejects.toBe(error)
  }
})

test('a token is found in a small body, in the chunk that makes it late or long, and after it (I11)', async () => {
  const refused = { code: 'token_reflected', status: 200 }
  const small = open({}, TOKEN)
  small.source.enqueue(encode(`it is ${TOKEN}`))
  await expect(small.body).rejects.toMatchObject(refused)
  for (const parts of [[TOKEN], [TOKEN.slice(0, 5), TOKEN.slice(5)], ['more', TOKEN], ['more', 'and more', TOKEN]]) {
    const late = open({}, TOKEN)
    late.source.enqueue(encode('one'))
    await settle()
    late.pass()
    const body = await late.body
    for (const part of parts) late.source.enqueue(encode(part))
    late.source.close()
    await expect(readAll(body)).rejects.toMatchObject(refused)
  }
  const long = open({ headers: { 'content-length': '100000' } }, TOKEN)
  long.source.enqueue(encode(TOKEN))
  await expect(readAll(await long.body)).rejects.toMatchObject(refused)
})

test('without a token, the body is not searched', async () => {
  const { body, source } = open({})
  source.enqueue(encode(TOKEN))
  source.close()
  expect(isWhole(await body)).toBe(true)
})

test.each<[string, ResponseInit]>([
  ['late', {}],
  ['long', { headers: { 'content-length': '100000' } }],
])('a cancelled reader of a %s body cancels the response’s stream', async (_what, init) => {
  const { body, cancel, pass } = open(init)
  await settle()
  pass()
  await ((await body) as BodyReader).cancel('enough')
  expect(cancel).toHaveBeenCalledTimes(1)
})

test.each([204, 205, 304])('an empty stream with status %i is not a body', async (status) => {
  const response = new Response('')
  Object.defineProperty(response, 'status', { value: status })
  expect(await readResponseBody(response, createTokenSearch([TOKEN]), globalThis as never)).toBeNull()
})

test('an opaque response has no body, even if the platform has one', async () => {
  const response = new Response('hidden')
  Object.defineProperty(response, 'status', { value: 0 })
  expect(await readResponseBody(response, createTokenSearch([TOKEN]), globalThis as never)).toBeNull()
  expect(await readResponseBody(new Response(null), createTokenSearch([TOKEN]), globalThis as never)).toBeNull()
})
