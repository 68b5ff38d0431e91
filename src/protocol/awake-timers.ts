/** How long to wait, and how to stop waiting. */
export interface Timers {
  setTimeout(callback: () => void, milliseconds: number): unknown
  clearTimeout(timer: unknown): void
}

/** A freeze costs a wait at most this much, in milliseconds. */
const SLICE = 1000
/** On a phone that is late every time, a wait ends all the same. */
const MAX_LATE_SLICES = 5

/**
 * Timers that count only the time in which the app runs. A mini program is frozen in the background, and all its timers
 * fire at once when it returns, before the answers that have come meanwhile: a deadline would call them lost.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/runtime/operating-mechanism.html
 */
export function createAwakeTimers(timers: Timers, now: () => number): Timers {
  interface Wait {
    timer?: unknown
  }

  function startSlice(wait: Wait, callback: () => void, left: number, lateSlices = 0): void {
    const length = Math.min(left, SLICE)
    const due = now() + length
    wait.timer = timers.setTimeout(() => {
      const isLate = now() > due + SLICE
      if (isLate && lateSlices < MAX_LATE_SLICES) startSlice(wait, callback, left, lateSlices + 1)
      else if (left > length) startSlice(wait, callback, left - length)
      else callback()
    }, length)
  }

  return {
    setTimeout(callback, milliseconds) {
      const wait: Wait = {}
      startSlice(wait, callback, Math.max(milliseconds, 0))
      return wait
    },
    clearTimeout: (wait) => timers.clearTimeout((wait as Wait | undefined)?.timer),
  }
}
