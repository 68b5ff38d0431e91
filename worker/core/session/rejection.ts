import { endSession, leaveSession } from './ending.ts'
import type { Effect, EventOf, SessionRules, Step } from './events.ts'
import { syncFromStore } from './follow.ts'
import type { SessionState } from './state.ts'

/** Ends the session whose tokens the server rejected, unless another worker has stored newer tokens (I7). */
export function settleRejection(
  session: SessionState,
  flight: number,
  reason: string,
  rules: SessionRules,
  before: readonly Effect[] = [],
): Step {
  const { sessionId, version } = session
  if (rules.owner === undefined || sessionId === undefined) return endSession(session, reason, rules, before)
  return [
    { ...session, refresh: { kind: 'ending', flight, reason } },
    [...before, { do: 'clearRejected', flight, only: { sessionId, version } }],
  ]
}

export function onRejectionSettled(
  session: SessionState,
  { flight, outcome }: EventOf<'rejectionSettled'>,
  rules: SessionRules,
): Step {
  const { refresh } = session
  if (refresh.kind !== 'ending' || refresh.flight !== flight) return [session, []]
  const { reason } = refresh
  if (outcome === 'failed') return endSession(session, reason, rules)
  if (outcome === 'done') return leaveSession(session, reason)
  const synced = outcome.kind === 'none' ? undefined : syncFromStore(session, outcome)
  return synced ?? leaveSession(session, reason)
}
