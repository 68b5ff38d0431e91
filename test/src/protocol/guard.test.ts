import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Endpoint } from '../../../src/protocol/endpoint.ts'
import { guard, MAX_PENDING_CALLS } from '../../../src/protocol/guard.ts'
import type { Welcome } from '../../../src/protocol/handshake.ts'
import type { HistoryEntry } from '../../../src/protocol/history.ts'
import type { CancelSignal, GrantIO } from '../../../worker/core/adapter.ts'
import { controlChecks, fetchChecks } from '../../../worker/host/checks.ts'
import { taskChecks } from '../../../worker/host/wechat-checks.ts'
import { header } from '../../../worker/transport/attach.ts'
import { sendGrantRequest } from '../../../worker/transport/fetch.ts'
import {
  apiOrigin,
  bytesOf,
  callFrame,
  canary,
  codeOf,
  createTestServer,
  type Fetch,
  RawPage,
  type Reply,
} from '../../fixtures/raw-page.ts'
import { never } from '../../fixtures/scripted-peer.ts'

// Mutation testing runs these tests once per mutant.
const isQuick = process.env.QUICK !== undefined

let page: RawPage

beforeEach(async () => {
  page = new RawPage(createTestServer())
  await page.call('signIn', 's1', {})
})
afterEach(() => {
  expect(bytesOf(page.replies)).not.toContain(canary)
  page.close()
})

async function open(changes: Parameters<typeof createTestServer>[0], fetch?: Fetch): Promise<RawPage> {
  page.close()
  page = new RawPage(createTestServer(changes, fetch))
  await page.call('signIn', 's1', {})
  return page
}

/** State that an attack must not change. */
async function stateOfTheWorker(): Promise<unknown> {
  const own = (target: object) => Reflect.ownKeys(target).map(String)
  return {
    prototypes: [Object.prototype, Function.prototype, Array.prototype, String.prototype, Promise.prototype].map(own),
    snapshot: await page.snapshot(),
    answer: (await page.call('fetch', 'state', { url: `${apiOrigin}/orders`, method: 'GET', headers: [] })).type,
  }
}

async function expectRefused(frame: object, transfer?: Transferable[]): Promise<void> {
  const before = await stateOfTheWorker()
  expect(codeOf(await page.ask(frame, transfer))).toBe('invalid_call')
  expect(await stateOfTheWorker()).toEqual(before)
}

const raw = (value: unknown) => ({ type: 'RAW', value })

test.each<[string, object]>([
  ['GET of a field that could hold a token', { type: 'GET', path: ['_token'] }],
  ['GET of the whole table', { type: 'GET', path: [] }],
  ['GET without a path', { type: 'GET' }],
  ['GET of a method', { type: 'GET', path: ['fetch'] }],
  ['the source text of a method', { type: 'APPLY', path: ['fetch', 'toString'], argumentList: [] }],
  ['pollution of Object.prototype', { type: 'SET', path: ['__proto__', '__proto__', 'polluted'], value: raw(1) }],
  ['pollution by a path of one', { type: 'SET', path: ['__proto__'], value: raw({ polluted: 1 }) }],
  [
    'code through Function',
    { type: 'CONSTRUCT', path: ['constructor', 'constructor'], argumentList: [raw('return 1')] },
  ],
  ['code through a method', { type: 'CONSTRUCT', path: ['fetch', 'constructor'], argumentList: [raw('return 1')] }],
  ['code through APPLY', { type: 'APPLY', path: ['fetch', 'constructor'], argumentList: [raw('return 1')] }],
  [
    'a setter on Object.prototype',
    {
      type: 'APPLY',
      path: ['__proto__', '__proto__', '__defineSetter__'],
      argumentList: [raw('authorization'), raw('x')],
    },
  ],
  ['SET of a method', { type: 'SET', path: ['fetch'], value: raw(1) }],
  ['SET on the class of all tabs', { type: 'SET', path: ['constructor', 'prototype', 'fetch'], value: raw(1) }],
  ['ENDPOINT', { type: 'ENDPOINT' }],
  ['ENDPOINT with a path', { type: 'ENDPOINT', path: ['fetch'] }],
  ['RELEASE', { type: 'RELEASE' }],
  ['an unknown type', { type: 'DESTROY', path: ['ping'], argumentList: [] }],
  ['a type that is not a string', { type: ['APPLY'], path: ['ping'], argumentList: [] }],
  ['a frame without a type', { path: ['ping'], argumentList: [] }],
  ['an empty frame', {}],
])('%s is rejected and changes nothing', async (_what, frame) => {
  await expectRefused(frame)
})

test.each<[string, unknown]>([
  ['of length 0', []],
  ['of length 2', ['ping', 'call']],
  ['that is a string', 'ping'],
  ['that only looks like an array', { 0: 'ping', length: 1 }],
  ['that is absent', undefined],
  ['that holds a number', [0]],
  ['that holds an array', [['ping']]],
  ['that has a hole', new Array(1)],
])('a path %s is rejected', async (_what, path) => {
  await expectRefused({ type: 'APPLY', path, argumentList: [] })
})

test.each([
  'constructor',
  '__proto__',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
  'then',
  'bind',
  '__defineGetter__',
  'fetch ',
  'Fetch',
  '',
])('the method name %j is rejected', async (name) => {
  await expectRefused(callFrame(name))
})

test.each<[string, unknown]>([
  ['throw', { type: 'HANDLER', name: 'throw', value: { isError: true, value: { message: 'x', name: 'x' } } }],
  ['throw of a value', { type: 'HANDLER', name: 'throw', value: { isError: false, value: 1 } }],
  ['an unknown handler', { type: 'HANDLER', name: 'unknown', value: 1 }],
  ['a handler named constructor', { type: 'HANDLER', name: 'constructor', value: 1 }],
  ['not a wire value', 'text'],
  ['null', null],
  ['an object without a type', { value: 1 }],
])('an argument that is %s is rejected', async (_what, argument) => {
  await expectRefused({ type: 'APPLY', path: ['ping'], argumentList: [argument] })
})

test('an argument that is a proxied callback is rejected, and its port is never used', async () => {
  const { port1, port2 } = new MessageChannel()
  const heard: unknown[] = []
  port1.onmessage = ({ data }) => heard.push(data)
  await expectRefused(
    { type: 'APPLY', path: ['signIn'], argumentList: [raw('c'), { type: 'HANDLER', name: 'proxy', value: port2 }] },
    [port2],
  )
  expect(heard).toEqual([])
  port1.close()
})

test.each<[string, unknown]>([
  ['that is absent', undefined],
  ['that is not an array', { 0: raw('a'), length: 1 }],
  ['of five', [1, 2, 3, 4, 5].map(raw)],
  ['of a million', new Array(1_000_000)],
  ['with a hole', new Array(2)],
])('an argument list %s is rejected', async (_what, argumentList) => {
  await expectRefused({ type: 'APPLY', path: ['fetch'], argumentList })
})

/** Structured cloning keeps the own fields of an array, even if they shadow its methods. */
function withOwn(list: unknown[], name: string): unknown[] {
  return Object.assign(list, { [name]: 1 })
}

