import type { LingpaiErrorCode } from '../../../src/protocol/errors.ts'
import type { TokenSet } from '../adapter.ts'
import { isPausing, shortestPause } from '../retry.ts'
import { isExpired, isSameUser, refreshTime } from '../token-set.ts'
import { endIfTooOld } from './ending.ts'
import { type Effect, type EventOf, type SessionRules, type Step, withoutRetry } from './events.ts'
import { startRefresh } from './refresh.ts'
import { apiRefreshesOf, isSettling, LATER_BUILD, type SessionState } from './state.ts'

/** Answers a call that asks for a token: with a permit, a refusal, or nothing if the call has to wait. */
export function onTokenWanted(
  session: SessionState,
  { request, now }: EventOf<'tokenWanted'>,
  rules: SessionRules,
): Step {
  const { call, api, deniedVersion } = request
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
  if (!isDenied && (isNewer || now < refreshTime(held, rules.margin))) {
    return [session, [permit(session, call, held)]]
  }
  if (refresh.kind === 'failed' && isPausing(refresh.until, now)) {
    return isUsable
      ? [session, [permit(session, call, held)]]
      : refuse(session, call, 'refresh_unavailable', refresh.reason)
  }
  const outcomeLost = refresh.kind === 'failed' && refresh.outcomeLost
  if (!isDenied) return startRefresh(session, 'expired', outcomeLost, rules)
  // An API that refuses every token must not cause one refresh after another (I10).
  const before = apiRefreshesOf(session, api)
  const isStorm = before !== undefined && isPausing(before.at + shortestPause(before.count), now)
  if (!request.mayRefresh || isStorm) return keepAnswer(session, call)
  const apiRefreshes = { ...session.apiRefreshes, [api]: { count: (before?.count ?? 0) + 1, at: now } }
  return startRefresh({ ...session, apiRefreshes }, 'denied', outcomeLost, rules)
}

export function onTokenAccepted(session: SessionState, { version, api }: EventOf<'tokenAccepted'>): Step {
  if (version !== session.version || apiRefreshesOf(session, api) === undefined) return [session, []]
  const { [api]: _accepted, ...apiRefreshes } = session.apiRefreshes
  return [{ ...session, apiRefreshes }, []]
}

function permit(
  { generation, version, sessionId }: SessionState,
  call: string,
  { accessToken, tokenType, subject }: TokenSet,
): Effect {
  // Only what a request needs: the refresh token stays in the broker (I4).
  return { do: 'permit', call, permit: { generation, version, sessionId, tokens: { accessToken, tokenType, subject } } }
}

function keepAnswer(session: SessionState, call: string): Step {
  return [session, [{ do: 'keepAnswer', call }]]
}

function refuse(session: SessionState, call: string, code: LingpaiErrorCode, reason: string | undefined): Step {
  return [session, [{ do: 'refuse', call, code, reason }]]
}
