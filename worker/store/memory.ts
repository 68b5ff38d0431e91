import type { Store, StoredSession, Transaction, TransactionStore } from '../core/adapter.ts'

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

/** How long a sign-in may take at the provider, in milliseconds. */
export const TRANSACTION_LIFE = 600_000

/** Transactions for hosts without IndexedDB. */
export function memoryTransactions(): TransactionStore {
  const kept = new Map<string, { transaction: Transaction | 'used'; expires: number }>()
  return {
    async put(transaction, now) {
      for (const [state, { expires }] of kept) if (expires <= now) kept.delete(state)
      kept.set(transaction.state, { transaction, expires: now + TRANSACTION_LIFE })
    },
    async take(state, now) {
      const entry = kept.get(state)
      if (entry === undefined || entry.expires <= now) return undefined
      kept.set(state, { ...entry, transaction: 'used' })
      return entry.transaction
    },
    async clear() {
      for (const [state, { transaction }] of kept) if (transaction !== 'used') kept.delete(state)
    },
  }
}
