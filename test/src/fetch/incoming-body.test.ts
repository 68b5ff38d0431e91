import { afterEach, expect, test, vi } from 'vitest'
import { receiveBody } from '../../../src/fetch/incoming-body.ts'
import { encodeError, LingpaiError } from '../../../src/protocol/errors.ts'
import { BODY_WINDOW } from '../../../src/protocol/wire.ts'

const ports: MessagePort[] = []
afterEach(() => {
  vi.unstubAllGlobals()
  for (const port of ports.splice(0)) port.close()
})

const settle = () => new Promise((resolve) => setTimeout(resolve, 20))
const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: unknown) => error,
  )

/** A body whose worker is the test. */
function open(signal?: AbortSignal) {
  const { port1, port2 } = new MessageChannel()
  ports.push(port1, port2)
  const asked: unknown[] = []
  const onClose = vi.fn()
  const onEnd = vi.fn()
  port1.onmessage = ({ data }) => void asked.push(data)
  port1.addEventListener('close', onClose)
  const body = receiveBody(port2, signal, onEnd)
  const send = (size: number, fill = 0) => {
    const chunk = new Uint8Array(size).fill(fill).buffer
    port1.postMessage(chunk, [chunk])
  }
  return { ...body, send, post: (message: unknown) => port1.postMessage(message), asked, onClose, onEnd }
}

/** What was posted before has come by then. */
const closed = (onClose: { mock: { calls: unknown[] } }) => expect.poll(() => onClose.mock.calls.length).toBe(1)
const total = (asked: readonly unknown[]) => (asked as number[]).reduce((sum, number) => sum + number, 0)

test('the first window is not asked for, and what follows only as it is read', async () => {
  const { stream, send, asked } = open()
  const reader = stream.getReader()
  const step = BODY_WINDOW / 8
  for (let sent = 0; sent < 8; sent += 1) send(step, sent)
  await settle()
  expect(asked).toEqual([])
  for (let read = 0; read < 8; read += 1) {
    expect((await reader.read()).value?.[0]).toBe(read)
    await settle()
    expect(total(asked)).toBeLessThanOrEqual((read + 1) * step)
  }
  // Not by each chunk, but by now for most of them.
  await expect.poll(() => total(asked)).toBeGreaterThan(BODY_WINDOW / 2)
  expect(asked.length).toBeLessThan(8)
})

test('what was asked for is not asked for again before it has come', async () => {
  const { stream, send, asked } = open()
  const reader = stream.getReader()
  send(BODY_WINDOW)
  await reader.read()
  await expect.poll(() => total(asked)).toBe(BODY_WINDOW)
  const reading = reader.read()
  await settle()
  expect(total(asked)).toBe(BODY_WINDOW)
  for (let sent = 0; sent < 3; sent += 1) send(BODY_WINDOW / 2)
  await reading
  // One read was waiting, and the window is full again.
  await expect.poll(() => total(asked)).toBe(1.5 * BODY_WINDOW)
  await settle()
  expect(total(asked)).toBe(1.5 * BODY_WINDOW)
})

test('a body that is cancelled tells the worker once, and the port is closed', async () => {
  const { stream, send, asked, onEnd, onClose } = open()
  send(10)
  await stream.cancel('enough')
  await closed(onClose)
  expect(asked).toEqual([0])
  expect(onEnd).toHaveBeenCalledTimes(1)
})

test('an abort errors the body with its reason and stops the worker, also where it came before the body', async () => {
  for (const isEarly of [false, true]) {
    const controller = new AbortController()
    const reason = { isEarly }
    if (isEarly) controller.abort(reason)
    const { stream, send, asked, failure, onEnd, onClose } = open(controller.signal)
    send(10)
    await settle()
    controller.abort(reason)
    expect(await errorOf(stream.getReader().read())).toBe(reason)
    expect(failure()).toEqual([reason])
    await closed(onClose)
    expect(asked).toEqual([0])
    expect(onEnd).toHaveBeenCalledTimes(1)
  }
})

