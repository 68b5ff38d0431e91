import { transfer } from 'comlink'
import type { Client } from '../client/client.ts'
import { isIdempotent } from '../client/repeat.ts'
import type { Connection } from '../connect/connection.ts'
import { findApi, notListed } from '../protocol/apis.ts'
import { isLingpaiError, toFetchError } from '../protocol/errors.ts'
import type { UploadProgress } from '../protocol/wire.ts'
import { toResponse } from './from-wire.ts'
import { toWireRequest } from './to-wire.ts'

/** `RequestInit`, and whether the session's token is attached. */
export interface SessionRequestInit extends RequestInit {
  /**
   * Whether the token is attached. Default: only to the APIs listed in the worker. `false` sends the request without a token,
   * by the page's own `fetch`. `true` rejects with `origin_not_allowed` if the URL is not listed.
   */
  readonly auth?: boolean
  /**
   * Called with the bytes of the body that were sent so far, at most every 50 ms. If the request is sent again after a 401,
   * the count starts again. Only for listed APIs, and if `XMLHttpRequest` can send the request: see the guide.
   */
  readonly onUploadProgress?: (progress: UploadProgress) => void
}

/** `window.fetch`, signed in. Rejects as `fetch` does: with a `TypeError`, or with the signal's reason, unchanged. */
export type SessionFetch = (input: RequestInfo | URL, init?: SessionRequestInit) => Promise<Response>

export interface FetchOptions {
  /**
   * Sends the requests that get no token. Default `fetch` as it is at `connect()`. It is not read later, because an app may
   * assign `session.fetch` to `window.fetch`: then it would call itself without end.
   */
  readonly pageFetch?: typeof fetch
  /** The page's policy, if it differs from that of its `<meta>`. */
  readonly referrerPolicy?: ReferrerPolicy | undefined
}

/** @see https://fetch.spec.whatwg.org/#fetch-method */
export function createFetch(client: Client, { pageFetch = fetch, referrerPolicy }: FetchOptions = {}): SessionFetch {
  return async (input, init) => {
    if (init?.auth === false) return pageFetch(input, init)
    // The platform's constructor checks and normalises the request as `fetch` does.
    const request = new Request(input, init)
    const { signal } = request
    // Copied now: the caller may change the form while this call waits.
    const form = init?.body instanceof FormData ? { form: [...init.body] } : undefined
    // The worker makes the form again, with another boundary, unless the caller has set one.
    const isDrawnAgain = form && !new Headers(init?.headers ?? (input as Request).headers).has('content-type')
    let progress: ReturnType<typeof watchProgress> | undefined
    // Read now: another user may sign in while the body is read.
    const caller = client.caller()
    try {
      const url = new URL(request.url)
      if (findApi(await client.apis(signal), url) === undefined) {
        if (init?.auth === true) throw notListed(url)
        return await pageFetch(request)
      }
      const [wire, transferred] = await toWireRequest(request, init, form, isDrawnAgain, referrerPolicy)
      const send = async (connection: Connection) => {
        progress?.port1.close()
        progress = init?.onUploadProgress && watchProgress(init.onUploadProgress)
        const port = progress?.port2
        const moved = port ? [...transferred, port] : transferred
        const answer = await connection.call('fetch', [transfer({ ...wire, progress: port }, moved)], {
          signal,
          caller,
        })
        return toResponse(answer, connection, init?.signal || input instanceof Request ? signal : undefined)
      }
      // What was transferred is lost with its worker.
      const isRepeatable = transferred.length === 0 && isIdempotent(request)
      return await client.repeat(send, signal, isRepeatable ? undefined : 0, caller)
    } catch (error) {
      progress?.port1.close()
      if (signal.aborted) throw signal.reason
      throw isLingpaiError(error) ? toFetchError(error) : error
    }
  }
}

/**
 * Progress may arrive after the answer. So only the last message, null, closes `port1`, or the caller if the request fails.
 */
function watchProgress(onProgress: (progress: UploadProgress) => void): MessageChannel {
  const channel = new MessageChannel()
  const { port1 } = channel
  port1.onmessage = ({ data }) => (data ? onProgress(data) : port1.close())
  return channel
}
