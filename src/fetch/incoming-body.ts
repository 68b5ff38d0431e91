import { decodeError, isLingpaiError, toFetchError } from '../protocol/errors.ts'
import { BODY_WINDOW, type BodyMessage } from '../protocol/wire.ts'

/** A body whose chunks come over a port. They are requested as the body is read. */
export interface IncomingBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>
  /** Ends the body with an error of the page. */
  fail(error: unknown): void
  /** The error that ended the body, if any, as the only element. */
  failure(): readonly [unknown] | undefined
}

/**
 * Makes a stream of the chunks that the worker sends over a port. An abort ends the stream until it is read, even if all
 * chunks have arrived. `onEnd` is called once, when no more chunks are expected.
 */
export function receiveBody(port: MessagePort, signal: AbortSignal | undefined, onEnd: () => void): IncomingBody {
  let controller: ReadableByteStreamController | ReadableStreamDefaultController
  // The worker sends the first window without a request: a request would delay the first byte by a round trip.
  let requested = BODY_WINDOW
  let isComing = true
  let failure: readonly [unknown] | undefined

  function end(): void {
    if (!isComing) return
    isComing = false
    // Sent after the last chunk, too: it makes the worker close its port.
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
    // A pending read with the reader's own buffer (BYOB) ends only with this call.
    if ('byobRequest' in controller) controller.byobRequest?.respond(0)
    stop()
  }

  port.onmessage = ({ data }: MessageEvent<BodyMessage>) => {
    if (!isComing) return
    if (data instanceof ArrayBuffer) {
      requested -= data.byteLength
      // A byte stream rejects an empty chunk. A complete body may be empty.
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
      const more = (controller.desiredSize ?? 0) - requested
      // Not for each chunk, because every request is a message.
      if (requested > 0 && more < BODY_WINDOW / 4) return
      requested += more
      port.postMessage(more)
    },
    cancel: stop,
  }
  let stream: IncomingBody['stream']
  try {
    stream = new ReadableStream({ ...source, type: 'bytes' }, { highWaterMark: BODY_WINDOW }) as typeof stream
  } catch {
    // Safari before 26.4 has no byte streams, so a reader there cannot use its own buffer either.
    stream = new ReadableStream<Uint8Array<ArrayBuffer>>(source, {
      highWaterMark: BODY_WINDOW,
      size: ({ byteLength }) => byteLength,
    })
  }
  signal?.addEventListener('abort', onAbort)
  if (signal?.aborted) onAbort()
  return { stream, fail, failure: () => failure }
}
