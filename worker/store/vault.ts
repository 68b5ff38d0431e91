import { get, update } from 'idb-keyval'
import { type Entries, openEntries } from './entries.ts'

const KEY = 'key'

/** What rests in IndexedDB: the key's bytes cannot be read by any script (Web Cryptography §13, `extractable`). */
export interface SealedEntry {
  readonly iv: Uint8Array<ArrayBuffer>
  readonly data: ArrayBuffer
  /** When the entry may be thrown away, in milliseconds since 1970. Not secret, so that it can be swept unopened. */
  readonly expires?: number
}

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
  let key: Promise<CryptoKey> | undefined
  // Where the database is deleted, its key goes too.
  const entries = openEntries(database, () => {
    key = undefined
  })

  /** Two workers may come here at once: the first key that is stored is everybody's. */
  async function createKey(): Promise<CryptoKey> {
    const kept = await get<unknown>(KEY, entries)
    if (kept instanceof CryptoKey) return kept
    if (kept instanceof Uint8Array) return importKey(kept)
    const fresh = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
    return keep(fresh).catch((error) => {
      // A SharedWorker of WebKit can store no CryptoKey; there, the bytes must rest in the clear.
      if ((error as { name?: unknown } | null)?.name !== 'DataCloneError') throw error
      return keep(crypto.getRandomValues(new Uint8Array(32)))
    })
  }

  async function keep(fresh: CryptoKey | Uint8Array): Promise<CryptoKey> {
    let winner: unknown = fresh
    await update<unknown>(
      KEY,
      (existing) => {
        winner = existing instanceof CryptoKey || existing instanceof Uint8Array ? existing : fresh
        return winner
      },
      entries,
    )
    return winner instanceof CryptoKey ? winner : importKey(winner as Uint8Array<ArrayBuffer>)
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
      const opening = await getKey()
      try {
        const { iv, data } = sealed as SealedEntry
        const plain = await crypto.subtle.decrypt(
          { name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(name) },
          opening,
          data,
        )
        return JSON.parse(new TextDecoder().decode(plain))
      } catch {
        return undefined
      }
    },
  }
}

function importKey(bytes: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', bytes as Uint8Array<ArrayBuffer>, 'AES-GCM', false, ['encrypt', 'decrypt'])
}
