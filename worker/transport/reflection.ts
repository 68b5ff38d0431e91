import { LingpaiError } from '../../src/protocol/errors.ts'

/** In bytes. A body that is longer is a download and not an echo. */
const MAX_SEARCH = 1 << 20

interface HeaderList {
  readonly headers: Iterable<readonly [string, string]>
}

/** Throws if a response for the page contains the token that was sent (I11). */
export function refuseReflection(
  { url, status, statusText, headers }: Pick<Response, 'url' | 'status' | 'statusText'> & HeaderList,
  text: string,
  token: string | undefined,
): void {
  if (token === undefined) return
  const isIn = (part: string) => part.includes(token)
  if (isIn(text) || isIn(url) || isIn(statusText)) throw tokenReflected(status)
  for (const [name, value] of headers) if (isIn(name) || isIn(value)) throw tokenReflected(status)
}

/** Searches the beginning of a body for the token, chunk by chunk and across the borders of chunks. */
export function createReflectionCheck(status: number, token: string): (chunk: Uint8Array) => void {
  const isIn = createByteSearch(new TextEncoder().encode(token))
  let searched = 0
  return (chunk) => {
    if (searched >= MAX_SEARCH) return
    searched += chunk.byteLength
    if (isIn(chunk)) throw tokenReflected(status)
  }
}

/**
 * Returns whether the chunks so far contain the bytes. Horspool's algorithm: a mismatch skips up to the length of the wanted
 * bytes. To decode a download first would take more than ten times as long.
 */
function createByteSearch(wanted: Uint8Array): (chunk: Uint8Array) => boolean {
  const last = wanted.length - 1
  const skips = new Uint32Array(256).fill(wanted.length)
  for (let index = 0; index < last; index++) skips[wanted[index] as number] = last - index
  let tail = new Uint8Array()

  function isIn(bytes: Uint8Array): boolean {
    for (let end = last; end < bytes.length; end += skips[bytes[end] as number] as number) {
      let back = 0
      while (back <= last && bytes[end - back] === wanted[last - back]) back++
      if (back > last) return true
    }
    return false
  }

  return (chunk) => {
    const border = new Uint8Array(tail.length + Math.min(last, chunk.length))
    border.set(tail)
    border.set(chunk.subarray(0, last), tail.length)
    if (isIn(border) || isIn(chunk)) return true
    // A copy: the chunk itself is transferred.
    const newest = chunk.length < last ? border : chunk
    tail = newest.slice(Math.max(0, newest.length - last))
    return false
  }
}

function tokenReflected(status: number): LingpaiError {
  return new LingpaiError('token_reflected', 'The response contains the access token, so the page does not get it.', {
    status,
  })
}
