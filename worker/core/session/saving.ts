import type { StoredState, TokenSet } from '../adapter.ts'
import { compareWithRecord, type StoreRead } from '../shared-record.ts'
import { FORMAT } from '../token-set.ts'
import { type Effect, type EventOf, note, type Step } from './events.ts'
import { adoptTokens, syncFromStore } from './follow.ts'
import { IDLE, type SessionState } from './state.ts'

/** Stores new tokens. A call gets them only after that. */
export function saveTokens(
  { generation, version, signedInAt, sessionId = '' }: SessionState,
  flight: number,
  tokens: TokenSet,
  replaces?: StoredState | null,
): Effect {
  return {
    do: 'save',
    flight,
    session: { format: FORMAT, sessionId, generation, version, signedInAt, tokens },
    replaces,
  }
}

export function onSaved(session: SessionState, { flight, stored }: Omit<EventOf<'saved'>, 'type'>): Step {
  const { refresh } = session
  if (refresh.kind !== 'saving' || refresh.flight !== flight) return [session, []]
  if (typeof stored !== 'boolean') return onNotSaved(session, flight, refresh.signIn, stored)
  const reason = session.reason === 'store_failed' ? undefined : session.reason
  const settled: SessionState = {
    ...session,
    isStored: stored,
    refresh: IDLE,
    reason: stored ? reason : 'store_failed',
  }
  return [settled, stored ? [{ do: 'wake' }] : [note('store-failed'), { do: 'wake' }]]
}

/** Another worker stored its tokens first: those count, and this worker's new tokens are dropped. */
function onNotSaved(session: SessionState, flight: number, isSignIn: boolean, read: StoreRead): Step {
  const isTaken = !isSignIn && read.kind === 'session' && compareWithRecord(session, read) === 'same'
  const step = isTaken ? adoptTokens(session, read.session) : syncFromStore(session, read)
  if (step === undefined) return onSaved(session, { flight, stored: false })
  const [next, effects] = step
  // The other worker could not revoke tokens that it did not have.
  const isSignedOut = next.reason === 'signed_out_elsewhere' && session.held !== undefined
  return isSignedOut ? [next, [...effects, { do: 'revoke', tokens: session.held }]] : step
}
