/** Which global scope runs the broker. */
export type Mode = 'shared' | 'dedicated' | 'wechat' | 'inline'

/** Who is signed in, as the grant returned it: for OAuth, from the validated ID token (OpenID Connect Core §2). */
export interface User {
  readonly subject?: string
  readonly profile?: Readonly<Record<string, unknown>>
}

/** The part of the snapshot that the broker decides. */
export interface BrokerSnapshot {
  readonly status: 'signed-out' | 'signing-in' | 'signed-in'
  /** Separate from `status`, so that an outage never looks like a sign-out. */
  readonly tokenServer: 'ok' | 'unreachable'
  readonly user?: User
  /**
   * Why the status has changed: a word such as `refresh_rejected`, if there is a reason. With `signed-in`,
   * `sign_in_required` means that an API wants the user to sign in again; it stays until the next sign-in.
   */
  readonly reason?: string
}

/** The state of the session for pages. Immutable; a new object only when a field changes. Refreshes do not change it. */
export interface Snapshot extends Omit<BrokerSnapshot, 'status'> {
  readonly status: 'connecting' | BrokerSnapshot['status']
  readonly mode: Mode
}

/**
 * The session that a snapshot shows. A page sends it back with every call, so that the call never gets the token of another
 * user (I6), not even if the session changes while the call is on its way.
 */
export interface Caller {
  readonly session: string
  readonly subject?: string
}