test.each(['map', 'constructor', 'length2', 'every'])(
  'an argument list with an own field %j does no harm',
  async (name) => {
    const before = await stateOfTheWorker()
    const reply = await page.ask({ type: 'APPLY', path: ['ping'], argumentList: withOwn([], name) })
    if (reply.type === 'HANDLER') expect(codeOf(reply)).toBe('invalid_call')
    expect(await stateOfTheWorker()).toEqual(before)
  },
)

test.each(['map', 'constructor'])('a header list with an own field %j does no harm', async (name) => {
  const reply = await page.call('fetch', 'c', { url: `${apiOrigin}/`, method: 'GET', headers: withOwn([], name) })
  if (reply.type === 'HANDLER') expect(codeOf(reply)).toBe('invalid_call')
})

test.each<[string, unknown]>([
  ['a number', 1],
  ['absent', undefined],
  ['null', null],
  ['empty', ''],
  ['longer than 100', 'a'.repeat(101)],
  ['an object', {}],
  ['an array', ['a']],
  ['a String object', new String('abc')],
  ['with a line break', 'a\n'],
  ['not ASCII', '令牌'],
])('a frame whose id is %s is ignored, since an answer could not be delivered', async (_what, id) => {
  const before = page.replies.length
  page.post({ ...callFrame('signOut', false), id })
  const snapshot = await page.snapshot()
  expect(snapshot).toMatchObject({ status: 'signed-in' })
  expect(page.replies.slice(before)).toHaveLength(1)
})

test.each<[string, unknown]>([
  ['null', null],
  ['a string', 'APPLY'],
  ['a number', 7],
  ['an array', []],
  ['a date', new Date(0)],
  ['a map', new Map([['id', 'a']])],
  ['a buffer', new ArrayBuffer(8)],
  ['an error', new Error('x')],
])('a message that is %s is ignored', async (_what, message) => {
  const before = page.replies.length
  page.post(message)
  await page.snapshot()
  expect(page.replies.slice(before)).toHaveLength(1)
})

test('the id __proto__ is answered like any other', async () => {
  page.post({ ...callFrame('ping'), id: '__proto__' })
  await page.snapshot()
  const own = page.replies.filter((reply) => Object.hasOwn(reply, 'id')).map(({ id }) => id)
  expect(own).toContain('__proto__')
})

test('an id that is in use is rejected, and the first call is still answered', async () => {
  let answer = (_response: Response): void => {}
  await open({}, () => new Promise((resolve) => (answer = resolve)))
  const frame = { ...callFrame('fetch', 'c', { url: `${apiOrigin}/`, method: 'GET', headers: [] }), id: 'twice' }
  page.post(frame)
  page.post({ ...callFrame('signOut', false), id: 'twice' })
  expect(await page.snapshot()).toMatchObject({ status: 'signed-in' })
  answer(new Response('late'))
  await page.snapshot()
  const [refused, answered] = page.replies.filter(({ id }) => id === 'twice')
  expect(codeOf(refused ?? {})).toBe('invalid_call')
  expect(answered).toMatchObject({ type: 'RAW', value: { status: 200 } })
})

test('a second call with the same call id is rejected, and the first goes on', async () => {
  let answer = (_response: Response): void => {}
  await open({}, () => new Promise((resolve) => (answer = resolve)))
  const request = { url: `${apiOrigin}/`, method: 'GET', headers: [] }
  const first = page.call('fetch', 'same', request)
  expect(codeOf(await page.call('fetch', 'same', request))).toBe('invalid_call')
  answer(new Response('late'))
  expect(await first).toMatchObject({ type: 'RAW' })
})

/** A port without structured cloning. */
function barePort() {
  const sent: unknown[] = []
  let hear = (_event: { data: unknown }): void => {}
  const close = vi.fn()
  const port: Endpoint = {
    postMessage: (message) => void sent.push(message),
    addEventListener: (_type, listener) => {
      hear = listener
    },
    removeEventListener: () => {},
    close,
  }
  return { port, sent, close, deliver: (data: unknown) => hear({ data }) }
}

/** A guard over such a port, and the messages that it passes on. */
function bareGuard() {
  const bare = barePort()
  const passed: unknown[] = []
  const guarded = guard(bare.port, {
    checks: { ...controlChecks, ...fetchChecks },
    instance: 'instance',
    onNotice: (notice) => passed.push(notice),
  })
  guarded.addEventListener('message', ({ data }) => passed.push(data))
  return { ...bare, passed }
}

test('a port may have 10,000 unanswered calls; the next is rejected as busy, and each answer makes room for one', () => {
  const { port, sent, deliver } = barePort()
  const passed: unknown[] = []
  const guarded = guard(port, { checks: controlChecks, onNotice() {} })
  guarded.addEventListener('message', ({ data }) => passed.push(data))
  for (let index = 0; index < MAX_PENDING_CALLS; index++) deliver({ ...callFrame('ping'), id: `c${index}` })
  expect([sent.length, passed.length]).toEqual([0, 10_000])
  deliver({ ...callFrame('ping'), id: 'late' })
  expect(sent).toMatchObject([{ id: 'late', value: { code: 'busy', message: expect.stringContaining('10000') } }])
  guarded.postMessage({ id: 'c0' })
  deliver({ ...callFrame('ping'), id: 'one' })
  deliver({ ...callFrame('ping'), id: 'two' })
  expect(passed.length).toBe(10_001)
  expect(sent.map((answer) => (answer as Reply).id)).toEqual(['late', 'c0', 'two'])
})

test('every answer carries the id of the answering thread, if it has one', () => {
  for (const instance of ['instance', undefined]) {
    const { port, sent, deliver } = barePort()
    const guarded = guard(port, { checks: controlChecks, ...(instance && { instance }), onNotice() {} })
    deliver({ ...callFrame('unknown'), id: 'refused' })
    guarded.postMessage({ id: 'answered' })
    const carried = sent.map((answer) => Object.entries(answer as Reply).filter(([key]) => key === 'instance'))
    expect(carried).toEqual(instance === undefined ? [[], []] : [[['instance', instance]], [['instance', instance]]])
  }
})

test.each<[string, object]>([
  ['it is not a method call', { type: 'GET', path: ['ping'] }],
  ['it names no method', { type: 'APPLY', path: [], argumentList: [] }],
  ['there is no such method', callFrame('unknown')],
  ['it has too many arguments', callFrame('ping', 1, 2, 3, 4, 5)],
  ['an argument is not plain data', { type: 'APPLY', path: ['ping'], argumentList: [1] }],
  ['its id is in use', { ...callFrame('ping'), id: 'used' }],
])('a rejection gives the reason: %s', (reason, frame) => {
  const { deliver, sent } = bareGuard()
  deliver({ ...callFrame('ping'), id: 'used' })
  deliver({ id: 'a', ...frame })
  expect(sent).toMatchObject([{ value: { code: 'invalid_call', message: expect.stringContaining(reason) } }])
})

test('if a check throws, the answer is an error of lingpai that does not quote the message', () => {
  const { port, sent, deliver } = barePort()
  const check = (given: readonly unknown[]) => {
    throw new TypeError(`No such thing as ${given[0]}`)
  }
  guard(port, { checks: { check }, onNotice() {} })
  deliver({ ...callFrame('check', canary), id: 'a' })
  expect(sent).toMatchObject([{ value: { message: expect.stringContaining('it has an unexpected form') } }])
  expect(JSON.stringify(sent)).not.toContain(canary)
})

