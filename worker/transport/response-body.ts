import type { Timers } from '../../src/protocol/awake-timers.ts'
import { isLingpaiError } from '../../src/protocol/errors.ts'
import { NULL_BODY_STATUSES } from '../../src/protocol/http.ts'
import type { BodyReader } from './outgoing-body.ts'
import type { TokenFilter, TokenSearch } from './token-search.ts'

/** In bytes. A body up to this size goes to the page in one message. */
const SMALL = 1 << 16
/** A small body usually comes with its headers, but a stream's headers must not wait for its body. In milliseconds. */
const LATE_BODY_TIMEOUT = 10

/** A small body whole, and any other as a reader. */
export type ResponseBody = ArrayBuffer | BodyReader | null

/**
 * Reads a body whole if it is small and arrives with its headers. For any other body, the page decides how fast it is read.
 * If the body contains an access token, reading it rejects with `token_reflected` before four bytes of it are passed on (I11).
 */
export async function readResponseBody(
  response: Response,
  search: TokenSearch | undefined,
  timers: Timers,
): Promise<ResponseBody> {
  const { body, status, headers } = response
  // In Chromium, the body of a 204 is an empty stream.
  if (body === null || status === 0 || NULL_BODY_STATUSES.includes(status)) return null
  const reader = filterChunks(body.getReader(), search?.createFilter(status))
  const isLong = Number(headers.get('content-length')) > SMALL
  const isEventStream = headers.get('content-type')?.startsWith('text/event-stream') === true
  return isLong || isEventStream ? reader : readSmallBody(reader, timers)
}

/** Resolves with a reader if the body is long, late or broken off: the headers have arrived, so its reader gets the error. */
function readSmallBody(reader: BodyReader, timers: Timers): Promise<ArrayBuffer | BodyReader> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let size = 0
    let reading = reader.read()
    let isOver = false
    const end = (settle: () => void) => {
      if (isOver) return
      isOver = true
      timers.clearTimeout(timer)
      settle()
    }
    const giveUp = () => end(() => resolve(prepend(chunks, reader, reading)))
    const timer = timers.setTimeout(giveUp, LATE_BODY_TIMEOUT)
    const onError = (error: unknown) => {
      if (!isLingpaiError(error)) return giveUp()
      end(() => reject(error))
      reader.cancel().catch(() => {})
    }
    const wait = () => void reading.then(onRead, onError)
    const onRead = ({ done, value }: Awaited<typeof reading>) => {
      if (isOver) return
      if (done) {
        end(() => resolve(join(chunks, size)))
        return
      }
      if (value !== undefined) {
        chunks.push(value)
        size += value.byteLength
      }
      reading = reader.read()
      if (size > SMALL) giveUp()
      else wait()
    }
    wait()
  })
}

/** A reader that starts with the chunks that were read already. */
function prepend(chunks: Uint8Array[], reader: BodyReader, pending: ReturnType<BodyReader['read']>): BodyReader {
  let reading: typeof pending | undefined = pending
  // The page gets this error, but it may not read yet.
  pending.catch(() => {})
  return {
    read() {
      const value = chunks.shift()
      if (value !== undefined) return Promise.resolve({ done: false, value })
      const next = reading ?? reader.read()
      reading = undefined
      return next
    },
    cancel: (reason) => reader.cancel(reason),
  }
}

function join(chunks: readonly Uint8Array[], size: number): ArrayBuffer {
  const [only] = chunks
  // Can be transferred without a copy.
  if (chunks.length === 1 && only && only.byteLength === only.buffer.byteLength) return only.buffer as ArrayBuffer
  const whole = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.byteLength
  }
  return whole.buffer
}

/** A reader of the same bytes, without a token. */
function filterChunks(reader: BodyReader, filter: TokenFilter | undefined): BodyReader {
  if (filter === undefined) return reader
  return {
    async read() {
      for (;;) {
        const { done, value } = await reader.read()
        const bytes = done ? filter.end() : value && filter.push(value)
        // While all bytes are held back, the page has nothing to read.
        if (bytes?.length) return { done: false, value: bytes }
        if (done) return { done }
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }
}
