import type { RefreshMarker, StoredSession, StoredState } from '../adapter.ts'
import { MAX_RETRY_AFTER } from '../retry.ts'
import { compareWithRecord, type StoreRead, stateOf } from '../shared-record.ts'
import { FORMAT } from '../token-set.ts'
import { type Effect, type SessionRules, timeoutOf, type WriteOutcome } from './events.ts'
import { type Claim, type ClaimStep, pick, type SessionState } from './state.ts'

/**
 * Which of several workers with one store refreshes. Each worker announces its refresh in the shared record before it
 * sends, and waits if the record holds the announcement of another worker.
 *
 * ```
 * reading ──► waiting     another worker refreshes, or failed a moment ago
 *    ▲           │
 *    ├───────────┘        its time is over
 *    ▼
 * writing ──► granted     the record holds this worker's announcement
 *    │
 *    └──────► reading     another worker was faster
 * ```
 *
 * The claim knows nothing of tokens that it could take over: the caller compares the record with its session first.
 */
export type ClaimOutcome =
  /** The worker may send its refresh. `replaces` is the state of the record that the new tokens will replace. */
  | { readonly kind: 'granted'; readonly replaces: StoredState | null; readonly isWritten: boolean }
  /** The claim goes on. */
  | {
      readonly kind: 'continued'
      readonly claim: Claim
      readonly effects: readonly Effect[]
      /** Refreshes in a row that failed, over all workers. */
      readonly failures?: number
      /** Whether the last of them failed: until the pause is over, the token server counts as unreachable. */
      readonly isOutage?: boolean
    }
  /** The outcome of another worker's refresh is lost, and the app wants the session to end then. */
  | { readonly kind: 'lost' }

const READING: ClaimStep = { name: 'reading' }
/** How often the store may disagree with what it has just shown. After that, the refresh is sent all the same. */
const MAX_CONFLICTS = 5
/** How often a worker checks on the refresh of another worker, which may have died. In milliseconds. */
const CHECK_INTERVAL = 1000

export function beginClaim(plan: Pick<Claim, 'flight' | 'outcomeLost' | 'cause'>): ClaimOutcome {
  const { flight, outcomeLost, cause } = plan
  return readAgain({ kind: 'claim', flight, outcomeLost, cause, step: READING, other: undefined, conflicts: 0 })
}

/** Reads the record once more, after the worker has waited for so many milliseconds. */
export function readAgain(claim: Claim, waited = 0): ClaimOutcome {
  const other = claim.other && { ...claim.other, left: claim.other.left - waited }
  return continueClaim({ ...claim, other }, READING, [{ do: 'readClaim', flight: claim.flight }])
}

/** Decides by the record that was read, and that holds this session or nothing. */
export function onClaimRead(
  session: SessionState,
  claim: Claim,
  seen: StoreRead,
  now: number,
  rules: SessionRules,
): ClaimOutcome {
  const state = stateOf(seen)
  // A store that cannot be read is not written to either: the refresh must not wait for it longer than it has to.
  if (state === undefined) return { kind: 'granted', replaces: ownState(session), isWritten: false }
  const isSame = compareWithRecord(session, seen) === 'same'
  const marker = isSame && seen.kind === 'session' ? seen.session.marker : undefined
  return marker === undefined || marker.owner === rules.owner
    ? writeClaim(session, claim, state, now, rules)
    : waitForOther(session, claim, marker, state, now, rules)
}

export function onClaimWritten(
  { sessionId, version }: SessionState,
  claim: Claim,
  { replaces, until }: Extract<ClaimStep, { name: 'writing' }>,
  outcome: WriteOutcome,
  now: number,
): ClaimOutcome {
  // After a freeze or a sleep, the announced time is over: meanwhile, another worker may have refreshed (I2).
  const isOutdated = outcome === 'conflict' || now >= until
  if (isOutdated && claim.conflicts < MAX_CONFLICTS) return readAgain({ ...claim, conflicts: claim.conflicts + 1 })
  if (outcome === 'done' && sessionId !== undefined) {
    return { kind: 'granted', replaces: { sessionId, version }, isWritten: true }
  }
  // A failed write may have happened all the same. So the new tokens may replace the record with and without it.
  const previous = replaces && { ...pick(replaces, 'sessionId'), ...pick(replaces, 'version') }
  return { kind: 'granted', replaces: previous, isWritten: false }
}

