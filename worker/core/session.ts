import type { BrokerSnapshot } from '../../src/protocol/contract.ts'
import type { LingpaiErrorCode } from '../../src/protocol/errors.ts'
import type { HistoryNote, RefreshAttempt, RefreshOptions, StoredSession, StoredState, TokenSet } from './adapter.ts'
import {
  clampRetryAfter,
  DEFAULT_REFRESH_TIMEOUT,
  isPausing,
  LONGEST_RETRY_AFTER,
  retryDelay,
  shortestPause,
} from './retry.ts'
import { compareWithRecord, type Seen, stateOf } from './shared-record.ts'
import { FORMAT, isExpired, isSameUser, refreshTime } from './token-set.ts'
import type { Verdict } from './verdict.ts'

/**
 * The session, as two axes: what is held (nothing or a token set) and what is in flight (a refresh, a sign-in).
 * Waiting calls are not part of it: the broker asks again for each of them after a `wake`.
 */
export interface Session {
  /** Rises at every sign-in, sign-out and change of user. */
  readonly generation: number
  /** Rises whenever there are new tokens, so that within a generation it tells older tokens from newer ones. */
  readonly version: number
  /** The random name of the session that is held, in every worker that holds it. */
  readonly lineage: string | undefined
  /** Lineages that have ended here: what an old record says of them is no news. */
  readonly past: readonly string[]
  /** Whether the store has taken what is held, so far as this worker knows. */
  readonly isStored: boolean
  /** Whether what the store holds from before is known. */
  readonly loading: 'pending' | 'done' | 'failed'
  readonly held: TokenSet | undefined
  /** Whether another worker has received what is held: it may have grown old before it was found. */
  readonly isAdopted: boolean
  readonly signedInAt: number
  readonly refresh: Refresh
  /** The sign-in in progress; a newer one takes its place. */
  readonly signIn: number | undefined
  readonly tokenServer: 'ok' | 'unreachable'
  readonly reason: string | undefined
  /** Flights begun so far: an answer to any but the current flight changes nothing (I5). */
  readonly flights: number
  /** Refreshes in a row that ended without a token. */
  readonly failures: number
  /**
   * By API: refreshes in a row that followed its 401 and whose token it has not accepted since, and when the last began.
   * One API that refuses every token must not rotate them at every call, while another accepts them all.
   */
  readonly denials: Readonly<Record<string, Denials>>
}

export interface Denials {
  readonly count: number
  readonly at: number
}

export type Refresh =
  | { readonly kind: 'none' }
  /** Only where the store is shared: what other workers have done is looked up, in turn. */
  | (Consultation & { readonly kind: 'checking' })
  /** Another worker has begun a refresh and not ended it, or has failed a moment ago: its time is waited for. */
  | (Consultation & { readonly kind: 'standby'; readonly pause: number })
  /** The others are told in the store that a refresh begins. */
  | (Consultation & { readonly kind: 'marking'; readonly replaces: StoredState | null; readonly until: number })
  | {
      readonly kind: 'sending'
      readonly flight: number
      readonly outcomeLost: boolean
      /** What the new tokens take the place of; only where the store is shared. */
      readonly replaces?: StoredState | null
    }
  /** The tokens were rejected, perhaps since another worker has newer ones: only the store can tell. */
  | { readonly kind: 'ending'; readonly flight: number; readonly reason: string }
  /** New tokens are here and being stored; nobody gets them before that is done. */
  | { readonly kind: 'saving'; readonly flight: number; readonly signIn: boolean }
  /** A pause between attempts. Timers are hints: they do not run while the machine sleeps. */
  | {
      readonly kind: 'waiting'
      readonly flight: number
      readonly until: number
      /** When it may end if the network is known to be back: what the jitter added is given up, and nothing else. */
      readonly earliest: number
      readonly outcomeLost: boolean
    }
  | { readonly kind: 'failed'; readonly until: number; readonly reason: string; readonly outcomeLost: boolean }

interface Consultation {
  readonly flight: number
  readonly outcomeLost: boolean
  readonly why: RefreshReason
  /** The other worker's attempt that is waited for, and how much longer at most, whatever the clock says. */
  readonly other: { readonly id: string; readonly left: number } | undefined
  /** How often the store has changed between the look and the mark. */
  readonly conflicts: number
}

type RefreshReason = 'expired' | 'denied' | 'retry'

/** What the rules need to know of a call that asks for a token. */
export interface TokenRequest {
  readonly call: string
  /** Where the call goes, in the configuration's words. */
  readonly api: string
  /** The session that the caller could see when it called. */
  readonly generation: number
  readonly subject: string | undefined
  /** The version that the call began to wait at: a newer one is used whatever the clock says. */
  readonly waitingSince: number | undefined
  /** The version of the token that the API has just refused. */
  readonly deniedVersion: number | undefined
  /** A request gets one refresh: after that, it takes what there is or keeps its 401. */
  readonly mayRefresh: boolean
}

