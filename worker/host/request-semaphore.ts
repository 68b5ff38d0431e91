import { UNPROVEN } from './page-ports.ts'

/** The requests of one page that may be in flight at once: as many as one HTTP/2 connection usually carries. */
export const MAX_PER_PAGE = 100
/** The requests of all pages that may be in flight at once. Chromium fails with ERR_INSUFFICIENT_RESOURCES at a few thousand. */
export const MAX_TOGETHER = 500

/** The requests of all ports without a proven page. */
export const MAX_UNPROVEN = 10

/** Limits the requests in flight. A page acquires a slot for each request, and releases it afterwards. */
export interface RequestSemaphore {
  /**
   * Returns undefined if a slot was free, and a promise otherwise. The promise rejects with the reason of an abort.
   * {@link UNPROVEN} is the page of all ports without a proven page.
   */
  acquire(page: string, signal: AbortSignal): Promise<void> | undefined
  release(page: string): void
}

interface Page {
  inFlight: number
  /** First in, first out. */
  readonly waiting: Set<() => void>
}

/**
 * Gives free slots to the waiting pages in turn, so that a page with ten thousand calls does not block the others. Release a
 * slot when the response headers have arrived: a stream that stays open does not need one.
 */
export function createRequestSemaphore(maxPerPage = MAX_PER_PAGE, maxTogether = MAX_TOGETHER): RequestSemaphore {
  // In the order in which pages get the next slots: a page that got one moves to the end.
  const pages = new Map<string, Page>()
  let inFlight = 0
  const isFull = (name: string, page: Page) => page.inFlight >= (name === UNPROVEN ? MAX_UNPROVEN : maxPerPage)

  function take(name: string, page: Page): void {
    page.inFlight += 1
    inFlight += 1
    pages.delete(name)
    pages.set(name, page)
  }

  function admitNext(): void {
    if (inFlight >= maxTogether) return
    for (const [name, page] of pages) {
      const [admit] = page.waiting
      if (admit === undefined || isFull(name, page)) continue
      page.waiting.delete(admit)
      take(name, page)
      admit()
      return
    }
  }

  function forgetIdle(name: string, page: Page): void {
    if (page.inFlight === 0 && page.waiting.size === 0) pages.delete(name)
  }

  return {
    acquire(name, signal) {
      const page = pages.get(name) ?? { inFlight: 0, waiting: new Set() }
      if (inFlight < maxTogether && !isFull(name, page)) {
        take(name, page)
        return undefined
      }
      pages.set(name, page)
      return new Promise((resolve, reject) => {
        const admit = () => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        }
        const onAbort = () => {
          page.waiting.delete(admit)
          forgetIdle(name, page)
          reject(signal.reason)
        }
        if (signal.aborted) return onAbort()
        page.waiting.add(admit)
        signal.addEventListener('abort', onAbort, { once: true })
      })
    },
    release(name) {
      const page = pages.get(name)
      if (page === undefined) return
      page.inFlight -= 1
      inFlight -= 1
      forgetIdle(name, page)
      admitNext()
    },
  }
}
