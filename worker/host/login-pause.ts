import type { Grant, GrantIO } from '../core/adapter.ts'
import { refused } from '../core/verdict.ts'

/** So many codes in a row that lead to no session are asked for without a pause. */
const FREE = 3
const FIRST_PAUSE = 60_000
const LONGEST_PAUSE = 600_000

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
    const left = until - now()
    // One longer than any of ours is the work of a clock that was set back.
    if (left > 0 && left <= LONGEST_PAUSE) throw refused({ reason: 'login_paused', retryAfter: left })
    // A failure until it has led to a session: nobody tells of one that is never answered.
    failures += 1
    if (failures >= FREE) until = now() + Math.min(FIRST_PAUSE * 2 ** Math.min(failures - FREE, 10), LONGEST_PAUSE)
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
