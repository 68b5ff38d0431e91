import { LingpaiError } from '../../../src/protocol/errors.ts'
import type { CancelSignal, HistoryNote, Platform } from '../adapter.ts'
import { MAX_TIMER } from '../retry.ts'
import type { SessionEvent } from '../session/events.ts'
import type { SessionState } from '../session/state.ts'

/** What the parts of the broker share: the session's state, and the one way to change it. */
export interface Machine {
  readonly platform: Platform
  state(): SessionState
  /** Has the rules decide, stores the new state, and performs the effects. */
  dispatch(event: SessionEvent): void
  /** Adds an entry to the history that `explain()` returns. */
  record(note: HistoryNote): void
}

/** A timer that is clamped: a longer delay than a browser can keep would end at once. */
export function startTimer(
  { platform }: Pick<Machine, 'platform'>,
  milliseconds: number,
  callback: () => void,
): unknown {
  return platform.setTimeout(callback, Math.min(Math.max(milliseconds, 0), MAX_TIMER))
}

export function pause(machine: Pick<Machine, 'platform'>, milliseconds: number): Promise<void> {
  return new Promise((resolve) => startTimer(machine, milliseconds, resolve))
}

export interface WaitOptions {
  /** In milliseconds. */
  readonly timeout: number
  onTimeout?(): LingpaiError
  readonly signal?: CancelSignal
}

/** Waits for some work, by default of the store. Rejects at the timeout, and with `aborted` if the signal aborts. */
export function waitFor<T>(
  machine: Pick<Machine, 'platform'>,
  work: () => Promise<T>,
  { timeout, onTimeout = storeTimedOut, signal }: WaitOptions,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(aborted())
    const timer = startTimer(machine, timeout, () => reject(onTimeout()))
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort)
    work()
      .then(resolve, reject)
      .finally(() => {
        machine.platform.clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      })
  })
}

export function aborted(): LingpaiError {
  return new LingpaiError('aborted', 'The call was aborted.')
}

function storeTimedOut(): LingpaiError {
  return new LingpaiError('store_failed', 'The store did not answer in time.')
}