/** Leave to send one request with the current token. */
export interface Permit {
  readonly generation: number
  readonly lineage: string | undefined
  readonly version: number
  readonly tokens: Pick<TokenSet, 'accessToken' | 'tokenType' | 'subject'>
}

export type SessionEvent =
  | { readonly type: 'tokenWanted'; readonly now: number; readonly request: TokenRequest }
  | { readonly type: 'tokenAccepted'; readonly version: number; readonly api: string }
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
  | { readonly type: 'saved'; readonly flight: number; readonly stored: boolean | Seen }
  /** A look into the shared store, for a flight that asked for it or because of a hint. */
  | { readonly type: 'storeSeen'; readonly flight: number | undefined; readonly seen: Seen; readonly now: number }
  | { readonly type: 'marked'; readonly flight: number; readonly outcome: WriteOutcome; readonly now: number }
  /** Whether the rejected tokens are gone from the store; if not, what it holds instead. */
  | { readonly type: 'rejectionSettled'; readonly flight: number; readonly outcome: 'done' | 'failed' | Seen }
  | { readonly type: 'signInStarted'; readonly signIn: number }
  | {
      readonly type: 'signInSucceeded'
      readonly signIn: number
      readonly tokens: TokenSet
      readonly lineage: string
    }
  | { readonly type: 'signInFailed'; readonly signIn: number; readonly reason: string }
  | { readonly type: 'signedOut' }
  /** An API wants the user of that session to sign in, though it has refused no token. */
  | { readonly type: 'signInRequired'; readonly generation: number }
  | { readonly type: 'storeFailed' }
  /** The store has answered after the session had to begin without it. */
  | { readonly type: 'loadedLate'; readonly stored: Seen; readonly now: number }
  /** The store will not answer any more. */
  | { readonly type: 'loadFailed' }
  | { readonly type: 'timePassed'; readonly now: number }
  /** The host has its network back, or is in the foreground again. */
  | { readonly type: 'resumed'; readonly now: number }

/** How a conditional write ended; `conflict` where the store held something else, and still does. */
export type WriteOutcome = 'done' | 'failed' | 'conflict'

export type Effect =
  | { readonly do: 'grant'; readonly call: string; readonly permit: Permit }
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
   * No further attempt. One that is under way is left to end by itself: its tokens may already be rotated, and only
   * with the answer in hand can they be revoked.
   */
  | { readonly do: 'cancelRetry' }
  | { readonly do: 'abandonSignIn'; readonly signIn: number }
  /** Where this fails, the store is cleared: what is left in it is older, and perhaps another user's (I6). */
  | {
      readonly do: 'save'
      readonly flight: number
      readonly session: StoredSession
      readonly replaces?: StoredState | null
    }
  /** In a shared store, only what is named: another session may be there by now (I5). */
  | { readonly do: 'clear'; readonly only?: StoredState }
  /** Look into the shared store, while no other worker does. */
  | { readonly do: 'consult'; readonly flight: number }
  /** Write down that a refresh begins. */
  | {
      readonly do: 'mark'
      readonly flight: number
      readonly session: StoredSession
      readonly replaces: StoredState | null
    }
  /** Write down that it has ended without a token; nobody waits for that. */
  | { readonly do: 'markFailure'; readonly session: StoredSession; readonly replaces: StoredState }
  | { readonly do: 'clearRejected'; readonly flight: number; readonly only: StoredState }
  /** Tokens that came too late for a session that has ended: the server should forget them. */
  | { readonly do: 'revoke'; readonly tokens: TokenSet }
  | { readonly do: 'note'; readonly note: HistoryNote }

export interface SessionRules extends RefreshOptions {
  readonly maxSessionAge?: number
  /** Only where other workers keep the same session: the name of this one. */
  readonly owner?: string
}

/** The reason of a snapshot where a later build's record is in the store: this build must not touch it. */
export const LATER_BUILD = 'later_build'
const PAST = 20
/** A store that never agrees with what it has just shown must not keep a refresh from being sent. */
const MOST_CONFLICTS = 5
/** How often a refresh of another worker that may have died is looked after: its answer may have come all the same. */
const LOOK_AGAIN_AFTER = 1000

const IDLE: Refresh = { kind: 'none' }

