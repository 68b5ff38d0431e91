/** So many requests of one page may be at the network at once: as many as one HTTP/2 connection usually carries. */
export const MAX_PER_PAGE = 100
/** And of all pages together. Chromium fails requests with ERR_INSUFFICIENT_RESOURCES from some thousands on. */
export const MAX_TOGETHER = 500

/** Who may go to the network next. */
export interface RequestSemaphore {
  /** Has a page's turn taken, at once or later. Undefined where there is nothing to wait for; rejects with an abort's reason. */
  take(page: string, signal: AbortSignal): Promise<void> | undefined
  /** Gives a turn back that was taken. */
  end(page: string): void
}

interface Page {
  busy: number
  /** In the order of their coming. */
  readonly waiting: Set<() => void>
}

/**
 * Lets the pages go to the network in turn, so that one with ten thousand calls keeps no other from being served. A turn
 * lasts until the headers have come: a stream that stays open takes none.
 */
export function createRequestSemaphore(mostPerPage = MAX_PER_PAGE, mostTogether = MAX_TOGETHER): RequestSemaphore {
  // In the order in which they are served: whose turn it was goes to the end.
  const pages = new Map<string, Page>()
  let busy = 0

  function begin(name: string, page: Page): void {
    page.busy += 1
    busy += 1
    pages.delete(name)
    pages.set(name, page)
  }

  function serveNext(): void {
    if (busy >= mostTogether) return
    for (const [name, page] of pages) {
      const [next] = page.waiting
      if (next === undefined || page.busy >= mostPerPage) continue
      page.waiting.delete(next)
      begin(name, page)
      next()
      return
    }
  }

  function forgetIdle(name: string, page: Page): void {
    if (page.busy === 0 && page.waiting.size === 0) pages.delete(name)
  }

  return {
    take(name, signal) {
      const page = pages.get(name) ?? { busy: 0, waiting: new Set() }
      if (busy < mostTogether && page.busy < mostPerPage) {
        begin(name, page)
        return undefined
      }
      pages.set(name, page)
      return new Promise((resolve, reject) => {
        const go = () => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        }
        const onAbort = () => {
          page.waiting.delete(go)
          forgetIdle(name, page)
          reject(signal.reason)
        }
        if (signal.aborted) return onAbort()
        page.waiting.add(go)
        signal.addEventListener('abort', onAbort, { once: true })
      })
    },
    end(name) {
      const page = pages.get(name)
      if (page === undefined) return
      page.busy -= 1
      busy -= 1
      forgetIdle(name, page)
      serveNext()
    },
  }
}
