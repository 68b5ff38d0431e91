/** Which global scope runs the broker. */
export type Mode = 'shared' | 'dedicated' | 'wechat' | 'inline'

/** Who is signed in, as the grant said: for OAuth, from the validated ID token (OpenID Connect Core §2). */
export interface User {
  readonly subject?: string
  readonly profile?: Readonly<Record<string, unknown>>
}

/** The part of the snapshot that the broker decides. */
export interface BrokerSnapshot {
  readonly status: 'signed-out' | 'signing-in' | 'signed-in'
  /** A second axis, so that an outage never looks like a sign-out. */
  readonly tokenServer: 'ok' | 'unreachable'
  readonly user?: User
  /**
   * Why the status is what it is, where that needs saying: a short word such as `refresh_rejected`. With `signed-in`,
   * `sign_in_required` says that an API wants the user to sign in all the same; it stays until somebody does.
   */
  readonly reason?: string
}

/** What a page shows of the session. Immutable; a new object only when something changed. Refreshes do not change it. */
export interface Snapshot extends Omit<BrokerSnapshot, 'status'> {
  readonly status: 'connecting' | BrokerSnapshot['status']
  readonly mode: Mode
}
