import { encodeError } from '../../src/protocol/errors.ts'
import { BODY_WINDOW } from '../../src/protocol/wire.ts'

/** What is used of a `ReadableStreamDefaultReader`. */
export interface BodyReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
  cancel(reason?: unknown): Promise<void>
}

/**
 * Sends chunks over a port: the first window of them at once, and then never more than the other side has asked for, so
 * that a stream that is read slowly is fetched slowly. Returns what ends it early. `onEnd` is called once, when the port is
 * closed.
 *
 * The last message goes to the page, which answers it with 0, and each side then closes its own end. Until the page has
 * received the port, Firefox drops all that was posted to it if this end is closed; and it does not close an end, nor free
 * it, when the other one is closed.
 *
 * @see https://github.com/whatwg/html/issues/10201
 */
export function sendBody(port: MessagePort, reader: BodyReader, onEnd: () => void): () => void {
  let credit = BODY_WINDOW
  // Stays so once the last message is sent.
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
        // A byte stream takes no empty chunk.
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
  // Told by newer browsers when the other side is gone without a word.
  port.addEventListener('close', stop)
  void pump()
  return stop
}
