import type { Store, StoredSession, StoredState } from '../../worker/core/adapter.ts'
import { isInState } from '../../worker/core/shared-record.ts'
import { isOfLaterFormat } from '../../worker/core/token-set.ts'
import type { Scheduler, Thread } from './scheduler.ts'

/** The outcome of one operation of the store. */
export interface DiskFate {
  readonly delay: number
  /** `blocked`: it is done, or not, when the faults end. `failing`: its promise rejects, and nothing changes. */
  readonly outcome: 'done' | 'failing' | 'blocked'
}

export interface DiskOptions {
  readonly scheduler: Scheduler
  drawFate(): DiskFate
  /** An operation exceeds its timeout, so its worker treats the store as failed. */
  onTooSlow(): void
  onCommit(record: StoredSession | undefined, before: StoredSession | undefined, by: Thread): void
  onRead(record: StoredSession | undefined, by: Thread): void
}

/** A little less than the timeout of the store, in milliseconds. */
const LATE_BODY_TIMEOUT = 1990

/** A database that the workers share. Each operation is one transaction; those of one worker run in order. */
export function createDisk({ scheduler, drawFate, onTooSlow, onCommit, onRead }: DiskOptions) {
  let text: string | undefined
  const blocked = new Set<() => void>()

  const read = (): StoredSession | undefined => (text === undefined ? undefined : JSON.parse(text))

  function open(thread: Thread): Store {
    let lastDone = 0

    /** `work` runs when the transaction commits. Its worker gets the result a moment later, if it still runs. */
    function transact<T>(work: () => T): Promise<T> {
      return new Promise((resolve, reject) => {
        const { delay, outcome } = drawFate()
        const run = () => {
          if (outcome === 'failing') {
            scheduler.schedule(0.1, thread, () => reject(new DOMException('The disk has failed', 'UnknownError')))
            return
          }
          const result = work()
          scheduler.schedule(0.1, thread, () => resolve(result))
        }
        if (outcome === 'blocked') {
          blocked.add(run)
          return
        }
        lastDone = Math.max(lastDone, scheduler.now() + delay)
        if (lastDone - scheduler.now() > LATE_BODY_TIMEOUT) onTooSlow()
        // Without a thread, because a started transaction commits even if its worker dies.
        scheduler.schedule(lastDone - scheduler.now(), undefined, run)
      })
    }

    function change(
      record: StoredSession | undefined,
      isWanted: (kept: StoredSession | undefined) => boolean,
    ): boolean {
      const before = read()
      if (!isWanted(before)) return false
      text = record === undefined ? undefined : JSON.stringify(record)
      onCommit(record, before, thread)
      return true
    }

    return {
      sharedName: 'lingpai',
      load() {
        const begun = scheduler.now()
        return transact(() => {
          const record = read()
          if (scheduler.now() - begun < LATE_BODY_TIMEOUT) onRead(record, thread)
          return record
        })
      },
      save: (record, replaces) =>
        transact(() => change(record, (kept) => !isOfLaterFormat(kept) && isInState(stateOf(kept), replaces))),
      clear: (only) =>
        transact(() =>
          change(
            undefined,
            (kept) =>
              only === undefined || kept === undefined || (!isOfLaterFormat(kept) && isInState(stateOf(kept), only)),
          ),
        ),
    }
  }

  return {
    open,
    read,
    wipe(): void {
      text = undefined
    },
    write(record: StoredSession): void {
      text = JSON.stringify(record)
    },
    /** Writes as a later build does. Undefined means that the later build has signed out. */
    writeLater(isThere: boolean): void {
      text = isThere ? JSON.stringify({ format: 3, sessionId: 'later', version: 1 }) : undefined
    },
    /** Continues blocked operations. */
    unblock(): void {
      for (const run of blocked) run()
      blocked.clear()
    },
  }
}

function stateOf(kept: StoredSession | undefined): Required<StoredState> | undefined {
  return kept && { sessionId: kept.sessionId, version: kept.version, marker: kept.marker?.id ?? null }
}
