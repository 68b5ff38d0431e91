import type { Seen } from '../shared-record.ts'
import { endSession, leaveSession } from './ending.ts'
import type { Effect, SessionRules, Step } from './events.ts'
import { syncFromStore } from './follow.ts'
import type { Session } from './state.ts'

/** Ends the session whose tokens the server rejected, unless another worker has stored newer tokens (I7). */
export function settleRejection(
  session: Session,
  flight: number,
  reason: string,
  rules: SessionRules,
  before: readonly Effect[] = [],
): Step {
  const { lineage, version } = session
  if (rules.owner === undefined || lineage === undefined) return endSession(session, reason, rules, before)
  return [
    { ...session, refresh: { kind: 'ending', flight, reason } },
    [...before, { do: 'clearRejected', flight, only: { lineage, version } }],
  ]
}

export function onRejectionSettled(
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
  const synced = outcome.kind === 'none' ? undefined : syncFromStore(session, outcome)
  return synced ?? leaveSession(session, reason)
}