function waitForOther(
  session: SessionState,
  claim: Claim,
  marker: RefreshMarker,
  state: StoredState | null,
  now: number,
  rules: SessionRules,
): ClaimOutcome {
  const { id, isOver, until, pause } = marker
  const failures = Math.max(session.failures, marker.failures)
  const longest = Math.min(pause, isOver ? MAX_RETRY_AFTER : timeoutOf(rules))
  // The wait must not become longer because the clock was set back between two reads.
  const known = claim.other?.id === id ? claim.other.left : longest
  const left = Math.min(until - now, known)
  if (left > 0) {
    const delay = isOver ? left : Math.min(left, CHECK_INTERVAL)
    const effects: Effect[] = [{ do: 'retryLater', flight: claim.flight, delay }]
    const waiting = { ...claim, other: { id, left } }
    return {
      ...continueClaim(waiting, { name: 'waiting', pause: delay }, isOver ? [...effects, { do: 'wake' }] : effects),
      failures,
      isOutage: isOver,
    }
  }
  if (!isOver && rules.onUnknownOutcome === 'sign-in') return { kind: 'lost' }
  const outcomeLost = claim.outcomeLost || marker.outcomeLost || !isOver
  return { ...writeClaim({ ...session, failures }, { ...claim, outcomeLost }, state, now, rules), failures }
}

function writeClaim(
  session: SessionState,
  claim: Claim,
  replaces: StoredState | null,
  now: number,
  rules: SessionRules,
): ClaimOutcome & { kind: 'continued' } {
  const { flight, outcomeLost } = claim
  const pause = timeoutOf(rules)
  const until = now + pause
  const marked = toMarkedRecord(session, flight, rules, {
    isOver: false,
    until,
    pause,
    failures: session.failures,
    outcomeLost,
  })
  if (marked === undefined) return continueClaim(claim, claim.step, [])
  const step: ClaimStep = { name: 'writing', replaces, until }
  return continueClaim(claim, step, [{ do: 'writeClaim', flight, session: marked, replaces }])
}

/** Tells the other workers how a refresh failed, so that all workers together try no more often than one would (I10). */
export function writeFailure(
  session: SessionState,
  flight: number,
  outcome: Pick<RefreshMarker, 'failures' | 'until' | 'pause' | 'outcomeLost'>,
  rules: SessionRules,
): Effect[] {
  const marked = toMarkedRecord(session, flight, rules, { isOver: true, ...outcome })
  if (rules.owner === undefined || marked?.marker === undefined || !session.isStored) return []
  const { sessionId, version, marker } = marked
  return [{ do: 'writeFailure', session: marked, replaces: { sessionId, version, marker: marker.id } }]
}

function toMarkedRecord(
  { generation, version, signedInAt, sessionId, held: tokens }: SessionState,
  flight: number,
  { owner = '' }: SessionRules,
  outcome: Omit<RefreshMarker, 'id' | 'owner'>,
): StoredSession | undefined {
  if (sessionId === undefined || tokens === undefined) return undefined
  const marker = { id: `${owner}.${flight}`, owner, ...outcome }
  return { format: FORMAT, sessionId, generation, version, signedInAt, tokens, marker }
}

function ownState({ sessionId, version, isStored }: SessionState): StoredState | null {
  return sessionId !== undefined && isStored ? { sessionId, version } : null
}

function continueClaim(
  claim: Claim,
  step: ClaimStep,
  effects: readonly Effect[],
): ClaimOutcome & { kind: 'continued' } {
  return { kind: 'continued', claim: { ...claim, step }, effects }
}
