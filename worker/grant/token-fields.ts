import { isRecord } from '../../src/protocol/records.ts'
import type { ReceivedTokens } from '../core/adapter.ts'
import { toSubject } from '../core/token-set.ts'

type Profile = Readonly<Record<string, unknown>>

/**
 * Where an answer's payload holds what belongs to a token set: paths such as `token.accessToken`. By default, each is the
 * payload's own field of that name; what is absent in an answer stays as it was.
 */
export interface TokenFields {
  readonly accessToken?: string
  readonly refreshToken?: string
  /** The access token's life in seconds. Many APIs give none: their tokens are used until the API refuses them. */
  readonly expiresIn?: string
  readonly tokenType?: string
  readonly scope?: string
  /**
   * Who signed in: a text or a whole number. Name it if you can, so that one user's token never serves another. JSON.parse
   * rounds a number above 2^53 (`Number.MAX_SAFE_INTEGER`), so it cannot be told apart from others and is left out: have
   * the server send such ids as strings.
   */
  readonly subject?: string
  /** What pages may show of the user: an object's path, or a function of the payload. Never put a token in it. */
  readonly profile?: string | ((data: Profile) => Profile | undefined)
}

export const textFieldNames = ['accessToken', 'refreshToken', 'tokenType', 'scope'] as const
export const fieldNames = [...textFieldNames, 'expiresIn', 'subject', 'profile'] as const

/** Undefined where there is no access token in it. What cannot be used otherwise is left out. */
export function readTokens(data: unknown, fields: TokenFields): ReceivedTokens | undefined {
  const read = (name: (typeof fieldNames)[number]): unknown => {
    const field = fields[name] ?? name
    return typeof field === 'function' ? field(data as Profile) : readPath(data, field)
  }
  const received: Record<string, unknown> = {}
  for (const name of textFieldNames) {
    const value = read(name)
    if (typeof value === 'string' && value !== '') received[name] = value
  }
  if (received.accessToken === undefined) return undefined
  const expiresIn = read('expiresIn')
  if (typeof expiresIn === 'number' || typeof expiresIn === 'string') received.expiresIn = expiresIn
  const subject = toSubject(read('subject'))
  if (subject !== undefined) received.subject = subject
  const profile = read('profile')
  if (isRecord(profile)) received.profile = profile
  return received as unknown as ReceivedTokens
}

function readPath(data: unknown, path: string): unknown {
  let value = data
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}
