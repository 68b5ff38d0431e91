import fc from 'fast-check'
import { beforeEach, expect, test, vi } from 'vitest'
import { ownWorker } from '../../../src/connect/wechat.ts'
import type { CancelSignal } from '../../../src/protocol/cancel-signal.ts'
import { createAppThreadServices, serviceChecks } from '../../../src/wechat/app-thread-services.ts'

interface Reply {
  readonly id?: string
  readonly type?: string
  readonly name?: string
  readonly value?: { readonly code?: string }
}

/** The services of the page as mocks. */
const parts = {
  requests: {
    send: vi.fn(() => ({
      answer: Promise.resolve({ status: 200, headers: {}, text: 'fine' }),
      abort: vi.fn(),
    })),
    clear: vi.fn(),
  },
  storage: {
    load: vi.fn(async () => ({ isEncrypted: true })),
    save: vi.fn(async () => ({ isEncrypted: true })),
    clear: vi.fn(async () => {}),
  },
  tasks: {
    sendTask: vi.fn(async () => ({ hasWaited: true as const })),
    awaitTask: vi.fn(async () => ({ hasWaited: true as const })),
  },
  login: vi.fn(async (_signal: CancelSignal) => 'code'),
}
const allParts = [
  parts.requests.send,
  parts.requests.clear,
  ...Object.values(parts.storage),
  ...Object.values(parts.tasks),
  parts.login,
]

/** A compromised worker: it sends any message over the channel. */
function openWorker() {
  const replies: Reply[] = []
  let deliver = (_message: unknown): void => {}
  let connection = ''
  const worker = {
    postMessage(message: object) {
      const { kind, body, connection: own } = message as { kind: string; body: Reply; connection: string }
      connection = own
      if (kind === 'services') replies.push(body)
    },
    onMessage: (listener: (message: unknown) => void) => {
      deliver = listener
    },
    terminate: vi.fn(),
  }
  ownWorker(() => worker, {
    timers: { setTimeout: () => undefined, clearTimeout() {} },
    now: () => 0,
    checks: serviceChecks as never,
    createAppThreadServices: (number) => createAppThreadServices(parts, number),
  }).open()
  deliver({ lingpai: 'channel', kind: 'ready', connection, instance: 'worker' })
  const post = (body: unknown) =>
    deliver({ lingpai: 'channel', kind: 'services', connection, instance: 'worker', body })
  let lastId = 0
  const ask = async (frame: object): Promise<Reply> => {
    const id = `raw-${++lastId}`
    post({ ...frame, id })
    return vi.waitFor(() => {
      const reply = replies.find((one) => one.id === id)
      if (reply === undefined) throw new Error('no answer yet')
      return reply
    })
  }
  return { post, ask, replies, call: (method: string, ...values: unknown[]) => ask(frameOf(method, values)) }
}

const raw = (value: unknown) => ({ type: 'RAW', value })
const frameOf = (method: unknown, values: readonly unknown[]) => ({
  type: 'APPLY',
  path: [method],
  argumentList: values.map(raw),
})

const stateOfThePage = () =>
  [Object.prototype, Function.prototype, Array.prototype, Promise.prototype].map((target) =>
    Reflect.ownKeys(target).map(String),
  )

function expectNothingDone(): void {
  for (const part of allParts) expect(part).not.toHaveBeenCalled()
}

let worker: ReturnType<typeof openWorker>
beforeEach(() => {
  vi.clearAllMocks()
  worker = openWorker()
})

const request = { url: 'https://api.example/refresh', method: 'POST', headers: [['x-a', '1']] }
const order = { ...request, name: 'task1', isReplay: false }

test('the services of the table run, with only the known fields of a request', async () => {
  expect(
    await worker.call('send', 'c1', { ...request, body: '{}', exchange: 'e.1', timeout: 1, redirect: 'follow' }),
  ).toMatchObject({
    type: 'RAW',
    value: { status: 200, body: 'fine' },
  })
  expect(parts.requests.send).toHaveBeenCalledExactlyOnceWith(expect.any(Number), 'e.1', {
    ...request,
    body: '{}',
    timeout: expect.any(Number),
    refusesRedirects: true,
  })
  await worker.call('sendTask', {
    ...order,
    data: { a: [1] },
    ticket: { sessionId: 'session-1', version: 2, hasRefreshed: true },
    other: 1,
  })
  expect(parts.tasks.sendTask).toHaveBeenCalledExactlyOnceWith({
    ...order,
    data: { a: [1] },
    ticket: { sessionId: 'session-1', version: 2, hasRefreshed: true },
  })
  await worker.call('awaitTask', 'task1')
  expect(parts.tasks.awaitTask).toHaveBeenCalledExactlyOnceWith('task1')
  await worker.call('load', 'lingpai.session')
  await worker.call('save', 'lingpai.session', 'text')
  expect(parts.storage.save).toHaveBeenCalledExactlyOnceWith('lingpai.session', 'text')
  await worker.call('clear', 'lingpai.session')
  expect(await worker.call('login', 'c1', 'ignored')).toMatchObject({ value: 'code' })
  expect(parts.login.mock.calls).toEqual([[expect.objectContaining({ aborted: false })]])
})

