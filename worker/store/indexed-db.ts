import { get, promisifyRequest } from 'idb-keyval'
import type { Store, StoredSession, StoredState } from '../core/adapter.ts'
import { isInState } from '../core/shared-record.ts'
import { FORMAT, isOfLaterFormat, readStoredSession } from '../core/token-set.ts'
import { openVault, type SealedEntry } from './vault.ts'

const SESSION = 'session'

/** A record, with what a conditional write compares. That is no secret, and bound to the secret part (GCM). */
interface Entry extends SealedEntry {
  readonly format: number
  readonly state: Required<StoredState>
}

/**
 * Keeps the session in IndexedDB, encrypted with a key that no script can read, so that it survives the browser's end and
 * a deploy of a new worker. All workers of the origin that use the same name keep one session. Weaker than
 * {@link memoryStore} against a script that is injected into the app (RFC 10017 §8.5).
 *
 * `name` is the database's, default `lingpai`: give each session of one origin its own.
 */
export function indexedDBStore({ name = 'lingpai' }: { readonly name?: string } = {}): Store {
  // Opened late: a store that is made but never used creates no database.
  let opened: ReturnType<typeof openVault> | undefined
  const vault = () => (opened ??= openVault(name))

  /** Decides and writes in one transaction, so that of two workers one is told that it was late. */
  function change(
    isWanted: (kept: unknown) => boolean,
    write: (entries: IDBObjectStore) => IDBRequest,
  ): Promise<boolean> {
    return vault().entries('readwrite', (entries) => {
      let isDone = false
      const reading = entries.get(SESSION)
      reading.onsuccess = () => {
        isDone = isWanted(reading.result)
        if (isDone) write(entries)
      }
      return promisifyRequest(entries.transaction).then(() => isDone)
    })
  }

  async function seal(session: StoredSession): Promise<Entry> {
    const { sessionId, version, marker } = session
    const state = { sessionId, version, marker: marker?.id ?? null }
    return { ...(await vault().seal(nameOf(FORMAT, state), session)), format: FORMAT, state }
  }

  return {
    sharedName: name,

    async load() {
      const { entries, open } = vault()
      const entry = await get<Partial<Entry>>(SESSION, entries)
      if (entry === undefined) return undefined
      if (isOfLaterFormat(entry)) return entry as unknown as StoredSession
      return entry?.state ? readStoredSession(await open(nameOf(entry.format, entry.state), entry)) : undefined
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

/** What a damaged entry holds is nothing that a conditional write could expect. */
function stateOf(kept: unknown): Required<StoredState> | undefined {
  if (kept === undefined) return undefined
  const { state } = (kept ?? {}) as Partial<Entry>
  return state ?? { sessionId: '', version: -1, marker: null }
}
