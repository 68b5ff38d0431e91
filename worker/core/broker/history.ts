import type { HistoryNote, HistoryRecord } from '../adapter.ts'

const MAX_EVENTS = 500
/** Steps of calls are kept apart: a thousand calls must not push out the events that they waited for. */
const MAX_STEPS = 3000

/** The last events, oldest first. Entries consist of named fields, so that no token can get into one. */
export function createHistory() {
  const events = createRing(MAX_EVENTS)
  const steps = createRing(MAX_STEPS)
  let last = 0
  return {
    add(at: number, { generation, version }: { generation: number; version: number }, note: HistoryNote): void {
      const ring = 'call' in note || 'page' in note ? steps : events
      ring.add({ number: ++last, at, generation, version, ...note })
    },

    /** Entries with a higher number than `after`. If this worker has not reached that number, it is another's: all entries. */
    entries(after = 0): readonly HistoryRecord[] {
      const newest = after > last ? 0 : after
      return [...events.newerThan(newest), ...steps.newerThan(newest)].sort((one, other) => one.number - other.number)
    },
  }
}

function createRing(most: number) {
  const kept: HistoryRecord[] = []
  let oldest = 0
  return {
    add(entry: HistoryRecord): void {
      kept[oldest] = entry
      oldest = (oldest + 1) % most
    },
    newerThan: (after: number) => kept.filter(({ number }) => number > after),
  }
}
