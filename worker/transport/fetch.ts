import { LingpaiError } from '../../src/protocol/errors.ts'
import { isRedirect } from '../../src/protocol/http.ts'
import type { WireRequest, WireResponse } from '../../src/protocol/wire.ts'
import type { CancelSignal, GrantRequest, GrantResponse } from '../core/adapter.ts'
import type { Permit } from '../core/session/events.ts'
import { type Attach, redirectRefused, toHeader } from './attach.ts'
import { toRequestBody } from './request-body.ts'
import { type TokenSearch, tokenReflected } from './token-search.ts'

type Fetch = typeof globalThis.fetch

/** Sends a grant's request without cache, and without cookies unless the grant asks for them. Does not follow redirects. */
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
      credentials: request.credentials ?? 'omit',
      cache: 'no-store',
      signal: signal as AbortSignal,
    })
    text = await response.text()
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw new LingpaiError('network_error', `No answer from ${originOf(url)}: the network failed or CORS blocked it.`, {
      cause: error,
    })
  }
  if (isRedirected(response)) throw redirectRefused(url, 'a request of the grant')
  return { status: response.status, headers: Object.fromEntries(response.headers), body: text }
}

/** Sends one attempt of an API request, with the permit's token if there is a permit, and a proof if there is one. */
export async function sendApiRequest(
  fetch: Fetch,
  request: WireRequest,
  attach: Attach,
  permit: Permit | undefined,
  signal: AbortSignal,
  proof?: [string, string],
): Promise<Response> {
  const { url, headers: pairs, body, redirect, ...rest } = request
  const own = [permit && toHeader(attach, permit), proof].filter((header) => header !== undefined)
  const isOwn = (name: string) => own.some(([other]) => other.toLowerCase() === name.toLowerCase())
  // As pairs: a `Headers` would change every name to lower case.
  const headers = [...pairs.filter(([name]) => !isOwn(name)), ...own] as [string, string][]
  const isGuarded = permit !== undefined && (attach.kind === 'header' || proof !== undefined) && redirect !== 'error'
  const guarded = isGuarded ? 'manual' : redirect
  const response = await fetch(url, {
    ...(rest as RequestInit),
    headers,
    ...toRequestBody(body),
    ...(guarded !== undefined && { redirect: guarded as RequestRedirect }),
    signal,
  }).catch((error) => {
    // An engine may quote a header that it finds invalid (I11).
    throw permit && String(error).includes(permit.tokens.accessToken) ? new TypeError('Failed to fetch') : error
  })
  if (isGuarded && redirect !== 'manual' && isRedirected(response))
    throw redirectRefused(url, 'a request with a token or proof in a header of its own')
  return response
}

/** Everything but the body of a response, for the page. Throws if it contains a token (I11). */
export function toWireHead(response: Response, search: TokenSearch | undefined): Omit<WireResponse, 'body'> {
  const { url, status, statusText, type, redirected } = response
  const headers = [...response.headers]
  if (search?.isIn([url, statusText, ...headers.flat()].join('\n'))) throw tokenReflected(status)
  return { url, status, statusText, type, redirected, headers }
}

// With `redirect: 'manual'`, Node resolves with the redirect itself, and browsers with an opaque one (Fetch §2.2.6).
function isRedirected({ type, status }: Response): boolean {
  return type === 'opaqueredirect' || isRedirect(status)
}

function originOf(url: string): string {
  return new URL(url).origin
}
