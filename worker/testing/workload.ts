import { nextTurn } from './event-loop.ts'

/** After this many turns of the event loop in a row without activity, no more work follows on its own. */
const QUIET_TURNS = 6
/** Work that takes more turns, about a tenth of a second, waits for the test. */
const MAX_TURNS = 30_000

interface Job {
  turns: number
  /** How many network responses it waits for. While it waits, it is not busy. */
  waiting: number
}

export interface Work {
  /** Waits for a promise that only the clock or the test settles. */
  wait<T>(answer: Promise<T>): Promise<T>
}

/**
 * Finds out when no more work follows on its own. Microtasks end before the next turn of the event loop. Work of other
 * threads, such as Web Crypto's digests, takes an unknown number of turns, so it is counted.
 */
export function createWorkload() {
  const jobs = new Set<Job>()
  let activity = 0

  function isBusy(): boolean {
    let isAnyBusy = false
    for (const job of jobs) {
      if (job.waiting > 0 || ++job.turns > MAX_TURNS) continue
      isAnyBusy = true
    }
    return isAnyBusy
  }

  return {
    /** Records activity, from which more work may follow. */
    note(): void {
      activity++
    },

    async run<T>(work: (work: Work) => Promise<T> | T): Promise<T> {
      const job: Job = { turns: 0, waiting: 0 }
      jobs.add(job)
      try {
        return await work({
          async wait(answer) {
            job.waiting++
            try {
              return await answer
            } finally {
              job.waiting--
              job.turns = 0
              activity++
            }
          },
        })
      } finally {
        jobs.delete(job)
        activity++
      }
    },

    async settle(): Promise<void> {
      let lastActivity = activity
      for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
        await nextTurn()
        if (!isBusy() && activity === lastActivity) continue
        lastActivity = activity
        quiet = -1
      }
    },
  }
}

export type Workload = ReturnType<typeof createWorkload>
