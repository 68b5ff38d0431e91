import type { ExplainOptions, HistoryEntry } from 'lingpai'

/** Reads new entries of a history, like `session.explain`. */
export type ReadHistory = (options?: ExplainOptions) => Promise<readonly HistoryEntry[]>

/** Returns a function that reads new entries: each entry once, and all entries of another worker. */
export function createFeed(read: ReadHistory): () => Promise<readonly HistoryEntry[]> {
  let last: HistoryEntry | undefined
  return async () => {
    let news = await read(last === undefined ? {} : { after: last.number })
    if (last !== undefined && news.some(({ instance }) => instance !== last?.instance)) news = await read()
    last = news.at(-1) ?? last
    return news
  }
}
