import type { Snapshot } from 'lingpai'

/** What a tab of the demo tells of itself. The numbers count from when it was opened. */
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
  /** Those whose promise resolved, by the status of the answer. */
  readonly answered: Readonly<Record<string, number>>
  /** Those whose promise rejected, by the error's code. */
  readonly lost: Readonly<Record<string, number>>
  readonly waiting: number
  /** Waiting for longer than lingpai promises. */
  readonly hung: number
}

export type TabMessage =
  | { readonly kind: 'fire'; readonly to: string; readonly count: number }
  | { readonly kind: 'report'; readonly report: TabReport }
  | { readonly kind: 'story'; readonly tab: string; readonly text: string }
  /** Whoever plays a tab says what it is. */
  | { readonly kind: 'call-the-roll' }

export const everyTab = 'all'

export interface TabChannel {
  post(message: TabMessage): void
  listen(listener: (message: TabMessage) => void): void
}

/** What the playground and its tabs say to each other: frames and real tabs alike, but none of another playground's. */
export function openTabChannel(playground: string): TabChannel {
  const channel = new BroadcastChannel(`lingpai-demo-tabs-${playground}`)
  return {
    post: (message) => channel.postMessage(message),
    listen: (listener) => channel.addEventListener('message', ({ data }: MessageEvent<TabMessage>) => listener(data)),
  }
}

/** The name of the lock that a tab holds for as long as it lives: one that is closed or crashes has no last words. */
export function lockOf(playground: string, tab: string): string {
  return `lingpai-demo-tab ${playground} ${tab}`
}
