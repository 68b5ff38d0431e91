/** Messages from the comparison to the page in a frame. */
export type Order =
  /** Sent to one frame of a side, because all its frames share the session. */
  | { readonly kind: 'sign-in' }
  /** Answered with `prepared` when the session exists and one call was answered. */
  | { readonly kind: 'prepare' }
  | { readonly kind: 'fire'; readonly storm: StormName; readonly count: number }
  | { readonly kind: 'sign-out' }

/** Messages from the page in a frame. */
export type Report =
  | { readonly kind: 'ready' | 'signed-in' | 'prepared' | 'signed-out' }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'settled'; readonly storm: StormName; readonly call: number; readonly outcome: Outcome }
  /** The app asks the user to sign in again. The page then goes to the login page. */
  | { readonly kind: 'sent-to-login' }
  | { readonly kind: 'login-page' }

/** The counted calls, or the call after the fault. */
export type StormName = 'storm' | 'afterwards'

export type Outcome = { readonly kind: 'answered' } | { readonly kind: 'rejected'; readonly reason: string }
