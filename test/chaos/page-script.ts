import type { Snapshot } from '../../src/index.ts'

/** The reports that a page sends by its console, which survive a crash. */
export type PageNews =
  | { readonly kind: 'change'; readonly at: number; readonly snapshot: Snapshot }
  | { readonly kind: 'calls'; readonly outcomes: Readonly<Record<string, number>> }
  /** A call that has not settled within all its timeouts. */
  | { readonly kind: 'stuck'; readonly call: string; readonly milliseconds: number }

declare global {
  interface Window {
    pageCalls?: PageCalls
  }
}

export interface PageCalls {
  /** Calls that have not settled, as method and path. */
  pending(): string[]
  stop(): void
}

export interface CallSettings {
  readonly mark: string
  /** In milliseconds. */
  readonly longestCall: number
  readonly callEvery: number
}

export const newsMark = 'chaos: '

/** Runs in every page of the app: makes calls all the time, and reports their outcomes. */
export function makeCalls({ mark, longestCall, callEvery }: CallSettings): void {
  let outcomes: Record<string, number> = {}
  const pending = new Map<number, { readonly call: string; readonly at: number; told?: true }>()
  let count = 0
  let isOver = false
  const tell = (news: PageNews) => console.debug(mark + JSON.stringify(news))

  const calls: readonly [string, string, RequestInit?][] = [
    ['GET', '/orders'],
    ['POST', '/echo', { method: 'POST', body: 'tea' }],
    ['GET', '/delay/100'],
    ['GET', '/orders'],
    ['GET', '/download?size=300000'],
    ['POST', '/delay/200', { method: 'POST', body: 'ink' }],
  ]
  const call = async () => {
    const [method, path, init] = calls[count % calls.length] as (typeof calls)[number]
    const number = count
    count += 1
    pending.set(number, { call: `${method} ${path}`, at: performance.now() })
    let what = method
    const outcome = await window.session
      .fetch(window.api + path, init)
      .then(async (response) => {
        what = `${method} body`
        await response.arrayBuffer()
        return String(response.status)
      })
      .catch((error) => `${what} ${typeof error.code === 'string' ? error.code : error.name}`)
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    pending.delete(number)
  }
  const flush = () => {
    tell({ kind: 'calls', outcomes })
    outcomes = {}
    for (const entry of pending.values()) {
      const milliseconds = performance.now() - entry.at
      if (milliseconds < longestCall || entry.told) continue
      entry.told = true
      tell({ kind: 'stuck', call: entry.call, milliseconds })
    }
  }
  const start = () => {
    const { session } = window
    // The provider's pages and the callback page make no calls.
    if (session === undefined || location.pathname !== '/') return
    const change = () => tell({ kind: 'change', at: Date.now(), snapshot: session.getSnapshot() })
    session.subscribe(change)
    change()
    const calling = setInterval(() => {
      if (pending.size < 40) void call()
    }, callEvery)
    setInterval(flush, 400)
    const pageCalls: PageCalls = {
      pending: () => [...pending.values()].map((entry) => entry.call),
      stop() {
        if (!isOver) clearInterval(calling)
        isOver = true
        flush()
      },
    }
    Object.assign(window, { pageCalls })
  }
  addEventListener('load', start)
}
