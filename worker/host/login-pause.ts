import type { Grant, GrantIO } from '../core/adapter.ts'
import { isPausing, MAX_RETRY_AFTER } from '../core/retry.ts'
import { refused } from '../core/verdict.ts'

/** This many codes in a row may fail before the first pause. */
const MAX_WITHOUT_PAUSE = 3
/** In milliseconds. Each pause is twice as long, up to {@link MAX_RETRY_AFTER}. */
const FIRST_PAUSE = 60_000

/**
 * Pauses refreshes by `wx.login` that keep failing. WeChat limits the calls of an app per day, for all its users together, to
 * twice its page views, and rejects all calls beyond. The user's own sign-in never waits; its success ends the pause.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/performance/api-frequency.html
 */
export function pauseLogins(grant: Grant, now: () => number): Grant {
  let failures = 0
  let pauseEnd = 0

  function endPause(): void {
    failures = 0
    pauseEnd = 0
  }

  async function login({ login }: GrantIO): Promise<string> {
    const time = now()
    if (isPausing(pauseEnd, time, MAX_RETRY_AFTER))
      throw refused({ reason: 'login_paused', retryAfter: pauseEnd - time })
    // Counts as a failure until it has led to a session: some calls are never answered.
    failures += 1
    const pauses = failures - MAX_WITHOUT_PAUSE
    if (pauses >= 0) pauseEnd = time + Math.min(FIRST_PAUSE * 2 ** Math.min(pauses, 10), MAX_RETRY_AFTER)
    return (login as () => Promise<string>)()
  }

  const { refresh, signIn } = grant
  return {
    ...grant,
    ...(refresh && {
      async refresh(tokens, io) {
        const received = await refresh(tokens, { ...io, ...(io.login && { login: () => login(io) }) })
        endPause()
        return received
      },
    }),
    ...(signIn && {
      async signIn(input, io) {
        const received = await signIn(input, io)
        endPause()
        return received
      },
    }),
  }
}
