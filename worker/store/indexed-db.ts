import { get, promisifyRequest } from 'idb-keyval'
import type { Store, StoredSession, StoredState } from '../core/adapter.ts'
import { isInState } from '../core/shared-record.ts'
import { FORMAT, isOfLaterFormat, readStoredSession } from '../core/token-set.ts'
import { openVault, type SealedEntry } from './vault.ts'

const SESSION = 'session'

/** A record with the state that a conditional write compares. AES-GCM binds the state, which is not secret, to the data. */
interface Entry extends SealedEntry {
  readonly format: number
  readonly state: Required<StoredState>
  /** The key that the tokens are bound to: it cannot be exported, and so not be encrypted. */
  readonly key?: object
}

/**
 * Keeps the session in IndexedDB, encrypted with a key that no script can read. It survives a restart of the browser and a
 * deploy of a new worker. All workers of the origin that use the same name keep one session. Weaker than
 * {@link memoryStore} against a script that is injected into the app (RFC 10017 §8.5).
 *
 * `name` is the name of the database, default `lingpai`. Each session of an origin needs its own.
 */
export function indexedDBStore({ name = 'lingpai' }: { readonly name?: string } = {}): Store {
  // Opened at the first use, so that an unused store creates no database.
  let opened: ReturnType<typeof openVault> | undefined
  const vault = () => (opened ??= openVault(name))

  /** Compares and writes in one transaction: if two workers save at once, one of them gets false. */
  function change(
    isWanted: (kept: unknown) => boolean,
    write: (entries: IDBObjectStore) => IDBRequest,
  ): Promise<boolean> {
    return vault().entries('readwrite', (entries) => {
      let isDone = false
      const reading = entries.get(SESSION)
      reading.onsuccess = () => {
        isDone = isWanted(reading.result)
        try {
          if (isDone) write(entries)
        } catch {
          // A SharedWorker of WebKit cannot store a CryptoKey. Then the session stays in memory.
          entries.transaction.abort()
        }
      }
      return promisifyRequest(entries.transaction).then(() => isDone)
    })
  }

  async function seal(session: StoredSession): Promise<Entry> {
    const { sessionId, version, marker } = session
    const { key, ...tokens } = session.tokens
    const state = { sessionId, version, marker: marker?.id ?? null }
    const sealed = await vault().seal(nameOf(FORMAT, state), { ...session, tokens })
    return { ...sealed, format: FORMAT, state, ...(key && { key }) }
  }

  return {
    sharedName: name,

    async load() {
      const { entries, open } = vault()
      const entry = await get<Partial<Entry>>(SESSION, entries)
      if (entry === undefined) return undefined
      if (isOfLaterFormat(entry)) return entry as unknown as StoredSession
      if (!entry?.state) return undefined
      const session = readStoredSession(await open(nameOf(entry.format, entry.state), entry))
      return session && entry.key ? { ...session, tokens: { ...session.tokens, key: entry.key } } : session
    },

    async save(session, replaces) {
      const entry = await seal(session)
      return change(
        (kept) => !isOfLaterFormat(kept) && isInState(stateOf(kept), replaces),
        (entries) => entries.put(entry, SESSION),
      )
    },

    clear: (only) =>
      change(
        (kept) =>
          only === undefined || kept === undefined || (!isOfLaterFormat(kept) && isInState(stateOf(kept), only)),
        (entries) => entries.delete(SESSION),
      ),
  }
}

function nameOf(format: unknown, { sessionId, version, marker }: Required<StoredState>): string {
  return JSON.stringify([SESSION, format, sessionId, version, marker])
}

/** The state of a damaged entry is one that no conditional write can expect. */
function stateOf(kept: unknown): Required<StoredState> | undefined {
  if (kept === undefined) return undefined
  const { state } = (kept ?? {}) as Partial<Entry>
  return state ?? { sessionId: '', version: -1, marker: null }
}
