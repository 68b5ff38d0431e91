import type { Store, StoredSession } from '../core/adapter.ts'

/**
 * Keeps the session in the worker's memory only. The session ends with the worker: when the last tab closes, when a deploy
 * changes the worker's URL, and on a reload if the browser does not support `extendedLifetime`.
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
