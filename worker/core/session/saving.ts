import type { StoredState, TokenSet } from '../adapter.ts'
import { compareWithRecord, type Seen } from '../shared-record.ts'
import { FORMAT } from '../token-set.ts'
import { type Effect, note, type Step } from './events.ts'
import { adoptTokens, syncFromStore } from './follow.ts'
import { IDLE, type Session } from './state.ts'

/** Stores new tokens. A call gets them only after that. */
export function saveTokens(
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

export function onSaved(session: Session, flight: number, stored: boolean | Seen): Step {
  const { refresh } = session
  if (refresh.kind !== 'saving' || refresh.flight !== flight) return [session, []]
  if (typeof stored !== 'boolean') return onNotSaved(session, flight, refresh.signIn, stored)
  const reason = session.reason === 'store_failed' ? undefined : session.reason
  const settled: Session = { ...session, isStored: stored, refresh: IDLE, reason: stored ? reason : 'store_failed' }
  return [settled, stored ? [{ do: 'wake' }] : [note('store-failed'), { do: 'wake' }]]
}

/** Another worker stored its tokens first: those count, and this worker's new tokens are dropped. */
function onNotSaved(session: Session, flight: number, isSignIn: boolean, seen: Seen): Step {
  const isTaken = !isSignIn && seen.kind === 'session' && compareWithRecord(session, seen) === 'same'
  const step = isTaken ? adoptTokens(session, seen.session) : syncFromStore(session, seen)
  if (step === undefined) return onSaved(session, flight, false)
  const [next, effects] = step
  // The other worker could not revoke tokens that it did not have.
  const isSignedOut = next.reason === 'signed_out_elsewhere' && session.held !== undefined
  return isSignedOut ? [next, [...effects, { do: 'revoke', tokens: session.held }]] : step
}
