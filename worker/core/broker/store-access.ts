import type { Peers, Store, StoredSession, StoredState } from '../adapter.ts'
import type { WriteOutcome } from '../session/events.ts'
import { isExclusive, isSettling, LATER_BUILD } from '../session/state.ts'
import { type StoreRead, toStoreRead } from '../shared-record.ts'
import { type Machine, pause, startTimer, waitFor } from './machine.ts'
import { createStoreQueue, STORE_TIMEOUT } from './store-queue.ts'

/** A refresh may use this share of the time that other workers wait. The rest is kept for storing the result (I1, I2). */
const REQUEST_SHARE = 0.95
/** A flood of hints causes at most two reads in this time: one for a refresh that begins, one for its result. */
const HINT_INTERVAL = 100

export interface StoreAccessOptions {
  readonly store: Store
  readonly peers: Peers
  /** How long a refresh may take, and so how long other workers wait for it. In milliseconds. */
  readonly refreshTimeout: number
  /** Resolves when the stored session has been read. */
  readonly ready: () => Promise<void>
}

/** Reads and writes of the store; with a shared store, also the lock and the hints between its workers. */
export function createStoreAccess(machine: Machine, { store, peers, refreshTimeout, ready }: StoreAccessOptions) {
  const { platform, state, dispatch } = machine
  const isShared = store.sharedName !== undefined
  const queue = createStoreQueue(store, platform, () => {
    peers.announce()
    // This worker's own late write may have deleted the record of the later build.
    if (state().reason === LATER_BUILD) onHint()
  })
  /** The flight during which no other worker may refresh. */
  let exclusive: { readonly flight: number; readonly until: number; end(): void } | undefined
  /** A refresh that goes on after a sign-out, or the write that it has failed. No other worker may refresh beside it. */
  let unfinished: Promise<unknown> | undefined
  /** Counts the begins and ends of this worker's writes: a read is outdated if a write began or ended meanwhile. */
  let writes = 0
  let isReading = false
  let readTimer: unknown
  let isHinted = false
  /** When the last two reads for hints began. */
  let hintReads: readonly [number, number] = [-Infinity, -Infinity]

  async function load(): Promise<StoreRead> {
    const read = toStoreRead(await store.load())
    // If no other worker shares the store, a record that this build cannot read counts as none, and is overwritten.
    return read.kind === 'later-format' && !isShared ? { kind: 'none' } : read
  }

  function inTime<T>(work: () => T | Promise<T>): Promise<T> {
    return waitFor(platform, work, { timeout: STORE_TIMEOUT })
  }

  async function write(work: () => Promise<unknown>): Promise<WriteOutcome> {
    writes += 1
    try {
      return (await work()) === false ? 'conflict' : 'done'
    } catch {
      return 'failed'
    } finally {
      writes += 1
    }
  }

  async function readStore(): Promise<StoreRead> {
    return inTime(load).catch(() => ({ kind: 'unreadable' }))
  }

  async function syncWithStore(flight?: number): Promise<StoreRead> {
    let before: number
    let begun: number
    let read: StoreRead
    do {
      before = writes
      begun = platform.now()
      read = await readStore()
      // If the read took much longer than its timeout, the worker was frozen: retry.
    } while (writes !== before || (read.kind === 'unreadable' && platform.now() - begun > 2 * STORE_TIMEOUT))
    platform.clearTimeout(readTimer)
    // A hint is sent only once, so the read is repeated until the store answers.
    if (read.kind === 'unreadable') readTimer = startTimer(platform, 5 * STORE_TIMEOUT, onHint)
    dispatch({ type: 'storeRead', flight, read, now: platform.now() })
    return read
  }

  /** Any script of the origin can send hints: they only cause reads, which by themselves change nothing. */
  function onHint(): void {
    isHinted = true
    if (isReading || isSettling(state())) return
    isReading = true
    void ready().then(async () => {
      while (isHinted && state().loading !== 'pending' && !isSettling(state())) {
        const since = platform.now() - hintReads[0]
        // Negative if the clock was set back.
        if (since >= 0 && since < HINT_INTERVAL) {
          await pause(platform, HINT_INTERVAL - since)
          continue
        }
        isHinted = false
        hintReads = [hintReads[1], platform.now()]
        await syncWithStore()
      }
      isReading = false
    })
  }

  if (isShared) peers.onHint(onHint)

  return {
    load,
    syncWithStore,

    /** Reads the shared store, if there is one: hints of other workers may have been missed. */
    check(): void {
      if (isShared) onHint()
    },

    /** After each change of the state: gives the lock back, and follows a hint that had to wait. */
    onStateChanged(): void {
      if (exclusive !== undefined && !isExclusive(state(), exclusive.flight)) {
        const { end } = exclusive
        exclusive = undefined
        end()
      }
      if (isHinted && !isSettling(state())) onHint()
    },

    /** The store holds another worker's session: the queue must not undo that. */
    forget: queue.forget,

    /** How long a refresh that begins now may take: the other workers wait from when this worker began to read. */
    timeLeft(): number {
      const left = exclusive ? exclusive.until - platform.now() : refreshTimeout
      // A slow store leaves the request at least half of its time.
      return Math.min(Math.max(left, refreshTimeout / 2), refreshTimeout)
    },

    keepLockUntil(work: Promise<unknown>): void {
      unfinished = work
    },

    async save(flight: number, record: StoredSession, replaces?: StoredState | null): Promise<void> {
      const outcome = await write(() => queue.save(record, replaces))
      dispatch({ type: 'saved', flight, stored: outcome === 'conflict' ? await readStore() : outcome === 'done' })
    },

    async clear(only?: StoredState): Promise<boolean> {
      const outcome = await write(() => queue.clear(only))
      if (outcome === 'failed') dispatch({ type: 'storeFailed' })
      return outcome !== 'failed'
    },

    /** Reads the store while no other worker does, and keeps the lock until this flight has ended. */
    async readClaim(flight: number): Promise<void> {
      if (exclusive?.flight === flight) return void (await syncWithStore(flight))
      const work = async (hasTimedOut?: boolean) => {
        if (!isExclusive(state(), flight)) return
        await new Promise<void>((resolve) => {
          exclusive = { flight, until: platform.now() + refreshTimeout * REQUEST_SHARE, end: resolve }
          void syncWithStore(flight).then((read) => {
            // A worker that refreshes for so long has its marker in the store. Without one, another script held the lock.
            if (hasTimedOut && read.kind === 'session' && read.session.marker === undefined) peers.distrust?.()
          })
        })
        await unfinished
      }
      try {
        await peers.exclusive(work, refreshTimeout)
      } catch {
        // Without a lock, conditional writes alone keep two workers apart. If the lock was stolen, the work goes on.
        if (exclusive?.flight !== flight) await work()
      }
    },

    async writeClaim(flight: number, record: StoredSession, replaces: StoredState | null): Promise<void> {
      const outcome = await write(() => inTime(() => store.save(record, replaces)))
      dispatch({ type: 'claimWritten', flight, outcome, now: platform.now() })
    },

    writeFailure(record: StoredSession, replaces: StoredState): void {
      unfinished = write(() => inTime(() => store.save(record, replaces)))
    },

    async clearRejected(flight: number, only: StoredState): Promise<void> {
      const outcome = await write(() => inTime(() => store.clear(only)))
      if (outcome === 'done') peers.announce()
      dispatch({ type: 'rejectionSettled', flight, outcome: outcome === 'conflict' ? await readStore() : outcome })
    },
  }
}
