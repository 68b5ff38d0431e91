import { get, update } from 'idb-keyval'
import { type Entries, openEntries } from './entries.ts'

/** A later build that needs a key of another kind must use another name: this build replaces a value that it cannot use. */
const KEY = 'key'
const KEY_LENGTH = 32

/** An encrypted entry in IndexedDB. No script can read the bytes of its key (Web Cryptography §13, `extractable`). */
export interface SealedEntry {
  readonly iv: Uint8Array<ArrayBuffer>
  readonly data: ArrayBuffer
  /** When the entry may be deleted, in milliseconds since 1970. Not encrypted, so that it can be deleted unopened. */
  readonly expires?: number
}

export interface Vault {
  readonly entries: Entries
  seal(name: string, value: unknown, expires?: number): Promise<SealedEntry>
  /** Resolves with undefined if the entry is corrupt or was written with another key. */
  open(name: string, sealed: unknown): Promise<unknown>
}

/**
 * A database of entries that are encrypted with AES-GCM, each bound to its name. It protects tokens from disk images and
 * from code that only reads storage. A script on the app's origin can still ask the browser to decrypt them.
 */
export function openVault(database: string): Vault {
  const entries = openEntries(database)

  /**
   * Read each time, since any script of the origin can delete or replace the key. If two workers make a key at once, both
   * use the first one that is stored.
   */
  async function getKey(): Promise<CryptoKey> {
    const kept = await get<unknown>(KEY, entries)
    if (isKey(kept)) return importKey(kept)
    const fresh = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
    return keep(fresh).catch((error) => {
      // A SharedWorker of WebKit cannot store a CryptoKey, so its bytes are stored unencrypted.
      if ((error as { name?: unknown } | null)?.name !== 'DataCloneError') throw error
      return keep(crypto.getRandomValues(new Uint8Array(KEY_LENGTH)))
    })
  }

  async function keep(fresh: Key): Promise<CryptoKey> {
    let winner = fresh
    await update<unknown>(
      KEY,
      (existing) => {
        winner = isKey(existing) ? existing : fresh
        return winner
      },
      entries,
    )
    return importKey(winner)
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
      const key = await getKey()
      try {
        const { iv, data } = sealed as SealedEntry
        const plain = await crypto.subtle.decrypt(
          { name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(name) },
          key,
          data,
        )
        return JSON.parse(new TextDecoder().decode(plain))
      } catch {
        return undefined
      }
    },
  }
}

type Key = CryptoKey | Uint8Array<ArrayBuffer>

function isKey(kept: unknown): kept is Key {
  if (!(kept instanceof CryptoKey)) return kept instanceof Uint8Array && kept.length === KEY_LENGTH
  const { algorithm, extractable, usages } = kept
  return algorithm.name === 'AES-GCM' && !extractable && usages.includes('encrypt') && usages.includes('decrypt')
}

async function importKey(key: Key): Promise<CryptoKey> {
  if (key instanceof CryptoKey) return key
  return crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt'])
}
