import { LingpaiError } from '../../../src/protocol/errors.ts'
import type { Platform, Store, StoredSession, StoredState } from '../adapter.ts'

/** A storage that has not answered by then counts as broken; the session goes on in memory. */
export const STORE_TIMEOUT = 2000
/** After this long, an operation is no longer waited for: one that hangs must not keep every later one from the store. */
const LAST_CHANCE = 3 * STORE_TIMEOUT
const CLEAR_AGAIN_AFTER = 1000

/** What the store is wanted to hold: a session, or nothing. */
interface Wanted {
  readonly session: StoredSession | undefined
  /** What it may take the place of: anything, where undefined. */
  readonly replaces: StoredState | null | undefined
}

interface Operation {
  readonly wanted: Wanted
  readonly callers: readonly ((outcome: Outcome) => void)[]
  /** Whether nobody has asked for it: the queue itself does something once more. */
  readonly isRepeat: boolean
}

type Outcome =
  | { readonly isDone: true; readonly hasChanged: boolean }
  | { readonly isDone: false; readonly error: unknown }

/**
 * Writes to the store, one operation at a time, so that a sign-out's clear never overtakes an older save (I5). Behind the
 * one that runs, only the last wanted state is remembered: whatever was wanted before it would be overwritten anyway.
 */
export function createStoreQueue(store: Store, platform: Platform, announce: () => void) {
  let newest: Wanted | undefined
  let next: Operation | undefined
  let running: Operation | undefined
  let clearTimer: unknown

  function want(session: StoredSession | undefined, replaces: StoredState | null | undefined): Promise<boolean> {
    platform.clearTimeout(clearTimer)
    // What would have replaced anything, and has not yet, is replaced in its turn, together with that.
    const isUnconditional = next !== undefined && next.wanted.replaces === undefined
    const wanted = { session, replaces: isUnconditional ? undefined : replaces }
    newest = wanted
    return new Promise((resolve, reject) => {
      const timer = platform.setTimeout(
        () => reject(new LingpaiError('store_failed', 'The store did not answer in time.')),
        STORE_TIMEOUT,
      )
      const settle = (outcome: Outcome) => {
        platform.clearTimeout(timer)
        if (outcome.isDone) resolve(outcome.hasChanged)
        else reject(outcome.error)
      }
      // Whoever waits for an older state hears what becomes of the one that took its place.
      enqueue({ wanted, callers: [...(next?.callers ?? []), settle], isRepeat: false })
    })
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
    const timer = platform.setTimeout(() => giveUp(operation), LAST_CHANCE)
    const outcome = await write(operation.wanted)
    platform.clearTimeout(timer)
    // Late as it may be, and asked for by nobody: the other workers have to know what the store holds.
    if (outcome.isDone) announce()
    for (const settle of operation.callers) settle(outcome)
    if (running === operation) {
      if (!outcome.isDone) makeUpFor(operation)
      startNext()
    } else if (newest !== undefined && newest !== operation.wanted && next === undefined) {
      // Others went on without it, and it may have undone what they wrote.
      enqueue({ wanted: newest, callers: [], isRepeat: true })
    }
  }

  async function write({ session, replaces }: Wanted): Promise<Outcome> {
    try {
      const answer = await (session === undefined ? store.clear(replaces ?? undefined) : store.save(session, replaces))
      return { isDone: true, hasChanged: answer !== false }
    } catch (error) {
      return { isDone: false, error }
    }
  }

  function giveUp({ wanted, isRepeat }: Operation): void {
    if (next === undefined && !isRepeat) next = { wanted, callers: [], isRepeat: true }
    startNext()
  }

  function makeUpFor({ wanted, isRepeat }: Operation): void {
    if (newest !== wanted) return
    if (wanted.session !== undefined) {
      // What is left in the store is older than what is held, and perhaps another user's (I6). What a later build has stored
      // is neither: a condition keeps it, however little that asks.
      newest = { session: undefined, replaces: wanted.replaces ?? {} }
      next = { wanted: newest, callers: [], isRepeat: false }
    } else if (!isRepeat) {
      // What a failed clear leaves behind would sign the user in again at the next start.
      clearTimer = platform.setTimeout(() => enqueue({ wanted, callers: [], isRepeat: true }), CLEAR_AGAIN_AFTER)
    }
  }

  return {
    /** The store holds what another worker has saved: what this queue would still do of its own accord would undo that. */
    forget(): void {
      platform.clearTimeout(clearTimer)
      newest = undefined
      if (next?.callers.length === 0) next = undefined
    },
    /**
     * Rejects where the store has failed, and is then cleared; or where it has not done it within {@link STORE_TIMEOUT},
     * which it may still do later. Resolves with false where the store holds something else than it may replace.
     */
    save: (session: StoredSession, replaces?: StoredState | null): Promise<boolean> => want(session, replaces),
    /** As `save`; a clear that fails is tried once more, in the background. */
    clear: (only?: StoredState): Promise<boolean> => want(undefined, only),
  }
}
