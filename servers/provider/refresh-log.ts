import type { ServerResponse } from 'node:http'

export interface LoggedRefresh {
  /** Milliseconds since the epoch, at arrival. */
  readonly at: number
  /** The refresh token that came. */
  readonly token: string
  /** The refresh token that was made in its place, whether or not anybody got it. */
  readonly issued?: string
  /** The token was spent before, and no grace covered it. */
  readonly isReuse: boolean
  /** Milliseconds since the epoch when the answer was handed over, or when its connection was gone. */
  readonly endedAt?: number
  /** Absent until answered, and for good where the connection was gone before the answer, or was destroyed for it. */
  readonly status?: number
  /** The server itself destroyed the connection, for a fault. */
  readonly isDestroyed?: true
}

export interface RefreshEntry {
  /** The request is processed from now on. */
  process(isReuse: boolean): void
  issue(token: string): void
  destroy(): void
}

export interface RefreshLog {
  readonly refreshes: readonly LoggedRefresh[]
  record(token: string, response: ServerResponse): RefreshEntry
}

/** What became of each refresh request, so that an answer that was lost can be told from one that arrived. */
export function createRefreshLog(): RefreshLog {
  const refreshes: LoggedRefresh[] = []
  return {
    refreshes,
    record(token, response) {
      const entry: { -readonly [Key in keyof LoggedRefresh]: LoggedRefresh[Key] } = {
        at: Date.now(),
        token,
        isReuse: false,
      }
      refreshes.push(entry)
      const end = () => {
        if (entry.endedAt !== undefined) return
        entry.endedAt = Date.now()
        if (response.writableFinished) entry.status = response.statusCode
      }
      response.once('finish', end)
      response.once('close', end)
      return {
        process(isReuse) {
          entry.isReuse = isReuse
        },
        issue(issued) {
          entry.issued = issued
        },
        destroy() {
          entry.isDestroyed = true
        },
      }
    },
  }
}
