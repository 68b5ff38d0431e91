import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { createAwakeTimers, type Timers } from '../../../src/protocol/awake-timers.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** An app whose timers stop while it is frozen and all fire when it returns. */
function createApp() {
  interface Timer {
    readonly due: number
    readonly callback: () => void
  }
  const timers = new Map<number, Timer>()
  const delays: number[] = []
  let clock = 1_800_000_000_000
  let elapsed = 0
  let lastId = 0

  const platform: Timers = {
    setTimeout(callback, milliseconds) {
      delays.push(milliseconds)
      lastId += 1
      timers.set(lastId, { due: elapsed + (milliseconds >= 1 ? milliseconds : 1), callback })
      return lastId
    },
    clearTimeout: (timer) => void timers.delete(timer as number),
  }

  function takeDue(end: number): Timer | undefined {
    const [next] = [...timers].filter(([, { due }]) => due <= end).sort(([, one], [, other]) => one.due - other.due)
    if (next) timers.delete(next[0])
    return next?.[1]
  }

  function run(milliseconds: number): void {
    const end = elapsed + milliseconds
    for (let timer = takeDue(end); timer; timer = takeDue(end)) {
      elapsed = Math.max(elapsed, timer.due)
      timer.callback()
    }
    elapsed = end
  }

  return {
    timers: createAwakeTimers(platform, () => clock + elapsed),
    delays,
    run,
    pending: () => timers.size,
    setClock(milliseconds: number): void {
      clock += milliseconds
    },
    freeze(milliseconds: number): void {
      elapsed += milliseconds
      // On return, due timers fire before anything else.
      run(0)
    },
  }
}

test.each([0, 1, 250, 999, 1000, 1001, 5000, 29_999, 5 * MINUTE])(
  'a wait of %i ms ends after that time, and not before',
  (milliseconds) => {
    const { timers, run, pending } = createApp()
    const callback = vi.fn()
    timers.setTimeout(callback, milliseconds)
    run(Math.max(milliseconds, 1) - 1)
    expect(callback).not.toHaveBeenCalled()
    run(1)
    expect(callback).toHaveBeenCalledOnce()
    expect(pending()).toBe(0)
  },
)

test.each([-1, Number.NEGATIVE_INFINITY, Number.NaN])('a wait of %d ms ends at once', (milliseconds) => {
  const { timers, run } = createApp()
  const callback = vi.fn()
  timers.setTimeout(callback, milliseconds)
  run(5)
  expect(callback).toHaveBeenCalledOnce()
})

test('a wait of zero does not call back before setTimeout has returned', () => {
  const { timers } = createApp()
  const callback = vi.fn()
  timers.setTimeout(callback, 0)
  expect(callback).not.toHaveBeenCalled()
})

test('a freeze of an hour does not end a wait, and delays it by at most a second', () => {
  const { timers, run, freeze } = createApp()
  const callback = vi.fn()
  timers.setTimeout(callback, 30 * SECOND)
  run(10 * SECOND + 400)
  freeze(HOUR)
  expect(callback).not.toHaveBeenCalled()
  run(19 * SECOND)
  expect(callback).not.toHaveBeenCalled()
  run(2 * SECOND)
  expect(callback).toHaveBeenCalledOnce()
})

test('each of several freezes delays a wait by at most a second', () => {
  const { timers, run, freeze } = createApp()
  const callback = vi.fn()
  timers.setTimeout(callback, 30 * SECOND)
  for (let count = 0; count < 10; count += 1) {
    run(2500)
    freeze(HOUR)
  }
  run(5 * SECOND - 1)
  expect(callback).not.toHaveBeenCalled()
  run(10 * SECOND + 1)
  expect(callback).toHaveBeenCalledOnce()
})

test('a wait shorter than a second survives a freeze too', () => {
  const { timers, run, freeze } = createApp()
  const callback = vi.fn()
  timers.setTimeout(callback, 300)
  freeze(HOUR)
  expect(callback).not.toHaveBeenCalled()
  run(300)
  expect(callback).toHaveBeenCalledOnce()
})

