import { delMany, get, entries as readEntries, set, update } from 'idb-keyval'
import type { Transaction, TransactionStore } from '../core/adapter.ts'
import { openVault, type SealedEntry } from './vault.ts'

/** How long a sign-in may take at the provider, in milliseconds. */
export const TRANSACTION_LIFE = 600_000
const PREFIX = 'transaction:'

type Entry = SealedEntry | { readonly used: true; readonly expires: number }

/**
 * Keeps sign-in transactions in IndexedDB for ten minutes, encrypted: the worker may end while the user is at the provider.
 * They hold `state`, `nonce` and the PKCE verifier, never a token (I4).
 */
export function indexedDBTransactions(database = 'lingpai-sign-in'): TransactionStore {
  const vault = openVault(database)

  /** Hashed, since keys are not encrypted and the state protects the callback. */
  async function nameOf(state: string): Promise<string> {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(state))
    return PREFIX + Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
  }

  async function remove(isUnwanted: (entry: Entry) => boolean): Promise<void> {
    const all = await readEntries<string, Entry>(vault.entries)
    await delMany(
      all.filter(([name, entry]) => name.startsWith(PREFIX) && isUnwanted(entry)).map(([name]) => name),
      vault.entries,
    )
  }

  return {
    async put(transaction, now) {
      await remove(({ expires = 0 }) => expires <= now)
      const name = await nameOf(transaction.state)
      await set(name, await vault.seal(name, transaction, now + TRANSACTION_LIFE), vault.entries)
    },

    async take(state, now) {
      const name = await nameOf(state)
      // `update` always writes, but an unknown state must not create an entry.
      if ((await get(name, vault.entries)) === undefined) return undefined
      let taken: Entry | undefined
      // Reads and marks in one database transaction: if two tabs have the same callback, one of them gets 'used'.
      await update<Entry>(
        name,
        (entry) => {
          taken = entry
          return { used: true, expires: entry?.expires ?? 0 }
        },
        vault.entries,
      )
      if (taken === undefined || (taken.expires ?? 0) <= now) return undefined
      if ('used' in taken) return 'used'
      return (await vault.open(name, taken)) as Transaction | undefined
    },

    async clear() {
      await remove((entry) => !('used' in entry))
    },
  }
}

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

/** Uses the second store if the first one fails: a sign-in without a reload works without storage too. */
export function withFallback(first: TransactionStore, second: TransactionStore): TransactionStore {
  return {
    put: (transaction, now) => first.put(transaction, now).catch(() => second.put(transaction, now)),
    take: async (state, now) => (await first.take(state, now).catch(() => undefined)) ?? second.take(state, now),
    clear: async () => {
      await Promise.all([first.clear().catch(() => {}), second.clear()])
    },
  }
}