test('a call may have four arguments', () => {
  const { port, deliver } = barePort()
  const check = vi.fn((given: readonly unknown[]) => given)
  guard(port, { checks: { check }, onNotice() {} })
  deliver({ ...callFrame('check', 1, 2, 3, 4), id: 'a' })
  expect(check).toHaveBeenCalledExactlyOnceWith([1, 2, 3, 4])
})

test('a guarded port sends notices and starts the port; a removed listener gets no calls', () => {
  const { port, sent, deliver } = barePort()
  const start = vi.fn()
  const guarded = guard({ ...port, start }, { checks: controlChecks, instance: 'instance', onNotice() {} })
  const listener = vi.fn()
  guarded.addEventListener('message', listener)
  guarded.start?.()
  expect(start).toHaveBeenCalledOnce()
  guarded.notify({ lingpai: 'goodbye' })
  expect(sent).toEqual([{ lingpai: 'goodbye' }])
  guarded.removeEventListener('message', listener)
  deliver({ ...callFrame('ping'), id: 'a' })
  expect(listener).not.toHaveBeenCalled()
  expect(() => guard(port, { checks: controlChecks, onNotice() {} }).start?.()).not.toThrow()
})

test('resumed is a notice; a message of an unknown kind is not, even with a call', () => {
  const { deliver, passed } = bareGuard()
  deliver({ lingpai: 'resumed' })
  deliver({ lingpai: 'unknown', call: 'c' })
  expect(passed).toEqual([{ lingpai: 'resumed' }])
})

test('fields that a message inherits are not read', () => {
  const { deliver, sent, passed } = bareGuard()
  deliver(Object.create({ ...callFrame('ping'), id: 'inherited' }))
  deliver(Object.create({ lingpai: 'goodbye' }))
  expect([...sent, ...passed]).toEqual([])
  deliver(Object.assign(Object.create({ path: ['ping'] }), { id: 'a', type: 'APPLY', argumentList: [] }))
  expect(passed).toEqual([])
  expect(sent).toMatchObject([{ id: 'a', value: { code: 'invalid_call' } }])
})

test('only the known fields of a notice are passed on', () => {
  const { deliver, sent, passed } = bareGuard()
  deliver({ lingpai: 'abort', call: 'c', instance: 'forged', snapshot: {} })
  deliver({ lingpai: 'goodbye', call: 'c' })
  deliver({ lingpai: 'abort', call: { forged: true } })
  expect(passed).toEqual([{ lingpai: 'abort', call: 'c' }, { lingpai: 'goodbye' }])
  expect(sent).toEqual([])
})

test('after a rejected call, its id can be used again', async () => {
  page.post({ ...callFrame('unknown'), id: 'again' })
  page.post({ ...callFrame('ping'), id: 'again' })
  await page.snapshot()
  const [refused, answered] = page.replies.filter(({ id }) => id === 'again')
  expect(codeOf(refused ?? {})).toBe('invalid_call')
  expect(answered).toMatchObject({ type: 'RAW' })
})

test('a call with five arguments is rejected, even of a method without parameters', async () => {
  await expectRefused(callFrame('ping', 1, 2, 3, 4, 5))
})

test.each(['yes', 1, {}, null, undefined])(
  'signOut with %j ends the session only here, not everywhere',
  (everywhere) => {
    const { deliver, passed } = bareGuard()
    deliver({ ...callFrame('signOut', everywhere), id: 'a' })
    expect(passed).toMatchObject([{ argumentList: [raw(false)] }])
  },
)

test('a field of Object.prototype does not turn a broken message into a call', async () => {
  const prototype = Object.prototype as unknown as Record<string, unknown>
  Object.assign(prototype, { type: 'APPLY', path: ['signOut'], argumentList: [], lingpai: 'goodbye' })
  try {
    expect(codeOf(await page.ask({}))).toBe('invalid_call')
  } finally {
    for (const name of ['type', 'path', 'argumentList', 'lingpai']) delete prototype[name]
  }
  expect(await page.snapshot()).toMatchObject({ status: 'signed-in' })
})

