import { LingpaiError } from '../../src/protocol/errors.ts'
import { type Duration, toMilliseconds } from './duration.ts'
import type { VirtualPlatform } from './virtual-platform.ts'

/** The clock of a test: time passes only when the test says so. */
export interface TestClock {
  /** What the device's clock shows, in milliseconds since 1970. */
  now(): number
  /** How much time has passed since the test began, in milliseconds, whatever the device's clock shows. */
  elapsed(): number
  /**
   * Lets time pass: every timer that is due runs in its order, and all that follows from one has happened before the next.
   * Await it. Rejects with `invalid_call` where the duration is none, or another `advance` has not ended.
   */
  advance(duration: Duration): Promise<void>
  /**
   * Lets as much time pass as a promise needs, timer by timer, and settles as it does: for a call whose refresh is tried
   * again after a pause. Rejects with `invalid_call` where a day would not be enough, or nothing waits for the clock.
   */
  advanceUntil<T>(promise: Promise<T>): Promise<T>
  /** Sets the device's clock forward or, with a negative duration, back. No time passes; the servers' clocks stay right. */
  jump(duration: Duration): void
}

const MAX_WAIT = 86_400_000

export function createTestClock(platform: VirtualPlatform): TestClock {
  let isAdvancing = false

  async function alone<T>(work: () => Promise<T>): Promise<T> {
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
      await alone(() => platform.advance(milliseconds))
    },

    async advanceUntil(promise) {
      let isSettled = false
      const settled = () => {
        isSettled = true
      }
      promise.then(settled, settled)
      const end = platform.elapsed() + MAX_WAIT
      await alone(async () => {
        await platform.settle()
        while (!isSettled) {
          if (platform.elapsed() > end) throw misuse('the promise has not settled within a day')
          if (await platform.advanceToNextTimer()) continue
          if (!isSettled) throw misuse('the promise has not settled, and nothing waits for the clock any more')
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
