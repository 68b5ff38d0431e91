import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { type Channel, createPageChannel, createWorkerChannel } from '../../../src/protocol/channel.ts'

interface Sent {
  readonly kind?: string
  readonly connection?: string
  readonly instance?: string
  readonly body?: unknown
}

function openPage(connection = 'page') {
  const sent: Sent[] = []
  const onRestart = vi.fn()
  const channel = createPageChannel((message) => sent.push(message as Sent), connection, onRestart)
  const calls = received(channel, 'calls')
  const services = received(channel, 'services')
  /** Clears the record of sent messages. */
  const take = () => sent.splice(0)
  return { ...channel, channel, sent, onRestart, calls, services, take }
}

function openWorker(instance = 'worker') {
  const sent: Sent[] = []
  const opened: Channel[] = []
  const { handleMessage } = createWorkerChannel(
    (message) => sent.push(message as Sent),
    instance,
    (channel) => opened.push(channel),
  )
  return { handleMessage, sent, opened, take: () => sent.splice(0) }
}

function received(channel: Channel, topic: keyof Channel): unknown[] {
  const bodies: unknown[] = []
  channel[topic].addEventListener('message', ({ data }) => bodies.push(data))
  return bodies
}

function createCycle(): object {
  const cycle: { self?: object } = {}
  cycle.self = cycle
  return cycle
}

const readyFor = (connection: string, instance = 'worker') => ({
  lingpai: 'channel',
  kind: 'ready',
  connection,
  instance,
})
const readyForNobody = (instance = 'worker') => ({ lingpai: 'channel', kind: 'ready', instance })

/** A page and a worker; the test delivers their messages. */
function connect() {
  const page = openPage()
  const worker = openWorker()
  const carry = () => {
    for (let isIdle = false; !isIdle; ) {
      const [toWorker, toPage] = [page.take(), worker.take()]
      for (const message of toWorker) worker.handleMessage(message)
      for (const message of toPage) page.handleMessage(message)
      isIdle = toWorker.length + toPage.length === 0
    }
  }
  return { page, worker, carry }
}

test('messages that the page posts before the worker listens arrive later, once and in order', () => {
  const { page, worker, carry } = connect()
  page.channel.calls.postMessage({ n: 1 })
  page.channel.services.postMessage({ n: 2 })
  page.channel.calls.postMessage({ n: 3 })
  expect(page.sent.map(({ kind }) => kind)).toEqual(['open'])
  for (const message of page.take()) worker.handleMessage(message)
  const [opened] = worker.opened as [Channel]
  const [calls, services] = [received(opened, 'calls'), received(opened, 'services')]
  carry()
  page.channel.calls.postMessage({ n: 4 })
  carry()
  expect([calls, services]).toEqual([[{ n: 1 }, { n: 3 }, { n: 4 }], [{ n: 2 }]])
})

test('the page asks a worker again that starts after the first question, and its messages arrive', () => {
  const page = openPage()
  page.take()
  const worker = openWorker()
  for (const message of worker.take()) page.handleMessage(message)
  expect(page.sent).toEqual([{ lingpai: 'channel', kind: 'open', connection: 'page' }])
  worker.handleMessage(page.take()[0])
  expect(worker.opened).toHaveLength(1)
  for (const message of worker.take()) page.handleMessage(message)
  page.channel.calls.postMessage('heard')
  expect(page.sent).toMatchObject([{ kind: 'calls', instance: 'worker', body: 'heard' }])
})

test("a page that opens after the worker's first message was lost gets an answer", () => {
  const worker = openWorker()
  worker.take()
  const page = openPage()
  worker.handleMessage(page.take()[0])
  for (const message of worker.take()) page.handleMessage(message)
  page.channel.calls.postMessage('heard')
  expect(page.sent).toMatchObject([{ kind: 'calls', instance: 'worker', body: 'heard' }])
})

