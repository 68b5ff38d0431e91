import { nextTurn } from './event-loop.ts'

/** So many turns of the event loop in a row without news mean that nothing more comes by itself. */
const QUIET_TURNS = 6
/** Work that takes more turns than this, about a tenth of a second, waits for something that the test has yet to do. */
const MAX_TURNS = 30_000

interface Job {
  turns: number
  /** How many answers of the network it waits for: then it is not at work. */
  waiting: number
}

export interface Work {
  /** Waits for something that only time, or the test, brings. */
  wait<T>(answer: Promise<T>): Promise<T>
}

/**
 * Knows when nothing more happens by itself. What runs in microtasks is over at the next turn of the event loop; what other
 * threads do for us, such as Web Crypto's digests, takes a while that nobody knows, so it is counted.
 */
export function createWorkload() {
  const jobs = new Set<Job>()
  let news = 0

  function isBusy(): boolean {
    let isAtWork = false
    for (const job of jobs) {
      if (job.waiting > 0 || ++job.turns > MAX_TURNS) continue
      isAtWork = true
    }
    return isAtWork
  }

  return {
    /** Tells that something has happened, from which more may follow. */
    note(): void {
      news++
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
              news++
            }
          },
        })
      } finally {
        jobs.delete(job)
        news++
      }
    },

    async settle(): Promise<void> {
      let seen = news
      for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
        await nextTurn()
        if (!isBusy() && news === seen) continue
        seen = news
        quiet = -1
      }
    },
  }
}

export type Workload = ReturnType<typeof createWorkload>
