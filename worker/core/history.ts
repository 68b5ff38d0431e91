import type { HistoryEntry } from '../../src/protocol/contract.ts'
import type { HistoryNote } from './adapter.ts'

const LONGEST = 500

/** What happens to every call alike: two hundred of them in a row would push their cause out. */
const EVENTS_OF_CALLS: readonly string[] = ['call-waiting', 'call-replayed']

/** The last 500 things that happened, oldest first. Entries are built from named fields, so no token can slip in. */
export function createHistory() {
  const entries: HistoryEntry[] = []
  return {
    add(at: number, { generation, version }: { generation: number; version: number }, note: HistoryNote): void {
      const entry: HistoryEntry = { at, generation, version, ...note }
      const last = entries[entries.length - 1]
      if (last !== undefined && isSameForCalls(last, entry)) {
        entries[entries.length - 1] = { ...entry, calls: (last.calls ?? 1) + 1 }
        return
      }
      if (entries.length === LONGEST) entries.shift()
      entries.push(entry)
    },
    entries: (): readonly HistoryEntry[] => [...entries],
  }
}

function isSameForCalls(last: HistoryEntry, { event, generation, version }: HistoryEntry): boolean {
  return (
    EVENTS_OF_CALLS.includes(event) &&
    last.event === event &&
    last.generation === generation &&
    last.version === version
  )
}