test('if neither first message is lost, one connection opens and no message is sent twice', () => {
  const { page, worker, carry } = connect()
  page.channel.calls.postMessage('once')
  carry()
  expect(worker.opened).toHaveLength(1)
  expect(page.onRestart).not.toHaveBeenCalled()
  page.handleMessage(readyFor('page'))
  page.handleMessage(readyForNobody())
  expect(page.sent).toEqual([])
})

test('a worker that has only said that it listens gets only the question', () => {
  const page = openPage()
  page.channel.calls.postMessage('kept')
  page.take()
  page.handleMessage(readyForNobody())
  page.handleMessage(readyFor('another page'))
  expect(page.sent.map(({ kind }) => kind)).toEqual(['open', 'open'])
})

test('each topic has its own listeners, and a removed listener gets no messages', () => {
  const { page, worker, carry } = connect()
  carry()
  const [opened] = worker.opened as [Channel]
  const removed = vi.fn()
  page.channel.calls.addEventListener('message', removed)
  page.channel.calls.removeEventListener('message', removed)
  opened.calls.postMessage('for calls')
  opened.services.postMessage('for services')
  carry()
  expect([page.calls, page.services]).toEqual([['for calls'], ['for services']])
  expect(removed).not.toHaveBeenCalled()
})

test('a listener that removes itself does not keep the others from being called', () => {
  const { page, worker, carry } = connect()
  carry()
  const heard: number[] = []
  const first = () => {
    heard.push(1)
    page.channel.calls.removeEventListener('message', first)
  }
  page.channel.calls.addEventListener('message', first)
  page.channel.calls.addEventListener('message', () => heard.push(2))
  for (const text of ['a', 'b']) worker.opened[0]?.calls.postMessage(text)
  carry()
  expect(heard).toEqual([1, 2, 2])
})

test('a listener that is added during a message gets only the next one', () => {
  const { page, worker, carry } = connect()
  carry()
  const heard: unknown[] = []
  const later = ({ data }: { data: unknown }) => heard.push(data)
  page.channel.calls.addEventListener('message', () => page.channel.calls.addEventListener('message', later))
  for (const text of ['a', 'b']) worker.opened[0]?.calls.postMessage(text)
  carry()
  expect(heard).toEqual(['b'])
})

test.each<[string, () => unknown]>([
  ['a big number', () => ({ a: 1n })],
  ['a cycle', () => createCycle()],
])('%s cannot be sent as JSON: posting it throws invalid_call, and nothing is sent', (_what, create) => {
  const { page, carry } = connect()
  carry()
  expect(() => page.channel.calls.postMessage(create())).toThrow(expect.objectContaining({ code: 'invalid_call' }))
  expect(page.sent).toEqual([])
})

test.each<[string, Sent]>([
  ['another connection', { connection: 'other', instance: 'worker' }],
  ['another instance', { connection: 'page', instance: 'other' }],
  ['no connection', { instance: 'worker' }],
  ['no instance', { connection: 'page' }],
])('the page drops a message of %s, and claims it as one of lingpai’s', (_what, changes) => {
  const { page, carry } = connect()
  carry()
  for (const kind of ['calls', 'services']) {
    expect(page.handleMessage({ lingpai: 'channel', kind, body: 'stray', ...changes })).toBe(true)
  }
  expect([page.calls, page.services]).toEqual([[], []])
  expect(page.sent).toEqual([])
})

test.each<[string, Sent]>([
  ['another connection', { connection: 'other', instance: 'worker' }],
  ['another instance', { connection: 'page', instance: 'other' }],
  ['no connection', { instance: 'worker' }],
  ['no instance', { connection: 'page' }],
])('the worker drops a message of %s, and claims it as one of lingpai’s', (_what, changes) => {
  const { worker, carry } = connect()
  carry()
  const calls = received(worker.opened[0] as Channel, 'calls')
  expect(worker.handleMessage({ lingpai: 'channel', kind: 'calls', body: 'stray', ...changes })).toBe(true)
  expect(calls).toEqual([])
  expect(worker.sent).toEqual([])
})