/** The session that a worker starts with: the stored one, or none. */
export function startSession(stored: StoredSession | undefined): Session {
  return {
    generation: stored?.generation ?? 0,
    version: stored?.version ?? 0,
    lineage: stored?.lineage,
    past: [],
    isStored: stored !== undefined,
    loading: 'done',
    held: stored?.tokens,
    isAdopted: false,
    signedInAt: stored?.signedInAt ?? 0,
    refresh: IDLE,
    signIn: undefined,
    tokenServer: 'ok',
    reason: undefined,
    flights: 0,
    failures: 0,
    denials: {},
  }
}

/** What the pages see of the session. */
export function toSnapshot({ held, refresh, signIn, tokenServer, reason }: Session): BrokerSnapshot {
  // A new user is shown once the store names them too (I6).
  const unsettled = refresh.kind === 'saving' && refresh.signIn
  const user = unsettled || held === undefined ? undefined : { ...pick(held, 'subject'), ...pick(held, 'profile') }
  const status = user ? 'signed-in' : unsettled || signIn !== undefined ? 'signing-in' : 'signed-out'
  return { status, tokenServer, ...(user && { user }), ...(reason !== undefined && { reason }) }
}

type Step = readonly [Session, readonly Effect[]]

/** Decides what follows from an event. Pure: it looks at nothing but its arguments and performs nothing. */
export function transition(session: Session, event: SessionEvent, rules: SessionRules): Step {
  switch (event.type) {
    case 'tokenWanted':
      return onTokenWanted(session, event.request, event.now, rules)
    case 'tokenAccepted':
      return onTokenAccepted(session, event.version, event.api)
    case 'refreshSucceeded':
      return onRefreshSucceeded(session, event.flight, event.tokens)
    case 'refreshEnded':
      return onRefreshEnded(session, event, rules)
    case 'retryDue':
      return onRetryDue(session, event.flight, rules)
    case 'saved':
      return onSaved(session, event.flight, event.stored)
    case 'storeSeen':
      return onStoreSeen(session, event, rules)
    case 'marked':
      return onMarked(session, event.flight, event.outcome, event.now)
    case 'rejectionSettled':
      return onRejectionSettled(session, event.flight, event.outcome, rules)
    case 'signInStarted':
      return [{ ...session, signIn: event.signIn }, [...abandonSignIn(session), note('sign-in-started')]]
    case 'signInSucceeded':
      return onSignInSucceeded(session, event.signIn, event.tokens, event.lineage)
    case 'signInFailed':
      if (session.signIn !== event.signIn) return [session, []]
      return [{ ...session, signIn: undefined }, [note('sign-in-failed', { reason: event.reason })]]
    case 'signedOut':
      return endSession(session, undefined, rules, abandonSignIn(session))
    case 'signInRequired':
      // One API's word ends no session (I7), and one about an earlier session says nothing of this one (I5).
      return [event.generation === session.generation ? { ...session, reason: 'sign_in_required' } : session, []]
    case 'storeFailed':
      // Why a session has ended matters more than what became of its record.
      if (session.held === undefined && session.reason !== undefined) return [session, [note('store-failed')]]
      return [{ ...session, reason: 'store_failed' }, [note('store-failed')]]
    case 'loadedLate':
      return onLoadedLate(session, event.stored, event.now, rules)
    case 'loadFailed':
      return [session.loading === 'pending' ? { ...session, loading: 'failed' } : session, []]
    case 'timePassed':
      return isTooOld(session, event.now, rules) ? endSession(session, 'session_too_old', rules) : [session, []]
    case 'resumed':
      return onResumed(session, event.now, rules)
    default:
      return event satisfies never
  }
}

