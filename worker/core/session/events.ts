import type { LingpaiErrorCode } from '../../../src/protocol/errors.ts'
import type { HistoryNote, RefreshOptions, StoredSession, StoredState, TokenSet } from '../adapter.ts'
import { optional } from '../optional-fields.ts'
import { DEFAULT_REFRESH_TIMEOUT } from '../retry.ts'
import type { StoreRead } from '../shared-record.ts'
import type { Verdict } from '../verdict.ts'
import type { SessionState } from './state.ts'

/** The configuration that the rules of the session depend on. */
export interface SessionRules extends RefreshOptions {
  readonly maxSessionAge?: number
  /** The id of this worker. Set only if other workers keep the same session in a shared store. */
  readonly owner?: string
}

/** A call that asks for a token, as far as the rules need to know it. */
export interface TokenRequest {
  readonly call: string
  /** The API that the call goes to, as the configuration names it. */
  readonly api: string
  /** The generation that was current when the page made the call. */
  readonly generation: number
  readonly subject: string | undefined
  /** The sign-in that ran when the page made the call, if no user was signed in: the call is for its user. */
  readonly signIn: number | undefined
  /** The version that the call began to wait at. A newer version is used whatever the clock says. */
  readonly waitingSince: number | undefined
  /** The version of the token that the API has just refused. */
  readonly deniedVersion: number | undefined
  /** False after the call's one refresh: from then on it takes the current token, or keeps its 401. */
  readonly mayRefresh: boolean
}

/** Permission to send one request with the current token. */
export interface Permit {
  readonly generation: number
  readonly sessionId: string | undefined
  readonly version: number
  readonly tokens: Pick<TokenSet, 'accessToken' | 'tokenType'> & {
    readonly subject?: string | undefined
    readonly key?: object | undefined
  }
}

/** How a conditional write ended. `conflict`: the store held something else, and still does. */
export type WriteOutcome = 'done' | 'failed' | 'conflict'

export type SessionEvent =
  | { readonly type: 'tokenWanted'; readonly now: number; readonly request: TokenRequest }
  | { readonly type: 'replayAccepted'; readonly call: string; readonly api: string }
  | { readonly type: 'refreshSucceeded'; readonly flight: number; readonly tokens: TokenSet }
  | {
      readonly type: 'refreshEnded'
      readonly flight: number
      readonly verdict: Verdict
      readonly reason: string
      readonly retryAfter: number | undefined
      readonly now: number
      readonly random: number
    }
  | { readonly type: 'retryDue'; readonly flight: number; readonly now: number }
  | { readonly type: 'saved'; readonly flight: number; readonly stored: boolean | StoreRead }
  /** The shared store was read: for a flight that asked for it, or because of a hint of another worker. */
  | { readonly type: 'storeRead'; readonly flight: number | undefined; readonly read: StoreRead; readonly now: number }
  /** The write that claims the refresh has ended. */
  | { readonly type: 'claimWritten'; readonly flight: number; readonly outcome: WriteOutcome; readonly now: number }
  /** The rejected tokens were deleted from the store; or what the store holds instead. */
  | { readonly type: 'rejectionSettled'; readonly flight: number; readonly outcome: 'done' | 'failed' | StoreRead }
  | { readonly type: 'signInStarted'; readonly signIn: number }
  | {
      readonly type: 'signInSucceeded'
      readonly signIn: number
      readonly tokens: TokenSet
      readonly sessionId: string
    }
  | { readonly type: 'signInFailed'; readonly signIn: number; readonly reason: string }
  | { readonly type: 'signedOut' }
  /** An API answered that the user of this generation must sign in, although it refused no token. */
  | { readonly type: 'signInRequired'; readonly generation: number }
  | { readonly type: 'storeFailed' }
  /** The store answered after the session had to begin without it. */
  | { readonly type: 'loadedLate'; readonly stored: StoreRead; readonly now: number }
  /** The store will not answer any more. */
  | { readonly type: 'loadFailed' }
  | { readonly type: 'timePassed'; readonly now: number }
  /** The network is back, or the app is in the foreground again. */
  | { readonly type: 'resumed'; readonly now: number }

export type EventOf<Type extends SessionEvent['type']> = Extract<SessionEvent, { type: Type }>

export type Effect =
  | { readonly do: 'permit'; readonly call: string; readonly permit: Permit }
  | {
      readonly do: 'refuse'
      readonly call: string
      readonly code: LingpaiErrorCode
      readonly reason: string | undefined
    }
  /** The API's 401 goes to the caller as it is. */
  | { readonly do: 'keepAnswer'; readonly call: string }
  /** Ask again for every waiting call. */
  | { readonly do: 'wake' }
  | { readonly do: 'refresh'; readonly flight: number; readonly tokens: TokenSet }
  | { readonly do: 'retryLater'; readonly flight: number; readonly delay: number }
  /**
   * Start no further attempt. An attempt that is in flight ends on its own: its tokens may already be rotated, and
   * only a worker that has the response can revoke them.
   */
  | { readonly do: 'cancelRetry' }
  | { readonly do: 'abandonSignIn'; readonly signIn: number }
  /** If this fails, the store is cleared: what is left in it is older, and may be another user's (I6). */
  | {
      readonly do: 'save'
      readonly flight: number
      readonly session: StoredSession
      readonly replaces?: StoredState | null | undefined
    }
  /** With `only`, delete nothing else: a shared store may hold another session by now (I5). */
  | { readonly do: 'clear'; readonly only?: StoredState }
  /** Read the shared store for this flight, while no other worker does. */
  | { readonly do: 'readClaim'; readonly flight: number }
  /** Write the claim into the shared record: this worker begins a refresh. */
  | {
      readonly do: 'writeClaim'
      readonly flight: number
      readonly session: StoredSession
      readonly replaces: StoredState | null
    }
  /** Write into the shared record that the refresh ended without a token. The session does not wait for this write. */
  | { readonly do: 'writeFailure'; readonly session: StoredSession; readonly replaces: StoredState }
  | { readonly do: 'clearRejected'; readonly flight: number; readonly only: StoredState }
  /** Tokens arrived too late for a session that has ended: ask the server to revoke them. */
  | { readonly do: 'revoke'; readonly tokens: TokenSet }
  | { readonly do: 'note'; readonly note: HistoryNote }

/** The next state, and the effects that the broker performs. */
export type Step = readonly [SessionState, readonly Effect[]]

export function timeoutOf({ timeout }: SessionRules): number {
  return timeout ?? DEFAULT_REFRESH_TIMEOUT
}

/** An entry for the history. Each caller passes the details of the event that it notes. */
export function note(event: HistoryNote['event'], details: object = {}): Effect {
  return { do: 'note', note: { event, ...optional(details) } as HistoryNote }
}

/** Cancels the timer of a pause, then does the rest. */
export function withoutRetry([session, effects]: Step): Step {
  return [session, [{ do: 'cancelRetry' }, ...effects]]
}
