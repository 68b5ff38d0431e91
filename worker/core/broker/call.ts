import type { CancelSignal } from '../adapter.ts'

/** A page's call that asks for a token. */
export interface Call {
  readonly id: string
  /** The generation that was current when the call came in. */
  generation: number
  sessionId: string | undefined
  subject: string | undefined
  /** The sign-in that ran when the call came in, if no user was signed in. */
  signIn?: number | undefined
  readonly signal: CancelSignal
  /** The API that the call goes to. */
  api: string
  /** Whether the call has waited for a refresh: each call gets only one. */
  hasRefreshed: boolean
  /** The longest wait for a token in milliseconds, if it is shorter than the default. */
  timeout?: number
  /** The HTTP status of the API's last response. */
  status?: number
}