test('an abort ends a body that has come whole and was not read, and none that was', async () => {
  const controller = new AbortController()
  const [unread, read] = [open(controller.signal), open(controller.signal)]
  for (const { send, post } of [unread, read]) {
    send(10)
    post(null)
  }
  const { byteLength } = await new Response(read.stream).arrayBuffer()
  await closed(unread.onClose)
  controller.abort('left')
  expect(byteLength).toBe(10)
  expect(read.failure()).toBeUndefined()
  expect(await errorOf(unread.stream.getReader().read())).toBe('left')
  expect(unread.asked).toEqual([0])
  expect(unread.onEnd).toHaveBeenCalledTimes(1)
  expect(read.onEnd).toHaveBeenCalledTimes(1)
})

test('a signal that outlives many bodies holds none of them', async () => {
  const { signal } = new AbortController()
  const added = vi.spyOn(signal, 'addEventListener')
  const removed = vi.spyOn(signal, 'removeEventListener')
  const ended = open(signal)
  ended.post(null)
  await new Response(ended.stream).arrayBuffer()
  const cancelled = open(signal)
  await cancelled.stream.cancel()
  const failed = open(signal)
  failed.post(encodeError(new TypeError('Failed to fetch')))
  await errorOf(failed.stream.getReader().read())
  expect(added).toHaveBeenCalledTimes(3)
  expect(removed.mock.calls).toEqual(added.mock.calls)
})

test('an error of the worker is that of the read, with its code, and is answered with 0', async () => {
  for (const error of [
    new LingpaiError('token_reflected', 'It echoes.', { status: 200 }),
    new TypeError('Failed to fetch'),
  ]) {
    const { stream, send, post, asked, failure, onEnd, onClose } = open()
    send(10)
    post(encodeError(error))
    await closed(onClose)
    const found = await errorOf(stream.getReader().read())
    expect(found).toBeInstanceOf(TypeError)
    expect((found as { code?: string }).code).toBe((error as { code?: string }).code)
    expect(failure()).toEqual([found])
    expect(asked).toEqual([0])
    expect(onEnd).toHaveBeenCalledTimes(1)
  }
})

test('a body that is ended by this side rejects with a TypeError that has the code, and stops the worker', async () => {
  const { stream, fail, asked, onEnd, onClose } = open()
  const reading = errorOf(stream.getReader().read())
  fail(new LingpaiError('worker_lost', 'The worker is gone.'))
  expect(await reading).toMatchObject({ name: 'TypeError', code: 'worker_lost' })
  await closed(onClose)
  expect(asked).toEqual([0])
  expect(onEnd).toHaveBeenCalledTimes(1)
})

test('the end is answered once with 0, and what comes after it is ignored', async () => {
  const { stream, send, post, asked, onEnd, onClose } = open()
  send(1, 7)
  post(null)
  send(1, 8)
  post(encodeError(new TypeError('late')))
  await closed(onClose)
  expect(new Uint8Array(await new Response(stream).arrayBuffer())).toEqual(new Uint8Array([7]))
  expect(asked).toEqual([0])
  expect(onEnd).toHaveBeenCalledTimes(1)
})

test('an empty chunk is no end, and whoever waits with a buffer of their own hears of the end', async () => {
  const { stream, send, post } = open()
  const reader = stream.getReader({ mode: 'byob' })
  const first = reader.read(new Uint8Array(10))
  send(0)
  send(2, 5)
  expect([...((await first).value ?? [])]).toEqual([5, 5])
  const last = reader.read(new Uint8Array(10))
  await settle()
  post(null)
  expect(await last).toMatchObject({ done: true })
})

test('where the platform has no byte streams, as Safari before 26.4, a body comes whole all the same', async () => {
  const Native = ReadableStream
  vi.stubGlobal(
    'ReadableStream',
    class {
      constructor(source: UnderlyingDefaultSource & { type?: string }, strategy: QueuingStrategy) {
        if (source.type === 'bytes') throw new RangeError('unsupported')
        // biome-ignore lint/correctness/noConstructorReturn: it stands for the platform's
        return new Native(source, strategy) as never
      }
    },
  )
  const { stream, send, post, asked } = open()
  vi.unstubAllGlobals()
  const reader = stream.getReader()
  send(BODY_WINDOW, 1)
  await reader.read()
  await expect.poll(() => total(asked)).toBe(BODY_WINDOW)
  send(3, 2)
  post(null)
  expect([...((await reader.read()).value ?? [])]).toEqual([2, 2, 2])
  expect(await reader.read()).toEqual({ done: true, value: undefined })
})
