import { type Effect, type EventOf, note, type SessionRules, type Step } from './events.ts'
import { endedIdsOf, LATER_BUILD, type SessionState, startSession } from './state.ts'

/** Ends the session in this worker and in the store. */
export function endSession(
  session: SessionState,
  reason: string | undefined,
  rules: SessionRules,
  before: readonly Effect[] = [],
): Step {
  return [
    toEnded(session, reason),
    [...before, { do: 'cancelRetry' }, ...clearStore(session, rules), note('signed-out', { reason }), { do: 'wake' }],
  ]
}

/** Ends a session that has ended elsewhere: the store holds nothing of it that this worker would have to delete. */
export function leaveSession(session: SessionState, reason: string): Step {
  if (session.held === undefined) return [{ ...session, reason }, []]
  return [toEnded(session, reason), [{ do: 'cancelRetry' }, note('signed-out', { reason }), { do: 'wake' }]]
}

/** Ends the session once it is older than the app allows. */
export function endIfTooOld(session: SessionState, now: number, rules: SessionRules): Step | undefined {
  const { held, signedInAt } = session
  const { maxSessionAge } = rules
  const isTooOld = held !== undefined && maxSessionAge !== undefined && now - signedInAt >= maxSessionAge
  return isTooOld ? endSession(session, 'session_too_old', rules) : undefined
}

export function onSignedOut(session: SessionState, _event: EventOf<'signedOut'>, rules: SessionRules): Step {
  return endSession(session, undefined, rules, abandonSignIn(session))
}

export function abandonSignIn({ signIn }: SessionState): Effect[] {
  return signIn === undefined ? [] : [{ do: 'abandonSignIn', signIn }]
}

function toEnded(session: SessionState, reason: string | undefined): SessionState {
  return {
    ...startSession(undefined),
    generation: session.generation + 1,
    version: session.version,
    endedIds: endedIdsOf(session),
    flights: session.flights,
    reason,
    // A sign-in in progress belongs to the next session. Only a sign-out by the user cancels it.
    signIn: reason === undefined ? undefined : session.signIn,
  }
}

/** Another session in a shared store stays, unless this worker cannot know which session the store holds. */
function clearStore({ sessionId, endedIds, loading, reason }: SessionState, { owner }: SessionRules): Effect[] {
  const ours = sessionId ?? endedIds[endedIds.length - 1]
  const isUnread = reason === LATER_BUILD || (ours === undefined && loading !== 'done')
  if (owner === undefined || isUnread) return [{ do: 'clear' }]
  return ours === undefined ? [] : [{ do: 'clear', only: { sessionId: ours } }]
}
