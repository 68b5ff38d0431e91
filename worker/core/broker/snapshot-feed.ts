import type { BrokerSnapshot } from '../../../src/protocol/snapshot.ts'
import { type SessionState, toSnapshot } from '../session/state.ts'

export type SnapshotListener = (snapshot: BrokerSnapshot) => void

/** The snapshot that pages see. Listeners are called only if its content has changed. */
export function createSnapshotFeed(session: SessionState, onListenerError: () => void) {
  let snapshot = toSnapshot(session)
  const listeners = new Set<SnapshotListener>()
  return {
    current: () => snapshot,

    /** Shows the state that was loaded, before any page has a snapshot. */
    begin(loaded: SessionState): void {
      snapshot = toSnapshot(loaded)
    },

    publish(changed: SessionState): void {
      const next = toSnapshot(changed)
      if (isSameSnapshot(snapshot, next)) return
      snapshot = next
      for (const listener of listeners) {
        try {
          listener(next)
        } catch {
          // One page that cannot be reached must not stop the others, or the session itself.
          onListenerError()
        }
      }
    },

    subscribe(listener: SnapshotListener): () => void {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

function isSameSnapshot(one: BrokerSnapshot, other: BrokerSnapshot): boolean {
  return (
    one.status === other.status &&
    one.tokenServer === other.tokenServer &&
    one.reason === other.reason &&
    one.user?.subject === other.user?.subject &&
    isSameProfile(one.user?.profile, other.user?.profile)
  )
}

/** A refresh may bring the same profile as a new object. */
function isSameProfile(one: unknown, other: unknown): boolean {
  if (one === other) return true
  try {
    return JSON.stringify(one) === JSON.stringify(other)
  } catch {
    return false
  }
}
