import type { TokenSet } from '../adapter.ts'
import { fruitlessPause, isPausing, LONGEST_FRUITLESS_PAUSE } from '../retry.ts'
import { type EventOf, note, type Step, type TokenRequest } from './events.ts'
import { apiRefreshesOf, type SessionState } from './state.ts'

/*
 * Refreshes that change nothing: an API refuses the new token, too. If one path of an API answers 401 whatever the token,
 * each call of it would otherwise cost one refresh (I10).
 *
 * The pause begins with the token, also if another API, its expiry or another worker has brought it: it is new to this API,
 * too. So several workers that share a store share the pauses in part.
 *
 * Only the replay of the call that the refresh began for shows whether it was of use. A call that another path accepts
 * shows nothing. Neither does a late 401 of a call that was sent before the refresh, if the server ends the old token with it.
 */

/** Keeps the API's 401 if its pause lasts; undefined if the 401 may begin a refresh. */
export function keepDuringPause(
  session: SessionState,
  { receivedAt }: TokenSet,
  { api, call }: TokenRequest,
  now: number,
): Step | undefined {
  const before = apiRefreshesOf(session, api)
  if (before === undefined) return undefined
  const others = Object.keys(session.apiRefreshes).length - 1
  const end = receivedAt + fruitlessPause(before.count, others)
  if (!isPausing(end, now, LONGEST_FRUITLESS_PAUSE)) return undefined
  return [session, [note('call-not-replayed', { call, delay: end - now }), { do: 'keepAnswer', call }]]
}

/** Counts a refresh that begins because of a 401. A refresh that follows a failed one is not one more. */
export function countApiRefresh(session: SessionState, { api, call }: TokenRequest): SessionState {
  const before = apiRefreshesOf(session, api)?.count ?? 0
  const count = before + (session.refresh.kind === 'idle' ? 1 : 0)
  return { ...session, apiRefreshes: { ...session.apiRefreshes, [api]: { count, call } } }
}

/** The refresh was of use if the API accepts the replay of the call that it began for. */
export function onReplayAccepted(session: SessionState, { call, api }: EventOf<'replayAccepted'>): Step {
  if (apiRefreshesOf(session, api)?.call !== call) return [session, []]
  const { [api]: _useful, ...apiRefreshes } = session.apiRefreshes
  return [{ ...session, apiRefreshes }, []]
}
