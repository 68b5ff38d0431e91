import type { Platform } from '../core/adapter.ts'

/** The clock, timers and randomness of the global scope. Looked up at each call, so that tests can fake them. */
export const platform: Platform = {
  now: () => Date.now(),
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer as number),
  random: () => Math.random(),
  createAbort: () => {
    const controller = new AbortController()
    return { signal: controller.signal, abort: (reason) => controller.abort(reason) }
  },
}
