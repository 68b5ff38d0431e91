import { LingpaiError } from '../../../src/protocol/errors.ts'
import type { CancelSignal, GrantIO, GrantRequest, GrantResponse, Platform } from '../adapter.ts'
import { MAX_TIMER, parseRetryAfter } from '../retry.ts'

/**
 * One request of a grant may take this long, so that a code exchange without an answer does not keep a sign-in for ever;
 * the sign-in as a whole, with a person in it, has no deadline.
 */
export const SEND_TIMEOUT = 30_000

export interface GrantRunHost {
  readonly platform: Platform
  readonly origin: string
  send(request: GrantRequest, signal: CancelSignal): Promise<GrantResponse>
  readonly login?: (signal: CancelSignal) => Promise<string>
}

export interface GrantRunLimits {
  /** How long it may take as a whole, in milliseconds; without one, only its single requests have a deadline. */
  readonly timeout?: number
  /** Lets a request that is under way end after an abort: tokens that it brings can only be revoked with them in hand. */
  readonly letsRequestsEnd?: boolean
}

export type GrantRun = ReturnType<typeof startGrantRun>

/** One exchange of a grant: a deadline, an abort signal, and the status of the last answer, from which verdicts are read. */
export function startGrantRun(
  { platform, origin, send, login }: GrantRunHost,
  { timeout, letsRequestsEnd = false }: GrantRunLimits = {},
) {
  const { signal, abort } = platform.createAbort()
  let lastStatus: number | undefined
  let retryAfter: number | undefined
  let hasSent = false
  let hasActed = false

  const io: GrantIO = {
    signal,
    origin,
    ...(login && { login: () => login(signal) }),
    async send(request) {
      lastStatus = undefined
      // A grant that does not look at its signal must not send beside the attempt that took its place (I1).
      if (signal.aborted) throw signal.reason
      hasSent = true
      hasActed ||= !request.isReadOnly
      const response = await sendInTime(request)
      lastStatus = response.status
      retryAfter = parseRetryAfter(response.headers['retry-after'], platform.now())
      return response
    },
  }

  function sendInTime(request: GrantRequest): Promise<GrantResponse> {
    return new Promise((resolve, reject) => {
      const sending = platform.createAbort()
      const end = (reason: unknown) => {
        reject(reason)
        sending.abort(reason)
      }
      const onAbort = () => end(signal.reason)
      // Where the app allows a whole refresh more than this, that is what its one request gets.
      const longest = Math.max(SEND_TIMEOUT, timeout ?? 0)
      const timer = startTimer(longest, () => end(notAnswered(longest)))
      if (!letsRequestsEnd) signal.addEventListener('abort', onAbort)
      Promise.resolve()
        .then(() => send(request, sending.signal))
        .then(resolve, reject)
        .finally(() => {
          platform.clearTimeout(timer)
          signal.removeEventListener('abort', onAbort)
        })
    })
  }

  function startTimer(milliseconds: number, callback: () => void): unknown {
    return platform.setTimeout(callback, Math.min(milliseconds, MAX_TIMER))
  }

  return {
    abort,
    lastStatus: () => lastStatus,
    /** Whether no server can have acted on it. Unknown, so false, where a grant sends by other means than `io`. */
    hasOnlyRead: () => hasSent && !hasActed,
    retryAfter: () => retryAfter,

    /**
     * Rejects on abort and timeout even where the grant's own code does not look at its signal; what that still brings
     * goes to `onLate`.
     */
    run<T>(work: (io: GrantIO) => Promise<T> | T, onLate: (result: T) => void = () => {}): Promise<T> {
      return new Promise((resolve, reject) => {
        const timer =
          timeout === undefined
            ? undefined
            : startTimer(timeout, () => {
                lastStatus = undefined
                abort(notAnswered(timeout))
              })
        signal.addEventListener('abort', () => {
          platform.clearTimeout(timer)
          reject(signal.reason)
        })
        Promise.resolve()
          .then(() => work(io))
          .then((result) => (signal.aborted ? onLate(result) : resolve(result)))
          .catch(reject)
          .finally(() => platform.clearTimeout(timer))
      })
    },
  }
}

function notAnswered(milliseconds: number): LingpaiError {
  return new LingpaiError('timeout', `The token server did not answer within ${milliseconds} ms.`)
}
