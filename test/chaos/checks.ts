import type { LoggedRefresh } from '../../servers/provider/refresh-log.ts'

/** A kill, a crash or a cut, which may lose a response. In milliseconds since the epoch. */
export interface Loss {
  readonly what: string
  readonly from: number
  readonly to: number
}

/** A worker that is killed between the last byte of the response and the write to the store loses the tokens too. */
const STORING = 500

/** Whether the response to a processed refresh did not arrive, or its worker died before it stored the tokens. */
function findLoss(refresh: LoggedRefresh, losses: readonly Loss[]): string | undefined {
  if (refresh.status === undefined) return 'no answer'
  return losses.find((loss) => isDuring(refresh, loss))?.what
}

function isDuring({ at, endedAt = Number.POSITIVE_INFINITY }: LoggedRefresh, { from, to }: Loss): boolean {
  return from <= endedAt + STORING && to >= at
}

/**
 * If a reused connection ends without a response, Chromium sends the request again on its own, even a POST
 * (`ShouldResendRequest` in its `net/http/http_network_transaction.cc`). Pages and workers do not notice it.
 */
const RESENDING = 150

export interface Reuse {
  readonly refresh: LoggedRefresh
  /** The browser has sent the request again at once, so the worker treats the rejection as the first response. */
  readonly isByBrowser: boolean
  /** Why the worker could not know that the token was used; undefined if it could. */
  readonly loss: string | undefined
}

/** Refreshes with a used token, each with the loss of the response to the refresh that used it. */
export function findReuses(refreshes: readonly LoggedRefresh[], losses: readonly Loss[]): Reuse[] {
  const processed = new Map<string, LoggedRefresh>()
  const reuses: Reuse[] = []
  const isByBrowser = (earlier: LoggedRefresh) => {
    const { token, endedAt = Number.POSITIVE_INFINITY } = earlier
    const isCut = earlier.isDestroyed || losses.some((loss) => loss.what === 'cut' && isDuring(earlier, loss))
    // The repeated request may be rejected unprocessed. The worker gets only that, not the loss of the first response.
    return isCut && refreshes.some(({ at, token: sent }) => sent === token && at >= endedAt && at < endedAt + RESENDING)
  }
  for (const refresh of refreshes) {
    const earlier = processed.get(refresh.token)
    if (earlier !== undefined) {
      reuses.push({ refresh, loss: findLoss(earlier, losses), isByBrowser: isByBrowser(earlier) })
    }
    // A request that was rejected unprocessed says nothing about the token.
    if (refresh.issued !== undefined || refresh.isReuse) processed.set(refresh.token, refresh)
  }
  return reuses
}

/** Refreshes of one session that were in progress at the same time (I1), as texts. */
export function findOverlaps(refreshes: readonly LoggedRefresh[], tolerance: number): string[] {
  const sessions = new Map<string, string>()
  const open = new Map<string, LoggedRefresh[]>()
  return refreshes.flatMap((refresh) => {
    const session = sessions.get(refresh.token) ?? refresh.token
    if (refresh.issued !== undefined) sessions.set(refresh.issued, session)
    const others = (open.get(session) ?? []).filter(
      ({ endedAt = Number.POSITIVE_INFINITY }) => endedAt > refresh.at + tolerance,
    )
    open.set(session, [...others, refresh])
    return others.map(({ at }) => `two refreshes of one session at once: ${refresh.at - at} ms after another (I1)`)
  })
}