function onTokenWanted(session: Session, request: TokenRequest, now: number, rules: SessionRules): Step {
  const { call, api, deniedVersion } = request
  const { held, refresh } = session
  if (held === undefined) {
    const code = session.reason === LATER_BUILD ? 'protocol_mismatch' : 'sign_in_required'
    return refuse(session, call, code, session.reason)
  }
  if (isTooOld(session, now, rules)) {
    const [ended, effects] = endSession(session, 'session_too_old', rules)
    return [ended, [...effects, { do: 'refuse', call, code: 'sign_in_required', reason: 'session_too_old' }]]
  }
  if (request.generation !== session.generation && !isSameUser(held, request)) {
    // The caller meant the user of an earlier session; nobody else's token will do (I6).
    return deniedVersion === undefined
      ? refuse(session, call, 'sign_in_required', 'user_changed')
      : keepAnswer(session, call)
  }
  if (isSettling(session)) return [session, []]

  // Another worker's session counts its versions by itself.
  const isDenied = deniedVersion === session.version && request.generation === session.generation
  const isNewer = request.waitingSince !== undefined && request.waitingSince < session.version && !session.isAdopted
  const isUsable = !isDenied && !isExpired(held, now)
  if (refresh.kind !== 'none' && refresh.kind !== 'failed') {
    // An outage must not stop calls while the token is still good, nor must the attempts that are made during it.
    const granted = isUsable && session.tokenServer === 'unreachable' ? [grant(session, call, held)] : []
    if (refresh.kind !== 'waiting' || now < refresh.until) return [session, granted]
    const [started, effects] = startRefresh(session, 'retry', refresh.outcomeLost, rules)
    return [started, [{ do: 'cancelRetry' }, ...effects, ...granted]]
  }
  if (!isDenied && (isNewer || now < refreshTime(held, rules.margin))) {
    return [session, [grant(session, call, held)]]
  }
  if (refresh.kind === 'failed' && isPausing(refresh.until, now)) {
    return isUsable
      ? [session, [grant(session, call, held)]]
      : refuse(session, call, 'refresh_unavailable', refresh.reason)
  }
  const outcomeLost = refresh.kind === 'failed' && refresh.outcomeLost
  if (!isDenied) return startRefresh(session, 'expired', outcomeLost, rules)
  // An API that refuses every token must not make us ask for more and more of them (I10).
  const before = denialsOf(session, api)
  const isStorm = before !== undefined && isPausing(before.at + shortestPause(before.count), now)
  if (!request.mayRefresh || isStorm) return keepAnswer(session, call)
  const denials = { ...session.denials, [api]: { count: (before?.count ?? 0) + 1, at: now } }
  return startRefresh({ ...session, denials }, 'denied', outcomeLost, rules)
}

function onTokenAccepted(session: Session, version: number, api: string): Step {
  if (version !== session.version || denialsOf(session, api) === undefined) return [session, []]
  const { [api]: ended, ...denials } = session.denials
  return [{ ...session, denials }, []]
}

/** Names of APIs come from the app, so one may be the name of what every object inherits. */
export function denialsOf({ denials }: Session, api: string): Denials | undefined {
  return Object.hasOwn(denials, api) ? denials[api] : undefined
}

/** A store that was slow signs nobody out, unless the user has signed in or out since (I7). */
function onLoadedLate(session: Session, seen: Seen, now: number, rules: SessionRules): Step {
  const { generation, signIn } = session
  if (generation !== 0 || signIn !== undefined) {
    return [{ ...session, loading: 'done' }, [note('late-session-dropped')]]
  }
  if (seen.kind === 'later-format') return leaveSession({ ...session, loading: 'done' }, LATER_BUILD)
  const stored = seen.kind === 'session' ? seen.session : undefined
  const started = { ...startSession(stored), flights: session.flights }
  if (isTooOld(started, now, rules)) return endSession(started, 'session_too_old', rules)
  const restored = note(
    started.held ? 'session-restored' : 'started',
    started.held ? pick(started.held, 'expiresAt') : {},
  )
  return [started, [restored, { do: 'wake' }]]
}

/** A refresh that waits out an outage goes first when that is over. */
function onResumed(session: Session, now: number, rules: SessionRules): Step {
  const { refresh } = session
  if (refresh.kind === 'standby') {
    const [next, effects] = consultAgain(session, refresh, 0)
    return [next, [{ do: 'cancelRetry' }, ...effects]]
  }
  if (refresh.kind !== 'waiting') return [session, []]
  const { flight, earliest, until, outcomeLost } = refresh
  if (now >= earliest) {
    const [started, effects] = startRefresh(session, 'retry', outcomeLost, rules)
    return [started, [{ do: 'cancelRetry' }, ...effects]]
  }
  // Where the clock was set back, the timer that runs already is the better judge.
  if (earliest >= until || !isPausing(earliest, now)) return [session, []]
  return [
    { ...session, refresh: { ...refresh, until: earliest } },
    [{ do: 'cancelRetry' }, { do: 'retryLater', flight, delay: earliest - now }],
  ]
}

function onRetryDue(session: Session, flight: number, rules: SessionRules): Step {
  const { refresh } = session
  if (refresh.kind === 'standby' && refresh.flight === flight) return consultAgain(session, refresh, refresh.pause)
  if (refresh.kind !== 'waiting' || refresh.flight !== flight) return [session, []]
  return startRefresh(session, 'retry', refresh.outcomeLost, rules)
}

function startRefresh(session: Session, why: RefreshReason, outcomeLost: boolean, { owner }: SessionRules): Step {
  const flight = session.flights + 1
  const started = { ...session, flights: flight }
  if (owner === undefined) return send(started, { flight, outcomeLost, why })
  return consultAgain(started, { flight, outcomeLost, why, other: undefined, conflicts: 0 }, 0)
}