test('an own __proto__ in a sign-in input stays a plain field, and changes no prototype', async () => {
  const inputs: unknown[] = []
  await open({
    grant: {
      signIn: async (input) => {
        inputs.push(input)
        return { accessToken: `${canary}.access` }
      },
      refresh: async () => ({ accessToken: `${canary}.access` }),
    },
  })
  await page.call('signIn', 'c', JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": 1}}'))
  const input = inputs.at(-1) as object
  expect(Object.getPrototypeOf(input)).toBe(Object.prototype)
  expect(Object.getOwnPropertyDescriptor(input, '__proto__')?.value).toEqual({ polluted: 1 })
  expect('polluted' in input).toBe(false)
})

test.each(['hello', 'authorize', 'fetch', 'request', 'adopt'])(
  'an own __proto__ in an argument of %s pollutes nothing',
  async (method) => {
    const before = await stateOfTheWorker()
    const argument = JSON.parse('{"__proto__": {"via": "redirect", "url": "x", "oldest": 1, "newest": 1}}')
    const values = ['hello', 'adopt'].includes(method) ? [argument] : ['c', argument]
    expect(codeOf(await page.call(method, ...values))).toBe('invalid_call')
    expect(await stateOfTheWorker()).toEqual(before)
  },
)

function nested(depth: number): unknown {
  let value: unknown = 'bottom'
  for (let level = 0; level < depth; level += 1) value = { value }
  return value
}

function cyclic(): unknown {
  const ring: Record<string, unknown> = {}
  ring.ring = [ring, ring]
  return ring
}

test.each<[string, unknown]>([
  ['nested a thousand deep', nested(1000)],
  ['cyclic', cyclic()],
  ['a string of two million characters', 'a'.repeat(2_000_000)],
  ['a list of two million numbers', new Array(2_000_000).fill(0)],
  ['a field name of two million characters', { ['a'.repeat(2_000_000)]: 1 }],
  ['a date', new Date(0)],
  ['a map', new Map()],
  ['a set', new Set()],
  ['a bigint', 1n],
  ['a buffer', new Uint8Array(3)],
  ['an error', new Error('x')],
  ['a regular expression', /x/],
])('a sign-in input that is %s is rejected', async (_what, input) => {
  await expectRefused(callFrame('signIn', 'c', input))
})

/** Each takes only a few bytes of a message; a walk over four billion holes takes minutes. */
const sparse: [string, unknown][] = [
  ['four billion holes', new Array(2 ** 32 - 1)],
  ['a hole', new Array(1)],
  ['a hole behind an element', Object.assign(['first'], { length: 2 })],
  ['a hole, and a field beside it', Object.assign(new Array(1), { field: 1 })],
]

test.each(sparse)('%s in a message of signIn or adopt is rejected, even if adopt is off', async (_what, list) => {
  for (const [method, ...values] of [
    ['signIn', 'c', list],
    ['signIn', 'c', { list: [[list]] }],
    ['adopt', list],
    ['adopt', { accessToken: 'x', list }],
  ] as const) {
    await expectRefused(callFrame(method, ...values))
  }
})

test.each(sparse)('%s in the data of a task is rejected, and nothing passes', (_what, list) => {
  for (const data of [list, { list: [[list]] }]) {
    expect(passTask('c', { ...task, data })).toEqual({ passed: [], refused: 'invalid_call' })
  }
})

test('a list of a million numbers reaches the grant, and a list above the limit is rejected', async () => {
  expect(await page.call('signIn', 'c', new Array(1_000_000).fill(0))).toMatchObject({ type: 'RAW' })
  await expectRefused(callFrame('signIn', 'c', new Array(1 << 20).fill(0)))
})

test('an element that an array inherits does not fill its hole', () => {
  Object.defineProperty(Object.prototype, '0', { value: 'inherited', writable: true, configurable: true })
  try {
    expect(passTask('c', { ...task, data: new Array(1) })).toEqual({ passed: [], refused: 'invalid_call' })
  } finally {
    Reflect.deleteProperty(Object.prototype, '0')
  }
})

test('a sign-in input of ordinary JSON reaches the grant unchanged', async () => {
  const inputs: unknown[] = []
  await open({
    grant: {
      signIn: async (input) => {
        inputs.push(input)
        return { accessToken: `${canary}.access` }
      },
      refresh: async () => ({ accessToken: `${canary}.access` }),
    },
  })
  const input = { account: 'alice', remember: true, tries: 2, tags: ['a', null, { deep: [1.5] }], note: '令牌' }
  await page.call('signIn', 'c', input)
  expect(inputs.at(-1)).toEqual(input)
})

test.each<[string, unknown]>([
  ['a number', 1],
  ['absent', undefined],
  ['empty', ''],
  ['longer than 32', 'a'.repeat(33)],
  ['with a dot, as the worker has in its own ids', '1.a'],
  ['an object', {}],
])('a call id that is %s is rejected', async (_what, id) => {
  await expectRefused(callFrame('getAccessToken', id))
})

const good = { url: `${apiOrigin}/orders`, method: 'GET', headers: [] }
const urlOf = (length: number) => `${apiOrigin}/`.padEnd(length, 'a')

test('a url of 65,536 characters is not too long', async () => {
  expect(await page.call('fetch', 'c', { ...good, url: urlOf(65_536) })).toMatchObject({ type: 'RAW' })
})

test.each<[string, unknown]>([
  ['that is not an object', 'https://api.example/'],
  ['that is null', null],
  ['that is an array', [good]],
  ['without a url', { ...good, url: undefined }],
  ['with a url that is not a string', { ...good, url: { href: good.url } }],
  ['with a url of 65,537 characters', { ...good, url: urlOf(65_537) }],
  ['without a method', { ...good, method: undefined }],
  ['with a method that is not a string', { ...good, method: 1 }],
  ['with a method of 101 characters', { ...good, method: 'A'.repeat(101) }],
  ['without headers', { ...good, headers: undefined }],
  ['with headers that are an object', { ...good, headers: { accept: 'x' } }],
  ['with headers that have a hole', { ...good, headers: new Array(1) }],
  ['with 1,001 headers', { ...good, headers: new Array(1001).fill(['a', 'b']) }],
  ['with a header of three parts', { ...good, headers: [['a', 'b', 'c']] }],
  ['with a header of one part', { ...good, headers: [['a']] }],
  ['with a header that is not a pair', { ...good, headers: ['ab'] }],
  ['with a header name that is not a string', { ...good, headers: [[1, 'b']] }],
  ['with a header value that is not a string', { ...good, headers: [['a', { toString: 1 }]] }],
  ['with two million characters of headers', { ...good, headers: [['a', 'b'.repeat(2_000_000)]] }],
  ['with many headers that are too long together', { ...good, headers: new Array(900).fill(['a', 'b'.repeat(2000)]) }],
  ['with a body that is an object', { ...good, method: 'POST', body: { a: 1 } }],
  ['with a body that is null', { ...good, method: 'POST', body: null }],
  ['with a form of four billion holes', { ...good, method: 'POST', body: { form: new Array(2 ** 32 - 1) } }],
  ['with a form that has a hole', { ...good, method: 'POST', body: { form: new Array(1) } }],
  ['with a body that is a typed array', { ...good, method: 'POST', body: new Uint8Array(2) }],
  ['with unknown credentials', { ...good, credentials: 'all' }],
  ['with mode navigate', { ...good, mode: 'navigate' }],
  ['with mode websocket', { ...good, mode: 'websocket' }],
  ['with an unknown cache', { ...good, cache: 'forever' }],
  ['with an unknown redirect', { ...good, redirect: 'always' }],
  ['with redirect as an array', { ...good, redirect: ['follow'] }],
  ['with an unknown priority', { ...good, priority: 'urgent' }],
  ['with an integrity that is not a string', { ...good, integrity: 1 }],
  ['with a referrer that is not a string', { ...good, referrer: {} }],
  ['with a referrer policy that is not a string', { ...good, referrerPolicy: [] }],
])('a request %s is rejected', async (_what, request) => {
  await expectRefused(callFrame('fetch', 'c', request))
})

test.each<[string, unknown]>([
  ['with a body that is a buffer', { ...good, method: 'POST', body: new ArrayBuffer(1) }],
  ['with a body that is an object', { ...good, method: 'POST', body: {} }],
  ['whose auth is neither true nor false', { ...good, auth: 'false' }],
  ['whose timeout is text', { ...good, timeout: '5' }],
  ['whose timeout is negative', { ...good, timeout: -1 }],
  ['whose timeout is not a number', { ...good, timeout: Number.NaN }],
  ['without headers', { url: good.url, method: 'GET' }],
  ['without a url', { method: 'GET', headers: [] }],
])('a call of session.request %s is rejected', async (_what, request) => {
  await expectRefused(callFrame('request', 'c', request))
})

test('only the known fields of a request reach fetch', async () => {
  const inits: RequestInit[] = []
  await open({}, async (_input, init) => {
    inits.push(init)
    return new Response('fine')
  })
  const request = {
    ...good,
    method: 'POST',
    body: 'text',
    headers: [['X-One', '1']],
    credentials: 'omit',
    mode: 'cors',
    cache: 'no-store',
    redirect: 'error',
    integrity: 'sha256-x',
    keepalive: true,
    priority: 'low',
    referrer: 'https://app.example/page',
    referrerPolicy: 'origin',
    signal: 'forged',
    window: 'forged',
    dispatcher: { forged: true },
    duplex: 'forged',
  }
  await page.call('fetch', 'c', request)
  const { headers, signal, ...rest } = inits[0] ?? {}
  expect(rest).toEqual({
    method: 'POST',
    body: 'text',
    credentials: 'omit',
    mode: 'cors',
    cache: 'no-store',
    redirect: 'error',
    integrity: 'sha256-x',
    keepalive: true,
    priority: 'low',
    referrer: 'https://app.example/page',
    referrerPolicy: 'origin',
  })
  expect(signal).toBeInstanceOf(AbortSignal)
  expect([...new Headers(headers)].map(([name]) => name)).toEqual(['authorization', 'x-one'])
})

test('a keepalive that is neither true nor false reaches fetch as false', async () => {
  const inits: RequestInit[] = []
  await open({}, async (_input, init) => {
    inits.push(init)
    return new Response('fine')
  })
  await page.call('fetch', 'c', { ...good, keepalive: 'false' })
  expect(inits[0]?.keepalive).toBe(false)
})

test.each<[string, unknown]>([
  ['not an object', 'redirect'],
  ['via is unknown', { via: 'iframe' }],
  ['via is absent', {}],
  ['returnTo is not a string', { via: 'redirect', returnTo: 1 }],
  ['returnTo is too long', { via: 'redirect', returnTo: `/${'a'.repeat(8192)}` }],
  ['returnTo is a script', { via: 'redirect', returnTo: 'javascript:alert(1)' }],
  ['returnTo is another origin', { via: 'redirect', returnTo: 'https://evil.example/' }],
  ['returnTo is another host', { via: 'popup', returnTo: '//evil.example/' }],
  ['returnTo is another host with a backslash', { via: 'redirect', returnTo: '/\\evil.example/' }],
  ['returnTo is another host after a tab', { via: 'redirect', returnTo: '/\t/evil.example/' }],
  ['returnTo is another host after a line break', { via: 'redirect', returnTo: '\n//evil.example/' }],
  ['returnTo is a relative path', { via: 'redirect', returnTo: 'orders' }],
  ['returnTo is a blob', { via: 'redirect', returnTo: 'blob:https://app.example/1' }],
  ['returnTo is empty', { via: 'redirect', returnTo: '' }],
])('authorize is rejected if its input is wrong: %s', async (_what, input) => {
  await expectRefused(callFrame('authorize', 'c', input))
})

test.each<[string, unknown]>([
  ['no versions', { build: '1.0.0' }],
  ['versions that are strings', { oldest: '1', newest: '1', build: '1.0.0' }],
  ['a version that is not an integer', { oldest: 1, newest: 1.5, build: '1.0.0' }],
  ['no build', { oldest: 1, newest: 1 }],
  ['a build that is not a version', { oldest: 1, newest: 1, build: '<b>' }],
  ['null', null],
])('hello is rejected with %s', async (_what, hello) => {
  await expectRefused(callFrame('hello', hello))
})

test.each([
  [0, 0],
  [99, 100],
])('hello from a page that supports only versions %i to %i rejects with protocol_mismatch', async (oldest, newest) => {
  expect(codeOf(await page.call('hello', { oldest, newest, build: '1.0.0' }))).toBe('protocol_mismatch')
})

test('hello from a newer page that supports the worker’s version is answered in that version', async () => {
  expect(await page.call('hello', { oldest: 1, newest: 99, build: '1.0.0' })).toMatchObject({
    type: 'RAW',
    value: { protocol: 1 },
  })
})

test.skipIf(isQuick)('the 10,001st unanswered call rejects with busy, and the others are answered', async () => {
  const answers: ((response: Response) => void)[] = []
  await open({}, () => new Promise((resolve) => answers.push(resolve)))
  const calls = Array.from({ length: MAX_PENDING_CALLS }, (_, index) => page.call('fetch', `c${index}`, good))
  expect(codeOf(await page.call('fetch', 'late', good))).toBe('busy')
  let replies: Reply[] | undefined
  void Promise.all(calls).then((all) => (replies = all))
  // They are sent one after the other.
  while (replies === undefined) {
    await new Promise((resolve) => setImmediate(resolve))
    for (const answer of answers.splice(0)) answer(new Response('fine'))
  }
  expect(replies.filter(({ type }) => type !== 'RAW')).toEqual([])
  expect(await page.call('ping')).toMatchObject({ type: 'RAW' })
})

test.each([
  ['fetch', {}],
  ['request', {}],
  ['request', { auth: true }],
  ['request', { auth: false }],
] as const)('%s with %j to an origin that is not listed sends nothing (I4)', async (method, options) => {
  const urls: string[] = []
  await open({ apis: [{ origin: apiOrigin, pathPrefix: '/v1' }] }, async (url) => {
    urls.push(url)
    return new Response('fine')
  })
  for (const url of [
    'https://evil.example/v1',
    'http://api.example/v1',
    'https://api.example:444/v1',
    'https://api.example.evil.example/v1',
    'https://user:pass@api.example/v1',
    'https://user@api.example/v1',
    'https://:pass@api.example/v1',
    'https://api.example/v10',
    'https://api.example/v1/../v2',
    'https://api.example/v1/%2e%2e/v2',
    'https://api.example/v1/..%2fv2',
    'https://api.example/v1/..%5cv2',
    'https://api.example/v1/..;/v2',
    'https://api.example/v1/%252e%252e/v2',
    'https://api.example\\@evil.example/v1',
    'https://evil.example\t/v1',
    'https://api.example./v1',
    'blob:https://api.example/v1',
    'data:,x',
  ]) {
    const answer = await page.call(method, 'c', { ...good, ...options, url })
    expect([url, codeOf(answer)]).toEqual([url, 'origin_not_allowed'])
  }
  expect(codeOf(await page.call(method, 'c', { ...good, ...options, url: 'nonsense' }))).toBe('invalid_call')
  expect(urls).toEqual([])
})

/** URLs of pieces that have misled parsers and servers. */
function anyUrl(): fc.Arbitrary<string> {
  const piece = fc.constantFrom(
    ...['https:', 'http:', 'filesystem:', 'blob:', '//', '/', '\\', '@', ':', ':443', '#', '?', ' ', '\t', '\n', '.'],
    ...['api.example', 'evil.example', 'API.EXAMPLE', 'ａｐｉ', '%2e', '..', '%', '25', '2f', '5c', ';', '%c0%ae'],
  )
  const hiding = fc.constantFrom('/..%2f', '/..%5C', '/..;', '/%252e%252e/', '/.%25%32%65', '%2f..', '/%c0%ae%c0%ae/')
  const some = fc.oneof({ weight: 4, arbitrary: piece }, hiding, fc.string({ maxLength: 3 }))
  const tail = fc.array(some, { maxLength: 6 }).map((pieces) => pieces.join(''))
  return fc
    .tuple(fc.constantFrom('', apiOrigin, `${apiOrigin}/v1`, `${apiOrigin}/v1/`, 'https://'), tail)
    .map((parts) => parts.join(''))
}

test.skipIf(isQuick)(
  'whatever the URL of a call, the worker sends only to the listed origin and prefix (I4)',
  {
    timeout: 60_000,
  },
  async () => {
    const sent: string[] = []
    await open({ apis: [{ origin: apiOrigin, pathPrefix: '/v1' }] }, async (url) => {
      sent.push(url)
      return new Response('1')
    })
    const call = fc.record({
      method: fc.constantFrom('fetch', 'request'),
      auth: fc.constantFrom(undefined, true, false),
      url: anyUrl(),
    })
    await fc.assert(
      fc.asyncProperty(call, async ({ method, auth, url }) => {
        const answer = await page.call(method, 'c', { ...good, url, ...(method === 'request' && { auth }) })
        const [href] = sent.splice(0)
        if (href === undefined) {
          expect(['origin_not_allowed', 'invalid_call']).toContain(codeOf(answer))
          return
        }
        const { origin, username, pathname } = new URL(href)
        expect([origin, username]).toEqual([apiOrigin, ''])
        let path = pathname
        for (let time = 0; time < 8; time += 1) {
          path = path.replace(/%([\da-f]{2})/gi, (_escape, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
          expect(path).toMatch(/^\/v1(?:$|\/(?!(?:.*[/\\])?\.\.(?:[/\\;]|$)))/s)
        }
      }),
      { numRuns: 5000 },
    )
  },
)

test.each<[string, (token: string) => Response, string?]>([
  ['body', (token) => new Response(`you sent ${token}`)],
  ['JSON body', (token) => Response.json({ headers: { authorization: token } })],
  ['header', (token) => new Response('', { headers: { 'x-echo': token } })],
  ['header name', (token) => new Response('', { headers: { [token]: 'echo' } })],
  ['large body', (token) => new Response(token.padStart(100_000))],
  ['status text', (token) => new Response('', { statusText: token })],
  ['URL', () => new Response(''), '?token='],
])('an answer whose %s contains the access token is not passed on (I11)', async (_what, answer, query) => {
  await open({}, async (input, init) => {
    const token = new Headers(init.headers).get('authorization')?.slice('Bearer '.length) ?? ''
    return Object.defineProperty(answer(token), 'url', { value: query ? `${input}${query}${token}` : input })
  })
  expect(codeOf(await page.call('fetch', 'c', good))).toBe('token_reflected')
  expect(bytesOf(await page.call('request', 'c', good))).not.toContain(canary)
})

/** An API that rejects the first token, so that every call needs a refresh and a replay. */
function refusingFirst(answer: (token: string) => Response, refuse = () => new Response('', { status: 401 })): Fetch {
  let first: string | undefined
  return async (_input, init) => {
    const token = new Headers(init.headers).get('authorization')?.slice('Bearer '.length) ?? ''
    first ??= token
    return token === first ? refuse() : answer(token)
  }
}

test('an answer to a replay that contains the new token is not passed on (I11)', async () => {
  await open(
    {},
    refusingFirst((token) => new Response(token)),
  )
  expect(codeOf(await page.call('fetch', 'c', good))).toBe('token_reflected')
})

test('the body of an answer that a replay replaces is cancelled', async () => {
  const cancel = vi.fn()
  const refuse = () => new Response(new ReadableStream({ cancel }), { status: 401 })
  await open(
    {},
    refusingFirst(() => new Response('fine'), refuse),
  )
  expect(await page.call('fetch', 'c', good)).toMatchObject({ value: { status: 200 } })
  expect(cancel).toHaveBeenCalledOnce()
})

test.each<[string, object, object]>([
  ['304', { status: 304, type: 'cors' }, { type: 'RAW', value: { status: 304 } }],
  ['opaque redirect', { status: 0, type: 'opaqueredirect' }, { type: 'HANDLER', value: { code: 'redirect_refused' } }],
])('a %s as the answer to a token in a custom header is handled by its status (I4)', async (_what, fields, reply) => {
  await open({ apis: [{ origin: apiOrigin, attach: header('X-TOKEN') }] }, async () => {
    const response = new Response(null)
    for (const [name, value] of Object.entries(fields)) Object.defineProperty(response, name, { value })
    return response
  })
  expect(await page.call('fetch', 'c', good)).toMatchObject(reply)
})

test('an error of the platform that quotes the token does not leave the worker with it (I11)', async () => {
  await open({}, async (_input, init) => {
    throw new TypeError(`Invalid header: ${new Headers(init.headers).get('authorization')}`)
  })
  for (const method of ['fetch', 'request']) {
    const reply = await page.call(method, 'c', good)
    expect(reply).toMatchObject({ type: 'HANDLER', name: 'throw' })
    expect(bytesOf(reply)).not.toContain(canary)
  }
})

test('no stack leaves the worker', async () => {
  const reply = await page.call('fetch', 'c', { ...good, url: 'nonsense' })
  expect(bytesOf(reply)).not.toMatch(/stack|guard\.ts|service\.ts/)
})

test('a sign-in whose profile cannot be cloned is rejected, and the worker still answers', async () => {
  await open({
    grant: {
      signIn: async () => ({ accessToken: `${canary}.access`, profile: { greet: () => 'hello' } }),
      refresh: async () => ({ accessToken: `${canary}.access` }),
    },
  })
  expect(await page.call('hello', { oldest: 1, newest: 1, build: '1.0.0' })).toMatchObject({
    type: 'RAW',
    value: { protocol: 1 },
  })
})

test('goodbye ends the calls of its own page, and not those of others', async () => {
  const signals: AbortSignal[] = []
  const service = createTestServer({}, (_input, init) => {
    signals.push(init.signal as AbortSignal)
    return new Promise(() => {})
  })
  const leaving = new RawPage(service)
  const staying = new RawPage(service)
  await leaving.call('signIn', 'c', {})
  void leaving.call('fetch', 'c', good)
  void staying.call('fetch', 'c', good)
  while (signals.length < 2) await new Promise((resolve) => setImmediate(resolve))
  leaving.post({ lingpai: 'goodbye' })
  await staying.call('signOut', false)
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  expect(leaving.replies.at(-1)).not.toMatchObject({ lingpai: 'snapshot', snapshot: { status: 'signed-out' } })
  leaving.close()
  staying.close()
})

test('goodbye closes the port, and nothing more is sent over it', async () => {
  const service = createTestServer()
  const { port, sent, close, deliver } = barePort()
  service.attach(port)
  deliver({ lingpai: 'goodbye' })
  expect(close).toHaveBeenCalledOnce()
  const staying = new RawPage(service)
  await staying.call('signIn', 'c', {})
  expect(await staying.snapshot()).toMatchObject({ status: 'signed-in' })
  expect(sent).toEqual([])
  staying.close()
})

test('an abort notice ends the request of session.request, and is not a network error', async () => {
  let sent: AbortSignal | undefined
  await open({}, (_input, init) => {
    sent = init.signal as AbortSignal
    return new Promise((_resolve, reject) => sent?.addEventListener('abort', () => reject(sent?.reason)))
  })
  const answer = page.call('request', 'c', good)
  while (sent === undefined) await new Promise((resolve) => setImmediate(resolve))
  page.post({ lingpai: 'abort', call: 'c' })
  expect(await answer).toMatchObject({ type: 'HANDLER', value: { name: 'AbortError' } })
  expect(sent.aborted).toBe(true)
})

test.each<[string, unknown]>([
  ['signIn', { account: 'alice' }],
  ['authorize', { via: 'redirect' }],
])('an abort notice ends the grant’s %s', async (method, input) => {
  let given: CancelSignal | undefined
  const wait = (_input: unknown, io: GrantIO): Promise<never> => {
    given = io.signal
    return new Promise(() => {})
  }
  page.close()
  page = new RawPage(
    createTestServer({
      grant: { signIn: wait, authorize: wait, callback: never, refresh: never },
    }),
  )
  void page.call(method, 'c', input)
  while (given === undefined) await new Promise((resolve) => setImmediate(resolve))
  page.post({ lingpai: 'abort', call: 'c' })
  await page.snapshot()
  expect(given.aborted).toBe(true)
})

test('an aborted request of the grant rejects with the exact reason, and is not a network error', async () => {
  const controller = new AbortController()
  const reason = { exactly: 'this' }
  const fetch = async () => {
    controller.abort(reason)
    throw new TypeError('Failed to fetch')
  }
  await expect(sendGrantRequest(fetch, { url: 'https://id.example/' }, controller.signal)).rejects.toBe(reason)
})

test('calls of two pages with the same id wait for one refresh, and both are answered (I3)', async () => {
  let refresh = (_tokens: { accessToken: string }): void => {}
  const service = createTestServer(
    {
      grant: {
        signIn: async () => ({ accessToken: `${canary}.old`, refreshToken: `${canary}.refresh` }),
        refresh: () => new Promise((resolve) => (refresh = resolve)),
      },
    },
    async (_input, init) =>
      new Response('', { status: new Headers(init.headers).get('authorization')?.endsWith('.old') ? 401 : 200 }),
  )
  const pages = [new RawPage(service), new RawPage(service)]
  await pages[0]?.call('signIn', 's', {})
  const answers = pages.map((own) => own.call('fetch', 'same', good))
  await vi.waitFor(async () => {
    const { value } = (await pages[0]?.call('explain')) ?? {}
    const waiting = (value as HistoryEntry[]).filter(({ event }) => event === 'call-waiting')
    expect(waiting).toHaveLength(2)
  })
  refresh({ accessToken: `${canary}.new` })
  expect(await Promise.all(answers)).toMatchObject([{ value: { status: 200 } }, { value: { status: 200 } }])
  for (const own of pages) own.close()
})

test('explain shows which page a call belongs to, and which page calls explain', async () => {
  const service = createTestServer({}, async () => new Response(null, { status: 204 }))
  const pages = [new RawPage(service), new RawPage(service)]
  for (const own of pages) await own.call('hello', { oldest: 1, newest: 1, build: '1.0.0' })
  await pages[0]?.call('signIn', 's', {})
  for (const own of pages) await own.call('fetch', 'same', good)
  pages[0]?.post({ lingpai: 'goodbye' })
  await vi.waitFor(async () => {
    const { value } = (await pages[1]?.call('explain')) ?? {}
    const steps = (value as HistoryEntry[]).filter((entry) => 'page' in entry)
    expect(steps.map(({ event, page, own }) => [event, page, own])).toEqual([
      ['page-connected', 1, undefined],
      ['page-connected', 2, true],
      ['call-received', 1, undefined],
      ['call-sent', 1, undefined],
      ['call-answered', 1, undefined],
      ['call-received', 2, true],
      ['call-sent', 2, true],
      ['call-answered', 2, true],
      ['page-left', 1, undefined],
    ])
  })
  pages[1]?.close()
})

test('the answer to hello lists the APIs, and contains nothing else of the configuration', async () => {
  await open({ apis: [{ origin: apiOrigin, pathPrefix: '/v1', sign: (request) => request, signInRequired: [403] }] })
  const { value } = await page.call('hello', { oldest: 1, newest: 1, build: '1.0.0' })
  expect((value as Welcome).apis).toEqual([{ origin: apiOrigin, pathPrefix: '/v1' }])
})

test('if the configuration is wrong, every method rejects with invalid_config, and the console says why', async () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => {})
  page.close()
  page = new RawPage(createTestServer({ store: undefined as never }))
  expect(log).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'invalid_config' }))
  log.mockRestore()
  const given: Record<string, unknown[]> = {
    hello: [{ oldest: 1, newest: 1, build: '1.0.0' }],
    fetch: ['c', good],
    request: ['c', good],
    signIn: ['c', {}],
    authorize: ['c', { via: 'redirect' }],
    callback: ['c', 'https://app.example/'],
    getAccessToken: ['c'],
  }
  for (const method of methods) {
    expect([method, codeOf(await page.call(method, ...(given[method] ?? [])))]).toEqual([method, 'invalid_config'])
  }
})

