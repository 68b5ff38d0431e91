import type { StoredSession, StoredState } from './adapter.ts'
import { isOfLaterFormat, readStoredSession } from './token-set.ts'

/** The result of a read of the store. A record that is not valid counts as none. */
export type StoreRead =
  | { readonly kind: 'session'; readonly session: StoredSession }
  | { readonly kind: 'none' }
  /** The record was written by a later build, in a format that this build cannot read. */
  | { readonly kind: 'later-format' }
  /** The store does not answer. */
  | { readonly kind: 'unreadable' }

/** The part of the session that is compared with a record. */
export interface OwnSession {
  readonly held: unknown
  readonly sessionId: string | undefined
  readonly version: number
  readonly signedInAt: number
  /** Whether the store holds this session, as far as this worker knows. */
  readonly isStored: boolean
  /** Ids of sessions that have ended in this worker. */
  readonly endedIds: readonly string[]
}

/**
 * How the record in the store compares with the session of this worker:
 *
 * - `same`: this session, with the same tokens.
 * - `newer`: this session, with newer tokens.
 * - `other`: another session: a user signed in by another worker.
 * - `ended`: this session was stored, and the record is gone: the user signed out in another worker.
 * - `later-format`: a later build of the app wrote the record.
 * - `alone`: the store holds nothing newer than this worker, which goes on with its own session.
 */
export type Comparison = 'same' | 'newer' | 'other' | 'ended' | 'later-format' | 'alone'

export function compareWithRecord(own: OwnSession, read: StoreRead): Comparison {
  if (read.kind === 'later-format') return 'later-format'
  if (read.kind === 'unreadable') return 'alone'
  const isHeld = own.held !== undefined
  if (read.kind === 'none') return isHeld && own.isStored ? 'ended' : 'alone'
  const { sessionId, version, signedInAt } = read.session
  if (isHeld && sessionId === own.sessionId) {
    if (version > own.version) return 'newer'
    return version === own.version ? 'same' : 'alone'
  }
  if (own.endedIds.includes(sessionId)) return 'alone'
  // If the store failed to save a sign-in, its record is older than that sign-in (I6).
  return isHeld && !own.isStored && signedInAt <= own.signedInAt ? 'alone' : 'other'
}

export function toStoreRead(value: unknown): StoreRead {
  if (isOfLaterFormat(value)) return { kind: 'later-format' }
  const session = readStoredSession(value)
  return session === undefined ? { kind: 'none' } : { kind: 'session', session }
}

/** The state of the store, as a condition for the next write. Undefined if it is not known. */
export function stateOf(read: StoreRead): StoredState | null | undefined {
  if (read.kind === 'none') return null
  if (read.kind !== 'session') return undefined
  const { sessionId, version, marker } = read.session
  return { sessionId, version, marker: marker?.id ?? null }
}

/** Whether a store is in the state that a conditional write expects. */
export function isInState(kept: Required<StoredState> | undefined, expected: StoredState | null | undefined): boolean {
  if (expected === undefined) return true
  if (expected === null || kept === undefined) return expected === null && kept === undefined
  const { sessionId, version, marker } = expected
  return (
    (sessionId === undefined || sessionId === kept.sessionId) &&
    (version === undefined || version === kept.version) &&
    (marker === undefined || marker === kept.marker)
  )
}
