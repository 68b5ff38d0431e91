import type { Client } from './client/client.ts'
import { findApi, notListed } from './protocol/apis.ts'
import type { CancelSignal } from './protocol/cancel-signal.ts'
import { DEFAULT_TIMEOUT } from './protocol/deadline.ts'
import { isLingpaiError, LingpaiError } from './protocol/errors.ts'
import type { WireApiRequest } from './protocol/wire.ts'
import { toQuery } from './query.ts'
import type { JsonRequest, RequestOptionsBase } from './session-base.ts'

/** A call of an API that uses JSON. The same on the web and in a mini program. */
export interface RequestOptions extends RequestOptionsBase {
  /** Absolute, or relative to the page. */
  readonly url: string
  /** Default `GET`. */
  readonly method?: string
  readonly signal?: AbortSignal
}

/** Calls an API that uses JSON. */
export type SessionRequest = JsonRequest<RequestOptions>

/** `pageFetch` sends the requests to URLs that are not listed, so that the policy of the page holds for them. */
export function createRequest(client: Client, pageFetch = fetch): SessionRequest {
  return async <T>(options: RequestOptions): Promise<T> => {
    const { signal, timeout = DEFAULT_TIMEOUT } = options ?? {}
    if (!(timeout >= 0)) throw new LingpaiError('invalid_call', 'timeout must be milliseconds.')
    // A longer timer would fire at once.
    const deadline = Math.min(timeout, 2 ** 31 - 1)
    const request = toJsonRequest(options ?? {})
    const send = async (cancelled: CancelSignal) => {
      const target = new URL(request.url)
      if (findApi(await client.apis(cancelled), target))
        return client.call('request', [{ ...request, timeout: deadline }], { signal: cancelled })
      if (request.auth) throw notListed(target)
      return sendUnlisted(pageFetch, request, cancelled)
    }
    try {
      return (await client.within(send, { deadline, signal })) as T
    } catch (cause) {
      throw signal?.aborted ? new LingpaiError('aborted', 'The request was aborted.', { cause }) : cause
    }
  }
}

/** Sends a request without a token. Its answer means what an answer of an API without an envelope means. */
async function sendUnlisted(
  pageFetch: typeof fetch,
  request: WireApiRequest,
  cancelled: CancelSignal,
): Promise<unknown> {
  const controller = new AbortController()
  const abort = () => controller.abort()
  if (cancelled.aborted) abort()
  cancelled.addEventListener('abort', abort)
  let status: number | undefined
  let text: string | undefined
  try {
    const response = await pageFetch(request.url, { ...request, signal: controller.signal } as object)
    status = response.status
    text = await response.text()
    if (response.ok) return text ? JSON.parse(text) : undefined
  } catch (cause) {
    if (isLingpaiError(cause)) throw cause
  }
  throw text === undefined
    ? new LingpaiError('network_error', "No response. Check the network, CORS and the page's connect-src.")
    : new LingpaiError('api_error', `The server answered with status ${status}, or not with JSON.`, {
        status: status as number,
      })
}

/** Uses the platform's constructor, so that a request that the platform rejects is rejected here. */
function toJsonRequest({ url, method = 'GET', data, headers = {}, auth }: RequestOptions): WireApiRequest {
  try {
    if (typeof url !== 'string') throw new TypeError('the url is missing')
    const verb = method.toUpperCase()
    const hasQuery = verb === 'GET' || verb === 'HEAD'
    const fields = new Headers(headers)
    if (!fields.has('accept')) fields.set('accept', 'application/json')
    const body = hasQuery || data === undefined ? null : JSON.stringify(data)
    if (body === undefined) throw new TypeError('the data are not JSON')
    if (body !== null && !fields.has('content-type')) fields.set('content-type', 'application/json')
    const request = new Request(url, { method: verb, headers: fields, body })
    const target = new URL(request.url)
    if (hasQuery) for (const [name, value] of toQuery(data)) target.searchParams.set(name, value)
    return { url: target.href, method: verb, headers: [...request.headers], auth, ...(body !== null && { body }) }
  } catch (cause) {
    throw new LingpaiError('invalid_call', `session.request cannot send this: ${(cause as Error).message}.`, { cause })
  }
}