test('an abort notice for an unknown call, or of a wrong type, changes nothing', async () => {
  const before = await stateOfTheWorker()
  for (const call of ['unknown', '__proto__', 1, null, {}]) page.post({ lingpai: 'abort', call })
  page.post({ lingpai: 'abort' })
  page.post({ lingpai: 'snapshot', snapshot: { status: 'signed-out' } })
  expect(await stateOfTheWorker()).toEqual(before)
})

const methods = [
  'hello',
  'ping',
  'fetch',
  'request',
  'signIn',
  'authorize',
  'callback',
  'signOut',
  'adopt',
  'getAccessToken',
  'explain',
]

/** Values that are small as a message, and huge or endless for code that walks them. */
const hostileValues: Readonly<Record<string, (size: number) => unknown>> = {
  sparse: (size) => new Array(2 ** 32 - 1 - size),
  'sparse with a last element': (size) => Object.assign(new Array(1), { [2 ** 31 + size]: 1 }),
  deep: (size) => {
    let value: unknown = 1
    for (let depth = 0; depth < size; depth += 1) value = depth % 2 ? [value] : { value }
    return value
  },
  'shared a million million times': (size) => {
    let value: unknown = []
    for (let level = 0; level < 40 + size; level += 1) value = [value, value]
    return value
  },
  cyclic: () => {
    const value: Record<string, unknown> = {}
    value.value = value
    return value
  },
  long: (size) => 'x'.repeat(size * 2000),
  wide: (size) => Object.fromEntries(Array.from({ length: size * 20 }, (_none, index) => [`field${index}`, index])),
  'without memory': (size) => new Uint8Array(size * 1000),
  'shared memory': (size) => new Uint8Array(new SharedArrayBuffer(size)),
  'a length that lies': (size) => ({ length: 2 ** 53 - size, 0: 1 }),
  'a regular expression': () => /(a+)+$/,
  'an error': () => Object.assign(new Error('x'), { code: 'invalid_call', status: 200 }),
  'a map of itself': () => {
    const value = new Map()
    return value.set(value, value)
  },
}

