import { delMany, get, entries as readEntries, set, update } from 'idb-keyval'
import type { Transaction, TransactionStore } from '../core/adapter.ts'
import { openVault, type SealedEntry } from './vault.ts'

/** How long a sign-in may take at the provider, in milliseconds. */
export const TRANSACTION_LIFE = 600_000
/** Of one session, so many sign-ins by redirect and so many by popup are open at most: a further one replaces the oldest. */
export const MAX_TRANSACTIONS = 8
const PREFIX = 'transaction:'

type Entry = SealedEntry | { readonly used: true; readonly expires: number }

/**
 * Keeps sign-in transactions in IndexedDB for ten minutes, encrypted: the worker may end while the user is at the provider.
 * They hold `state`, `nonce` and the PKCE verifier, never a token (I4).
 *
 * All sessions of the origin use one database. `session` is part of an entry's name, to which the encryption binds the entry:
 * no session takes or clears the transaction of another (RFC 9700 §4.4).
 */
export function indexedDBTransactions(database = 'lingpai-sign-in', session = ''): TransactionStore {
  const vault = openVault(database)
  const own = `${PREFIX}${session}:`

  /** Hashed, since keys are not encrypted and the state protects the callback. */
  async function nameOf(state: string): Promise<string> {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(state))
    return own + Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
  }

  /** Looks at the newest transactions first. */
  async function remove(isUnwanted: (entry: Entry, isOwn: boolean) => boolean): Promise<void> {
    const all = await readEntries<string, Entry>(vault.entries)
    const transactions = all.filter(([name]) => name.startsWith(PREFIX))
    transactions.sort(([, one], [, other]) => (other.expires ?? 0) - (one.expires ?? 0))
    await delMany(
      transactions.filter(([name, entry]) => isUnwanted(entry, name.startsWith(own))).map(([name]) => name),
      vault.entries,
    )
  }

  return {
    async put(transaction, now) {
      let kept = 1
      await remove(({ expires = 0 }, isOwn) => expires <= now || (isOwn && ++kept > MAX_TRANSACTIONS))
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
      await remove((entry, isOwn) => isOwn && !('used' in entry))
    },
  }
}

/** Keeps sign-in transactions in this worker only. With `owner`, a page can find out that its sign-in was lost. */
export function memoryTransactions(owner?: TransactionStore['owner']): TransactionStore {
  const kept = new Map<string, { transaction: Transaction | 'used'; expires: number }>()
  return {
    owner,
    async put(transaction, now) {
      for (const [state, { expires }] of kept) if (expires <= now) kept.delete(state)
      kept.set(transaction.state, { transaction, expires: now + TRANSACTION_LIFE })
      for (const state of kept.keys()) if (kept.size > MAX_TRANSACTIONS) kept.delete(state)
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

/**
 * Only a redirect needs storage: the worker may end before the user comes back. The transaction of a popup stays in memory,
 * because scripts of the origin can read the storage (RFC 10017 §8.2). If storage fails, memory is used for redirects too.
 */
export function withMemory(stored: TransactionStore, memory: TransactionStore): TransactionStore {
  return {
    put: (transaction, now) =>
      transaction.via === 'popup'
        ? memory.put(transaction, now)
        : stored.put(transaction, now).catch(() => memory.put(transaction, now)),
    take: async (state, now) => (await memory.take(state, now)) ?? stored.take(state, now).catch(() => undefined),
    clear: async () => {
      await Promise.all([stored.clear().catch(() => {}), memory.clear()])
    },
  }
}