test('an abort ends a login by its id, and no other call can use that id meanwhile', async () => {
  let give = (_code: string): void => {}
  parts.login.mockImplementationOnce(() => new Promise((resolve) => (give = resolve)))
  const answer = worker.call('login', 'c1')
  await vi.waitFor(() => expect(parts.login).toHaveBeenCalled())
  expect(await worker.call('login', 'c1')).toMatchObject({ value: { code: 'invalid_call' } })
  worker.post({ lingpai: 'abort', call: 'c2' })
  expect(parts.login.mock.calls[0]?.[0].aborted).toBe(false)
  worker.post({ lingpai: 'abort', call: 'c1' })
  expect(parts.login.mock.calls[0]?.[0].aborted).toBe(true)
  give('code')
  expect(await answer).toMatchObject({ value: 'code' })
})

test.each<[string, object]>([
  ['GET of the table', { type: 'GET', path: [] }],
  ['GET of a service', { type: 'GET', path: ['login'] }],
  ['SET of a service', { type: 'SET', path: ['login'], value: raw(1) }],
  ['pollution of Object.prototype', { type: 'SET', path: ['__proto__', 'polluted'], value: raw(1) }],
  [
    'code through Function',
    { type: 'CONSTRUCT', path: ['constructor', 'constructor'], argumentList: [raw('return wx')] },
  ],
  ['code through a service', { type: 'APPLY', path: ['login', 'constructor'], argumentList: [raw('return wx')] }],
  ['the source text of a service', { type: 'APPLY', path: ['send', 'toString'], argumentList: [] }],
  ['ENDPOINT', { type: 'ENDPOINT', path: ['login'] }],
  ['RELEASE', { type: 'RELEASE' }],
  ['a path that is a string', { type: 'APPLY', path: 'login', argumentList: [] }],
  ['no path', { type: 'APPLY', argumentList: [] }],
  ['too many arguments', frameOf('login', [1, 2, 3, 4, 5])],
  ['arguments that are not a list', { type: 'APPLY', path: ['login'], argumentList: { length: 0 } }],
  [
    'an argument for a handler',
    { type: 'APPLY', path: ['load'], argumentList: [{ type: 'HANDLER', name: 'proxy', value: 1 }] },
  ],
  [
    'an argument that throws',
    { type: 'APPLY', path: ['load'], argumentList: [{ type: 'HANDLER', name: 'throw', value: {} }] },
  ],
  ['an empty frame', {}],
])('%s is rejected, and nothing runs or changes', async (_what, frame) => {
  const before = stateOfThePage()
  expect(await worker.ask(frame)).toMatchObject({ type: 'HANDLER', name: 'throw', value: { code: 'invalid_call' } })
  expectNothingDone()
  expect(stateOfThePage()).toEqual(before)
})

test.each([
  'constructor',
  '__proto__',
  'toString',
  'hasOwnProperty',
  'then',
  'request',
  'abort',
  'hello',
  'task',
  'Login',
  '',
])('a call of a service named %j is rejected', async (name) => {
  expect(await worker.call(name)).toMatchObject({ value: { code: 'invalid_call' } })
  expectNothingDone()
})

const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) })

