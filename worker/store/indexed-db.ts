import { del, get, set } from 'idb-keyval'
import type { Store, StoredSession } from '../core/adapter.ts'
import { openVault } from './vault.ts'

const SESSION = 'session'

/**
 * Keeps the session in IndexedDB, encrypted with a key that no script can read, so that it survives the browser's end and
 * a deploy of a new worker. Weaker than {@link memoryStore} against a script that is injected into the app (RFC 10017 §8.5).
 *
 * `name` is the database's, default `lingpai`: give each session of one origin its own.
 */
export function indexedDBStore({ name = 'lingpai' }: { readonly name?: string } = {}): Store {
  // Opened late: a store that is made but never used creates no database.
  let opened: ReturnType<typeof openVault> | undefined
  const vault = () => (opened ??= openVault(name))
  return {
    async load() {
      const { entries, open } = vault()
      const sealed = await get(SESSION, entries)
      return sealed === undefined ? undefined : ((await open(SESSION, sealed)) as StoredSession | undefined)
    },
    async save(session) {
      const { entries, seal } = vault()
      await set(SESSION, await seal(SESSION, session), entries)
    },
    async clear() {
      await del(SESSION, vault().entries)
    },
  }
}