function anyFrame(): fc.Arbitrary<unknown> {
  const anyValue = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withTypedArray: true,
        withSparseArray: true,
      }),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(...Object.values(hostileValues)), fc.nat(100))
        .map(([create, size]) => create(size)),
    },
  )
  const name = fc.oneof(fc.constantFrom(...methods, 'constructor', '__proto__', 'toString', 'then'), anyValue)
  const argument = fc.oneof(
    fc.record({
      type: fc.constant('RAW'),
      value: fc.oneof(
        anyValue,
        fc.constant('c'),
        fc.record({ url: fc.webUrl(), method: fc.string(), headers: anyValue }),
      ),
    }),
    fc.record({ type: fc.constant('HANDLER'), name: fc.constantFrom('throw', 'proxy', 'x'), value: anyValue }),
    anyValue,
  )
  const frame = fc.record(
    {
      id: fc.oneof({ weight: 5, arbitrary: fc.uuid() }, { weight: 1, arbitrary: anyValue }),
      type: fc.oneof(
        { weight: 5, arbitrary: fc.constant('APPLY') },
        { weight: 2, arbitrary: fc.constantFrom('GET', 'SET', 'CONSTRUCT', 'ENDPOINT', 'RELEASE') },
        { weight: 1, arbitrary: anyValue },
      ),
      path: fc.oneof(
        { weight: 4, arbitrary: fc.tuple(name) },
        { weight: 1, arbitrary: fc.array(name, { maxLength: 4 }) },
        { weight: 1, arbitrary: anyValue },
      ),
      argumentList: fc.oneof(
        { weight: 4, arbitrary: fc.array(argument, { maxLength: 5 }) },
        { weight: 1, arbitrary: anyValue },
      ),
      value: anyValue,
      call: anyValue,
    },
    { requiredKeys: ['id'] },
  )
  return fc.oneof({ weight: 6, arbitrary: frame }, { weight: 1, arbitrary: anyValue })
}

