import { LingpaiError } from '../../../src/protocol/errors.ts'
import type { CancelSignal, GrantIO, GrantRequest, GrantResponse, Platform } from '../adapter.ts'
import { parseRetryAfter } from '../retry.ts'
import { waitFor } from './machine.ts'

/**
 * The longest time for one request of a grant, in milliseconds: a code exchange without a response must not keep a sign-in
 * for ever. A sign-in as a whole has no deadline, because the user takes part in it.
 */
const SEND_TIMEOUT = 30_000

export interface GrantRunHost {
  readonly platform: Platform
  readonly origin: string
  send(request: GrantRequest, signal: CancelSignal): Promise<GrantResponse>
  readonly login?: (signal: CancelSignal) => Promise<string>
}

export interface GrantRunLimits {
  /** The longest time for the whole run, in milliseconds. Without it, only each request has a deadline. */
  readonly timeout?: number
  /** Lets a request in flight end after an abort: only a worker that has the new tokens can revoke them. */
  readonly letsRequestsEnd?: boolean
}

/** Runs one method of a grant: with a deadline, an abort signal, and the status of the last response for the verdict. */
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
      // A grant that ignores its signal must not send while a later attempt does (I1).
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
    const sending = platform.createAbort()
    const stop = (reason: unknown) => {
      sending.abort(reason)
      return reason
    }
    // If the app allows a refresh more time than this, its one request may take all of that time.
    const longest = Math.max(SEND_TIMEOUT, timeout ?? 0)
    return waitFor(platform, () => send(request, sending.signal), {
      timeout: longest,
      onTimeout: () => stop(notAnswered(longest)),
      ...(!letsRequestsEnd && { signal, onAbort: () => stop(signal.reason) }),
    })
  }

  return {
    abort,
    lastStatus: () => lastStatus,
    /** Whether no server can have acted on the run. Unknown, and so false, if a grant sends without `io`. */
    hasOnlyRead: () => hasSent && !hasActed,
    retryAfter: () => retryAfter,

    /**
     * Rejects on abort and at the timeout, even if the grant ignores its signal. A result that arrives after that is
     * passed to `onLate`.
     */
    run<T>(work: (io: GrantIO) => Promise<T> | T, onLate: (result: T) => void = () => {}): Promise<T> {
      const onTimeout = () => {
        lastStatus = undefined
        abort(notAnswered(timeout as number))
        return signal.reason
      }
      return waitFor(
        platform,
        async () => work(io),
        { timeout, onTimeout, signal, onAbort: () => signal.reason },
        onLate,
      )
    },
  }
}

function notAnswered(milliseconds: number): LingpaiError {
  return new LingpaiError('timeout', `The token server did not answer within ${milliseconds} ms.`)
}
