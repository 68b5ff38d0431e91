import type { TokenSet } from '../adapter.ts'
import { abandonSignIn } from './ending.ts'
import { note, type Step } from './events.ts'
import { saveTokens } from './saving.ts'
import { endedIdsOf, pick, type SessionState, startSession } from './state.ts'

export function onSignInStarted(session: SessionState, signIn: number): Step {
  const started = { ...session, signIn }
  if (session.signIn === undefined) return [started, [note('sign-in-started')]]
  // Calls that wait for the earlier sign-in are for its user. They must not get a token of the new one (I6).
  return [started, [...abandonSignIn(session), note('sign-in-started'), { do: 'wake' }]]
}

export function onSignInFailed(session: SessionState, signIn: number, reason: string): Step {
  if (session.signIn !== signIn) return [session, []]
  return [{ ...session, signIn: undefined }, [note('sign-in-failed', { reason }), { do: 'wake' }]]
}

export function onSignInSucceeded(session: SessionState, signIn: number, tokens: TokenSet, sessionId: string): Step {
  if (session.signIn !== signIn) {
    const isUnwanted = session.held === undefined
    return [session, [note('late-sign-in-dropped'), ...(isUnwanted ? [{ do: 'revoke', tokens } as const] : [])]]
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
    [{ do: 'cancelRetry' }, note('signed-in', pick(tokens, 'expiresAt')), saveTokens(started, flight, tokens)],
  ]
}
