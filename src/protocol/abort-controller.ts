import type { CancelSignal } from './cancel-signal.ts'

/**
 * The part of `AbortController` that lingpai uses, for mini programs, which lack it. The mini program build replaces the
 * platform's class with this one.
 *
 * @see https://dom.spec.whatwg.org/#interface-abortcontroller
 */
export class AbortController {
  readonly signal: CancelSignal
  readonly #state: { aborted: boolean; reason: unknown } = { aborted: false, reason: undefined }
  readonly #listeners = new Set<() => void>()

  constructor() {
    const state = this.#state
    const listeners = this.#listeners
    this.signal = {
      get aborted() {
        return state.aborted
      },
      get reason() {
        return state.reason
      },
      addEventListener: (_type, listener) => {
        if (!state.aborted) listeners.add(listener)
      },
      removeEventListener: (_type, listener) => {
        listeners.delete(listener)
      },
    }
  }

  abort(reason: unknown = createAbortError()): void {
    if (this.#state.aborted) return
    this.#state.aborted = true
    this.#state.reason = reason
    const failures: unknown[] = []
    for (const listener of Array.from(this.#listeners)) {
      // An earlier listener may have removed this one. A listener that throws must not keep the others from being called.
      if (!this.#listeners.delete(listener)) continue
      try {
        listener()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}

function createAbortError(): Error {
  const error = new Error('The operation was aborted.')
  error.name = 'AbortError'
  return error
}
