import type { HistoryNote, HistoryRecord } from '../adapter.ts'

const MAX_EVENTS = 500
/** Apart from the rest: a thousand calls must not push out why they waited. */
const MAX_STEPS = 3000

/** The last things that happened, oldest first. Entries are built from named fields, so no token can slip in. */
export function createHistory() {
  const events = createRing(MAX_EVENTS)
  const steps = createRing(MAX_STEPS)
  let last = 0
  return {
    add(at: number, { generation, version }: { generation: number; version: number }, note: HistoryNote): void {
      const ring = 'call' in note || 'page' in note ? steps : events
      ring.add({ number: ++last, at, generation, version, ...note })
    },

    /** Entries with a higher number than `after`. A number that was not reached yet is another worker's: then, all. */
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
