import type { StoredSession } from '../adapter.ts'
import { compareWithRecord, type StoreRead } from '../shared-record.ts'
import { endIfTooOld, leaveSession } from './ending.ts'
import { type EventOf, note, type SessionRules, type Step, withoutRetry } from './events.ts'
import { endedIdsOf, IDLE, LATER_BUILD, type SessionState, startSession } from './state.ts'

/** Takes over what another worker has done to the session; undefined if there is nothing to take over. */
export function syncFromStore(session: SessionState, read: StoreRead): Step | undefined {
  const comparison = compareWithRecord(session, read)
  if (comparison === 'later-format') return leaveSession(session, LATER_BUILD)
  if (comparison === 'ended') return leaveSession(session, 'signed_out_elsewhere')
  if (read.kind !== 'session') return undefined
  if (comparison === 'newer') return adoptTokens(session, read.session)
  return comparison === 'other' ? adoptSession(session, read.session) : undefined
}

/** Takes over newer tokens of the same session. */
export function adoptTokens(session: SessionState, { version, tokens }: StoredSession): Step {
  const isFailureOver = session.reason === 'store_failed' || session.reason === 'refresh_failed'
  const adopted: SessionState = {
    ...session,
    version,
    held: tokens,
    isAdopted: true,
    isStored: true,
    refresh: IDLE,
    tokenServer: 'ok',
    reason: isFailureOver ? undefined : session.reason,
    failures: 0,
  }
  return withoutRetry([adopted, [note('tokens-adopted', { expiresAt: tokens.expiresAt }), { do: 'wake' }]])
}

/** Takes over a session that began in another worker. It may be another user's: calls of the earlier user get no token (I6). */
function adoptSession(session: SessionState, stored: StoredSession): Step {
  const adopted: SessionState = {
    ...startSession(stored),
    isAdopted: true,
    generation: session.generation + 1,
    endedIds: endedIdsOf(session),
    flights: session.flights,
    signIn: session.signIn,
  }
  return withoutRetry([adopted, [note('session-adopted', { expiresAt: stored.tokens.expiresAt }), { do: 'wake' }]])
}

/** A slow store does not sign the user out: its session is restored, unless the user has signed in or out since (I7). */
export function onLoadedLate(
  session: SessionState,
  { stored: read, now }: EventOf<'loadedLate'>,
  rules: SessionRules,
): Step {
  const { generation, signIn } = session
  if (generation !== 0 || signIn !== undefined) {
    return [{ ...session, loading: 'done' }, [note('late-session-dropped')]]
  }
  if (read.kind === 'later-format') return leaveSession({ ...session, loading: 'done' }, LATER_BUILD)
  const stored = read.kind === 'session' ? read.session : undefined
  const started = { ...startSession(stored), flights: session.flights }
  const restored = note(stored ? 'session-restored' : 'started', { expiresAt: stored?.tokens.expiresAt })
  return endIfTooOld(started, now, rules) ?? [started, [restored, { do: 'wake' }]]
}
