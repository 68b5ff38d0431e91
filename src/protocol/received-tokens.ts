/**
 * A token set as a server sends it and a grant returns it.
 *
 * `expiresIn` is in seconds (RFC 6749 §5.1). Where it is absent, unreadable or not positive, the token is used until
 * an API refuses it.
 */
export interface ReceivedTokens {
  readonly accessToken: string
  readonly refreshToken?: string
  /** Default `Bearer`. */
  readonly tokenType?: string
  readonly expiresIn?: number | string
  readonly scope?: string
  /**
   * Who signed in. Two token sets of the same subject are the same user's. Never make it from a number that JSON.parse has
   * rounded, which is any above 2^53: have the server send such ids as strings.
   */
  readonly subject?: string
  /** What pages may show of the user. Never put a token in it. */
  readonly profile?: Readonly<Record<string, unknown>>
}
