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

/** A body for which the test plays the worker. */
function open(signal?: AbortSignal) {
  const { port1, port2 } = new MessageChannel()
  ports.push(port1, port2)
  const requested: unknown[] = []
  const onClose = vi.fn()
  const onEnd = vi.fn()
  port1.onmessage = ({ data }) => void requested.push(data)
  port1.addEventListener('close', onClose)
  const body = receiveBody(port2, signal, onEnd)
  const send = (size: number, fill = 0) => {
    const chunk = new Uint8Array(size).fill(fill).buffer
    port1.postMessage(chunk, [chunk])
  }
  return { ...body, send, post: (message: unknown) => port1.postMessage(message), requested, onClose, onEnd }
}

/** When the port is closed, all messages posted before have arrived. */
const closed = (onClose: { mock: { calls: unknown[] } }) => expect.poll(() => onClose.mock.calls.length).toBe(1)
const total = (requested: readonly unknown[]) => (requested as number[]).reduce((sum, number) => sum + number, 0)

test('the first window is not requested, and later chunks are requested as the body is read', async () => {
  const { stream, send, requested } = open()
  const reader = stream.getReader()
  const step = BODY_WINDOW / 8
  for (let sent = 0; sent < 8; sent += 1) send(step, sent)
  await settle()
  expect(requested).toEqual([])
  for (let read = 0; read < 8; read += 1) {
    expect((await reader.read()).value?.[0]).toBe(read)
    await settle()
    expect(total(requested)).toBeLessThanOrEqual((read + 1) * step)
  }
  // Not requested for each chunk, but by now for most of them.
  await expect.poll(() => total(requested)).toBeGreaterThan(BODY_WINDOW / 2)
  expect(requested.length).toBeLessThan(8)
})

test('bytes that were requested are not requested again before they arrive', async () => {
  const { stream, send, requested } = open()
  const reader = stream.getReader()
  send(BODY_WINDOW)
  await reader.read()
  await expect.poll(() => total(requested)).toBe(BODY_WINDOW)
  const reading = reader.read()
  await settle()
  expect(total(requested)).toBe(BODY_WINDOW)
  for (let sent = 0; sent < 3; sent += 1) send(BODY_WINDOW / 2)
  await reading
  // One read was pending, and the window is full again.
  await expect.poll(() => total(requested)).toBe(1.5 * BODY_WINDOW)
  await settle()
  expect(total(requested)).toBe(1.5 * BODY_WINDOW)
})

test('cancelling a body notifies the worker once, and closes the port', async () => {
  const { stream, send, requested, onEnd, onClose } = open()
  send(10)
  await stream.cancel('enough')
  await closed(onClose)
  expect(requested).toEqual([0])
  expect(onEnd).toHaveBeenCalledTimes(1)
})

test('an abort, even before the body, ends the body with its reason and stops the worker', async () => {
  for (const isEarly of [false, true]) {
    const controller = new AbortController()
    const reason = { isEarly }
    if (isEarly) controller.abort(reason)
    const { stream, send, requested, failure, onEnd, onClose } = open(controller.signal)
    send(10)
    await settle()
    controller.abort(reason)
    expect(await errorOf(stream.getReader().read())).toBe(reason)
    expect(failure()).toEqual([reason])
    await closed(onClose)
    expect(requested).toEqual([0])
    expect(onEnd).toHaveBeenCalledTimes(1)
  }
})

test('an abort ends a complete body that was not read, but not one that was read', async () => {
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
  expect(unread.requested).toEqual([0])
  expect(unread.onEnd).toHaveBeenCalledTimes(1)
  expect(read.onEnd).toHaveBeenCalledTimes(1)
})

test('a signal that outlives many bodies keeps no listener of them', async () => {
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

test('a read rejects with the error of the worker and its code, and the page answers 0', async () => {
  for (const error of [
    new LingpaiError('token_reflected', 'It echoes.', { status: 200 }),
    new TypeError('Failed to fetch'),
  ]) {
    const { stream, send, post, requested, failure, onEnd, onClose } = open()
    send(10)
    post(encodeError(error))
    await closed(onClose)
    const found = await errorOf(stream.getReader().read())
    expect(found).toBeInstanceOf(TypeError)
    expect((found as { code?: string }).code).toBe((error as { code?: string }).code)
    expect(failure()).toEqual([found])
    expect(requested).toEqual([0])
    expect(onEnd).toHaveBeenCalledTimes(1)
  }
})

test('a body that the page ends rejects with a TypeError that has the code, and stops the worker', async () => {
  const { stream, fail, requested, onEnd, onClose } = open()
  const reading = errorOf(stream.getReader().read())
  fail(new LingpaiError('worker_lost', 'The worker is gone.'))
  expect(await reading).toMatchObject({ name: 'TypeError', code: 'worker_lost' })
  await closed(onClose)
  expect(requested).toEqual([0])
  expect(onEnd).toHaveBeenCalledTimes(1)
})

test('the page answers the end once with 0, and ignores later messages', async () => {
  const { stream, send, post, requested, onEnd, onClose } = open()
  send(1, 7)
  post(null)
  send(1, 8)
  post(encodeError(new TypeError('late')))
  await closed(onClose)
  expect(new Uint8Array(await new Response(stream).arrayBuffer())).toEqual(new Uint8Array([7]))
  expect(requested).toEqual([0])
  expect(onEnd).toHaveBeenCalledTimes(1)
})

test('an empty chunk does not end the body, and a read with its own buffer gets the end', async () => {
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

test('on a platform without byte streams, as Safari before 26.4, a body arrives complete', async () => {
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
  const { stream, send, post, requested } = open()
  vi.unstubAllGlobals()
  const reader = stream.getReader()
  send(BODY_WINDOW, 1)
  await reader.read()
  await expect.poll(() => total(requested)).toBe(BODY_WINDOW)
  send(3, 2)
  post(null)
  expect([...((await reader.read()).value ?? [])]).toEqual([2, 2, 2])
  expect(await reader.read()).toEqual({ done: true, value: undefined })
})