function send(
  session: Session,
  { flight, outcomeLost, why }: Pick<Consultation, 'flight' | 'outcomeLost' | 'why'>,
  replaces?: StoredState | null,
): Step {
  if (session.held === undefined) return [session, []]
  return [
    {
      ...session,
      refresh: { kind: 'sending', flight, outcomeLost, ...(replaces !== undefined && { replaces }) },
    },
    [
      note('refresh-started', { reason: why, ...pick(session.held, 'expiresAt') }),
      { do: 'refresh', flight, tokens: session.held },
    ],
  ]
}

function consultAgain(
  session: Session,
  { flight, outcomeLost, why, other, conflicts }: Consultation,
  waited: number,
): Step {
  const rest = other && { ...other, left: other.left - waited }
  return [
    { ...session, refresh: { kind: 'checking', flight, outcomeLost, why, other: rest, conflicts } },
    [{ do: 'consult', flight }],
  ]
}

/** What is in the store now: perhaps the work of another worker. */
function onStoreSeen(
  session: Session,
  { flight, seen, now }: Extract<SessionEvent, { type: 'storeSeen' }>,
  rules: SessionRules,
): Step {
  const { refresh } = session
  // What this worker is writing itself tells, when it is done, what the store holds.
  if (isSettling(session)) return [session, []]
  const followed = follow(session, seen)
  if (followed !== undefined) return followed
  if (session.reason === LATER_BUILD && seen.kind === 'none') return [{ ...session, reason: undefined }, []]
  if (refresh.kind !== 'checking' || refresh.flight !== flight) return [session, []]

  const own: StoredState | null =
    session.lineage !== undefined && session.isStored ? { lineage: session.lineage, version: session.version } : null
  const state = stateOf(seen)
  // A store that cannot be read is not written to either: the refresh does not wait for it longer than it must.
  if (state === undefined) return send(session, refresh, own)
  const isSame = compareWithRecord(session, seen) === 'same'
  const attempt = isSame && seen.kind === 'session' ? seen.session.attempt : undefined
  const others = attempt?.owner === rules.owner ? undefined : attempt
  return others === undefined
    ? mark(session, refresh, state, now, rules)
    : heed(session, refresh, others, state, now, rules)
}

/** What another worker has done to the session, done here too; undefined where it has done nothing. */
function follow(session: Session, seen: Seen): Step | undefined {
  const comparison = compareWithRecord(session, seen)
  if (comparison === 'later-format') return leaveSession(session, LATER_BUILD)
  if (comparison === 'ended') return leaveSession(session, 'signed_out_elsewhere')
  if (seen.kind !== 'session') return undefined
  if (comparison === 'newer') return adoptTokens(session, seen.session)
  return comparison === 'other' ? adoptSession(session, seen.session) : undefined
}

function adoptTokens(session: Session, { version, tokens }: StoredSession): Step {
  const isOver = session.reason === 'store_failed' || session.reason === 'refresh_failed'
  const adopted: Session = {
    ...session,
    version,
    held: tokens,
    isAdopted: true,
    isStored: true,
    refresh: IDLE,
    tokenServer: 'ok',
    reason: isOver ? undefined : session.reason,
    failures: 0,
  }
  return [adopted, [{ do: 'cancelRetry' }, note('tokens-adopted', pick(tokens, 'expiresAt')), { do: 'wake' }]]
}

/** Somebody has signed in elsewhere, perhaps somebody else: calls of the user before get nothing of it (I6). */
function adoptSession(session: Session, stored: StoredSession): Step {
  const adopted: Session = {
    ...startSession(stored),
    isAdopted: true,
    generation: session.generation + 1,
    past: pastOf(session),
    flights: session.flights,
    signIn: session.signIn,
  }
  return [adopted, [{ do: 'cancelRetry' }, note('session-adopted', pick(stored.tokens, 'expiresAt')), { do: 'wake' }]]
}

/** The session has ended elsewhere: in the store there is nothing of ours left to delete. */
function leaveSession(session: Session, reason: string): Step {
  if (session.held === undefined) return [{ ...session, reason }, []]
  return [ended(session, reason), [{ do: 'cancelRetry' }, note('signed-out', { reason }), { do: 'wake' }]]
}