test.each<[string, string, unknown[]]>([
  ['send without a call id', 'send', [undefined, request]],
  ['send with an invalid call id', 'send', ['../1', request]],
  ['send with a call id that is too long', 'send', ['x'.repeat(33), request]],
  ['send without a request', 'send', ['c']],
  ['send of a list', 'send', ['c', []]],
  ['send without a url', 'send', ['c', { ...request, url: undefined }]],
  ['send to a url that is too long', 'send', ['c', { ...request, url: `https://x/${'x'.repeat(1 << 16)}` }]],
  ['send with a method that is not a string', 'send', ['c', { ...request, method: ['GET'] }]],
  ['send with a method that is too long', 'send', ['c', { ...request, method: 'x'.repeat(21) }]],
  ['send with headers that are an object', 'send', ['c', { ...request, headers: { a: 'b' } }]],
  ['send with a header of three parts', 'send', ['c', { ...request, headers: [['a', 'b', 'c']] }]],
  ['send with a header that is a number', 'send', ['c', { ...request, headers: [['a', 1]] }]],
  ['send with headers that have a hole', 'send', ['c', { ...request, headers: new Array(1) }]],
  ['send with too many headers', 'send', ['c', { ...request, headers: Array(1001).fill(['a', 'b']) }]],
  ['send with a body that is an object', 'send', ['c', { ...request, body: {} }]],
  ['send with a body that is too large', 'send', ['c', { ...request, body: 'x'.repeat((1 << 20) + 1) }]],
  ['send with an exchange that is not a string', 'send', ['c', { ...request, exchange: 1 }]],
  ['send with an exchange that is too long', 'send', ['c', { ...request, exchange: 'x'.repeat(101) }]],
  ['sendTask without an order', 'sendTask', []],
  ['sendTask without a name', 'sendTask', [{ ...order, name: undefined }]],
  ['sendTask with a path as the name', 'sendTask', [{ ...order, name: '__proto__.x' }]],
  ['sendTask without a url', 'sendTask', [{ ...order, url: 1 }]],
  ['sendTask with a ticket that is a string', 'sendTask', [{ ...order, ticket: 'x' }]],
  ['sendTask with a sessionId that is a number', 'sendTask', [{ ...order, ticket: { sessionId: 1, version: 1 } }]],
  ['sendTask with a negative version', 'sendTask', [{ ...order, ticket: { sessionId: 'session-1', version: -1 } }]],
  ['sendTask with data that are too deep', 'sendTask', [{ ...order, data: deep(30) }]],
  ['sendTask with data that have a hole', 'sendTask', [{ ...order, data: new Array(1) }]],
  ['sendTask with data of four billion holes', 'sendTask', [{ ...order, data: { list: new Array(2 ** 32 - 1) } }]],
  ['awaitTask without a name', 'awaitTask', []],
  ['awaitTask of an object', 'awaitTask', [{ toString: 'task1' }]],
  ['load without a key', 'load', []],
  ['load of a key that is not a string', 'load', [['lingpai.session']]],
  ['load of an empty key', 'load', ['']],
  ['load of a key with a slash', 'load', ['../key']],
  ['load of a key with a space', 'load', ['my key']],
  ['load of a key with a line end', 'load', ['key\n']],
  ['load of a key that is too long', 'load', ['k'.repeat(101)]],
  ['save without a key', 'save', [undefined, 'text']],
  ['save of an object', 'save', ['key', { a: 1 }]],
  ['save without a text', 'save', ['key']],
  ['save of a text that is too large', 'save', ['key', 'x'.repeat((1 << 20) + 1)]],
  ['clear of the key *', 'clear', ['*']],
  ['clear without a key', 'clear', []],
])('%s is rejected, and nothing runs', async (_what, method, values) => {
  expect(await worker.call(method, ...values)).toMatchObject({ type: 'HANDLER', value: { code: 'invalid_call' } })
  expectNothingDone()
})

test('a rejection does not quote the message (I11)', async () => {
  const reply = await worker.call('save', 'secret key', { token: 'secret-text' })
  expect(JSON.stringify(reply)).not.toMatch(/secret|stack/)
})

test('an own field named __proto__ in the data stays a field', async () => {
  await worker.call('sendTask', { ...order, data: JSON.parse('{"__proto__": {"polluted": 1}}') })
  const [[given]] = parts.tasks.sendTask.mock.calls as unknown as [[{ data: object }]]
  expect(Object.getPrototypeOf(given.data)).toBe(Object.prototype)
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
})

test('an id that is in use is rejected, for the frame and for the request', async () => {
  parts.requests.send.mockImplementationOnce(() => ({ answer: new Promise(() => {}), abort: vi.fn() }))
  worker.post({ ...frameOf('send', ['c1', request]), id: 'same' })
  worker.post({ ...frameOf('login', []), id: 'same' })
  expect(await worker.call('send', 'c1', request)).toMatchObject({ value: { code: 'invalid_call' } })
  expect(parts.requests.send).toHaveBeenCalledOnce()
  expect(parts.login).not.toHaveBeenCalled()
})