test('the page notices a worker that has replaced another, and sends it no messages of the earlier one', () => {
  const { page, carry } = connect()
  carry()
  page.handleMessage(readyForNobody('second'))
  expect(page.onRestart).toHaveBeenCalledOnce()
  page.channel.calls.postMessage('for the first')
  expect(page.sent).toMatchObject([{ kind: 'calls', instance: 'worker' }])
  const second = openWorker('second')
  for (const message of page.take()) second.handleMessage(message)
  expect(second.opened).toEqual([])
})

test("a new worker's answer to the old question counts as a restart", () => {
  const { page, carry } = connect()
  carry()
  page.handleMessage(readyFor('page', 'second'))
  expect(page.onRestart).toHaveBeenCalledOnce()
})

test('a second ready of the same worker does not count as a restart', () => {
  const { page, carry } = connect()
  carry()
  page.handleMessage(readyForNobody())
  page.handleMessage(readyFor('another page'))
  expect(page.onRestart).not.toHaveBeenCalled()
})

test('a ready without an instance is dropped', () => {
  const page = openPage()
  page.take()
  expect(page.handleMessage({ lingpai: 'channel', kind: 'ready', connection: 'page' })).toBe(true)
  page.channel.calls.postMessage('kept')
  expect(page.sent).toEqual([])
})

test('a second connection replaces the first, whose messages are dropped', () => {
  const { page: first, worker, carry } = connect()
  carry()
  const second = openPage('second')
  for (const message of second.take()) worker.handleMessage(message)
  expect(worker.opened).toHaveLength(2)
  for (const message of worker.take()) second.handleMessage(message)
  const [ofFirst, ofSecond] = worker.opened.map((channel) => received(channel, 'calls'))
  first.channel.calls.postMessage('too late')
  second.channel.calls.postMessage('in time')
  for (const message of [...first.take(), ...second.take()]) worker.handleMessage(message)
  expect([ofFirst, ofSecond]).toEqual([[], ['in time']])
  worker.opened[0]?.calls.postMessage('to the first')
  for (const message of worker.take()) second.handleMessage(message)
  expect(second.calls).toEqual([])
})

test('a repeated question gets an answer and does not open another connection', () => {
  const { worker, carry } = connect()
  carry()
  worker.handleMessage({ lingpai: 'channel', kind: 'open', connection: 'page' })
  expect(worker.opened).toHaveLength(1)
  expect(worker.sent).toEqual([readyFor('page')])
})

test('a question without a connection does not open one', () => {
  const worker = openWorker()
  worker.take()
  expect(worker.handleMessage({ lingpai: 'channel', kind: 'open' })).toBe(true)
  expect(worker.handleMessage({ lingpai: 'channel', kind: 'calls', instance: 'worker', body: 1 })).toBe(true)
  expect([worker.opened, worker.sent]).toEqual([[], []])
})

test('messages are accepted bare and as {message}', () => {
  const page = openPage()
  expect(page.handleMessage({ message: readyFor('page') })).toBe(true)
  const calls = { lingpai: 'channel', kind: 'calls', connection: 'page', instance: 'worker' }
  page.handleMessage({ ...calls, body: 'bare' })
  page.handleMessage({ message: { ...calls, body: 'wrapped' } })
  expect(page.calls).toEqual(['bare', 'wrapped'])
  const worker = openWorker()
  worker.handleMessage({ message: { lingpai: 'channel', kind: 'open', connection: 'page' } })
  expect(worker.opened).toHaveLength(1)
})

