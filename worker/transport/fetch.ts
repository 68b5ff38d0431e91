import { isRedirect, NULL_BODY_STATUSES, type WireRequest, type WireResponse } from '../../src/protocol/contract.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import type { CancelSignal, GrantRequest, GrantResponse } from '../core/adapter.ts'
import type { Permit } from '../core/session.ts'
import { type Attach, redirectRefused, toHeader } from './attach.ts'

type Fetch = typeof globalThis.fetch

/** Sends a grant's request: no cookies, no cache, no redirect. */
export async function sendGrantRequest(
  fetch: Fetch,
  request: GrantRequest,
  signal: CancelSignal,
): Promise<GrantResponse> {
  const { url, headers = {}, body } = request
  let response: Response
  let text: string
  try {
    response = await fetch(url, {
      method: request.method ?? (body === undefined ? 'GET' : 'POST'),
      headers,
      ...(body !== undefined && { body }),
      redirect: 'manual',
      credentials: 'omit',
      cache: 'no-store',
      signal: signal as AbortSignal,
    })
    text = await response.text()
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw new LingpaiError('network_error', `No answer from ${originOf(url)}: the network or CORS is in the way.`, {
      cause: error,
    })
  }
  if (isRedirected(response)) throw redirectRefused(url, 'a request of the grant')
  return { status: response.status, headers: Object.fromEntries(response.headers), body: text }
}

/** Sends one attempt of an API request, with the token that the permit holds, where there is one. */
export async function sendApiRequest(
  fetch: Fetch,
  request: WireRequest,
  attach: Attach,
  permit: Permit | undefined,
  signal: AbortSignal,
): Promise<Response> {
  const { url, headers: pairs, body, redirect, ...rest } = request
  const headers = new Headers(pairs as [string, string][])
  if (permit !== undefined) headers.set(...toHeader(attach, permit))
  const isGuarded = permit !== undefined && attach.kind === 'header' && redirect !== 'error'
  const guarded = isGuarded ? 'manual' : redirect
  const response = await fetch(url, {
    ...(rest as RequestInit),
    headers,
    ...(body !== undefined && { body: body as BodyInit }),
    ...(guarded !== undefined && { redirect: guarded as RequestRedirect }),
    signal,
  }).catch((error) => {
    // An engine may quote a header that it finds invalid (I11).
    throw permit && String(error).includes(permit.tokens.accessToken) ? new TypeError('Failed to fetch') : error
  })
  if (isGuarded && redirect !== 'manual' && isRedirected(response))
    throw redirectRefused(url, 'a request with a token in a header of its own')
  return response
}

/** Reads a response whole, so that it can cross a port, and makes sure that no token goes with it. */
export async function readForPage(response: Response, token: string | undefined): Promise<WireResponse> {
  const body = hasBody(response) ? await response.arrayBuffer() : null
  // A search costs about a millisecond per MiB; what is larger is a download, and no echo.
  const isSearched = body !== null && body.byteLength <= LONGEST_SEARCH
  refuseReflection(response, isSearched ? new TextDecoder('latin1').decode(body) : '', token)
  return {
    url: response.url,
    status: response.status,
    statusText: response.statusText,
    type: response.type,
    redirected: response.redirected,
    headers: [...response.headers],
    body,
  }
}

const LONGEST_SEARCH = 1 << 20

/** Throws where an answer that is meant for the page holds the token that was sent (I11). */
export function refuseReflection(
  { url, status, statusText, headers }: Response,
  text: string,
  token: string | undefined,
): void {
  if (token === undefined || ![text, url, statusText, ...[...headers].flat()].some((part) => part.includes(token)))
    return
  throw new LingpaiError(
    'token_reflected',
    'The answer contains the access token, so it was not passed on to the page.',
    { status },
  )
}

// Chromium gives a 204 an empty stream for a body.
function hasBody({ body, status }: Response): boolean {
  return body !== null && status !== 0 && !NULL_BODY_STATUSES.includes(status)
}

// Node answers `redirect: 'manual'` with the redirect itself, browsers with an opaque one (Fetch §2.2.6).
function isRedirected({ type, status }: Response): boolean {
  return type === 'opaqueredirect' || isRedirect(status)
}

function originOf(url: string): string {
  return new URL(url).origin
}
