import type { Store, StoredSession } from '../core/adapter.ts'

/**
 * Keeps the session in the worker's memory only: nothing is written anywhere. The session ends with the worker: when the
 * last tab closes, on a reload where the browser has no `extendedLifetime`, when a deploy changes the worker's URL.
 */
export function memoryStore(): Store {
  let kept: StoredSession | undefined
  return {
    isVolatile: true,
    load: () => kept,
    save: (session) => {
      kept = session
    },
    clear: () => {
      kept = undefined
    },
  }
}
