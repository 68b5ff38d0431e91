/** What idb-keyval's functions take; spelled out, since published types may name no package. */
export type Entries = <T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => T | PromiseLike<T>) => Promise<T>

const ENTRIES = 'entries'

/**
 * The entries of a database. Opened at the first use, and anew when it was closed: by the browser, which may do so at any
 * time, or because somebody wants to delete it, whom an open connection would hold up.
 */
export function openEntries(database: string): Entries {
  let opened: Promise<IDBDatabase> | undefined

  function open(): Promise<IDBDatabase> {
    const forget = () => {
      if (opened === opening) opened = undefined
    }
    const opening = new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(database)
      request.onupgradeneeded = () => request.result.createObjectStore(ENTRIES)
      request.onerror = () => reject(request.error)
      request.onsuccess = () => {
        const { result } = request
        result.onclose = forget
        result.onversionchange = () => {
          result.close()
          forget()
        }
        resolve(result)
      }
    })
    opening.catch(forget)
    return opening
  }

  async function begin(mode: IDBTransactionMode): Promise<IDBObjectStore> {
    opened ??= open()
    return (await opened).transaction(ENTRIES, mode).objectStore(ENTRIES)
  }

  return async (mode, work) => {
    const used = opened
    const store = await begin(mode).catch((error) => {
      // It may have been closed without a word: then one that is opened anew works.
      if (used === undefined || error?.name !== 'InvalidStateError') throw error
      if (opened === used) opened = undefined
      return begin(mode)
    })
    return work(store)
  }
}
