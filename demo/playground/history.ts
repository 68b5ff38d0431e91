import type { HistoryEntry } from 'lingpai'
import { session } from '../session.ts'
import { createFeed } from '../timeline/index.ts'

/** How long a press waits for the entries before it, in milliseconds. A dead worker does not respond. */
const patience = 200

/** Polls `session.explain()`, and passes on each entry once. */
export function createHistory(listener: (news: readonly HistoryEntry[]) => void) {
  const readNews = createFeed(session.explain)
  const known = new Map<string, number>()
  let reading: Promise<void> | undefined

  async function readOnce(): Promise<void> {
    const news = (await readNews()).filter(({ instance, number }) => number > (known.get(instance) ?? 0))
    for (const { instance, number } of news) known.set(instance, number)
    if (news.length > 0) listener(news)
  }

  function read(): Promise<void> {
    reading ??= readOnce().finally(() => {
      reading = undefined
    })
    return reading
  }

  return {
    read,
    /** Resolves after all entries so far were passed on, or after the timeout. */
    async catchUp(): Promise<void> {
      const isLate = new Promise<void>((resolve) => setTimeout(resolve, patience))
      await Promise.race([read().then(read), isLate]).catch(() => {})
    },
  }
}
