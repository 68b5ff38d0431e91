import { abandonSignIn } from './ending.ts'
import { type EventOf, note, type Step } from './events.ts'
import { saveTokens } from './saving.ts'
import { endedIdsOf, type SessionState, startSession } from './state.ts'

export function onSignInStarted(session: SessionState, { signIn }: EventOf<'signInStarted'>): Step {
  const started = { ...session, signIn }
  if (session.signIn === undefined) return [started, [note('sign-in-started')]]
  // Calls that wait for the earlier sign-in are for its user. They must not get a token of the new one (I6).
  return [started, [...abandonSignIn(session), note('sign-in-started'), { do: 'wake' }]]
}

export function onSignInFailed(session: SessionState, { signIn, reason }: EventOf<'signInFailed'>): Step {
  if (session.signIn !== signIn) return [session, []]
  return [{ ...session, signIn: undefined }, [note('sign-in-failed', { reason }), { do: 'wake' }]]
}

export function onSignInSucceeded(
  session: SessionState,
  { signIn, tokens, sessionId }: EventOf<'signInSucceeded'>,
): Step {
  if (session.signIn !== signIn) {
    const dropped = note('late-sign-in-dropped')
    return [session, session.held === undefined ? [dropped, { do: 'revoke', tokens }] : [dropped]]
  }
  const flight = session.flights + 1
  const started: SessionState = {
    ...startSession(undefined),
    generation: session.generation + 1,
    version: session.version + 1,
    sessionId,
    endedIds: endedIdsOf(session),
    held: tokens,
    signedInAt: tokens.receivedAt,
    begunBy: signIn,
    flights: flight,
    refresh: { kind: 'saving', flight, signIn: true },
  }
  return [
    started,
    [{ do: 'cancelRetry' }, note('signed-in', { expiresAt: tokens.expiresAt }), saveTokens(started, flight, tokens)],
  ]
}
