/** idb-keyval's `UseStore`, written out because published types must not import a package. */
export type Entries = <T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => T | PromiseLike<T>) => Promise<T>

const ENTRIES = 'entries'

/**
 * The entries of a database. It is opened at the first use, and again after it was closed. The browser may close it at any
 * time. This code closes it when another script wants to delete it, since an open connection would block that.
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
      // The browser may have closed it without a `close` event: open it again.
      if (used === undefined || error?.name !== 'InvalidStateError') throw error
      if (opened === used) opened = undefined
      return begin(mode)
    })
    return work(store)
  }
}
