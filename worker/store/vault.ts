import { createStore, get, update } from 'idb-keyval'

const KEY = 'key'

/** What rests in IndexedDB: the key's bytes cannot be read by any script (Web Cryptography §13, `extractable`). */
export interface SealedEntry {
  readonly iv: Uint8Array<ArrayBuffer>
  readonly data: ArrayBuffer
  /** When the entry may be thrown away, in milliseconds since 1970. Not secret, so that it can be swept unopened. */
  readonly expires?: number
}

/** What idb-keyval's functions take; spelled out, since published types may name no package. */
type Entries = <T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => T | PromiseLike<T>) => Promise<T>

export interface Vault {
  readonly entries: Entries
  seal(name: string, value: unknown, expires?: number): Promise<SealedEntry>
  /** Undefined where the entry cannot be opened: corrupt, or written with another key. */
  open(name: string, sealed: unknown): Promise<unknown>
}

/**
 * A database of entries that are encrypted with AES-GCM, each bound to its name. This keeps tokens out of disk images and
 * of code that only reads storage; a script that runs on the app's origin can still ask the browser to decrypt them.
 */
export function openVault(database: string): Vault {
  const entries = createStore(database, 'entries')
  let key: Promise<CryptoKey> | undefined

  /** Two workers may come here at once: the first key that is stored is everybody's. */
  async function createKey(): Promise<CryptoKey> {
    const kept = await get<CryptoKey>(KEY, entries)
    if (kept !== undefined) return kept
    const fresh = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
    let winner = fresh
    await update<CryptoKey>(
      KEY,
      (existing) => {
        winner = existing ?? fresh
        return winner
      },
      entries,
    )
    return winner
  }

  function getKey(): Promise<CryptoKey> {
    key ??= createKey().catch((error) => {
      key = undefined
      throw error
    })
    return key
  }

  return {
    entries,

    async seal(name, value, expires) {
      const iv = crypto.getRandomValues(new Uint8Array(12))
      const plain = new TextEncoder().encode(JSON.stringify(value))
      const data = await crypto.subtle.encrypt(
        { name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(name) },
        await getKey(),
        plain,
      )
      return { iv, data, ...(expires !== undefined && { expires }) }
    },

    async open(name, sealed) {
      try {
        const { iv, data } = sealed as SealedEntry
        const plain = await crypto.subtle.decrypt(
          { name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(name) },
          await getKey(),
          data,
        )
        return JSON.parse(new TextDecoder().decode(plain))
      } catch {
        return undefined
      }
    },
  }
}
