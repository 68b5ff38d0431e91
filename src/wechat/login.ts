import { waitFor } from '../connect/wait.ts'
import type { Timers } from '../protocol/awake-timers.ts'
import { LingpaiError } from '../protocol/errors.ts'

type LoginApi = Pick<WechatMiniprogram.Wx, 'login'>

/** WeChat allows four a second for a user, and counts them by day: one a second is more than any sign-in needs. */
const SHORTEST_GAP = 1000
const LOGIN_TIMEOUT = 20_000
/** A login that is not answered at all must not keep every later one. */
const LONGEST_LOGIN = 25_000

/**
 * Gets a code from `wx.login`, one at a time: each code may replace the session key, and too many are refused.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/performance/api-frequency.html
 */
export function createLogin(wx: LoginApi, timers: Timers, now: () => number): () => Promise<string> {
  let last = Number.NEGATIVE_INFINITY
  let running: Promise<string> | undefined

  function pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => timers.setTimeout(resolve, milliseconds))
  }

  async function login(): Promise<string> {
    const sinceLast = now() - last
    // A clock that was set back must not make it wait for long.
    if (sinceLast >= 0 && sinceLast < SHORTEST_GAP) await pause(SHORTEST_GAP - sinceLast)
    last = now()
    const code = new Promise<string>((resolve, reject) => {
      wx.login({
        timeout: LOGIN_TIMEOUT,
        success: ({ code }) => (code ? resolve(code) : reject(failure('it gave no code'))),
        fail: ({ errMsg }) => reject(failure(errMsg)),
      })
    })
    return waitFor(code, { deadline: LONGEST_LOGIN, timers })
  }

  return () => {
    // A code is good once, so it is never shared: whoever comes later waits for a code of their own.
    const turn = (running ?? Promise.resolve('')).then(login, login)
    running = turn
    return turn
  }
}

/** A failure without a word must still reject: thrown here, its error would go to WeChat. */
function failure(why: string | undefined): LingpaiError {
  return new LingpaiError('network_error', `wx.login has failed (${String(why).slice(0, 200)}). Try again in a moment.`)
}
