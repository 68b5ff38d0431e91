import type { Client } from './client.ts'
import { waitFor } from './connect/wait.ts'
import { findApi, NULL_BODY_STATUSES, type WireRequest, type WireResponse } from './protocol/contract.ts'
import { isLingpaiError, LingpaiError, toFetchError } from './protocol/errors.ts'

/** `RequestInit`, and whether the session's token goes along. */
export interface SessionRequestInit extends RequestInit {
  /**
   * Whether the token is attached. Default: to the APIs listed in the worker, and to no other. `false` sends the request
   * without one, by the page's own `fetch`; `true` rejects with `origin_not_allowed` where the URL is not listed.
   */
  readonly auth?: boolean
}

/** `window.fetch`, signed in. Rejects as `fetch` does: with `TypeError`, or with the reason of an abort, unchanged. */
export type SessionFetch = (input: RequestInfo | URL, init?: SessionRequestInit) => Promise<Response>

/** @see https://fetch.spec.whatwg.org/#fetch-method */
export function createFetch(client: Client): SessionFetch {
  return async (input, init) => {
    if (init?.auth === false) return fetch(input, init)
    // The platform's own constructor checks and normalises everything, as `fetch` itself would.
    const request = new Request(input, init)
    const { signal } = request
    try {
      const url = new URL(request.url)
      if (findApi(await client.apis(signal), url) === undefined) {
        if (init?.auth === true) {
          throw new LingpaiError(
            'origin_not_allowed',
            `No token goes to ${url.origin}: it is not among the apis of serve().`,
          )
        }
        return await fetch(request)
      }
      const connection = await client.connected(signal)
      return toResponse(await connection.call('fetch', [await toWireRequest(request, init)], { signal }))
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw isLingpaiError(error) ? toFetchError(error) : error
    }
  }
}

async function toWireRequest(request: Request, init: RequestInit | undefined): Promise<WireRequest> {
  const { url, method, credentials, mode, cache, redirect, integrity, keepalive, referrerPolicy } = request
  return {
    url,
    method,
    headers: [...request.headers],
    body: await readBody(request, init),
    credentials,
    mode,
    cache,
    redirect,
    integrity,
    keepalive,
    priority: init?.priority,
    // In the worker, "about:client" would mean the worker's script.
    referrer: request.referrer === 'about:client' ? globalThis.location?.href : request.referrer,
    referrerPolicy,
  }
}

/** Strings and blobs go as they are; everything else as the bytes that the platform would send, read once. */
async function readBody(
  request: Request,
  init: RequestInit | undefined,
): Promise<string | Blob | ArrayBuffer | undefined> {
  const body = init?.body
  if (typeof body === 'string' || body instanceof Blob) return body
  if (request.body === null) return undefined
  const bytes = await waitFor(request.arrayBuffer(), { signal: request.signal })
  // Firefox has no `Request.body`: there, only the bytes tell whether there is one.
  return request.body === undefined && bytes.byteLength === 0 ? undefined : bytes
}

function toResponse({ url, status, statusText, type, redirected, headers, body }: WireResponse): Response {
  const response = new Response(NULL_BODY_STATUSES.includes(status) ? null : body, {
    // An opaque response has status 0, which the constructor refuses (Fetch §5.5).
    status: status === 0 ? 200 : status,
    statusText,
    headers: headers as [string, string][],
  })
  return asReceived(response, { url, type, redirected, ...(status === 0 && { status, ok: false }) })
}

/** What only the platform can set on a response, set on the object itself, and on its clones. */
function asReceived(response: Response, fields: object): Response {
  const clone = response.clone.bind(response)
  const values = { ...fields, clone: () => asReceived(clone(), fields) }
  for (const [name, value] of Object.entries(values))
    Object.defineProperty(response, name, { value, configurable: true })
  return response
}
