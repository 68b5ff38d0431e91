import { pause, type Timers } from '../connect/timers.ts'

/** A page that still runs this long after it was hidden is not in the back/forward cache. In milliseconds. */
const HIDDEN_PAUSE = 1000

export interface PageCache {
  /** While the page is hidden: resolves when it may open a port again. */
  shown(): Promise<void> | undefined
  /** Stops listening, and ends a wait for {@link shown}. */
  stop(): void
}

/**
 * Closes the port to a SharedWorker while the page may be in the back/forward cache. One message evicts a page from it, so
 * even a port that is still connecting must be closed. `onActive` is called when the page is visible again, or online.
 */
export function watchPageCache(
  isShared: () => boolean,
  closePort: () => void,
  reconnect: () => void,
  onActive: () => void,
  timers: Timers,
): PageCache {
  let shown: Promise<void> | undefined
  let show = () => {}

  const events = Object.entries({
    pagehide() {
      if (!isShared()) return
      shown ??= new Promise((resolve) => {
        show = () => {
          shown = undefined
          resolve()
        }
      })
      // No timer runs in the cache. If this one fires, the page is not cached, and perhaps no `pageshow` will follow.
      pause(HIDDEN_PAUSE, timers).then(show)
      closePort()
    },
    pageshow({ persisted }: PageTransitionEvent) {
      show()
      if (persisted) reconnect()
      onActive()
    },
    online: onActive,
    visibilitychange() {
      if (!globalThis.document.hidden) onActive()
    },
  })
  for (const [type, listener] of events) globalThis.addEventListener?.(type, listener as () => void)

  return {
    shown: () => shown,
    stop() {
      for (const [type, listener] of events) globalThis.removeEventListener?.(type, listener as () => void)
      show()
    },
  }
}
