import type { StoredSession, StoredState } from './adapter.ts'
import { isOfLaterFormat, readStoredSession } from './token-set.ts'

/** What a look into the store has found. A record that nobody can read is none. */
export type StoreRead =
  | { readonly kind: 'session'; readonly session: StoredSession }
  | { readonly kind: 'none' }
  /** A later build has written it. */
  | { readonly kind: 'later-format' }
  /** The store does not answer. */
  | { readonly kind: 'unreadable' }

/** What a session needs to know of itself to be compared with a record. */
export interface OwnSession {
  readonly held: unknown
  readonly sessionId: string | undefined
  readonly version: number
  readonly signedInAt: number
  /** Whether the store has taken it. */
  readonly isStored: boolean
  /** Lineages that have ended here. */
  readonly endedIds: readonly string[]
}

/**
 * What a record means to a session:
 *
 * - `same`: it is this session, with these tokens.
 * - `newer`: it is this session, with newer tokens.
 * - `other`: somebody has signed in elsewhere.
 * - `ended`: this session was stored, and is no more: somebody has signed out elsewhere.
 * - `later-format`: a later build has taken over.
 * - `alone`: the store knows less than this worker, which goes on by itself.
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
  // What a broken store still holds is older than a sign-in that it has not taken (I6).
  return isHeld && !own.isStored && signedInAt <= own.signedInAt ? 'alone' : 'other'
}

export function toStoreRead(value: unknown): StoreRead {
  if (isOfLaterFormat(value)) return { kind: 'later-format' }
  const session = readStoredSession(value)
  return session === undefined ? { kind: 'none' } : { kind: 'session', session }
}

/** The state that a conditional write expects, as it was seen; `undefined` where nobody knows. */
export function stateOf(read: StoreRead): StoredState | null | undefined {
  if (read.kind === 'none') return null
  if (read.kind !== 'session') return undefined
  const { sessionId, version, marker } = read.session
  return { sessionId, version, marker: marker?.id ?? null }
}

/** Whether a store holds what a conditional write expects. */
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
