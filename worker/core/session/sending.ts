import type { StoredState } from '../adapter.ts'
import { note, type Step } from './events.ts'
import type { Flight, SessionState } from './state.ts'

/** Sends the refresh request. With a shared store, the new tokens replace this state of the record. */
export function sendRefresh(
  session: SessionState,
  { flight, outcomeLost, cause: reason }: Flight,
  replaces?: StoredState | null,
): Step {
  const { held } = session
  if (held === undefined) return [session, []]
  return [
    { ...session, refresh: { kind: 'sending', flight, outcomeLost, replaces } },
    [note('refresh-started', { reason, expiresAt: held.expiresAt }), { do: 'refresh', flight, tokens: held }],
  ]
}
