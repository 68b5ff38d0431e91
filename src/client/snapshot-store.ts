import type { BrokerSnapshot, Caller, Mode, Snapshot } from '../protocol/snapshot.ts'

export interface SnapshotStore {
  readonly getSnapshot: () => Snapshot
  subscribe(listener: () => void): () => void
  publish(next: BrokerSnapshot, caller: Caller | undefined): void
  /** The session of the last snapshot that a broker sent. It stays while the page connects again. */
  currentCaller(): Caller | undefined
  /** Publishes that the page has no connection, and why. */
  publishConnecting(reason: string): void
  /** Removes all listeners. */
  clear(): void
}

/** Keeps the snapshot that the page shows. `mode` is that of the host which the page uses or tries. */
export function createSnapshotStore(mode: () => Mode): SnapshotStore {
  const listeners = new Set<() => void>()
  let latestCaller: Caller | undefined
  let snapshot!: Snapshot

  function show(next: Omit<Snapshot, 'mode' | 'reason'> & { readonly reason?: string | undefined }): void {
    // Every message brings a new object, so compare the content. The parsed copy belongs to this page and can be frozen.
    const content = JSON.stringify({ ...next, mode: mode() })
    if (content === JSON.stringify(snapshot)) return
    snapshot = JSON.parse(content, (_name, value) => Object.freeze(value))
    for (const listener of [...listeners]) {
      try {
        listener()
      } catch (error) {
        // A bug of the app must neither look like a failed worker nor stop the other listeners.
        console.error(error)
      }
    }
  }

  const publishConnecting = (reason?: string) => show({ status: 'connecting', tokenServer: 'ok', reason })

  publishConnecting()
  return {
    getSnapshot: () => snapshot,
    currentCaller: () => latestCaller,
    subscribe(listener) {
      // If the same function subscribes twice, each subscription ends on its own.
      const subscription = () => listener()
      listeners.add(subscription)
      return () => void listeners.delete(subscription)
    },
    publish(next, caller) {
      latestCaller = caller
      show(next)
    },
    publishConnecting,
    clear: () => listeners.clear(),
  }
}
