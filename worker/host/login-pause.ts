import type { Grant, GrantIO } from '../core/adapter.ts'
import { isPausing, MAX_RETRY_AFTER } from '../core/retry.ts'
import { refused } from '../core/verdict.ts'

/** So many codes in a row that lead to no session are asked for without a pause. */
const MAX_WITHOUT_PAUSE = 3
/** In milliseconds; it doubles, up to what a grant may ask for at most. */
const FIRST_PAUSE = 60_000

/**
 * Lets a refresh pause that signs in by `wx.login` and keeps failing: WeChat allows an app twice its page views a day, for
 * all of its users together, and then refuses everybody. A sign-in by the user never waits, and ends the pause.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/performance/api-frequency.html
 */
export function pauseLogins(grant: Grant, now: () => number): Grant {
  let failures = 0
  let until = 0

  function end(): void {
    failures = 0
    until = 0
  }

  async function login({ login }: GrantIO): Promise<string> {
    const time = now()
    if (isPausing(until, time, MAX_RETRY_AFTER)) throw refused({ reason: 'login_paused', retryAfter: until - time })
    // A failure until it has led to a session: nobody tells of one that is never answered.
    failures += 1
    const pauses = failures - MAX_WITHOUT_PAUSE
    if (pauses >= 0) until = time + Math.min(FIRST_PAUSE * 2 ** Math.min(pauses, 10), MAX_RETRY_AFTER)
    return (login as () => Promise<string>)()
  }

  const { refresh, signIn } = grant
  return {
    ...grant,
    async refresh(tokens, io) {
      const received = await refresh(tokens, { ...io, ...(io.login && { login: () => login(io) }) })
      end()
      return received
    },
    ...(signIn && {
      async signIn(input, io) {
        const received = await signIn(input, io)
        end()
        return received
      },
    }),
  }
}
