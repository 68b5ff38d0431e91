import { encodeError } from '../../src/protocol/errors.ts'
import { BODY_WINDOW } from '../../src/protocol/wire.ts'

/** The part of a `ReadableStreamDefaultReader` that the worker uses. */
export interface BodyReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
  cancel(reason?: unknown): Promise<void>
}

/**
 * Sends chunks over a port: the first window at once, and then never more than the page has asked for, so that the worker
 * fetches a stream as slowly as the page reads it. Returns a function that ends it early. `onEnd` is called once, when the
 * port is closed.
 *
 * The worker sends the last message, the page answers it with 0, and each side then closes its own end. If this end were
 * closed before the page has received the port, Firefox would drop all messages. Firefox also neither closes nor frees an
 * end when the other one is closed.
 *
 * @see https://github.com/whatwg/html/issues/10201
 */
export function sendBody(port: MessagePort, reader: BodyReader, onEnd: () => void): () => void {
  let credit = BODY_WINDOW
  // Stays true once the last message is sent.
  let isReading = false
  let isOpen = true

  function stop(): void {
    if (!isOpen) return
    isOpen = false
    reader.cancel().catch(() => {})
    port.close()
    onEnd()
  }

  async function pump(): Promise<void> {
    if (isReading) return
    isReading = true
    try {
      while (isOpen && credit > 0) {
        const { done, value } = await reader.read()
        if (!isOpen) return
        if (done) return port.postMessage(null)
        // The page's byte stream rejects an empty chunk.
        if (!value?.byteLength) continue
        credit -= value.byteLength
        const whole = value.byteLength === value.buffer.byteLength ? value.buffer : value.slice().buffer
        port.postMessage(whole, [whole])
      }
      isReading = false
    } catch (error) {
      reader.cancel().catch(() => {})
      if (isOpen) port.postMessage(encodeError(error))
    }
  }

  port.onmessage = ({ data }: MessageEvent<unknown>) => {
    if (!(typeof data === 'number' && data > 0)) return stop()
    credit = Math.min(credit + data, BODY_WINDOW)
    void pump()
  }
  // Newer browsers fire this when the page is gone without a message.
  port.addEventListener('close', stop)
  void pump()
  return stop
}
