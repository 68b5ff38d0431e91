import type { CancelSignal } from './cancel-signal.ts'

/**
 * `AbortController`, as far as lingpai needs it, for mini programs, which have none. The mini program build puts it in the
 * platform's place.
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
      // An earlier one may have removed it, and one that throws must keep no other from being told.
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
