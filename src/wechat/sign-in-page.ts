import type { Timers } from '../protocol/awake-timers.ts'
import { LingpaiError } from '../protocol/errors.ts'
import type { SignInPageOptions } from './mini-program-session.ts'

interface NavigationApi extends Pick<WechatMiniprogram.Wx, 'showToast' | 'reLaunch'> {}

export interface SignInPageHost {
  readonly wx: NavigationApi
  readonly timers: Timers
  /** The route of the page on top, without a slash in front. */
  currentRoute(): string | undefined
}

/** Leads the user to the page where they sign in. */
export interface SignInGuide {
  /** A call, or the session's end, has shown that the user must sign in. */
  lead(): void
  /** The user has signed in, or is about to: they stay where they are. Returns whether they were on the way. */
  stop(): boolean
}

const DEFAULT_MESSAGE = '登录失败，请重新登录'
const DEFAULT_DELAY = 1200

/**
 * One toast and one `wx.reLaunch`, however many calls need a sign-in. Nothing is written down, so that an app that is killed
 * on the way begins anew; and whoever is on the page already is left alone.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/api/route/wx.reLaunch.html
 */
export function createSignInPage(
  { url, message = DEFAULT_MESSAGE, delay = DEFAULT_DELAY }: SignInPageOptions,
  { wx, timers, currentRoute }: SignInPageHost,
): SignInGuide {
  if (typeof url !== 'string' || !/^\/[^/]/.test(url)) {
    throw new LingpaiError('invalid_config', 'signInPage.url must be a path such as "/pages/login/login".')
  }
  if (typeof message !== 'string') throw new LingpaiError('invalid_config', 'signInPage.message must be a text.')
  if (!(typeof delay === 'number' && delay >= 0)) {
    throw new LingpaiError('invalid_config', 'signInPage.delay must be a number of milliseconds.')
  }
  const route = url.slice(1).split('?')[0]
  let isLeading = false
  let timer: unknown

  function end(): void {
    isLeading = false
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
    lead() {
      if (isLeading || currentRoute() === route) return
      isLeading = true
      if (message !== '') wx.showToast({ title: message, icon: 'none', duration: Math.max(delay, 1500) })
      timer = timers.setTimeout(open, delay)
    },
    stop() {
      const wasLeading = isLeading
      timers.clearTimeout(timer)
      end()
      return wasLeading
    },
  }
}
