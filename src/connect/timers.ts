import type { Timers } from '../protocol/awake-timers.ts'

export type { Timers }

/** The platform's timers, looked up at each call, so that tests can fake them. */
export const platformTimers: Timers = {
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer as number),
}

export function pause(milliseconds: number, timers: Timers): Promise<undefined> {
  return new Promise((resolve) => timers.setTimeout(() => resolve(undefined), milliseconds))
}
