import { LingpaiError } from '../../src/protocol/errors.ts'
import { listPatterns } from './token-patterns.ts'

/** An API may still accept the tokens before the newest one. */
const MAX_TOKENS = 4
/** In bytes. A longer window would skip further, but most windows would hold a part of a pattern. */
const MAX_WINDOW = 32
/** In bytes. Fewer are passed on at once: a letter at the end of a chunk is usually not the beginning of a token. */
const MIN_HELD = 4

/** Holds back what may be the beginning of a token, from {@link MIN_HELD} bytes on, and throws if the token is complete. */
export interface TokenFilter {
  /** The bytes that may go to the page now. */
  push(chunk: Uint8Array): Uint8Array
  /** The bytes that were held back, if nothing follows. */
  end(): Uint8Array
}

export interface TokenSearch {
  isIn(text: string): boolean
  createFilter(status: number): TokenFilter
}

/** Finds the session's newest access tokens in what an API sends, so that no page gets one (I11). */
export function createSentTokens() {
  const sent: string[] = []
  let search: TokenSearch | undefined
  return {
    /** A token that goes to an API. */
    add(token: string): void {
      if (sent.includes(token)) return
      sent.push(token)
      if (sent.length > MAX_TOKENS) sent.shift()
      search = undefined
    },
    search: (): TokenSearch => (search ??= createTokenSearch(sent)),
  }
}

export function createTokenSearch(tokens: readonly string[]): TokenSearch {
  const patterns = tokens.flatMap(listPatterns)
  // Only a body needs the table.
  let scanner: Scanner | undefined
  return {
    isIn: (text) => patterns.some((pattern) => text.includes(pattern)),
    createFilter(status) {
      scanner ??= createScanner(patterns)
      return createFilter(scanner, status)
    },
  }
}

function createFilter({ find, keep }: Scanner, status: number): TokenFilter {
  /** What may be the beginning of a token. */
  let carry = EMPTY
  /** How many bytes of it have been passed on. */
  let passed = 0
  return {
    push(chunk) {
      const bytes = carry.length === 0 ? chunk : concat(carry, chunk)
      if (find(bytes)) throw tokenReflected(status)
      const length = keep(bytes)
      const start = bytes.length - length
      const end = length < MIN_HELD ? bytes.length : Math.max(start, passed)
      const next = end === bytes.length && passed === 0 ? bytes : bytes.subarray(passed, end)
      // A copy: the chunk itself is transferred.
      carry = length === 0 ? EMPTY : bytes.slice(start)
      passed = end - start
      return next
    },
    end() {
      const rest = carry.subarray(passed)
      carry = EMPTY
      return rest
    },
  }
}

interface Scanner {
  find(bytes: Uint8Array): boolean
  /** How many bytes at the end are the beginning of a pattern. */
  keep(bytes: Uint8Array): number
}

/**
 * Wu and Manber's search for several patterns: a table says for each pair of bytes how far the window can move. Bytes that are
 * in no pattern are skipped, so that a download costs a fraction of a look at each byte.
 */
function createScanner(texts: readonly string[]): Scanner {
  const patterns = texts.map((text) => new TextEncoder().encode(text))
  const window = Math.min(MAX_WINDOW, ...patterns.map(({ length }) => length))
  const longest = Math.max(0, ...patterns.map(({ length }) => length))
  // A pattern of one byte has no pair.
  const pairAt = (bytes: Uint8Array, end: number) =>
    window === 1 ? (bytes[end] as number) : ((bytes[end - 1] as number) << 8) | (bytes[end] as number)
  const pairLength = Math.min(2, window)
  const skips = new Uint8Array(1 << 16).fill(window - pairLength + 1)
  const byFirst: Uint8Array[][] = []
  const byLastPair = new Map<number, Uint8Array[]>()
  for (const pattern of patterns) {
    for (let end = pairLength - 1; end < window; end++) {
      const pair = pairAt(pattern, end)
      skips[pair] = Math.min(skips[pair] as number, window - 1 - end)
    }
    const first = pattern[0] as number
    byFirst[first] = [...(byFirst[first] ?? []), pattern]
    const last = pairAt(pattern, window - 1)
    byLastPair.set(last, [...(byLastPair.get(last) ?? []), pattern])
  }

  return {
    find(bytes) {
      if (patterns.length === 0) return false
      let end = window - 1
      while (end < bytes.length) {
        const pair = pairAt(bytes, end)
        const skip = skips[pair] as number
        if (skip > 0) end += skip
        else {
          const start = end - window + 1
          if (byLastPair.get(pair)?.some((pattern) => matches(bytes, start, pattern, pattern.length))) return true
          end += 1
        }
      }
      return false
    },

    keep(bytes) {
      for (let start = Math.max(0, bytes.length - longest + 1); start < bytes.length; start++) {
        const rest = bytes.length - start
        const isBeginning = (pattern: Uint8Array) => pattern.length > rest && matches(bytes, start, pattern, rest)
        if (byFirst[bytes[start] as number]?.some(isBeginning)) return rest
      }
      return 0
    },
  }
}

function matches(bytes: Uint8Array, start: number, pattern: Uint8Array, length: number): boolean {
  for (let index = 0; index < length; index++) if (bytes[start + index] !== pattern[index]) return false
  return true
}

const EMPTY = new Uint8Array(0)

function concat(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(one.length + other.length)
  both.set(one)
  both.set(other, one.length)
  return both
}

export function tokenReflected(status: number): LingpaiError {
  return new LingpaiError('token_reflected', 'The response contains the access token, so the page does not get it.', {
    status,
  })
}
