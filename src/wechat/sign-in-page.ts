import type { Timers } from '../protocol/awake-timers.ts'
import { invalidConfigOf } from '../protocol/errors.ts'
import type { SignInPageOptions } from './mini-program-session.ts'

interface NavigationApi extends Pick<WechatMiniprogram.Wx, 'showToast' | 'reLaunch'> {}

export interface SignInPageHost {
  readonly wx: NavigationApi
  readonly timers: Timers
  /** The route of the page on top, without a slash in front. */
  currentRoute(): string | undefined
}

/** Opens the app's sign-in page. */
export interface SignInNavigation {
  /** Call when the user must sign in: a call was rejected for it, or the session ended. */
  navigate(): void
  /** Call when a sign-in has begun or succeeded: the user stays on the current page. Returns whether one was under way. */
  cancel(): boolean
}

const DEFAULT_MESSAGE = '登录失败，请重新登录'
const DEFAULT_DELAY = 1200

/**
 * Shows one toast and calls `wx.reLaunch` once, however many calls need a sign-in. If the user is already on the page, it does
 * nothing. It stores nothing: an app that is killed meanwhile starts again.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/api/route/wx.reLaunch.html
 */
export function createSignInPage(
  { url, message = DEFAULT_MESSAGE, delay = DEFAULT_DELAY }: SignInPageOptions,
  { wx, timers, currentRoute }: SignInPageHost,
): SignInNavigation {
  const invalidConfig = invalidConfigOf('connect()')
  if (typeof url !== 'string' || !/^\/[^/]/.test(url)) {
    throw invalidConfig('wechat.signInPage.url must be a path such as "/pages/login/login"')
  }
  if (typeof message !== 'string') throw invalidConfig('wechat.signInPage.message must be a string')
  if (!(typeof delay === 'number' && delay >= 0)) {
    throw invalidConfig('wechat.signInPage.delay must be a number of milliseconds')
  }
  const route = url.slice(1).split('?')[0]
  let isNavigating = false
  let timer: unknown

  function end(): void {
    isNavigating = false
  }

  function open(): void {
    if (currentRoute() === route) end()
    else {
      wx.reLaunch({
        url,
        fail: ({ errMsg }) =>
          console.error(`lingpai: the sign-in page could not be opened (${errMsg}). Check signInPage.url.`),
        complete: end,
      })
    }
  }

  return {
    navigate() {
      if (isNavigating || currentRoute() === route) return
      isNavigating = true
      if (message !== '') wx.showToast({ title: message, icon: 'none', duration: Math.max(delay, 1500) })
      timer = timers.setTimeout(open, delay)
    },
    cancel() {
      const wasNavigating = isNavigating
      timers.clearTimeout(timer)
      end()
      return wasNavigating
    },
  }
}
