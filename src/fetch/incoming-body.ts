import { decodeError, isLingpaiError, toFetchError } from '../protocol/errors.ts'
import { BODY_WINDOW, type BodyMessage } from '../protocol/wire.ts'

/** A body whose chunks come over a port, asked for as it is read. */
export interface IncomingBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>
  /** Ends it with an error of this side's own. */
  fail(error: unknown): void
  /** What ended it too early, if anything did, as the only element. */
  failure(): readonly [unknown] | undefined
}

/**
 * Makes a stream of what the worker sends over a port. The signal ends it for as long as it was not read, also where it has
 * come whole. `onEnd` is told once that no more comes, in whatever way.
 */
export function receiveBody(port: MessagePort, signal: AbortSignal | undefined, onEnd: () => void): IncomingBody {
  let controller: ReadableByteStreamController | ReadableStreamDefaultController
  // The first window is sent unasked: a question would cost the first byte a message to the worker and back.
  let asked = BODY_WINDOW
  let isComing = true
  let failure: readonly [unknown] | undefined

  function end(): void {
    if (!isComing) return
    isComing = false
    // Also after the last message: only so the worker closes its end.
    port.postMessage(0)
    port.close()
    onEnd()
  }

  function stop(): void {
    signal?.removeEventListener('abort', onAbort)
    end()
  }

  function fail(error: unknown): void {
    failure = [isLingpaiError(error) ? toFetchError(error) : error]
    controller.error(failure[0])
    stop()
  }

  function onAbort(): void {
    fail(signal?.reason)
  }

  function closeWhenRead(): void {
    if (controller.desiredSize !== BODY_WINDOW) return
    controller.close()
    // Whoever waits with a buffer of their own is answered only so.
    if ('byobRequest' in controller) controller.byobRequest?.respond(0)
    stop()
  }

  port.onmessage = ({ data }: MessageEvent<BodyMessage>) => {
    if (!isComing) return
    if (data instanceof ArrayBuffer) {
      asked -= data.byteLength
      // A byte stream takes no empty chunk; a body that came whole may be one.
      if (data.byteLength > 0) controller.enqueue(new Uint8Array(data))
      return
    }
    end()
    if (data === null) closeWhenRead()
    else fail(decodeError(data as Exclude<typeof data, number>))
  }

  const source = {
    start(given: typeof controller) {
      controller = given
    },
    pull() {
      if (!isComing) return closeWhenRead()
      const more = (controller.desiredSize ?? 0) - asked
      // Not for each chunk: every ask is a message.
      if (asked > 0 && more < BODY_WINDOW / 4) return
      asked += more
      port.postMessage(more)
    },
    cancel: stop,
  }
  let stream: IncomingBody['stream']
  try {
    stream = new ReadableStream({ ...source, type: 'bytes' }, { highWaterMark: BODY_WINDOW }) as typeof stream
  } catch {
    // Safari before 26.4 has no byte streams; there, nobody can read with a buffer of their own anyway.
    stream = new ReadableStream<Uint8Array<ArrayBuffer>>(source, {
      highWaterMark: BODY_WINDOW,
      size: ({ byteLength }) => byteLength,
    })
  }
  signal?.addEventListener('abort', onAbort)
  if (signal?.aborted) onAbort()
  return { stream, fail, failure: () => failure }
}
