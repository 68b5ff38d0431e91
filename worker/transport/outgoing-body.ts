import { encodeError } from '../../src/protocol/errors.ts'
import { BODY_WINDOW, type BodyMessage } from '../../src/protocol/wire.ts'

/** What is used of a `ReadableStreamDefaultReader`. */
export interface BodyReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
  cancel(reason?: unknown): Promise<void>
}

/**
 * Sends chunks over a port: the first window of them at once, and then never more than the other side has asked for, so
 * that a stream that is read slowly is fetched slowly. Returns what ends it early. `onEnd` is told once that it is over, in
 * whatever way.
 */
export function sendBody(port: MessagePort, reader: BodyReader, onEnd: () => void): () => void {
  let credit = BODY_WINDOW
  let isReading = false
  let isOpen = true

  function end(last?: BodyMessage): void {
    if (!isOpen) return
    isOpen = false
    if (last !== undefined) port.postMessage(last)
    port.close()
    onEnd()
  }

  function stop(): void {
    if (isOpen) reader.cancel().catch(() => {})
    end()
  }

  async function pump(): Promise<void> {
    if (isReading) return
    isReading = true
    try {
      while (isOpen && credit > 0) {
        const { done, value } = await reader.read()
        if (done) return end(null)
        // A byte stream takes no empty chunk.
        if (!isOpen || !value?.byteLength) continue
        credit -= value.byteLength
        const whole = value.byteLength === value.buffer.byteLength ? value.buffer : value.slice().buffer
        port.postMessage(whole, [whole])
      }
    } catch (error) {
      reader.cancel().catch(() => {})
      end(encodeError(error))
    } finally {
      isReading = false
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