test('an abort ends the request of its id, and not the others', async () => {
  const aborts = [vi.fn(), vi.fn()]
  for (const abort of aborts)
    parts.requests.send.mockImplementationOnce(() => ({ answer: new Promise(() => {}), abort }))
  worker.post({ ...frameOf('send', ['c1', request]), id: 'f1' })
  worker.post({ ...frameOf('send', ['c2', request]), id: 'f2' })
  await vi.waitFor(() => expect(parts.requests.send).toHaveBeenCalledTimes(2))
  for (const call of ['c3', '__proto__', 'constructor', 1, null]) worker.post({ lingpai: 'abort', call })
  expect(aborts.map(({ mock }) => mock.calls.length)).toEqual([0, 0])
  worker.post({ lingpai: 'abort', call: 'c2' })
  expect(aborts.map(({ mock }) => mock.calls.length)).toEqual([0, 1])
})

test.each([{ lingpai: 'goodbye' }, { lingpai: 'resumed' }, { lingpai: 'snapshot' }, { lingpai: ['abort'], call: 'c' }])(
  'a notice that the app thread does not handle (%j) changes nothing',
  async (notice) => {
    worker.post(notice)
    expect(worker.replies).toEqual([])
    expectNothingDone()
    expect(await worker.call('login', 'c1')).toMatchObject({ value: 'code' })
  },
)

test('a request that did not leave the phone resolves as unsent, and one that failed rejects with its code', async () => {
  const { LingpaiError } = await import('../../../src/protocol/errors.ts')
  for (const message of ['createRequestTask:fail busy', 'no answer']) {
    parts.requests.send.mockImplementationOnce(() => ({
      answer: Promise.reject(new LingpaiError('network_error', message)),
      abort: vi.fn(),
    }))
  }
  expect(await worker.call('send', 'c', request)).toMatchObject({ type: 'RAW', value: { unsent: 'not_sent' } })
  // The id can be used again.
  expect(await worker.call('send', 'c', request)).toMatchObject({ type: 'HANDLER', value: { code: 'network_error' } })
})

test('the requests of the grant are dropped when the session is stored or cleared, and kept if a save fails', async () => {
  parts.storage.save.mockRejectedValueOnce(new Error('full'))
  await worker.call('save', 'key', 'text')
  expect(parts.requests.clear).not.toHaveBeenCalled()
  await worker.call('save', 'key', 'text')
  expect(parts.requests.clear).toHaveBeenCalledOnce()
  await worker.call('clear', 'key')
  expect(parts.requests.clear).toHaveBeenCalledTimes(2)
  await worker.call('load', 'key')
  expect(parts.requests.clear).toHaveBeenCalledTimes(2)
})

test('with any messages of a worker, the page still answers, and its prototypes do not change', async () => {
  const before = stateOfThePage()
  const name = fc.oneof(fc.constantFrom(...Object.keys(serviceChecks), 'constructor', '__proto__'), fc.string())
  const argument = fc.oneof(
    fc.record({
      type: fc.constant('RAW'),
      value: fc.oneof(fc.anything(), fc.constantFrom<unknown>('c', order, request)),
    }),
    fc.anything(),
  )
  const frame = fc.record(
    {
      id: fc.oneof(fc.uuid(), fc.anything()),
      type: fc.oneof(
        { weight: 4, arbitrary: fc.constant('APPLY') },
        { weight: 1, arbitrary: fc.constantFrom('GET', 'SET', 'CONSTRUCT', 'ENDPOINT', 'RELEASE') },
      ),
      path: fc.oneof({ weight: 4, arbitrary: fc.tuple(name) }, { weight: 1, arbitrary: fc.array(fc.anything()) }),
      argumentList: fc.oneof(
        { weight: 4, arbitrary: fc.array(argument, { maxLength: 5 }) },
        { weight: 1, arbitrary: fc.anything() },
      ),
      lingpai: fc.constantFrom(undefined, undefined, 'abort', 'goodbye'),
      call: fc.anything(),
    },
    { requiredKeys: ['id', 'type'] },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.oneof({ weight: 8, arbitrary: frame }, { weight: 1, arbitrary: fc.anything() }),
      async (body) => {
        expect(() => worker.post(body)).not.toThrow()
      },
    ),
    { numRuns: 1000 },
  )
  expect(await worker.call('login', 'c1')).toMatchObject({ value: 'code' })
  expect(stateOfThePage()).toEqual(before)
  for (const reply of worker.replies) expect(['RAW', 'HANDLER']).toContain(reply.type)
})
