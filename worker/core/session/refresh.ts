import { clampRetryAfter, isPausing, retryDelay, shortestPause } from '../retry.ts'
import { onClaimRead, readAgain, startClaim, writeFailure } from './claim.ts'
import { type Effect, type EventOf, note, type SessionRules, type Step, withoutRetry } from './events.ts'
import { syncFromStore } from './follow.ts'
import { settleRejection } from './rejection.ts'
import { saveTokens } from './saving.ts'
import { sendRefresh } from './sending.ts'
import {
  isSettling,
  LATER_BUILD,
  REFRESH_ANSWER_LOST,
  type Refresh,
  type RefreshCause,
  type SessionState,
  SUBJECT_CHANGED,
} from './state.ts'

/** Begins a flight. With a shared store, the worker has to claim the refresh before it sends the request. */
export function startRefresh(
  session: SessionState,
  cause: RefreshCause,
  outcomeLost: boolean,
  rules: SessionRules,
): Step {
  const flight = session.flights + 1
  const start = rules.owner === undefined ? sendRefresh : startClaim
  return start({ ...session, flights: flight }, { flight, outcomeLost, cause })
}

/** The store was read. It may hold the work of another worker, and it may answer this worker's claim. */
export function onStoreRead(
  session: SessionState,
  { flight, read, now }: EventOf<'storeRead'>,
  rules: SessionRules,
): Step {
  const { refresh } = session
  // When this worker's own write is done, its outcome says what the store holds.
  if (isSettling(session)) return [session, []]
  const synced = syncFromStore(session, read)
  if (synced !== undefined) return synced
  if (session.reason === LATER_BUILD && read.kind === 'none') return [{ ...session, reason: undefined }, []]
  if (refresh.kind !== 'claim' || refresh.step.name !== 'reading' || refresh.flight !== flight) return [session, []]
  return onClaimRead(session, refresh, read, now, rules)
}

export function onRetryDue(session: SessionState, { flight }: EventOf<'retryDue'>, rules: SessionRules): Step {
  const { refresh } = session
  if (!('flight' in refresh) || refresh.flight !== flight) return [session, []]
  if (refresh.kind === 'claim' && refresh.step.name === 'waiting') {
    return readAgain(session, refresh, refresh.step.pause)
  }
  return refresh.kind === 'waiting' ? startRefresh(session, 'retry', refresh.outcomeLost, rules) : [session, []]
}

/** The network is back: a refresh that waits out an outage starts at once. */
export function onResumed(session: SessionState, { now }: EventOf<'resumed'>, rules: SessionRules): Step {
  const { refresh } = session
  if (refresh.kind === 'claim' && refresh.step.name === 'waiting') {
    return withoutRetry(readAgain(session, refresh))
  }
  if (refresh.kind !== 'waiting') return [session, []]
  const { flight, earliest, until, outcomeLost } = refresh
  if (now >= earliest) return withoutRetry(startRefresh(session, 'retry', outcomeLost, rules))
  // If the clock was set back, the running timer is more reliable than the clock.
  if (earliest >= until || !isPausing(earliest, now)) return [session, []]
  const sooner: SessionState = { ...session, refresh: { ...refresh, until: earliest } }
  return withoutRetry([sooner, [{ do: 'retryLater', flight, delay: earliest - now }]])
}

export function onRefreshSucceeded(
  session: SessionState,
  { flight, tokens }: EventOf<'refreshSucceeded'>,
  rules: SessionRules,
): Step {
  const { refresh, held } = session
  if (refresh.kind !== 'sending' || refresh.flight !== flight) {
    // If another session has begun, a revocation could end that one, too: servers revoke whole grants (RFC 7009 §2.1).
    const isUnwanted = held === undefined && session.reason !== LATER_BUILD
    const dropped = note('late-refresh-dropped')
    return [session, isUnwanted ? [dropped, { do: 'revoke', tokens }] : [dropped]]
  }
  // The server has mixed two users up: neither these tokens nor the session may go on (I6, OpenID Connect Core §12.2).
  if (held?.subject !== undefined && tokens.subject !== held.subject) {
    const ended = note('refresh-ended', { verdict: 'rejected', reason: SUBJECT_CHANGED })
    return settleRejection(session, flight, SUBJECT_CHANGED, rules, [ended, { do: 'revoke', tokens }])
  }
  const renewed: SessionState = {
    ...session,
    version: session.version + 1,
    held: tokens,
    isAdopted: false,
    refresh: { kind: 'saving', flight, signIn: false },
    tokenServer: 'ok',
    // `store_failed` stays until the save shows whether the store works. `sign_in_required` stays until the user signs in.
    reason: session.reason === 'refresh_failed' ? undefined : session.reason,
    failures: 0,
  }
  const effects = [
    note('refresh-succeeded', { expiresAt: tokens.expiresAt }),
    saveTokens(renewed, flight, tokens, refresh.replaces),
  ]
  return [renewed, effects]
}

export function onRefreshEnded(session: SessionState, event: EventOf<'refreshEnded'>, rules: SessionRules): Step {
  const { refresh } = session
  const { flight, verdict, reason, now } = event
  if (refresh.kind !== 'sending' || refresh.flight !== flight) {
    return [session, [note('late-refresh-dropped', { verdict, reason })]]
  }
  const ended = note('refresh-ended', { verdict, reason })
  if (verdict === 'rejected') {
    // After a lost response: the server had rotated the token, and its reuse detection has ended the session (I9).
    const why = refresh.outcomeLost ? REFRESH_ANSWER_LOST : 'refresh_rejected'
    return settleRejection(session, flight, why, rules, [ended])
  }
  if (verdict === 'unknown' && rules.onUnknownOutcome === 'sign-in') {
    return settleRejection(session, flight, REFRESH_ANSWER_LOST, rules, [ended])
  }
  const failures = session.failures + 1
  const outcomeLost = refresh.outcomeLost || verdict === 'unknown'
  const writeEnd = (pause: number): Effect[] =>
    writeFailure(session, flight, { failures, until: now + pause, pause, outcomeLost }, rules)
  if (verdict === 'failed') {
    const pause = shortestPause(failures)
    const refresh: Refresh = { kind: 'failed', until: now + pause, reason, outcomeLost }
    return [
      // The server has answered, so an outage is over.
      { ...session, failures, tokenServer: 'ok', reason: 'refresh_failed', refresh },
      [ended, ...writeEnd(pause), { do: 'wake' }],
    ]
  }
  const asked = clampRetryAfter(event.retryAfter)
  // A server that always asks for one second would otherwise get three hundred attempts in five minutes (I10).
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
      ...writeEnd(shortest),
      { do: 'retryLater', flight, delay },
      { do: 'wake' },
    ],
  ]
}
