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
  /** Forgets what was sent so far. */
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

/** A page and a worker whose messages wait until the test carries them over. */
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

test('what the page posts before the worker listens arrives once it does, in order and once', () => {
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

test('a worker that starts after the page asked is asked again, and the page is heard', () => {
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

test("a page that opens after the worker's first word, which nobody heard, is answered", () => {
  const worker = openWorker()
  worker.take()
  const page = openPage()
  worker.handleMessage(page.take()[0])
  for (const message of worker.take()) page.handleMessage(message)
  page.channel.calls.postMessage('heard')
  expect(page.sent).toMatchObject([{ kind: 'calls', instance: 'worker', body: 'heard' }])
})

test('where neither first word is lost, one connection is opened and nothing is sent twice', () => {
  const { page, worker, carry } = connect()
  page.channel.calls.postMessage('once')
  carry()
  expect(worker.opened).toHaveLength(1)
  expect(page.onRestart).not.toHaveBeenCalled()
  page.handleMessage(readyFor('page'))
  page.handleMessage(readyForNobody())
  expect(page.sent).toEqual([])
})

test('a worker that is only known to listen gets nothing but the question', () => {
  const page = openPage()
  page.channel.calls.postMessage('kept')
  page.take()
  page.handleMessage(readyForNobody())
  page.handleMessage(readyFor('another page'))
  expect(page.sent.map(({ kind }) => kind)).toEqual(['open', 'open'])
})

test('each topic has its own listeners, and a listener that was removed hears nothing', () => {
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

test('a listener that removes itself keeps no other from hearing', () => {
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

test('a listener that is added while a message is heard hears the next one only', () => {
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
])('what JSON cannot carry, such as %s, is refused as invalid_call, and nothing is sent', (_what, create) => {
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
])('the page drops a message of %s, which is still one of ours', (_what, changes) => {
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
])('the worker drops a message of %s, which is still one of ours', (_what, changes) => {
  const { worker, carry } = connect()
  carry()
  const calls = received(worker.opened[0] as Channel, 'calls')
  expect(worker.handleMessage({ lingpai: 'channel', kind: 'calls', body: 'stray', ...changes })).toBe(true)
  expect(calls).toEqual([])
  expect(worker.sent).toEqual([])
})

test('a worker that was started anew without a word is noticed, and gets none of what its predecessor was sent', () => {
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

test("a successor's answer to the old question is a restart too", () => {
  const { page, carry } = connect()
  carry()
  page.handleMessage(readyFor('page', 'second'))
  expect(page.onRestart).toHaveBeenCalledOnce()
})

test('the same worker saying again that it is ready is no restart', () => {
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

test('a second connection takes the place of the first one, whose messages go nowhere any more', () => {
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

test('a question that is asked again opens nothing anew, and is answered', () => {
  const { worker, carry } = connect()
  carry()
  worker.handleMessage({ lingpai: 'channel', kind: 'open', connection: 'page' })
  expect(worker.opened).toHaveLength(1)
  expect(worker.sent).toEqual([readyFor('page')])
})

test('a question that names no connection opens none', () => {
  const worker = openWorker()
  worker.take()
  expect(worker.handleMessage({ lingpai: 'channel', kind: 'open' })).toBe(true)
  expect(worker.handleMessage({ lingpai: 'channel', kind: 'calls', instance: 'worker', body: 1 })).toBe(true)
  expect([worker.opened, worker.sent]).toEqual([[], []])
})

test('messages arrive bare or as {message}, as platforms differ', () => {
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
  ['a text', 'channel'],
  ['a number', 1],
  ['an array', [{ lingpai: 'channel' }]],
  ["an app's object", { type: 'progress', kind: 'ready' }],
  ["an app's {message}", { message: 'hello' }],
  ["an app's {message: object}", { message: { kind: 'ready', instance: 'worker' } }],
  ['a notice of another kind of ours', { lingpai: 'snapshot' }],
  ['an inherited mark', Object.create({ lingpai: 'channel', kind: 'open', connection: 'page' })],
  ['a message twice wrapped', { message: { message: { lingpai: 'channel', kind: 'ready' } } }],
])('a message that is %s is left to the app: nothing is sent, and the answer is false', (_what, message) => {
  const page = openPage()
  const worker = openWorker()
  page.take()
  worker.take()
  expect([page.handleMessage(message), worker.handleMessage(message)]).toEqual([false, false])
  expect([page.sent, worker.sent, worker.opened]).toEqual([[], [], []])
})

test('a message of ours of an unknown kind is ours, and changes nothing', () => {
  const { page, worker, carry } = connect()
  carry()
  const message = { lingpai: 'channel', kind: 'constructor', connection: 'page', instance: 'worker', body: 1 }
  expect([page.handleMessage(message), worker.handleMessage(message)]).toEqual([true, true])
  expect([page.sent, worker.sent, page.calls]).toEqual([[], [], []])
})

test('whatever is posted, only JSON in plain objects goes out, and later changes do not reach it', () => {
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

test('every message of the handshake is JSON too', () => {
  const page = openPage()
  const worker = openWorker()
  for (const message of page.sent) worker.handleMessage(message)
  page.handleMessage(readyForNobody())
  for (const message of [...page.sent, ...worker.sent]) {
    expect(JSON.parse(JSON.stringify(message))).toStrictEqual(message)
  }
})

test('whatever is lost on the way before both listen, and in whatever order they start, they find each other', () => {
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
      // The first word of whoever starts first may be lost; the other one is listened to by then.
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