/** `npm run fuzz -- --messages 1000000` sends more. */
const MESSAGES = Number(process.env.MESSAGES ?? 2000)

test.skipIf(isQuick)(
  'with any messages of a page, the worker stays alive, its prototypes do not change, and no token leaves it',
  {
    timeout: 60_000 + 20 * MESSAGES,
  },
  async () => {
    const uncaught: unknown[] = []
    const onUncaught = (error: unknown) => uncaught.push(error)
    process.on('uncaughtException', onUncaught)
    process.on('unhandledRejection', onUncaught)
    const { prototypes } = (await stateOfTheWorker()) as { prototypes: unknown }
    try {
      await fc.assert(
        fc.asyncProperty(anyFrame(), async (frame) => {
          const start = page.replies.length
          try {
            page.post(frame)
          } catch {
            // If a generated value cannot be cloned, nothing was sent.
            return
          }
          expect(await page.call('ping')).toMatchObject({ type: 'RAW' })
          expect(bytesOf(page.replies.slice(start))).not.toContain(canary)
          // A million answers would fill the memory.
          page.replies.splice(0)
        }),
        { numRuns: MESSAGES },
      )
    } finally {
      process.off('uncaughtException', onUncaught)
      process.off('unhandledRejection', onUncaught)
    }
    expect(uncaught).toEqual([])
    await page.call('signIn', 'after', {})
    expect(await stateOfTheWorker()).toMatchObject({ prototypes, snapshot: { status: 'signed-in' }, answer: 'RAW' })
  },
)