test.each<[string, unknown]>([
  ['undefined', undefined],
  ['null', null],
  ['a string', 'channel'],
  ['a number', 1],
  ['an array', [{ lingpai: 'channel' }]],
  ["an app's object", { type: 'progress', kind: 'ready' }],
  ["an app's {message}", { message: 'hello' }],
  ["an app's {message: object}", { message: { kind: 'ready', instance: 'worker' } }],
  ['another notice of lingpai’s', { lingpai: 'snapshot' }],
  ['an inherited mark', Object.create({ lingpai: 'channel', kind: 'open', connection: 'page' })],
  ['a message that is wrapped twice', { message: { message: { lingpai: 'channel', kind: 'ready' } } }],
])('a message that is %s is left to the app: handleMessage returns false, and nothing is sent', (_what, message) => {
  const page = openPage()
  const worker = openWorker()
  page.take()
  worker.take()
  expect([page.handleMessage(message), worker.handleMessage(message)]).toEqual([false, false])
  expect([page.sent, worker.sent, worker.opened]).toEqual([[], [], []])
})

test('a message of an unknown kind is claimed as lingpai’s, and changes nothing', () => {
  const { page, worker, carry } = connect()
  carry()
  const message = { lingpai: 'channel', kind: 'constructor', connection: 'page', instance: 'worker', body: 1 }
  expect([page.handleMessage(message), worker.handleMessage(message)]).toEqual([true, true])
  expect([page.sent, worker.sent, page.calls]).toEqual([[], [], []])
})

test('any posted value is sent as JSON in a plain object, and later changes do not reach it', () => {
  const { page, carry } = connect()
  carry()
  fc.assert(
    fc.property(fc.object({ withDate: true, withNullPrototype: true, withSparseArray: true }), (body) => {
      page.take()
      page.channel.calls.postMessage(body)
      const [sent] = page.sent
      expect(Object.getPrototypeOf(sent)).toBe(Object.prototype)
      expect(JSON.parse(JSON.stringify(sent))).toStrictEqual(sent)
    }),
  )
  page.take()
  const body = { n: 1, absent: undefined }
  page.channel.calls.postMessage(body)
  body.n = 2
  expect(page.sent[0]?.body).toStrictEqual({ n: 1 })
})

test('every message of the handshake is JSON', () => {
  const page = openPage()
  const worker = openWorker()
  for (const message of page.sent) worker.handleMessage(message)
  page.handleMessage(readyForNobody())
  for (const message of [...page.sent, ...worker.sent]) {
    expect(JSON.parse(JSON.stringify(message))).toStrictEqual(message)
  }
})

test('page and worker connect, in any order of their starts and with any message lost before both listen', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.boolean(), fc.boolean(), (pageFirst, losesOpen, losesReady) => {
      const toWorker: unknown[] = []
      const toPage: unknown[] = []
      const start = {
        page: () =>
          createPageChannel(
            (message) => toWorker.push(message),
            'page',
            () => {},
          ),
        worker: () =>
          createWorkerChannel(
            (message) => toPage.push(message),
            'worker',
            (channel) => opened.push(channel),
          ),
      }
      const opened: Channel[] = []
      let page: ReturnType<typeof start.page>
      let worker: ReturnType<typeof start.worker>
      // The first message of the side that starts first may be lost; that side listens by the time of the other's.
      if (pageFirst) {
        page = start.page()
        if (losesOpen) toWorker.length = 0
        worker = start.worker()
      } else {
        worker = start.worker()
        if (losesReady) toPage.length = 0
        page = start.page()
      }
      page.calls.postMessage('hello')
      const heard: unknown[] = []
      while (toWorker.length + toPage.length > 0) {
        for (const message of toPage.splice(0)) page.handleMessage(message)
        for (const message of toWorker.splice(0)) {
          worker.handleMessage(message)
          if (opened.length === 1 && heard.length === 0)
            opened[0]?.calls.addEventListener('message', ({ data }) => heard.includes(data) || heard.push(data))
        }
      }
      expect(heard).toEqual(['hello'])
      expect(opened).toHaveLength(1)
    }),
  )
})
