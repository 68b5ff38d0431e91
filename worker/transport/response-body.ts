import { NULL_BODY_STATUSES } from '../../src/protocol/contract.ts'
import type { BodyReader } from './outgoing-body.ts'
import { createReflectionCheck } from './reflection.ts'

/** An answer up to this size goes to the page in one message. */
const SMALL = 1 << 16
/** A small body usually comes with its headers; a stream's headers must not wait for it. In milliseconds. */
const PATIENCE = 10

/** The whole of a small body; of any other, what is to be read of it. */
export type ResponseBody = ArrayBuffer | BodyReader | null

/**
 * Reads a body whole where it is small and there already; any other is left to be read as its reader wants it. No chunk
 * that shows the access token is given out: reading rejects with `token_reflected` (I11).
 */
export async function readResponseBody(response: Response, token: string | undefined): Promise<ResponseBody> {
  const { body, status, headers } = response
  // Chromium gives a 204 an empty stream for a body.
  if (body === null || status === 0 || NULL_BODY_STATUSES.includes(status)) return null
  const reader = checkChunks(body.getReader(), response, token)
  const isLong = Number(headers.get('content-length')) > SMALL
  const isEventStream = headers.get('content-type')?.startsWith('text/event-stream') === true
  return isLong || isEventStream ? reader : readSmallBody(reader)
}

async function readSmallBody(reader: BodyReader): Promise<ArrayBuffer | BodyReader> {
  const chunks: Uint8Array[] = []
  let size = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  const lateness = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PATIENCE)
  })
  try {
    while (size <= SMALL) {
      const reading = reader.read()
      const result = await Promise.race([reading, lateness])
      if (result === undefined) return putBack(chunks, reader, reading)
      if (result.done) return join(chunks, size)
      if (result.value === undefined) continue
      chunks.push(result.value)
      size += result.value.byteLength
    }
    return putBack(chunks, reader)
  } finally {
    clearTimeout(timer)
  }
}

/** A reader that gives what was read already once more. */
function putBack(chunks: Uint8Array[], reader: BodyReader, pending?: ReturnType<BodyReader['read']>): BodyReader {
  let reading = pending
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
  // Transferred as it is, without a copy.
  if (chunks.length === 1 && only && only.byteLength === only.buffer.byteLength) return only.buffer as ArrayBuffer
  const whole = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.byteLength
  }
  return whole.buffer
}

function checkChunks(reader: BodyReader, response: Response, token: string | undefined): BodyReader {
  if (token === undefined) return reader
  const check = createReflectionCheck(response, token)
  return {
    async read() {
      const result = await reader.read()
      if (result.value !== undefined) check(result.value)
      return result
    },
    cancel: (reason) => reader.cancel(reason),
  }
}