/** Another worker's attempt is there: it is under way, or was cut off, or has failed. */
function heed(
  session: Session,
  refresh: Consultation,
  attempt: RefreshAttempt,
  state: StoredState | null,
  now: number,
  rules: SessionRules,
): Step {
  const { id, isOver, until } = attempt
  const failures = Math.max(session.failures, attempt.failures)
  const longest = Math.min(attempt.pause, isOver ? LONGEST_RETRY_AFTER : timeoutOf(rules))
  // A clock that was set back must not make it longer, however often it is looked at.
  const known = refresh.other?.id === id ? refresh.other.left : longest
  const left = Math.min(until - now, known)
  const outcomeLost = refresh.outcomeLost || attempt.outcomeLost || !isOver
  if (left > 0) {
    const pause = isOver ? left : Math.min(left, LOOK_AGAIN_AFTER)
    const { flight, why, conflicts } = refresh
    return [
      {
        ...session,
        failures,
        tokenServer: isOver ? 'unreachable' : session.tokenServer,
        refresh: {
          kind: 'standby',
          flight,
          outcomeLost: refresh.outcomeLost,
          why,
          other: { id, left },
          pause,
          conflicts,
        },
      },
      [{ do: 'retryLater', flight, delay: pause }, ...(isOver ? [{ do: 'wake' } as const] : [])],
    ]
  }
  if (!isOver && rules.onUnknownOutcome === 'sign-in') return settleRejection(session, refresh.flight, LOST, rules)
  return mark({ ...session, failures }, { ...refresh, outcomeLost }, state, now, rules)
}

const LOST = 'refresh_answer_lost'

function mark(
  session: Session,
  refresh: Consultation,
  replaces: StoredState | null,
  now: number,
  rules: SessionRules,
): Step {
  const { flight, outcomeLost, why, other, conflicts } = refresh
  const pause = timeoutOf(rules)
  const until = now + pause
  const attempt = { ...newAttempt(session, flight, rules), isOver: false, until, pause, outcomeLost }
  const marked = recordOf(session, attempt)
  if (marked === undefined) return [session, []]
  return [
    { ...session, refresh: { kind: 'marking', flight, outcomeLost, why, other, replaces, conflicts, until } },
    [{ do: 'mark', flight, session: marked, replaces }],
  ]
}

function onMarked(session: Session, flight: number, outcome: WriteOutcome, now: number): Step {
  const { refresh, lineage, version } = session
  if (refresh.kind !== 'marking' || refresh.flight !== flight || lineage === undefined) return [session, []]
  // After a freeze or a sleep its time is over: meanwhile another worker may have refreshed (I2).
  const isOutdated = outcome === 'conflict' || now >= refresh.until
  if (isOutdated && refresh.conflicts < MOST_CONFLICTS) {
    return consultAgain(session, { ...refresh, conflicts: refresh.conflicts + 1 }, 0)
  }
  if (outcome === 'done') return send({ ...session, isStored: true }, refresh, { lineage, version })
  // It may have been done all the same, and the new tokens will tell: the attempt's name does not matter to them.
  const { replaces } = refresh
  return send(session, refresh, replaces && { lineage: replaces.lineage, ...pick(replaces, 'version') })
}

/** Tokens that were rejected end the session, unless another worker has newer ones (I7). */
function settleRejection(
  session: Session,
  flight: number,
  reason: string,
  rules: SessionRules,
  before: Effect[] = [],
): Step {
  const { lineage, version } = session
  if (rules.owner === undefined || lineage === undefined) return endSession(session, reason, rules, before)
  return [
    { ...session, refresh: { kind: 'ending', flight, reason } },
    [...before, { do: 'clearRejected', flight, only: { lineage, version } }],
  ]
}

function onRejectionSettled(
  session: Session,
  flight: number,
  outcome: 'done' | 'failed' | Seen,
  rules: SessionRules,
): Step {
  const { refresh } = session
  if (refresh.kind !== 'ending' || refresh.flight !== flight) return [session, []]
  const { reason } = refresh
  if (outcome === 'failed') return endSession(session, reason, rules)
  if (outcome === 'done') return leaveSession(session, reason)
  const followed = outcome.kind === 'none' ? undefined : follow(session, outcome)
  return followed ?? leaveSession(session, reason)
}

function onRefreshSucceeded(session: Session, flight: number, tokens: TokenSet): Step {
  if (session.refresh.kind !== 'sending' || session.refresh.flight !== flight) {
    // Where another session has begun, revoking could end that one too: servers revoke whole grants (RFC 7009 §2.1).
    const effects: Effect[] = [note('late-refresh-dropped')]
    const isUnwanted = session.held === undefined && session.reason !== LATER_BUILD
    return [session, isUnwanted ? [...effects, { do: 'revoke', tokens }] : effects]
  }
  const version = session.version + 1
  const renewed: Session = {
    ...session,
    version,
    held: tokens,
    isAdopted: false,
    refresh: { kind: 'saving', flight, signIn: false },
    tokenServer: 'ok',
    // Whether the store works again is seen when the tokens have been saved; until then, the snapshot stays as it is.
    // What an API has asked for, it will ask for again.
    reason: session.reason === 'refresh_failed' ? undefined : session.reason,
    failures: 0,
  }
  const { replaces } = session.refresh
  return [renewed, [note('refresh-succeeded', pick(tokens, 'expiresAt')), save(renewed, flight, tokens, replaces)]]
}

