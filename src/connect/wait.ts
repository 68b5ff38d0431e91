import type { CancelSignal } from '../protocol/cancel-signal.ts'
import { LingpaiError } from '../protocol/errors.ts'
import { platformTimers, type Timers } from './timers.ts'

export interface WaitOptions {
  /** Milliseconds after which the wait ends with `timeout`. Default none. */
  readonly deadline?: number | undefined
  /** Its abort ends the wait with the signal's reason, unchanged. */
  readonly signal?: CancelSignal | undefined
  /** Called when the wait ends without the answer. */
  readonly onGiveUp?: () => void
  /** The group's functions: each one ends a wait with an error. They allow the caller to end all waits at once. */
  readonly group?: Set<(error: unknown) => void>
  /** Default the platform's. */
  readonly timers?: Timers
}

/** Waits for an answer, and settles once: by the answer, the deadline, the signal, or the end of its group (I3). */
export function waitFor<T>(
  answer: Promise<T>,
  { deadline, signal, onGiveUp, group, timers = platformTimers }: WaitOptions,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: unknown
    const finish = () => {
      timers.clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      group?.delete(fail)
    }
    const fail = (error: unknown) => {
      finish()
      reject(error)
    }
    const giveUp = (error: unknown) => {
      onGiveUp?.()
      fail(error)
    }
    const onAbort = () => giveUp(signal?.reason)
    answer.then((value) => {
      finish()
      resolve(value)
    }, fail)
    if (signal?.aborted) {
      onAbort()
      return
    }
    group?.add(fail)
    signal?.addEventListener('abort', onAbort)
    if (deadline !== undefined) {
      timer = timers.setTimeout(() => {
        giveUp(new LingpaiError('timeout', `No answer within ${deadline} ms.`))
      }, deadline)
    }
  })
}

/**
 * A cheap AbortController with one listener at a time. That is enough for a call: each of its waits begins when the one before
 * has ended.
 */
export function createCancellation(): { readonly signal: CancelSignal; cancel(): void } {
  let abort = () => {}
  const signal = {
    aborted: false,
    addEventListener(_type: string, listener: () => void) {
      abort = listener
    },
    removeEventListener() {
      abort = () => {}
    },
  }
  return {
    signal,
    cancel() {
      signal.aborted = true
      abort()
    },
  }
}
