import { isLingpaiError } from '../../src/protocol/errors.ts'

/**
 * How a refresh ended without a token.
 *
 * - `rejected`: the server will never accept this refresh token again. The session ends.
 * - `refused`: the server did not process the request (429, 503). The same request may be sent again.
 * - `unknown`: no answer that can be read; the server may have rotated the refresh token, or not.
 * - `failed`: the app is misconfigured; trying again cannot help.
 */
export type Verdict = 'rejected' | 'refused' | 'unknown' | 'failed'

/** Thrown by a grant to say how a refresh ended. Made by {@link rejected}, {@link refused} and {@link failed}. */
export class RefreshVerdict extends Error {
  override readonly name = 'RefreshVerdict'
  readonly verdict: Verdict
  /** Milliseconds to wait before the next attempt, where the server said so. */
  readonly retryAfter: number | undefined

  constructor(verdict: Verdict, reason: string, retryAfter?: number) {
    super(reason)
    this.verdict = verdict
    this.retryAfter = retryAfter
  }
}

/** The error that a grant throws where its refresh token is no longer good: the session ends. */
export function rejected(reason = 'refresh_rejected'): RefreshVerdict {
  return new RefreshVerdict('rejected', reason)
}

/**
 * The error that a grant throws where the server did not process the refresh. The session is kept, and the refresh is
 * sent again after `retryAfter` (in milliseconds), or after a pause of our own choice.
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

/** The error that a grant throws where the app's own registration is wrong: nothing is sent again. */
export function failed(reason: string): RefreshVerdict {
  return new RefreshVerdict('failed', reason)
}

/** The error that a grant throws where nobody knows whether the server has processed the refresh. */
export function outcomeUnknown(reason: string): RefreshVerdict {
  return new RefreshVerdict('unknown', reason)
}

/** Reads a thrown value as a verdict; `lastStatus` and `retryAfter` are those of the grant's last HTTP answer. */
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
