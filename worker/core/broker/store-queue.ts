import type { Platform, Store, StoredSession, StoredState } from '../adapter.ts'
import { waitFor } from './machine.ts'

/** A store that has not answered by then counts as broken, and the session goes on in memory. In milliseconds. */
export const STORE_TIMEOUT = 2000
/** After this time, the queue goes on with the next operation: one that hangs must not block the store. */
const OPERATION_TIMEOUT = 3 * STORE_TIMEOUT
const CLEAR_RETRY_DELAY = 1000

/** What the store is to hold: a session, or nothing. */
interface Wanted {
  readonly session: StoredSession | undefined
  /** The state of the store that this may replace; undefined: any state. */
  readonly replaces: StoredState | null | undefined
}

interface Operation {
  readonly wanted: Wanted
  /** Settle the promises of the callers that wait for this operation. */
  readonly callers: readonly ((written: Promise<boolean>) => void)[]
  /** Whether the queue repeats an operation on its own. */
  readonly isRepeat: boolean
}

/**
 * Writes to the store, one operation at a time, so that a sign-out's clear never overtakes an older save (I5). Behind the
 * running operation, the queue keeps only the last wanted state: it would overwrite any earlier one.
 */
export function createStoreQueue(store: Store, platform: Platform, announce: () => void) {
  let newest: Wanted | undefined
  let next: Operation | undefined
  let running: Operation | undefined
  let clearTimer: unknown

  function want(session: StoredSession | undefined, replaces: StoredState | null | undefined): Promise<boolean> {
    platform.clearTimeout(clearTimer)
    // If this replaces a pending operation that may replace any state, so may this one.
    const isUnconditional = next !== undefined && next.wanted.replaces === undefined
    const wanted = { session, replaces: isUnconditional ? undefined : replaces }
    newest = wanted
    // The callers of a pending operation get the result of the operation that replaces it.
    const written = new Promise<boolean>((resolve) =>
      enqueue({ wanted, callers: [...(next?.callers ?? []), resolve], isRepeat: false }),
    )
    return waitFor(platform, () => written, { timeout: STORE_TIMEOUT })
  }

  function enqueue(operation: Operation): void {
    next = operation
    if (running === undefined) startNext()
  }

  function startNext(): void {
    running = next
    next = undefined
    if (running !== undefined) void run(running)
  }

  async function run(operation: Operation): Promise<void> {
    const timer = platform.setTimeout(() => giveUp(operation), OPERATION_TIMEOUT)
    const written = write(operation.wanted)
    const isDone = await written.then(
      () => true,
      () => false,
    )
    platform.clearTimeout(timer)
    // Also if the operation is late or a repeat: the other workers have to know what the store holds.
    if (isDone) announce()
    for (const settle of operation.callers) settle(written)
    if (running === operation) {
      if (!isDone) recover(operation)
      startNext()
    } else if (newest !== undefined && newest !== operation.wanted && next === undefined) {
      // Later operations ran before this one ended, and it may have overwritten them. The repeat replaces only what this one
      // left: another worker may have stored a newer session since then (I5).
      if (mayReplaceAny(newest)) {
        const { session } = operation.wanted
        newest = { session: newest.session, replaces: session ? { sessionId: session.sessionId } : null }
      }
      enqueue({ wanted: newest, callers: [], isRepeat: true })
    }
  }

  async function write({ session, replaces }: Wanted): Promise<boolean> {
    return (
      (await (session === undefined ? store.clear(replaces ?? undefined) : store.save(session, replaces))) !== false
    )
  }

  function giveUp({ wanted, isRepeat }: Operation): void {
    // The first operation may still end, and another worker may store a newer session before the repeat ends (I5).
    if (next === undefined && !isRepeat && !mayReplaceAny(wanted)) next = { wanted, callers: [], isRepeat: true }
    startNext()
  }

  /** Whether a save may replace the session of another worker, whichever it is. */
  function mayReplaceAny({ session, replaces }: Wanted): boolean {
    return store.sharedName !== undefined && session !== undefined && replaces === undefined
  }

  /** After a failed operation: the store must not keep an old session. */
  function recover({ wanted, isRepeat }: Operation): void {
    if (newest !== wanted) return
    if (wanted.session !== undefined) {
      // The record in the store is older than the held session, and may be another user's (I6). Any condition, even an
      // empty one, keeps a record that a later build wrote.
      newest = { session: undefined, replaces: wanted.replaces ?? {} }
      next = { wanted: newest, callers: [], isRepeat: false }
    } else if (!isRepeat) {
      // The record that a failed clear leaves would sign the user in again at the next start.
      clearTimer = platform.setTimeout(() => enqueue({ wanted, callers: [], isRepeat: true }), CLEAR_RETRY_DELAY)
    }
  }

  return {
    /** Another worker has saved its session: drops the repeats that would overwrite it. */
    forget(): void {
      platform.clearTimeout(clearTimer)
      newest = undefined
      if (next?.callers.length === 0) next = undefined
    },
    /**
     * Rejects if the store fails; the store is then cleared. Rejects after {@link STORE_TIMEOUT}, too, although the store
     * may still save later. Resolves with false if the store holds a state that this may not replace.
     */
    save: (session: StoredSession, replaces?: StoredState | null): Promise<boolean> => want(session, replaces),
    /** As `save`; a clear that fails is tried once more, in the background. */
    clear: (only?: StoredState): Promise<boolean> => want(undefined, only),
  }
}
