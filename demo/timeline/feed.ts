import type { ExplainOptions, HistoryEntry } from 'lingpai'

/** Asks a history for what is new, as `session.explain` answers it. */
export type ReadHistory = (options?: ExplainOptions) => Promise<readonly HistoryEntry[]>

/** Returns what reads the news: each entry once, and all of another worker's, however far that one has come. */
export function createFeed(read: ReadHistory): () => Promise<readonly HistoryEntry[]> {
  let last: HistoryEntry | undefined
  return async () => {
    let news = await read(last === undefined ? {} : { after: last.number })
    if (last !== undefined && news.some(({ instance }) => instance !== last?.instance)) news = await read()
    last = news.at(-1) ?? last
    return news
  }
}