function onRefreshEnded(
  session: Session,
  event: Extract<SessionEvent, { type: 'refreshEnded' }>,
  rules: SessionRules,
): Step {
  const { refresh } = session
  const { flight, verdict, reason, now } = event
  if (refresh.kind !== 'sending' || refresh.flight !== flight)
    return [session, [note('late-refresh-dropped', { verdict, reason })]]
  const ended = note('refresh-ended', { verdict, reason })
  if (verdict === 'rejected') {
    // Rejected after an answer was lost: the server had rotated, and its reuse detection has ended the session (I9).
    return settleRejection(session, flight, refresh.outcomeLost ? LOST : 'refresh_rejected', rules, [ended])
  }
  if (verdict === 'unknown' && rules.onUnknownOutcome === 'sign-in')
    return settleRejection(session, flight, LOST, rules, [ended])
  const failures = session.failures + 1
  const outcomeLost = refresh.outcomeLost || verdict === 'unknown'
  if (verdict === 'failed') {
    const until = now + shortestPause(failures)
    const refresh: Refresh = { kind: 'failed', until, reason, outcomeLost }
    // It has answered, so an outage is over, if there was one.
    return [
      { ...session, failures, tokenServer: 'ok', reason: 'refresh_failed', refresh },
      [
        ended,
        ...markFailure(session, { flight, failures, until, pause: until - now, outcomeLost }, rules),
        { do: 'wake' },
      ],
    ]
  }
  const asked = clampRetryAfter(event.retryAfter)
  // A server that always asks for one second would get three hundred attempts in five minutes (I10).
  const shortest = Math.max(asked ?? 0, shortestPause(failures))
  const delay = asked === undefined ? retryDelay(failures, event.random, rules.retry) : shortest
  return [
    {
      ...session,
      failures,
      tokenServer: 'unreachable',
      refresh: { kind: 'waiting', flight, until: now + delay, earliest: now + shortest, outcomeLost },
    },
    [
      note('refresh-ended', { verdict, reason, delay }),
      ...markFailure(session, { flight, failures, until: now + shortest, pause: shortest, outcomeLost }, rules),
      { do: 'retryLater', flight, delay },
      { do: 'wake' },
    ],
  ]
}

/** So that all workers together try no more often than one would (I10). */
function markFailure(
  session: Session,
  {
    flight,
    ...outcome
  }: Pick<RefreshAttempt, 'failures' | 'until' | 'pause' | 'outcomeLost'> & { readonly flight: number },
  rules: SessionRules,
): Effect[] {
  const attempt = { ...newAttempt(session, flight, rules), isOver: true, ...outcome }
  const marked = recordOf(session, attempt)
  if (rules.owner === undefined || marked === undefined || !session.isStored) return []
  const { lineage, version } = marked
  return [{ do: 'markFailure', session: marked, replaces: { lineage, version, attempt: attempt.id } }]
}

function onSaved(session: Session, flight: number, stored: boolean | Seen): Step {
  const { refresh } = session
  if (refresh.kind !== 'saving' || refresh.flight !== flight) return [session, []]
  if (typeof stored !== 'boolean') return onNotSaved(session, refresh, stored)
  const reason = session.reason === 'store_failed' ? undefined : session.reason
  const settled: Session = { ...session, isStored: stored, refresh: IDLE, reason: stored ? reason : 'store_failed' }
  return [settled, stored ? [{ do: 'wake' }] : [note('store-failed'), { do: 'wake' }]]
}

/** Another worker was first: what it has stored counts, and our new tokens are dropped. */
function onNotSaved(session: Session, { flight, signIn }: Extract<Refresh, { kind: 'saving' }>, seen: Seen): Step {
  const isTaken = !signIn && seen.kind === 'session' && compareWithRecord(session, seen) === 'same'
  const step = isTaken ? adoptTokens(session, seen.session) : follow(session, seen)
  if (step === undefined) return onSaved(session, flight, false)
  const [next, effects] = step
  // The sign-out elsewhere could not tell the server to forget tokens that it did not know.
  const isSignedOut = next.reason === 'signed_out_elsewhere' && session.held !== undefined
  return isSignedOut ? [next, [...effects, { do: 'revoke', tokens: session.held }]] : step
}

