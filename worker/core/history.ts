import type { HistoryEntry } from '../../src/protocol/contract.ts'
import type { HistoryNote } from './adapter.ts'

const LONGEST = 500

/** The last 500 things that happened, oldest first. Entries are built from named fields, so no token can slip in. */
export function createHistory() {
  const entries: HistoryEntry[] = []
  return {
    add(at: number, { generation, version }: { generation: number; version: number }, note: HistoryNote): void {
      if (entries.length === LONGEST) entries.shift()
      entries.push({ at, generation, version, ...note })
    },
    entries: (): readonly HistoryEntry[] => [...entries],
  }
}
