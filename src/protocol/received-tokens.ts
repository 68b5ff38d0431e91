/**
 * A token set as a server sends it and a grant returns it.
 *
 * `expiresIn` is in seconds (RFC 6749 §5.1). If it is absent, unreadable or not positive, the token is used until an API
 * rejects it.
 */
export interface ReceivedTokens {
  readonly accessToken: string
  readonly refreshToken?: string
  /** Default `Bearer`. */
  readonly tokenType?: string
  readonly expiresIn?: number | string
  readonly scope?: string
  /**
   * Who signed in. Two token sets of the same subject belong to the same user. JSON.parse rounds numbers above 2^53: the
   * server must send such ids as strings.
   */
  readonly subject?: string
  /** The user's data that pages may show. Never put a token in it. */
  readonly profile?: Readonly<Record<string, unknown>>
}
