import { waitFor } from '../connect/wait.ts'
import type { Timers } from '../protocol/awake-timers.ts'
import type { CancelSignal } from '../protocol/cancel-signal.ts'
import { LingpaiError } from '../protocol/errors.ts'

type LoginApi = Pick<WechatMiniprogram.Wx, 'login'>

/** WeChat allows four a second for a user, and counts them by day: one a second is more than any sign-in needs. */
const SHORTEST_GAP = 1000
const LOGIN_TIMEOUT = 20_000
/** A login that is not answered at all must not keep every later one. */
const MAX_LOGIN = 25_000

/**
 * Gets a code from `wx.login`, one at a time: each code may replace the session key, and too many are refused. Whoever is
 * aborted while they wait asks for none.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/performance/api-frequency.html
 */
export function createLogin(wx: LoginApi, timers: Timers, now: () => number) {
  let last = Number.NEGATIVE_INFINITY
  let running: Promise<string> | undefined

  function pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => timers.setTimeout(resolve, milliseconds))
  }

  async function login(signal: CancelSignal): Promise<string> {
    if (signal.aborted) throw aborted()
    const sinceLast = now() - last
    // A clock that was set back must not make it wait for long.
    if (sinceLast >= 0 && sinceLast < SHORTEST_GAP) await pause(SHORTEST_GAP - sinceLast)
    if (signal.aborted) throw aborted()
    last = now()
    const code = new Promise<string>((resolve, reject) => {
      wx.login({
        timeout: LOGIN_TIMEOUT,
        success: ({ code }) => (code ? resolve(code) : reject(failure('it gave no code'))),
        fail: ({ errMsg }) => reject(failure(errMsg)),
      })
    })
    return waitFor(code, { deadline: MAX_LOGIN, timers })
  }

  return (signal: CancelSignal): Promise<string> => {
    // A code is good once, so it is never shared: whoever comes later waits for a code of their own.
    const start = () => login(signal)
    const turn = (running ?? Promise.resolve('')).then(start, start)
    running = turn
    return turn
  }
}

function aborted(): LingpaiError {
  return new LingpaiError('aborted', 'The sign-in was given up before wx.login was called.')
}

/** A failure without a word must still reject: thrown here, its error would go to WeChat. */
function failure(why: string | undefined): LingpaiError {
  return new LingpaiError('network_error', `wx.login has failed (${String(why).slice(0, 200)}). Try again in a moment.`)
}
