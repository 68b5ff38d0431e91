import type { BrokerSnapshot, Caller } from '../../../src/protocol/snapshot.ts'
import type { StoredSession, StoredState, TokenSet } from '../adapter.ts'
import { optional } from '../optional-fields.ts'

/**
 * The session, as two axes: what is held (nothing or a token set) and what is in flight (a refresh, a sign-in).
 * Waiting calls are not part of the state: after a `wake`, the broker asks again for each of them.
 */
export interface SessionState {
  /** Rises at every sign-in, sign-out and change of user. */
  readonly generation: number
  /** Rises with every new token set. Within a generation, a higher version means newer tokens. */
  readonly version: number
  /** The random id of the session that is held. All workers that hold the session use the same id. */
  readonly sessionId: string | undefined
  /** Ids of sessions that have ended in this worker. An old record of one of them must not revive it. */
  readonly endedIds: readonly string[]
  /** Whether the store holds this session, as far as this worker knows. */
  readonly isStored: boolean
  /** Whether the worker has read what the store held at its start. */
  readonly loading: 'pending' | 'done' | 'failed'
  readonly held: TokenSet | undefined
  /** Whether another worker received the held tokens. They may have expired before this worker read them. */
  readonly isAdopted: boolean
  readonly signedInAt: number
  readonly refresh: Refresh
  /** The number of the sign-in in progress. A newer sign-in replaces it. */
  readonly signIn: number | undefined
  /** The sign-in that brought the held tokens, if it ran in this worker. */
  readonly begunBy: number | undefined
  readonly tokenServer: 'ok' | 'unreachable'
  readonly reason: string | undefined
  /** How many flights have begun. A response to any flight but the current one changes nothing (I5). */
  readonly flights: number
  /** Refreshes in a row that ended without a token. */
  readonly failures: number
  /** By API. If one path of an API refuses every token, it must not cause a refresh at every call. */
  readonly apiRefreshes: Readonly<Record<string, ApiRefreshes>>
}

/** Refreshes in a row that followed a 401 of one API, and whose new token did not help. See `fruitless.ts`. */
export interface ApiRefreshes {
  readonly count: number
  /** The call that the last of them began for. */
  readonly call: string
}

export type RefreshCause = 'expired' | 'denied' | 'retry'

/** What is in flight. Without a shared store, a claim and an ending are never reached. */
export type Refresh =
  | { readonly kind: 'idle' }
  /** Only with a shared store: the worker agrees with the other workers on who refreshes. See `claim.ts`. */
  | Claim
  | {
      readonly kind: 'sending'
      readonly flight: number
      readonly outcomeLost: boolean
      /** With a shared store: the state of the record that the new tokens replace. */
      readonly replaces?: StoredState | null | undefined
    }
  /** New tokens are here and being stored. A waiting call gets them only after that. */
  | { readonly kind: 'saving'; readonly flight: number; readonly signIn: boolean }
  /** A pause between two attempts. Timers are only hints: they do not run while the machine sleeps. */
  | {
      readonly kind: 'waiting'
      readonly flight: number
      readonly until: number
      /** If the network is known to be back, the pause may end this early: without its jitter. */
      readonly earliest: number
      readonly outcomeLost: boolean
    }
  | { readonly kind: 'failed'; readonly until: number; readonly reason: string; readonly outcomeLost: boolean }
  /** The server rejected the tokens. The session ends, unless the shared store holds newer tokens. */
  | { readonly kind: 'ending'; readonly flight: number; readonly reason: string }

/** One worker's claim on the next refresh. */
export interface Claim {
  readonly kind: 'claim'
  readonly flight: number
  readonly outcomeLost: boolean
  readonly cause: RefreshCause
  readonly step: ClaimStep
  /** The refresh of another worker that this worker waits for, and for how much longer at most. */
  readonly other: { readonly id: string; readonly left: number } | undefined
  /** How often another worker has changed the record between this worker's read and its write. */
  readonly conflicts: number
}

/** What a refresh needs to know about its flight. */
export type Flight = Pick<Claim, 'flight' | 'outcomeLost' | 'cause'>

export type ClaimStep =
  | { readonly name: 'reading' }
  | { readonly name: 'waiting'; readonly pause: number }
  | { readonly name: 'writing'; readonly replaces: StoredState | null; readonly until: number }

/** The snapshot's reason if the store holds a record that a later build wrote, and that only a sign-out may touch. */
export const LATER_BUILD = 'later_build'
export const REFRESH_ANSWER_LOST = 'refresh_answer_lost'
/** The snapshot's reason after a refresh that brought the tokens of another user. */
export const SUBJECT_CHANGED = 'subject_changed'
export const IDLE: Refresh = { kind: 'idle' }

const MAX_ENDED_SESSIONS = 20

/** The state that a worker starts with: the stored session, or none. */
export function startSession(stored: StoredSession | undefined): SessionState {
  return {
    generation: stored?.generation ?? 0,
    version: stored?.version ?? 0,
    sessionId: stored?.sessionId,
    endedIds: [],
    isStored: stored !== undefined,
    loading: 'done',
    held: stored?.tokens,
    isAdopted: false,
    signedInAt: stored?.signedInAt ?? 0,
    refresh: IDLE,
    signIn: undefined,
    begunBy: undefined,
    tokenServer: 'ok',
    reason: undefined,
    flights: 0,
    failures: 0,
    apiRefreshes: {},
  }
}

/** The part of the session that pages see. */
export function toSnapshot({ held, refresh, signIn, tokenServer, reason }: SessionState): BrokerSnapshot {
  // A new user is shown only after the store names the same user (I6).
  const isUnsaved = refresh.kind === 'saving' && refresh.signIn
  const user = isUnsaved || held === undefined ? undefined : optional({ subject: held.subject, profile: held.profile })
  const status = user ? 'signed-in' : isUnsaved || signIn !== undefined ? 'signing-in' : 'signed-out'
  return { status, tokenServer, ...optional({ user, reason }) }
}

/** The session that pages see: undefined until the store holds it. */
export function toCaller(session: SessionState): Caller | undefined {
  const { status, user } = toSnapshot(session)
  if (status !== 'signed-in' || session.sessionId === undefined) return undefined
  return { session: session.sessionId, ...optional({ subject: user?.subject }) }
}

/** Whether a write is pending that decides what is held. Until it ends, no call gets a token. */
export function isSettling({ refresh }: SessionState): boolean {
  return refresh.kind === 'saving' || refresh.kind === 'ending'
}

/** Whether a flight is at a step that no other worker may be at, too. */
export function isExclusive({ refresh }: SessionState, flight: number): boolean {
  if (!('flight' in refresh) || refresh.flight !== flight || refresh.kind === 'waiting') return false
  return refresh.kind !== 'claim' || refresh.step.name !== 'waiting'
}

/** Own properties only: the name of an API comes from the app, and may be `constructor`. */
export function apiRefreshesOf({ apiRefreshes }: SessionState, api: string): ApiRefreshes | undefined {
  return Object.hasOwn(apiRefreshes, api) ? apiRefreshes[api] : undefined
}

/** The ids of ended sessions, once the current session has ended, too. */
export function endedIdsOf({ endedIds, sessionId }: SessionState): readonly string[] {
  return sessionId === undefined ? endedIds : [...endedIds, sessionId].slice(-MAX_ENDED_SESSIONS)
}
