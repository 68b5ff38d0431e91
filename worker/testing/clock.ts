import { LingpaiError } from '../../src/protocol/errors.ts'
import { type Duration, toMilliseconds } from './duration.ts'
import type { VirtualPlatform } from './virtual-platform.ts'

/** The clock of a test: time passes only when the test says so. */
export interface TestClock {
  /** The time of the device's clock, in milliseconds since 1970. */
  now(): number
  /** Milliseconds since the test began. `jump` does not change it. */
  elapsed(): number
  /**
   * Advances the time. Timers that are due run in order, and all work that follows from a timer ends before the next one.
   * Await it. Rejects with `invalid_call` if the duration is not valid, or if another `advance` has not ended.
   */
  advance(duration: Duration): Promise<void>
  /**
   * Advances the time, timer by timer, until a promise settles, and settles in the same way: for a call whose refresh is
   * retried after a pause. Rejects with `invalid_call` if the promise needs more than a day, or if no timer is left.
   */
  advanceUntil<T>(promise: Promise<T>): Promise<T>
  /** Sets the device's clock forward or, with a negative duration, back. No time passes, and the servers' clocks stay. */
  jump(duration: Duration): void
}

const MAX_WAIT = 86_400_000

export function createTestClock(platform: VirtualPlatform): TestClock {
  let isAdvancing = false

  async function runAlone<T>(work: () => Promise<T>): Promise<T> {
    if (isAdvancing) throw misuse('the clock is advancing already. Await the earlier clock.advance() first')
    isAdvancing = true
    try {
      return await work()
    } finally {
      isAdvancing = false
    }
  }

  return {
    now: platform.now,
    elapsed: platform.elapsed,

    async advance(duration) {
      const milliseconds = toMilliseconds(duration, 'clock.advance()')
      if (milliseconds < 0) throw misuse('time does not run backwards. To set the clock back, use clock.jump()')
      await runAlone(() => platform.advance(milliseconds))
    },

    async advanceUntil(promise) {
      let isSettled = false
      const settled = () => {
        isSettled = true
      }
      promise.then(settled, settled)
      const end = platform.elapsed() + MAX_WAIT
      await runAlone(async () => {
        await platform.settle()
        while (!isSettled) {
          if (platform.elapsed() > end) throw misuse('the promise has not settled within a day')
          if (await platform.advanceToNextTimer()) continue
          if (!isSettled) throw misuse('the promise has not settled, and no timer is left')
        }
      })
      return promise
    },

    jump: (duration) => platform.jumpClock(toMilliseconds(duration, 'clock.jump()')),
  }
}

function misuse(why: string): LingpaiError {
  return new LingpaiError('invalid_call', `lingpai/testing: ${why}.`)
}