function onSignInSucceeded(session: Session, signIn: number, tokens: TokenSet, lineage: string): Step {
  if (session.signIn !== signIn) {
    return [
      session,
      [note('late-sign-in-dropped'), ...(session.held === undefined ? [{ do: 'revoke', tokens } as const] : [])],
    ]
  }
  const flight = session.flights + 1
  const started: Session = {
    ...startSession(undefined),
    generation: session.generation + 1,
    version: session.version + 1,
    lineage,
    past: pastOf(session),
    held: tokens,
    signedInAt: tokens.receivedAt,
    flights: flight,
    refresh: { kind: 'saving', flight, signIn: true },
  }
  return [started, [{ do: 'cancelRetry' }, note('signed-in', pick(tokens, 'expiresAt')), save(started, flight, tokens)]]
}

function endSession(
  session: Session,
  reason: string | undefined,
  rules: SessionRules,
  before: readonly Effect[] = [],
): Step {
  return [
    ended(session, reason),
    [
      ...before,
      { do: 'cancelRetry' },
      ...clear(session, rules),
      note('signed-out', reason === undefined ? {} : { reason }),
      { do: 'wake' },
    ],
  ]
}

function ended(session: Session, reason: string | undefined): Session {
  return {
    ...startSession(undefined),
    generation: session.generation + 1,
    version: session.version,
    past: pastOf(session),
    flights: session.flights,
    reason,
    // A sign-in that somebody has begun is not the old session's; only a sign-out takes it along.
    signIn: reason === undefined ? undefined : session.signIn,
  }
}

/** What a shared store may hold of other sessions stays, unless nobody could ever look what it holds. */
function clear({ lineage, past, loading }: Session, { owner }: SessionRules): Effect[] {
  const ours = lineage ?? past[past.length - 1]
  if (owner === undefined || (ours === undefined && loading !== 'done')) return [{ do: 'clear' }]
  return ours === undefined ? [] : [{ do: 'clear', only: { lineage: ours } }]
}

function pastOf({ past, lineage }: Session): readonly string[] {
  return lineage === undefined ? past : [...past, lineage].slice(-PAST)
}

/** Whether a write is awaited that decides what is held: nobody gets a token meanwhile. */
export function isSettling({ refresh }: Session): boolean {
  return refresh.kind === 'saving' || refresh.kind === 'ending'
}

/** Whether a flight is at what no other worker may do at the same time. */
export function isExclusive({ refresh }: Session, flight: number): boolean {
  return 'flight' in refresh && refresh.flight === flight && !['standby', 'waiting'].includes(refresh.kind)
}

export function timeoutOf({ timeout }: SessionRules): number {
  return timeout ?? DEFAULT_REFRESH_TIMEOUT
}

function newAttempt({ failures }: Session, flight: number, { owner = '' }: SessionRules) {
  return { id: `${owner}.${flight}`, owner, failures }
}

function abandonSignIn({ signIn }: Session): Effect[] {
  return signIn === undefined ? [] : [{ do: 'abandonSignIn', signIn }]
}

function isTooOld({ held, signedInAt }: Session, now: number, { maxSessionAge }: SessionRules): boolean {
  return held !== undefined && maxSessionAge !== undefined && now - signedInAt >= maxSessionAge
}

function save(
  { generation, version, signedInAt, lineage = '' }: Session,
  flight: number,
  tokens: TokenSet,
  replaces?: StoredState | null,
): Effect {
  return {
    do: 'save',
    flight,
    session: { format: FORMAT, lineage, generation, version, signedInAt, tokens },
    ...(replaces !== undefined && { replaces }),
  }
}

function recordOf(
  { generation, version, signedInAt, lineage, held: tokens }: Session,
  attempt: RefreshAttempt,
): StoredSession | undefined {
  if (lineage === undefined || tokens === undefined) return undefined
  return { format: FORMAT, lineage, generation, version, signedInAt, tokens, attempt }
}

function grant(
  { generation, version, lineage }: Session,
  call: string,
  { accessToken, tokenType, ...held }: TokenSet,
): Effect {
  // Only what a request needs: the refresh token stays behind (I4).
  return {
    do: 'grant',
    call,
    permit: { generation, version, lineage, tokens: { accessToken, tokenType, ...pick(held, 'subject') } },
  }
}

function keepAnswer(session: Session, call: string): Step {
  return [session, [{ do: 'keepAnswer', call }]]
}

function refuse(session: Session, call: string, code: LingpaiErrorCode, reason: string | undefined): Step {
  return [session, [{ do: 'refuse', call, code, reason }]]
}

/** Looser than what it makes: the details of an event are known where it is noted. */
function note(event: HistoryNote['event'], details: object = {}): Effect {
  return { do: 'note', note: { event, ...details } as HistoryNote }
}

function pick<Source extends object, Name extends keyof Source>(
  source: Source,
  name: Name,
): Pick<Source, Name> | Record<never, never> {
  return source[name] === undefined ? {} : { [name]: source[name] }
}
