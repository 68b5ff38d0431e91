import type { BrokerSnapshot, Caller } from '../../../src/protocol/snapshot.ts'
import { type SessionState, toCaller, toSnapshot } from '../session/state.ts'

/** What pages get: the snapshot, and the session that it shows. */
export interface SessionView {
  readonly snapshot: BrokerSnapshot
  readonly caller: Caller | undefined
}

export type SnapshotListener = (snapshot: BrokerSnapshot) => void

/** What pages see of the session. Listeners are called only if its content has changed. */
export function createSnapshotFeed(session: SessionState, onListenerError: () => void) {
  let view = toView(session)
  const listeners = new Set<SnapshotListener>()
  return {
    current: () => view,

    /** Shows the state that was loaded, before any page has a snapshot. */
    begin(loaded: SessionState): void {
      view = toView(loaded)
    },

    publish(changed: SessionState): void {
      const next = toView(changed)
      if (view.caller?.session === next.caller?.session && isSameSnapshot(view.snapshot, next.snapshot)) return
      view = next
      for (const listener of listeners) {
        try {
          listener(next.snapshot)
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

function toView(session: SessionState): SessionView {
  return { snapshot: toSnapshot(session), caller: toCaller(session) }
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
