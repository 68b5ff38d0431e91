import { LingpaiError } from '../../src/protocol/errors.ts'

/** A search costs about a millisecond per MiB; what comes after that is a download, and no echo. */
const LONGEST_SEARCH = 1 << 20

interface HeaderList {
  readonly headers: Iterable<readonly [string, string]>
}

/** Throws where an answer that is meant for the page holds the token that was sent (I11). */
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

/** Looks for the token in the beginning of a body, chunk by chunk, across the borders of chunks too. */
export function createReflectionCheck(status: number, token: string): (chunk: Uint8Array) => void {
  const decoder = new TextDecoder('latin1')
  let searched = 0
  let tail = ''
  return (chunk) => {
    if (searched >= LONGEST_SEARCH) return
    searched += chunk.byteLength
    const text = tail + decoder.decode(chunk)
    if (text.includes(token)) throw tokenReflected(status)
    tail = text.slice(-token.length)
  }
}

function tokenReflected(status: number): LingpaiError {
  return new LingpaiError(
    'token_reflected',
    'The answer contains the access token, so it was not passed on to the page.',
    { status },
  )
}
