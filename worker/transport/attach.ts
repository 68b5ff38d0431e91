import { LingpaiError } from '../../src/protocol/errors.ts'
import type { Permit } from '../core/session/events.ts'

/** How a request carries its token. Made by {@link bearer} or {@link header}. */
export type Attach = { readonly kind: 'bearer' } | { readonly kind: 'header'; readonly name: string }

/** `Authorization: Bearer <token>` (RFC 6750 §2.1): the default. Browsers drop it if a redirect leaves the origin. */
export function bearer(): Attach {
  return { kind: 'bearer' }
}

/**
 * A header of the API's own, such as `X-TOKEN`, with the bare token. Browsers would send it to another origin after a
 * redirect, so such a request fails on any redirect (`redirect_refused`).
 *
 * @throws LingpaiError `invalid_config` if the name is not a header name
 */
export function header(name: string): Attach {
  if (typeof name !== 'string' || !/^[\w!#$%&'*+.^`|~-]+$/.test(name)) {
    throw new LingpaiError('invalid_config', `header(): ${JSON.stringify(name)} is not the name of an HTTP header.`)
  }
  return { kind: 'header', name }
}

/** Name and value of the header that carries a permit's token. */
export function toHeader(attach: Attach, { tokens }: Permit): [string, string] {
  return attach.kind === 'header'
    ? [attach.name, tokens.accessToken]
    : ['Authorization', `${schemeOf(tokens.tokenType)} ${tokens.accessToken}`]
}

// The scheme is case-insensitive (RFC 9110 §11.1), but some APIs accept only this spelling.
function schemeOf(tokenType: string): string {
  return tokenType.toLowerCase() === 'bearer' ? 'Bearer' : tokenType
}

/** The error for a redirect that could carry a token to another server. */
export function redirectRefused(url: string, what: string): LingpaiError {
  return new LingpaiError(
    'redirect_refused',
    `${new URL(url).origin} answered ${what} with a redirect, which could send the token elsewhere. Call the final URL.`,
  )
}
