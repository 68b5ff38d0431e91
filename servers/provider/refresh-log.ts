import type { ServerResponse } from 'node:http'

export interface LoggedRefresh {
  /** Milliseconds since the epoch, at arrival. */
  readonly at: number
  /** The refresh token of the request. */
  readonly token: string
  /** Its successor, even if the response was lost. */
  readonly issued?: string
  /** Whether the token had been used before, outside a grace period. */
  readonly isReuse: boolean
  /** Milliseconds since the epoch when the response was sent, or when its connection had ended. */
  readonly endedAt?: number
  /** Absent until answered, and for good if the connection ended or was destroyed before the response. */
  readonly status?: number
  /** Whether the server destroyed the connection, for a fault. */
  readonly isDestroyed?: true
}

export interface RefreshEntry {
  /** Marks the start of the processing. */
  process(isReuse: boolean): void
  issue(token: string): void
  destroy(): void
}

export interface RefreshLog {
  readonly refreshes: readonly LoggedRefresh[]
  record(token: string, response: ServerResponse): RefreshEntry
}

/** The outcome of each refresh request, to distinguish a lost response from one that arrived. */
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
