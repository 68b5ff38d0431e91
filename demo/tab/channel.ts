import type { Snapshot } from 'lingpai'

/** The report of a demo tab. The counters start when the tab opens. */
export interface TabReport {
  readonly tab: string
  readonly status: Snapshot['status']
  readonly user: string
  /** The number that the worker has given to its connection. */
  readonly connection?: { readonly instance: string; readonly page: number }
  readonly calls: CallCounts
}

export interface CallCounts {
  readonly made: number
  /** Resolved calls, by status. */
  readonly answered: Readonly<Record<string, number>>
  /** Rejected calls, by the error's code. */
  readonly lost: Readonly<Record<string, number>>
  readonly waiting: number
  /** Waiting for longer than lingpai promises. */
  readonly hung: number
}

export type TabMessage =
  | { readonly kind: 'fire'; readonly to: string; readonly count: number }
  | { readonly kind: 'report'; readonly report: TabReport }
  | { readonly kind: 'story'; readonly tab: string; readonly text: string }
  /** Asks every tab for its report. */
  | { readonly kind: 'call-the-roll' }

export const everyTab = 'all'

export interface TabChannel {
  post(message: TabMessage): void
  listen(listener: (message: TabMessage) => void): void
}

/** The channel between a playground and its frames and tabs. Other playgrounds use other channels. */
export function openTabChannel(playground: string): TabChannel {
  const channel = new BroadcastChannel(`lingpai-demo-tabs-${playground}`)
  return {
    post: (message) => channel.postMessage(message),
    listen: (listener) => channel.addEventListener('message', ({ data }: MessageEvent<TabMessage>) => listener(data)),
  }
}

/** The name of the lock that a tab holds until it ends. A tab that closes or crashes cannot send a message. */
export function lockOf(playground: string, tab: string): string {
  return `lingpai-demo-tab ${playground} ${tab}`
}
