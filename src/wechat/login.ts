import { waitFor } from '../connect/wait.ts'
import type { Timers } from '../protocol/awake-timers.ts'
import type { CancelSignal } from '../protocol/cancel-signal.ts'
import { LingpaiError } from '../protocol/errors.ts'

type LoginApi = Pick<WechatMiniprogram.Wx, 'login'>

/** WeChat allows a user four logins a second and limits them by day. A sign-in needs at most one a second. */
const MIN_INTERVAL = 1000
const LOGIN_TIMEOUT = 20_000
/** If WeChat never answers a login, later ones must not wait for it. */
const MAX_LOGIN = 25_000

/**
 * Gets a code from `wx.login`, one at a time: each code may replace the session key, and WeChat rejects too many logins. A
 * call that is aborted while it waits does not call `wx.login`.
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
    // If the clock was set back, sinceLast is negative: do not wait.
    if (sinceLast >= 0 && sinceLast < MIN_INTERVAL) await pause(MIN_INTERVAL - sinceLast)
    if (signal.aborted) throw aborted()
    last = now()
    const code = new Promise<string>((resolve, reject) => {
      wx.login({
        timeout: LOGIN_TIMEOUT,
        success: ({ code }) => (code ? resolve(code) : reject(failure('no code'))),
        fail: ({ errMsg }) => reject(failure(errMsg)),
      })
    })
    return waitFor(code, { deadline: MAX_LOGIN, timers })
  }

  return (signal: CancelSignal): Promise<string> => {
    // A code is valid once, so each caller gets its own.
    const start = () => login(signal)
    running = (running ?? Promise.resolve('')).then(start, start)
    return running
  }
}

function aborted(): LingpaiError {
  return new LingpaiError('aborted', 'The sign-in was aborted before wx.login was called.')
}

/** Accepts a missing errMsg: an exception here would go to WeChat, and the promise would never reject. */
function failure(why: string | undefined): LingpaiError {
  return new LingpaiError('network_error', `wx.login failed (${String(why).slice(0, 200)}). Try again in a moment.`)
}
