import type { RefreshMarker, StoredSession, StoredState } from '../adapter.ts'
import { MAX_RETRY_AFTER } from '../retry.ts'
import { compareWithRecord, type StoreRead, stateOf } from '../shared-record.ts'
import { FORMAT } from '../token-set.ts'
import { type Effect, type EventOf, type SessionRules, type Step, timeoutOf } from './events.ts'
import { settleRejection } from './rejection.ts'
import { sendRefresh } from './sending.ts'
import { type Claim, type ClaimStep, type Flight, REFRESH_ANSWER_LOST, type SessionState } from './state.ts'

/*
 * Which of several workers with one store refreshes. Each worker announces its refresh in the shared record before it
 * sends, and waits if the record holds the announcement of another worker.
 *
 *   reading ──► waiting     another worker refreshes, or failed a moment ago
 *      ▲           │
 *      ├───────────┘        its time is over
 *      ▼
 *   writing ──► sending     the record holds this worker's announcement
 *      │
 *      └──────► reading     another worker was faster
 *
 * The claim knows nothing of tokens that it could take over: the caller compares the record with its session first.
 */

/** How often the store may disagree with what it has just shown. After that, the refresh is sent all the same. */
const MAX_CONFLICTS = 5
/** How often a worker checks on the refresh of another worker, which may have died. In milliseconds. */
const CHECK_INTERVAL = 1000

type MarkedOutcome = Omit<RefreshMarker, 'id' | 'owner'>

export function startClaim(session: SessionState, flight: Flight): Step {
  return readAgain(session, { ...flight, kind: 'claim', step: { name: 'reading' }, other: undefined, conflicts: 0 })
}

/** Reads the record once more, after the worker has waited for so many milliseconds. */
export function readAgain(session: SessionState, claim: Claim, waited = 0): Step {
  const other = claim.other && { ...claim.other, left: claim.other.left - waited }
  return continueClaim(session, { ...claim, other }, { name: 'reading' }, { do: 'readClaim', flight: claim.flight })
}

/** Decides by the record that was read, and that holds this session or nothing. */
export function onClaimRead(
  session: SessionState,
  claim: Claim,
  read: StoreRead,
  now: number,
  rules: SessionRules,
): Step {
  const state = stateOf(read)
  // A store that cannot be read is not written to either: the refresh must not wait for it longer than it has to.
  if (state === undefined) {
    const { sessionId, version, isStored } = session
    return sendRefresh(session, claim, sessionId !== undefined && isStored ? { sessionId, version } : null)
  }
  const isSame = compareWithRecord(session, read) === 'same'
  const marker = isSame && read.kind === 'session' ? read.session.marker : undefined
  return marker === undefined || marker.owner === rules.owner
    ? writeClaim(session, claim, state, now, rules)
    : waitForOther(session, claim, marker, state, now, rules)
}

export function onClaimWritten(session: SessionState, { flight, outcome, now }: EventOf<'claimWritten'>): Step {
  const claim = session.refresh
  if (claim.kind !== 'claim' || claim.step.name !== 'writing' || claim.flight !== flight) return [session, []]
  const { replaces, until } = claim.step
  // After a freeze or a sleep, the announced time is over: meanwhile, another worker may have refreshed (I2).
  const isOutdated = outcome === 'conflict' || now >= until
  if (isOutdated && claim.conflicts < MAX_CONFLICTS) {
    return readAgain(session, { ...claim, conflicts: claim.conflicts + 1 })
  }
  const { sessionId, version } = session
  if (outcome === 'done' && sessionId !== undefined) {
    return sendRefresh({ ...session, isStored: true }, claim, { sessionId, version })
  }
  // A failed write may have happened all the same. So the new tokens may replace the record with and without its marker.
  const { marker: _marker, ...unmarked } = replaces ?? {}
  return sendRefresh(session, claim, replaces && unmarked)
}

function waitForOther(
  session: SessionState,
  claim: Claim,
  { id, isOver, until, pause, ...marker }: RefreshMarker,
  state: StoredState | null,
  now: number,
  rules: SessionRules,
): Step {
  const { flight } = claim
  const informed = { ...session, failures: Math.max(session.failures, marker.failures) }
  const longest = Math.min(pause, isOver ? MAX_RETRY_AFTER : timeoutOf(rules))
  // The wait must not become longer because the clock was set back between two reads.
  const known = claim.other?.id === id ? claim.other.left : longest
  const left = Math.min(until - now, known)
  if (left > 0) {
    const waiting = { ...claim, other: { id, left } }
    const delay = isOver ? left : Math.min(left, CHECK_INTERVAL)
    const step: ClaimStep = { name: 'waiting', pause: delay }
    const retry: Effect = { do: 'retryLater', flight, delay }
    return isOver
      ? continueClaim({ ...informed, tokenServer: 'unreachable' }, waiting, step, retry, { do: 'wake' })
      : continueClaim(informed, waiting, step, retry)
  }
  if (!isOver && rules.onUnknownOutcome === 'sign-in') {
    return settleRejection(session, flight, REFRESH_ANSWER_LOST, rules)
  }
  const outcomeLost = claim.outcomeLost || marker.outcomeLost || !isOver
  return writeClaim(informed, { ...claim, outcomeLost }, state, now, rules)
}

function writeClaim(
  session: SessionState,
  claim: Claim,
  replaces: StoredState | null,
  now: number,
  rules: SessionRules,
): Step {
  const { flight, outcomeLost } = claim
  const pause = timeoutOf(rules)
  const until = now + pause
  const outcome = { isOver: false, until, pause, failures: session.failures, outcomeLost }
  const marked = toMarkedRecord(session, flight, rules, outcome)
  return marked === undefined
    ? [{ ...session, refresh: claim }, []]
    : continueClaim(
        session,
        claim,
        { name: 'writing', replaces, until },
        { do: 'writeClaim', flight, session: marked, replaces },
      )
}

/** Writes for the other workers how a refresh failed: all workers together must not try more often than one (I10). */
export function writeFailure(
  session: SessionState,
  flight: number,
  outcome: Omit<MarkedOutcome, 'isOver'>,
  rules: SessionRules,
): Effect[] {
  const marked = toMarkedRecord(session, flight, rules, { isOver: true, ...outcome })
  if (rules.owner === undefined || marked === undefined || !session.isStored) return []
  const { sessionId, version, marker } = marked
  return [{ do: 'writeFailure', session: marked, replaces: { sessionId, version, marker: marker.id } }]
}

function toMarkedRecord(
  { generation, version, signedInAt, sessionId, held: tokens }: SessionState,
  flight: number,
  { owner = '' }: SessionRules,
  outcome: MarkedOutcome,
): (StoredSession & { marker: RefreshMarker }) | undefined {
  if (sessionId === undefined || tokens === undefined) return undefined
  const marker = { id: `${owner}.${flight}`, owner, ...outcome }
  return { format: FORMAT, sessionId, generation, version, signedInAt, tokens, marker }
}

function continueClaim(session: SessionState, claim: Claim, step: ClaimStep, ...effects: Effect[]): Step {
  return [{ ...session, refresh: { ...claim, step } }, effects]
}
