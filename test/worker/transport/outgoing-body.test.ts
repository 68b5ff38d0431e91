import { expect, test, vi } from 'vitest'
import { receiveBody } from '../../../src/fetch/incoming-body.ts'
import { LingpaiError } from '../../../src/protocol/errors.ts'
import { BODY_WINDOW } from '../../../src/protocol/wire.ts'
import { type BodyReader, sendBody } from '../../../worker/transport/outgoing-body.ts'

function createPort() {
  const sent: unknown[] = []
  const transferred: unknown[] = []
  const port = {
    onmessage: undefined as ((event: { data: unknown }) => void) | undefined,
    postMessage(message: unknown, transfer: readonly unknown[] = []) {
      sent.push(message)
      transferred.push(...transfer)
    },
    close: vi.fn(),
    addEventListener(_type: string, listener: () => void) {
      closePort = listener
    },
  }
  let closePort = () => {}
  return { port, sent, transferred, ask: (data: unknown) => port.onmessage?.({ data }), leave: () => closePort() }
}

function readerOf(next: () => Promise<{ done: boolean; value?: Uint8Array }>) {
  return { read: vi.fn(next), cancel: vi.fn(async () => {}) } satisfies BodyReader
}

const chunk = (size: number) => async () => ({ done: false, value: new Uint8Array(size) })
const settle = () => new Promise((resolve) => setTimeout(resolve, 10))

test('only the first window is sent without a request for more', async () => {
  const { port, sent } = createPort()
  sendBody(port as never, readerOf(chunk(BODY_WINDOW / 4)), () => {})
  await settle()
  expect(sent).toHaveLength(4)
})

test('chunks are transferred and not copied', async () => {
  const { port, sent, transferred } = createPort()
  sendBody(port as never, readerOf(chunk(BODY_WINDOW)), () => {})
  await settle()
  expect(sent).toHaveLength(1)
  expect(transferred).toEqual(sent)
})

test('after the first window, chunks are read only while there is credit', async () => {
  const { port, sent, ask } = createPort()
  const sizes = [BODY_WINDOW]
  const reader = readerOf(() => chunk(sizes.shift() ?? 100)())
  sendBody(port as never, reader, () => {})
  await settle()
  expect(reader.read).toHaveBeenCalledTimes(1)
  ask(250)
  await settle()
  expect(sent).toHaveLength(1 + 3)
  ask(1)
  await settle()
  expect(sent).toHaveLength(1 + 3)
  ask(50)
  await settle()
  expect(sent).toHaveLength(1 + 4)
})

test('credit never adds up to more than the window', async () => {
  const { port, sent, ask } = createPort()
  // If too much is sent, the body ends too, and so does the test.
  let left = 10
  const reader = readerOf(() => (left-- > 0 ? chunk(BODY_WINDOW)() : new Promise(() => {})))
  sendBody(port as never, reader, () => {})
  ask(Number.MAX_VALUE)
  ask(Number.POSITIVE_INFINITY)
  await settle()
  expect(sent.length).toBeLessThanOrEqual(2)
})

test('a part of a buffer is sent without the rest, and an empty chunk is not sent', async () => {
  const { port, sent, ask } = createPort()
  const values = [new Uint8Array([9, 1, 2, 9]).subarray(1, 3), new Uint8Array(0)]
  sendBody(
    port as never,
    readerOf(async () => toResult(values.shift())),
    () => {},
  )
  ask(1000)
  await settle()
  // toEqual does not compare the bytes of buffers.
  expect(sent.map((message) => (message instanceof ArrayBuffer ? [...new Uint8Array(message)] : message))).toEqual([
    [1, 2],
    null,
  ])
})

const toResult = (value: Uint8Array | undefined) => (value === undefined ? { done: true } : { done: false, value })

test.each([0, -1, Number.NaN, 'more', null, undefined, {}, [5], true])(
  'a message %j from the page ends the body, once',
  async (message) => {
    const { port, sent, ask } = createPort()
    const reader = readerOf(() => new Promise(() => {}))
    const onEnd = vi.fn()
    const stop = sendBody(port as never, reader, onEnd)
    ask(10)
    ask(message)
    expect(onEnd).toHaveBeenCalledTimes(1)
    ask(message)
    stop()
    expect(reader.cancel).toHaveBeenCalledTimes(1)
    expect(onEnd).toHaveBeenCalledTimes(1)
    expect(sent).toEqual([])
  },
)

test('a chunk that arrives after the end is not sent', async () => {
  const { port, sent, ask } = createPort()
  let give = (_result: { done: boolean; value: Uint8Array }) => {}
  const stop = sendBody(
    port as never,
    readerOf(() => new Promise((resolve) => (give = resolve))),
    () => {},
  )
  ask(10)
  stop()
  give({ done: false, value: new Uint8Array(5) })
  await settle()
  expect(sent).toEqual([])
})

test('the body ends when the other side of the port is gone', () => {
  const { port, leave } = createPort()
  const reader = readerOf(() => new Promise(() => {}))
  sendBody(port as never, reader, () => {})
  leave()
  expect(reader.cancel).toHaveBeenCalledTimes(1)
})

test('an error of the reader is sent with its code and ends the body', async () => {
  const { port, sent, ask } = createPort()
  const reader = readerOf(() => Promise.reject(new LingpaiError('token_reflected', 'It echoes.', { status: 200 })))
  sendBody(port as never, reader, () => {})
  ask(10)
  await settle()
  expect(sent).toEqual([expect.objectContaining({ code: 'token_reflected', status: 200 })])
  expect(reader.cancel).toHaveBeenCalledTimes(1)
})

const endings: [string, () => Promise<{ done: boolean }>][] = [
  ['the end', async () => ({ done: true })],
  ['an error', () => Promise.reject(new TypeError('Failed to fetch'))],
]

test.each(endings)('after %s is sent, the port stays open until the page has answered', async (_what, next) => {
  const { port, sent, ask } = createPort()
  const onEnd = vi.fn()
  sendBody(port as never, readerOf(next), onEnd)
  await settle()
  // The page sent this before it got the last message.
  ask(100)
  await settle()
  expect(sent).toHaveLength(1)
  expect(port.close).not.toHaveBeenCalled()
  expect(onEnd).not.toHaveBeenCalled()
  ask(0)
  expect(port.close).toHaveBeenCalledTimes(1)
  expect(onEnd).toHaveBeenCalledTimes(1)
})

test('after the end is sent, the port is closed if the page ends without an answer', async () => {
  const { port } = createPort()
  const stop = sendBody(
    port as never,
    readerOf(async () => ({ done: true })),
    () => {},
  )
  await settle()
  stop()
  expect(port.close).toHaveBeenCalledTimes(1)
})

test.each(endings)('page and worker each close their own end after %s, which Firefox needs', async (_what, next) => {
  const { port1, port2 } = new MessageChannel()
  const closes = [vi.spyOn(port1, 'close'), vi.spyOn(port2, 'close')]
  sendBody(port1, readerOf(next), () => {})
  const { stream } = receiveBody(port2, undefined, () => {})
  await new Response(stream).arrayBuffer().catch(() => {})
  for (const close of closes) await expect.poll(() => close.mock.calls.length).toBe(1)
})
