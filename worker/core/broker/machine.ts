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
export function startTimer(platform: Platform, milliseconds: number, callback: () => void): unknown {
  return platform.setTimeout(callback, Math.min(Math.max(milliseconds, 0), MAX_TIMER))
}

export function pause(platform: Platform, milliseconds: number): Promise<void> {
  return new Promise((resolve) => startTimer(platform, milliseconds, resolve))
}

export interface WaitLimits {
  /** In milliseconds. Without it, the wait has no deadline. */
  readonly timeout?: number | undefined
  /** Makes the error for the timeout. Default: the store did not answer. */
  onTimeout?(): unknown
  readonly signal?: CancelSignal
  /** Makes the error for an abort. Default: `aborted`. */
  onAbort?(): unknown
}

/** Calls `fail` at the timeout or when the signal aborts, until the returned function is called. */
export function limitWait(
  platform: Platform,
  { timeout, onTimeout = storeTimedOut, signal, onAbort = aborted }: WaitLimits,
  fail: (error: unknown) => void,
): () => void {
  const abort = () => {
    stop()
    fail(onAbort())
  }
  const timer = timeout === undefined ? undefined : startTimer(platform, timeout, () => fail(onTimeout()))
  const stop = () => {
    platform.clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
  if (signal?.aborted) abort()
  else signal?.addEventListener('abort', abort)
  return stop
}

/**
 * Starts some work and waits for it: by default, work of the store. Rejects at the timeout, and when the signal aborts. A
 * result that arrives after the abort is passed to `onLate`.
 */
export function waitFor<T>(
  platform: Platform,
  work: () => T | Promise<T>,
  limits: WaitLimits,
  onLate: (result: T) => void = () => {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = limitWait(platform, limits, reject)
    Promise.resolve(work())
      .then((result) => (limits.signal?.aborted ? onLate(result) : resolve(result)))
      .catch(reject)
      .finally(stop)
  })
}

function aborted(): LingpaiError {
  return new LingpaiError('aborted', 'The call was aborted.')
}

function storeTimedOut(): LingpaiError {
  return new LingpaiError('store_failed', 'The store did not answer in time.')
}
