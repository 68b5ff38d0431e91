/** What the comparison tells the page in a frame. */
export type Order =
  /** Sent to one frame of a side: the session is for all of them. */
  | { readonly kind: 'sign-in' }
  /** Answered with `prepared` once the session is there and one call was answered. */
  | { readonly kind: 'prepare' }
  | { readonly kind: 'fire'; readonly storm: StormName; readonly count: number }
  | { readonly kind: 'sign-out' }

/** What the page in a frame tells. */
export type Report =
  | { readonly kind: 'ready' | 'signed-in' | 'prepared' | 'signed-out' }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'settled'; readonly storm: StormName; readonly call: number; readonly outcome: Outcome }
  /** The user was told to sign in again; the page goes there, at once or a moment later. */
  | { readonly kind: 'sent-to-login' }
  | { readonly kind: 'login-page' }

/** The calls that are counted, or one more each once the fault is over. */
export type StormName = 'storm' | 'afterwards'

export type Outcome = { readonly kind: 'answered' } | { readonly kind: 'rejected'; readonly reason: string }
