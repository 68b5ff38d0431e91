import { isLingpaiError } from '../../src/protocol/errors.ts'

/**
 * How a refresh ended without a token.
 *
 * - `rejected`: the server will never accept this refresh token again. The session ends.
 * - `refused`: the server did not process the request (429, 503). The same request may be sent again.
 * - `unknown`: there was no response that could be read. The server may have rotated the refresh token.
 * - `failed`: the app is misconfigured. Another attempt cannot succeed.
 */
export type Verdict = 'rejected' | 'refused' | 'unknown' | 'failed'

/** The error that a grant throws to report how a refresh ended. See {@link rejected}, {@link refused} and {@link failed}. */
export class RefreshVerdict extends Error {
  override readonly name = 'RefreshVerdict'
  readonly verdict: Verdict
  /** Milliseconds to wait before the next attempt, if the server asked for it. */
  readonly retryAfter: number | undefined

  constructor(verdict: Verdict, reason: string, retryAfter?: number) {
    super(reason)
    this.verdict = verdict
    this.retryAfter = retryAfter
  }
}

/** Makes the error for a refresh token that the server will not accept again: the session ends. */
export function rejected(reason = 'refresh_rejected'): RefreshVerdict {
  return new RefreshVerdict('rejected', reason)
}

/**
 * Makes the error for a refresh that the server did not process. The session is kept, and the refresh is sent again after
 * `retryAfter` (in milliseconds), or after the broker's own pause.
 */
export function refused({
  retryAfter,
  reason = 'refused',
}: {
  retryAfter?: number
  reason?: string
} = {}): RefreshVerdict {
  return new RefreshVerdict('refused', reason, retryAfter)
}

/** Makes the error for an app whose registration at the server is wrong: the refresh is not sent again. */
export function failed(reason: string): RefreshVerdict {
  return new RefreshVerdict('failed', reason)
}

/** Makes the error for a refresh that the server may or may not have processed. */
export function outcomeUnknown(reason: string): RefreshVerdict {
  return new RefreshVerdict('unknown', reason)
}

/** Turns a thrown value into a verdict. `lastStatus` and `retryAfter` are of the grant's last HTTP response. */
export function toVerdict(
  thrown: unknown,
  lastStatus: number | undefined,
  retryAfter: number | undefined,
): RefreshVerdict {
  if (thrown instanceof RefreshVerdict) {
    const isPauseKnown = thrown.verdict !== 'refused' || thrown.retryAfter !== undefined
    return isPauseKnown ? thrown : new RefreshVerdict('refused', thrown.message, retryAfter)
  }
  if (isLingpaiError(thrown) && thrown.code === 'invalid_config') return failed('invalid_config')
  if (lastStatus === 400 || lastStatus === 401) return rejected()
  if (lastStatus === 429 || lastStatus === 503) return new RefreshVerdict('refused', `http_${lastStatus}`, retryAfter)
  return new RefreshVerdict('unknown', lastStatus === undefined ? 'no_answer' : `unusable_answer_${lastStatus}`)
}
