import type { LingpaiErrorCode } from '../../../src/protocol/errors.ts'
import type { TokenSet } from '../adapter.ts'
import { isPausing } from '../retry.ts'
import { isExpired, isSameUser, refreshTime } from '../token-set.ts'
import { endIfTooOld } from './ending.ts'
import { type Effect, type EventOf, type SessionRules, type Step, withoutRetry } from './events.ts'
import { countApiRefresh, keepDuringPause } from './fruitless.ts'
import { startRefresh } from './refresh.ts'
import { isSettling, LATER_BUILD, type SessionState } from './state.ts'

/** Answers a call that asks for a token: with a permit, a refusal, or nothing if the call has to wait. */
export function onTokenWanted(
  session: SessionState,
  { request, now }: EventOf<'tokenWanted'>,
  rules: SessionRules,
): Step {
  const { call, deniedVersion } = request
  const { held, refresh } = session
  if (held === undefined && session.reason === LATER_BUILD) {
    return refuse(session, call, 'protocol_mismatch', session.reason)
  }
  // Also if a session is held by now: another worker may have signed in another user.
  if (request.signIn !== undefined && request.signIn === session.signIn) return [session, []]
  if (held === undefined) return refuse(session, call, 'sign_in_required', session.reason)
  const tooOld = endIfTooOld(session, now, rules)
  if (tooOld !== undefined) {
    const [ended, effects] = tooOld
    return [ended, [...effects, ...refuse(ended, call, 'sign_in_required', 'session_too_old')[1]]]
  }
  const isOfThisSignIn = request.signIn !== undefined && request.signIn === session.begunBy
  if (request.generation !== session.generation && !isOfThisSignIn && !isSameUser(held, request)) {
    // The page made this call as the user of an earlier session. It must not get another user's token (I6).
    return deniedVersion === undefined
      ? refuse(session, call, 'sign_in_required', 'user_changed')
      : keepAnswer(session, call)
  }
  if (isSettling(session)) return [session, []]

  // Versions are counted per session, so they are compared only within a generation.
  const isDenied = deniedVersion === session.version && request.generation === session.generation
  const isNewer = request.waitingSince !== undefined && request.waitingSince < session.version && !session.isAdopted
  const isUsable = !isDenied && !isExpired(held, now)
  if (refresh.kind !== 'idle' && refresh.kind !== 'failed') {
    // While the token is still good, an outage must not stop calls, and neither must the attempts made during it.
    const permitted = isUsable && session.tokenServer === 'unreachable' ? [permit(session, call, held)] : []
    if (refresh.kind !== 'waiting' || now < refresh.until) return [session, permitted]
    const [started, effects] = withoutRetry(startRefresh(session, 'retry', refresh.outcomeLost, rules))
    return [started, [...effects, ...permitted]]
  }
  const isDue = now >= refreshTime(held, rules.margin)
  if (!isDenied && (isNewer || !isDue)) {
    return [session, [permit(session, call, held)]]
  }
  if (refresh.kind === 'failed' && isPausing(refresh.until, now)) {
    return isUsable
      ? [session, [permit(session, call, held)]]
      : refuse(session, call, 'refresh_unavailable', refresh.reason)
  }
  const outcomeLost = refresh.kind === 'failed' && refresh.outcomeLost
  if (!isDenied) return startRefresh(session, 'expired', outcomeLost, rules)
  if (!request.mayRefresh) return keepAnswer(session, call)
  // The pause of an API stops neither a refresh that the token's own expiry asks for, nor a new attempt after a failed one.
  const kept = isDue || refresh.kind === 'failed' ? undefined : keepDuringPause(session, held, request, now)
  return kept ?? startRefresh(countApiRefresh(session, request), 'denied', outcomeLost, rules)
}

function permit(
  { generation, version, sessionId }: SessionState,
  call: string,
  { accessToken, tokenType, subject, key }: TokenSet,
): Effect {
  // Only what a request needs: the refresh token stays in the broker (I4).
  return {
    do: 'permit',
    call,
    permit: { generation, version, sessionId, tokens: { accessToken, tokenType, subject, key } },
  }
}

function keepAnswer(session: SessionState, call: string): Step {
  return [session, [{ do: 'keepAnswer', call }]]
}

function refuse(session: SessionState, call: string, code: LingpaiErrorCode, reason: string | undefined): Step {
  return [session, [{ do: 'refuse', call, code, reason }]]
}