const task = { name: 'task1', url: `${apiOrigin}/orders`, method: 'POST', headers: [['x-a', '1']] }
const ticket = { sessionId: 'session-1', version: 2, subject: 'alice', hasRefreshed: true }

/** The frames that a guard passes on for a call of `task`. */
function passTask(...values: readonly unknown[]): { passed: unknown[]; refused: unknown } {
  const { port, sent, deliver } = barePort()
  const passed: unknown[] = []
  const guarded = guard(port, { checks: taskChecks as never, onNotice() {} })
  guarded.addEventListener('message', ({ data }) => {
    const { argumentList } = data as { argumentList: { value: unknown }[] }
    passed.push(...argumentList.map(({ value }) => value))
  })
  deliver({ ...callFrame('task', ...values), id: 'raw' })
  return { passed, refused: sent.length > 0 ? codeOf(sent[0] as never) : undefined }
}

test('only the known fields of a task are passed on', () => {
  const whole = { ...task, auth: false, data: { a: [1, null] }, sent: { isReplay: true, ticket } }
  expect(passTask('c', { ...whole, other: 1, body: 'x' })).toEqual({
    passed: ['c', whole, undefined],
    refused: undefined,
  })
  expect(passTask('c', task).passed[1]).toStrictEqual({ ...task, auth: undefined })
  expect(passTask('c', { ...task, sent: {} }).passed[1]).toMatchObject({ sent: { isReplay: false } })
})

test.each<[string, unknown[]]>([
  ['without a call id', [undefined, task]],
  ['with an invalid call id', ['../c', task]],
  ['that is absent', ['c']],
  ['that is null', ['c', null]],
  ['that is a list', ['c', [task]]],
  ['that is a string', ['c', 'task1']],
  ['that inherits its fields', ['c', Object.create(task)]],
  ['without a name', ['c', { ...task, name: undefined }]],
  ['named by a path', ['c', { ...task, name: 'a.b' }]],
  ['with a name that is too long', ['c', { ...task, name: 'x'.repeat(33) }]],
  ['named by a number', ['c', { ...task, name: 1 }]],
  ['without a url', ['c', { ...task, url: undefined }]],
  ['whose url is an object', ['c', { ...task, url: new URL(task.url) }]],
  ['whose url is too long', ['c', { ...task, url: 'x'.repeat((1 << 16) + 1) }]],
  ['whose method is not a string', ['c', { ...task, method: null }]],
  ['whose method is too long', ['c', { ...task, method: 'x'.repeat(101) }]],
  ['without headers', ['c', { ...task, headers: undefined }]],
  ['whose headers are an object', ['c', { ...task, headers: { a: 'b' } }]],
  ['with half a header', ['c', { ...task, headers: [['a']] }]],
  ['with headers that have a hole', ['c', { ...task, headers: new Array(1) }]],
  ['with a header that is a number', ['c', { ...task, headers: [['a', 1]] }]],
  ['whose auth is a string', ['c', { ...task, auth: 'true' }]],
  ['whose auth is null', ['c', { ...task, auth: null }]],
  ['whose data contain a function', ['c', { ...task, data: { submit() {} } }]],
  ['whose data are a date', ['c', { ...task, data: new Date() }]],
  ['whose data are a bigint', ['c', { ...task, data: 1n }]],
  ['whose data are too large', ['c', { ...task, data: 'x'.repeat(1 << 24) }]],
  ['whose sent is a string', ['c', { ...task, sent: 'yes' }]],
  ['whose sent is null', ['c', { ...task, sent: null }]],
  ['sent with a ticket that is a list', ['c', { ...task, sent: { ticket: [] } }]],
  ['sent with a ticket without a version', ['c', { ...task, sent: { ticket: { sessionId: 'session-1' } } }]],
  ['sent with a fractional version', ['c', { ...task, sent: { ticket: { ...ticket, version: 1.5 } } }]],
  ['sent with a sessionId that is a number', ['c', { ...task, sent: { ticket: { ...ticket, sessionId: -1 } } }]],
  [
    'sent with a version that is not a safe integer',
    ['c', { ...task, sent: { ticket: { ...ticket, version: 2 ** 53 } } }],
  ],
  ['sent for a subject that is a number', ['c', { ...task, sent: { ticket: { ...ticket, subject: 1 } } }]],
])('a task %s is rejected, and nothing is passed on', (_what, values) => {
  expect(passTask(...values)).toEqual({ passed: [], refused: 'invalid_call' })
})

test('a ticket is copied field by field, and only true counts as hasRefreshed', () => {
  const given = { ...ticket, hasRefreshed: 'yes', accessToken: 'forged' }
  const [, passed] = passTask('c', { ...task, sent: { isReplay: 1, ticket: given } }).passed
  expect(passed).toMatchObject({ sent: { isReplay: false, ticket: { ...ticket, hasRefreshed: false } } })
  expect(JSON.stringify(passed)).not.toContain('forged')
})

test('a worker on the web has no method task', async () => {
  expect(codeOf(await page.call('task', 'c', task))).toBe('invalid_call')
})
