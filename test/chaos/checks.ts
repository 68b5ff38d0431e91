import type { LoggedRefresh } from '../../servers/provider/refresh-log.ts'

/** Something that may take an answer from its worker, in milliseconds since the epoch: a kill, a crash, a cut. */
export interface Loss {
  readonly what: string
  readonly from: number
  readonly to: number
}

/** Between the answer's last byte and the tokens being in the store, a killed worker loses it all the same. */
const STORING = 500

/** Whether the answer to a processed refresh did not arrive, or not in a worker that lived to keep it. */
function findLoss(refresh: LoggedRefresh, losses: readonly Loss[]): string | undefined {
  if (refresh.status === undefined) return 'no answer'
  return losses.find((loss) => isDuring(refresh, loss))?.what
}

function isDuring({ at, endedAt = Number.POSITIVE_INFINITY }: LoggedRefresh, { from, to }: Loss): boolean {
  return from <= endedAt + STORING && to >= at
}

/**
 * Chromium sends a request once more by itself, a POST too, where a connection that it had used before ends without an
 * answer (`ShouldResendRequest` in its `net/http/http_network_transaction.cc`). No page or worker hears of it.
 */
const RESENDING = 150

export interface Reuse {
  readonly refresh: LoggedRefresh
  /** The browser itself has sent it again, at once, so that its worker takes the rejection for a first answer. */
  readonly isByBrowser: boolean
  /** Why its worker could not know that the token was spent; undefined where it should have known. */
  readonly loss: string | undefined
}

/** Refreshes with a token that an earlier refresh had spent, each with the loss of that one's answer. */
export function findReuses(refreshes: readonly LoggedRefresh[], losses: readonly Loss[]): Reuse[] {
  const processed = new Map<string, LoggedRefresh>()
  const reuses: Reuse[] = []
  const isByBrowser = (earlier: LoggedRefresh) => {
    const { token, endedAt = Number.POSITIVE_INFINITY } = earlier
    const isCut = earlier.isDestroyed || losses.some((loss) => loss.what === 'cut' && isDuring(earlier, loss))
    // It may be refused unprocessed, which is what the worker hears: of the first answer's loss, it hears nothing.
    return isCut && refreshes.some(({ at, token: sent }) => sent === token && at >= endedAt && at < endedAt + RESENDING)
  }
  for (const refresh of refreshes) {
    const earlier = processed.get(refresh.token)
    if (earlier !== undefined) {
      reuses.push({ refresh, loss: findLoss(earlier, losses), isByBrowser: isByBrowser(earlier) })
    }
    // One that was refused unprocessed tells nothing about the token.
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
