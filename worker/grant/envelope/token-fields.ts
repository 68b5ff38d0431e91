import { readPath } from '../../../src/protocol/envelope.ts'
import { isRecord } from '../../../src/protocol/records.ts'
import type { ReceivedTokens } from '../../core/adapter.ts'
import { toSubject } from '../../core/token-set.ts'

type Profile = Readonly<Record<string, unknown>>

/**
 * Paths of the tokens in a response's payload, such as `token.accessToken`. Default: the payload's field of the same name.
 * A field that is absent from a response keeps its value.
 */
export interface TokenFields {
  readonly accessToken?: string
  readonly refreshToken?: string
  /** The access token's life in seconds. Without it, the token is used until the API rejects it. */
  readonly expiresIn?: string
  readonly tokenType?: string
  readonly scope?: string
  /**
   * The id of the user: a string or an integer. Set it if you can, so that one user's token is never used for another. An
   * integer above `Number.MAX_SAFE_INTEGER` (2^53 - 1) is left out, because JSON.parse rounds it to another user's: the
   * server must send such ids as strings.
   */
  readonly subject?: string
  /** What pages may show of the user: the path of an object, or a function of the payload. Never put a token in it. */
  readonly profile?: string | ((data: Profile) => Profile | undefined)
}

const textFieldNames = ['accessToken', 'refreshToken', 'tokenType', 'scope'] as const
export const fieldNames = [...textFieldNames, 'expiresIn', 'subject', 'profile'] as const

/** Returns undefined if the access token is missing. Leaves out other fields of a wrong type. */
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
