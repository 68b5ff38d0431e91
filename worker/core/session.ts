import type { BrokerSnapshot } from '../../src/protocol/contract.ts'
import type { LingpaiErrorCode } from '../../src/protocol/errors.ts'
import type { HistoryNote, RefreshOptions, StoredSession, TokenSet } from './adapter.ts'
import { clampRetryAfter, isPausing, retryDelay, shortestPause } from './retry.ts'
import { isExpired, isSameUser, refreshTime } from './token-set.ts'
import type { Verdict } from './verdict.ts'

/**
 * The session, as two axes: what is held (nothing or a token set) and what is in flight (a refresh, a sign-in).
 * Waiting calls are not part of it: the broker asks again for each of them after a `wake`.
 */
export interface Session {
  /** Rises at every sign-in, sign-out and change of user. */
  readonly generation: number
  /** Rises whenever there are new tokens; never falls, so that it tells older tokens from newer ones. */
  readonly version: number
  readonly held: TokenSet | undefined
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
  | { readonly kind: 'sending'; readonly flight: number; readonly outcomeLost: boolean }
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
  | { readonly type: 'saved'; readonly flight: number; readonly stored: boolean }
  | { readonly type: 'signInStarted'; readonly signIn: number }
  | { readonly type: 'signInSucceeded'; readonly signIn: number; readonly tokens: TokenSet }
  | { readonly type: 'signInFailed'; readonly signIn: number; readonly reason: string }
  | { readonly type: 'signedOut' }
  | { readonly type: 'storeFailed' }
  /** The store has answered after the session had to begin without it. */
  | { readonly type: 'loadedLate'; readonly stored: StoredSession | undefined; readonly now: number }
  | { readonly type: 'timePassed'; readonly now: number }
  /** The host has its network back, or is in the foreground again. */
  | { readonly type: 'resumed'; readonly now: number }

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
  | { readonly do: 'save'; readonly flight: number; readonly session: StoredSession }
  | { readonly do: 'clear' }
  /** Tokens that came too late for a session that has ended: the server should forget them. */
  | { readonly do: 'revoke'; readonly tokens: TokenSet }
  | { readonly do: 'note'; readonly note: HistoryNote }

export interface SessionRules extends RefreshOptions {
  readonly maxSessionAge?: number
}

const IDLE: Refresh = { kind: 'none' }

/** The session that a worker starts with: the stored one, or none. */
export function startSession(stored: StoredSession | undefined): Session {
  return {
    generation: stored?.generation ?? 0,
    version: stored?.version ?? 0,
    held: stored?.tokens,
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
      if (session.refresh.kind !== 'waiting' || session.refresh.flight !== event.flight) return [session, []]
      return startRefresh(session, 'retry', session.refresh.outcomeLost)
    case 'saved':
      return onSaved(session, event.flight, event.stored)
    case 'signInStarted':
      return [{ ...session, signIn: event.signIn }, [...abandonSignIn(session), note('sign-in-started')]]
    case 'signInSucceeded':
      return onSignInSucceeded(session, event.signIn, event.tokens)
    case 'signInFailed':
      if (session.signIn !== event.signIn) return [session, []]
      return [{ ...session, signIn: undefined }, [note('sign-in-failed', { reason: event.reason })]]
    case 'signedOut':
      return endSession(session, undefined, abandonSignIn(session))
    case 'storeFailed':
      // Why a session has ended matters more than what became of its record.
      if (session.held === undefined && session.reason !== undefined) return [session, [note('store-failed')]]
      return [{ ...session, reason: 'store_failed' }, [note('store-failed')]]
    case 'loadedLate':
      return onLoadedLate(session, event.stored, event.now, rules)
    case 'timePassed':
      return isTooOld(session, event.now, rules) ? endSession(session, 'session_too_old') : [session, []]
    case 'resumed':
      return onResumed(session, event.now)
    default:
      return event satisfies never
  }
}

function onTokenWanted(session: Session, request: TokenRequest, now: number, rules: SessionRules): Step {
  const { call, api, deniedVersion } = request
  const { held, refresh } = session
  if (held === undefined) return refuse(session, call, 'sign_in_required', session.reason)
  if (isTooOld(session, now, rules)) {
    const [ended, effects] = endSession(session, 'session_too_old')
    return [ended, [...effects, { do: 'refuse', call, code: 'sign_in_required', reason: 'session_too_old' }]]
  }
  if (request.generation !== session.generation && !isSameUser(held, request)) {
    // The caller meant the user of an earlier session; nobody else's token will do (I6).
    return deniedVersion === undefined
      ? refuse(session, call, 'sign_in_required', 'user_changed')
      : keepAnswer(session, call)
  }
  if (refresh.kind === 'saving') return [session, []]

  const isDenied = deniedVersion === session.version
  const isNewer = request.waitingSince !== undefined && request.waitingSince < session.version
  const isUsable = !isDenied && !isExpired(held, now)
  if (refresh.kind === 'sending' || refresh.kind === 'waiting') {
    // An outage must not stop calls while the token is still good, nor must the attempts that are made during it.
    const granted = isUsable && session.tokenServer === 'unreachable' ? [grant(session, call, held)] : []
    if (refresh.kind === 'sending' || now < refresh.until) return [session, granted]
    const [started, effects] = startRefresh(session, 'retry', refresh.outcomeLost)
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
  if (!isDenied) return startRefresh(session, 'expired', outcomeLost)
  // An API that refuses every token must not make us ask for more and more of them (I10).
  const before = denialsOf(session, api)
  const isStorm = before !== undefined && isPausing(before.at + shortestPause(before.count), now)
  if (!request.mayRefresh || isStorm) return keepAnswer(session, call)
  const denials = { ...session.denials, [api]: { count: (before?.count ?? 0) + 1, at: now } }
  return startRefresh({ ...session, denials }, 'denied', outcomeLost)
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
function onLoadedLate(session: Session, stored: StoredSession | undefined, now: number, rules: SessionRules): Step {
  const { generation, held, signIn } = session
  if (generation !== 0 || held !== undefined || signIn !== undefined) {
    return [session, [note('late-session-dropped')]]
  }
  const started = { ...startSession(stored), flights: session.flights }
  if (isTooOld(started, now, rules)) return endSession(started, 'session_too_old')
  const restored = note(
    started.held ? 'session-restored' : 'started',
    started.held ? pick(started.held, 'expiresAt') : {},
  )
  return [started, [restored, { do: 'wake' }]]
}

/** A refresh that waits out an outage goes first when that is over. */
function onResumed(session: Session, now: number): Step {
  const { refresh } = session
  if (refresh.kind !== 'waiting') return [session, []]
  const { flight, earliest, until, outcomeLost } = refresh
  if (now >= earliest) {
    const [started, effects] = startRefresh(session, 'retry', outcomeLost)
    return [started, [{ do: 'cancelRetry' }, ...effects]]
  }
  // Where the clock was set back, the timer that runs already is the better judge.
  if (earliest >= until || !isPausing(earliest, now)) return [session, []]
  return [
    { ...session, refresh: { ...refresh, until: earliest } },
    [{ do: 'cancelRetry' }, { do: 'retryLater', flight, delay: earliest - now }],
  ]
}

function startRefresh(session: Session, reason: 'expired' | 'denied' | 'retry', outcomeLost: boolean): Step {
  if (session.held === undefined) return [session, []]
  const flight = session.flights + 1
  return [
    { ...session, flights: flight, refresh: { kind: 'sending', flight, outcomeLost } },
    [
      note('refresh-started', { reason, ...pick(session.held, 'expiresAt') }),
      { do: 'refresh', flight, tokens: session.held },
    ],
  ]
}

function onRefreshSucceeded(session: Session, flight: number, tokens: TokenSet): Step {
  if (session.refresh.kind !== 'sending' || session.refresh.flight !== flight) {
    // Where another session has begun, revoking could end that one too: servers revoke whole grants (RFC 7009 §2.1).
    const effects: Effect[] = [note('late-refresh-dropped')]
    return [session, session.held === undefined ? [...effects, { do: 'revoke', tokens }] : effects]
  }
  const version = session.version + 1
  const renewed: Session = {
    ...session,
    version,
    held: tokens,
    refresh: { kind: 'saving', flight, signIn: false },
    tokenServer: 'ok',
    // Whether the store works again is seen when the tokens have been saved; until then, the snapshot stays as it is.
    reason: session.reason === 'store_failed' ? session.reason : undefined,
    failures: 0,
  }
  return [renewed, [note('refresh-succeeded', pick(tokens, 'expiresAt')), save(renewed, flight, tokens)]]
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
    return endSession(session, refresh.outcomeLost ? 'refresh_answer_lost' : 'refresh_rejected', [ended])
  }
  if (verdict === 'unknown' && rules.onUnknownOutcome === 'sign-in')
    return endSession(session, 'refresh_answer_lost', [ended])
  const failures = session.failures + 1
  const outcomeLost = refresh.outcomeLost || verdict === 'unknown'
  if (verdict === 'failed') {
    const until = now + shortestPause(failures)
    const refresh: Refresh = { kind: 'failed', until, reason, outcomeLost }
    // It has answered, so an outage is over, if there was one.
    return [{ ...session, failures, tokenServer: 'ok', reason: 'refresh_failed', refresh }, [ended, { do: 'wake' }]]
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
    [note('refresh-ended', { verdict, reason, delay }), { do: 'retryLater', flight, delay }, { do: 'wake' }],
  ]
}

function onSaved(session: Session, flight: number, stored: boolean): Step {
  if (session.refresh.kind !== 'saving' || session.refresh.flight !== flight) return [session, []]
  const reason = session.reason === 'store_failed' ? undefined : session.reason
  const settled: Session = { ...session, refresh: IDLE, reason: stored ? reason : 'store_failed' }
  return [settled, stored ? [{ do: 'wake' }] : [note('store-failed'), { do: 'wake' }]]
}

function onSignInSucceeded(session: Session, signIn: number, tokens: TokenSet): Step {
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
    held: tokens,
    signedInAt: tokens.receivedAt,
    flights: flight,
    refresh: { kind: 'saving', flight, signIn: true },
  }
  return [started, [{ do: 'cancelRetry' }, note('signed-in', pick(tokens, 'expiresAt')), save(started, flight, tokens)]]
}

function endSession(session: Session, reason: string | undefined, before: readonly Effect[] = []): Step {
  const ended: Session = {
    ...startSession(undefined),
    generation: session.generation + 1,
    version: session.version,
    flights: session.flights,
    reason,
    // A sign-in that somebody has begun is not the old session's; only a sign-out takes it along.
    signIn: reason === undefined ? undefined : session.signIn,
  }
  return [
    ended,
    [
      ...before,
      { do: 'cancelRetry' },
      { do: 'clear' },
      note('signed-out', reason === undefined ? {} : { reason }),
      { do: 'wake' },
    ],
  ]
}

function abandonSignIn({ signIn }: Session): Effect[] {
  return signIn === undefined ? [] : [{ do: 'abandonSignIn', signIn }]
}

function isTooOld({ held, signedInAt }: Session, now: number, { maxSessionAge }: SessionRules): boolean {
  return held !== undefined && maxSessionAge !== undefined && now - signedInAt >= maxSessionAge
}

function save({ generation, version, signedInAt }: Session, flight: number, tokens: TokenSet): Effect {
  return { do: 'save', flight, session: { format: 1, generation, version, signedInAt, tokens } }
}

function grant({ generation, version }: Session, call: string, { accessToken, tokenType, ...held }: TokenSet): Effect {
  // Only what a request needs: the refresh token stays behind (I4).
  return {
    do: 'grant',
    call,
    permit: { generation, version, tokens: { accessToken, tokenType, ...pick(held, 'subject') } },
  }
}

function keepAnswer(session: Session, call: string): Step {
  return [session, [{ do: 'keepAnswer', call }]]
}

function refuse(session: Session, call: string, code: LingpaiErrorCode, reason: string | undefined): Step {
  return [session, [{ do: 'refuse', call, code, reason }]]
}

function note(event: string, details: Omit<HistoryNote, 'event'> = {}): Effect {
  return { do: 'note', note: { event, ...details } }
}

function pick<Source extends object, Name extends keyof Source>(
  source: Source,
  name: Name,
): Pick<Source, Name> | Record<never, never> {
  return source[name] === undefined ? {} : { [name]: source[name] }
}
