import { BODY_WINDOW, type BodyMessage } from './protocol/contract.ts'
import { decodeError } from './protocol/errors.ts'

/** A body whose chunks come over a port, asked for as it is read. */
export interface IncomingBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>
  /** Ends it with an error of this side's own. */
  fail(error: unknown): void
}

/** Makes a stream of what the worker sends over a port. `onEnd` is told once that it is over, in whatever way. */
export function receiveBody(port: MessagePort, onEnd: () => void): IncomingBody {
  let controller: ReadableByteStreamController
  let asked = 0
  let isOpen = true

  function end(): void {
    isOpen = false
    port.close()
    onEnd()
  }

  function stop(): void {
    port.postMessage(0)
    end()
  }

  port.onmessage = ({ data }: MessageEvent<BodyMessage>) => {
    if (!isOpen) return
    if (data instanceof ArrayBuffer) {
      asked -= data.byteLength
      controller.enqueue(new Uint8Array(data))
      return
    }
    if (data === null) {
      controller.close()
      // Whoever waits with a buffer of their own is answered only so.
      controller.byobRequest?.respond(0)
    } else controller.error(decodeError(data as Exclude<typeof data, number>))
    end()
  }

  const stream = new ReadableStream(
    {
      type: 'bytes',
      start(given) {
        controller = given
      },
      pull() {
        const more = (controller.desiredSize ?? 0) - asked
        // Not for each chunk: every ask is a message.
        if (!isOpen || (asked > 0 && more < BODY_WINDOW / 4)) return
        asked += more
        port.postMessage(more)
      },
      cancel: stop,
    },
    { highWaterMark: BODY_WINDOW },
  )
  return {
    stream,
    fail(error) {
      if (!isOpen) return
      controller.error(error)
      stop()
    },
  }
}
