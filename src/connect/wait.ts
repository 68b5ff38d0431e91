import type { CancelSignal } from '../protocol/cancel-signal.ts'
import { LingpaiError } from '../protocol/errors.ts'
import { platformTimers, type Timers } from './timers.ts'

export interface WaitOptions {
  /** Milliseconds after which the wait ends with `timeout`. Default none. */
  readonly deadline?: number | undefined
  /** Its abort ends the wait with the signal's reason, unchanged. */
  readonly signal?: CancelSignal | undefined
  /** Told when the wait has ended without the answer. */
  readonly onGiveUp?: () => void
  /** Functions that end the waits of this group, for whoever has to end them all. */
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
        giveUp(new LingpaiError('timeout', `There was no answer within ${deadline} ms.`))
      }, deadline)
    }
  })
}

/**
 * The part of an AbortController that every call needs, without what the platform's own costs: one listener at a time, since
 * each wait of a call begins when the one before has ended.
 */
export function createCancellation(): { readonly signal: CancelSignal; cancel(): void } {
  let tell = () => {}
  const signal = {
    aborted: false,
    addEventListener(_type: string, listener: () => void) {
      tell = listener
    },
    removeEventListener() {
      tell = () => {}
    },
  }
  return {
    signal,
    cancel() {
      signal.aborted = true
      tell()
    },
  }
}
