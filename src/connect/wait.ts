import { LingpaiError } from '../protocol/errors.ts'

export interface WaitOptions {
  /** Milliseconds after which the wait ends with `timeout`. Default none. */
  readonly deadline?: number | undefined
  /** Its abort ends the wait with the signal's reason, unchanged. */
  readonly signal?: AbortSignal | undefined
  /** Told when the wait has ended without the answer. */
  readonly onGiveUp?: () => void
  /** Functions that end the waits of this group, for whoever has to end them all. */
  readonly group?: Set<(error: unknown) => void>
}

/** Waits for an answer, and settles once: by the answer, the deadline, the signal, or the end of its group (I3). */
export function waitFor<T>(answer: Promise<T>, { deadline, signal, onGiveUp, group }: WaitOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const finish = () => {
      clearTimeout(timer)
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
      timer = setTimeout(() => {
        giveUp(new LingpaiError('timeout', `There was no answer within ${deadline} ms.`))
      }, deadline)
    }
  })
}