test('a timer that is a little late, as on a busy phone, still counts', () => {
  const { timers, freeze, pending } = createApp()
  const callback = vi.fn()
  timers.setTimeout(callback, 3 * SECOND)
  for (let slice = 0; slice < 3; slice += 1) freeze(1900)
  expect(callback).toHaveBeenCalledOnce()
  expect(pending()).toBe(0)
})

test('a wait also ends on a phone whose timers are always late (I3)', () => {
  const { timers, freeze, pending } = createApp()
  const callback = vi.fn()
  timers.setTimeout(callback, SECOND)
  for (let slice = 0; slice < 10; slice += 1) freeze(10 * SECOND)
  expect(callback).toHaveBeenCalledOnce()
  expect(pending()).toBe(0)
})

test('a wait takes the same time if the clock is set back', () => {
  const { timers, run, setClock } = createApp()
  const callback = vi.fn()
  timers.setTimeout(callback, 10 * SECOND)
  run(3500)
  setClock(-HOUR)
  run(6499)
  expect(callback).not.toHaveBeenCalled()
  run(1)
  expect(callback).toHaveBeenCalledOnce()
})

test('a clock that is set forward delays a wait no more than a freeze', () => {
  const { timers, run, setClock } = createApp()
  const callback = vi.fn()
  timers.setTimeout(callback, 10 * SECOND)
  run(3500)
  setClock(24 * HOUR)
  run(6499)
  expect(callback).not.toHaveBeenCalled()
  run(SECOND + 1)
  expect(callback).toHaveBeenCalledOnce()
})

test('a cleared wait never calls back, in any slice, and leaves no timer', () => {
  for (const after of [0, 500, 1500, 60_500]) {
    const { timers, run, freeze, pending } = createApp()
    const callback = vi.fn()
    const wait = timers.setTimeout(callback, 2 * MINUTE)
    run(after)
    freeze(HOUR)
    timers.clearTimeout(wait)
    expect(pending()).toBe(0)
    run(HOUR)
    expect(callback).not.toHaveBeenCalled()
  }
})

test('clearing one wait leaves the others alone', () => {
  const { timers, run } = createApp()
  const [cleared, kept] = [vi.fn(), vi.fn()]
  const wait = timers.setTimeout(cleared, 5 * SECOND)
  timers.setTimeout(kept, 5 * SECOND)
  run(1500)
  timers.clearTimeout(wait)
  run(4 * SECOND)
  expect([cleared.mock.calls.length, kept.mock.calls.length]).toEqual([0, 1])
})

test('clearing undefined, or a wait that has ended, does nothing', () => {
  const { timers, run, pending } = createApp()
  timers.clearTimeout(undefined)
  const wait = timers.setTimeout(() => {}, 10)
  const later = vi.fn()
  run(10)
  timers.setTimeout(later, 10)
  timers.clearTimeout(wait)
  expect(pending()).toBe(1)
  run(10)
  expect(later).toHaveBeenCalledOnce()
})

test('no platform timer is longer than a second, so that a freeze is noticed', () => {
  const { timers, run, delays } = createApp()
  timers.setTimeout(() => {}, 10 * MINUTE)
  run(11 * MINUTE)
  expect(Math.max(...delays)).toBeLessThanOrEqual(SECOND)
})

test('a wait counts the time in which the app is awake, and at most a second more for each freeze', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('run' as const), milliseconds: fc.nat(7000) }),
    fc.record({ do: fc.constant('freeze' as const), milliseconds: fc.integer({ min: 3000, max: 10_000_000 }) }),
  )
  fc.assert(
    fc.property(fc.nat(40_000), fc.array(step, { maxLength: 30 }), (milliseconds, steps) => {
      const app = createApp()
      let isOver = false
      let awake = 0
      let freezes = 0
      app.timers.setTimeout(() => {
        isOver = true
      }, milliseconds)
      for (const { do: what, milliseconds: length } of steps) {
        if (what === 'run') awake += length
        else freezes += 1
        app[what](length)
        // After six late timers for one slice, the phone counts as always late.
        const forgiven = Math.floor(freezes / 6) * SECOND
        if (isOver) expect(awake).toBeGreaterThanOrEqual(milliseconds - freezes - forgiven)
        else expect(awake).toBeLessThan(Math.max(milliseconds, 1) + freezes * SECOND)
      }
    }),
  )
})
