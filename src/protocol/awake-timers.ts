/** The timer functions of a host. */
export interface Timers {
  setTimeout(callback: () => void, milliseconds: number): unknown
  clearTimeout(timer: unknown): void
}

/** A freeze shortens a wait by at most this many milliseconds. */
const SLICE = 1000
/** Lets a wait end on a phone whose timers are always late. */
const MAX_LATE_SLICES = 5

/**
 * Timers that count only the time during which the app runs. WeChat freezes a mini program in the background. When it
 * returns, all its timers fire at once, before the answers that have arrived meanwhile: a deadline would report them as lost.
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
