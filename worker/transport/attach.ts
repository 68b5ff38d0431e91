import { LingpaiError } from '../../src/protocol/errors.ts'
import type { Permit } from '../core/session/events.ts'

/** How a token is put on a request. Made by {@link bearer} or {@link header}. */
export type Attach = { readonly kind: 'bearer' } | { readonly kind: 'header'; readonly name: string }

/** `Authorization: Bearer <token>` (RFC 6750 §2.1): the default. Browsers drop it where a redirect leaves the origin. */
export function bearer(): Attach {
  return { kind: 'bearer' }
}

/**
 * A header of the API's own, such as `X-TOKEN`, with the bare token. Browsers would carry it along on a redirect to
 * another origin, so a request with one fails on any redirect (`redirect_refused`).
 *
 * @throws LingpaiError `invalid_config` where the name is no header name
 */
export function header(name: string): Attach {
  if (typeof name !== 'string' || !/^[\w!#$%&'*+.^`|~-]+$/.test(name)) {
    throw new LingpaiError('invalid_config', `header(): ${JSON.stringify(name)} is not the name of an HTTP header.`)
  }
  return { kind: 'header', name }
}

/** The header that carries a permit's token, name and value. */
export function toHeader(attach: Attach, { tokens }: Permit): [string, string] {
  return attach.kind === 'header'
    ? [attach.name, tokens.accessToken]
    : ['Authorization', `${schemeOf(tokens.tokenType)} ${tokens.accessToken}`]
}

// The scheme is case-insensitive (RFC 9110 §11.1), but not in every API.
function schemeOf(tokenType: string): string {
  return tokenType.toLowerCase() === 'bearer' ? 'Bearer' : tokenType
}

/** The error for an answer that would lead a token elsewhere. */
export function redirectRefused(url: string, what: string): LingpaiError {
  return new LingpaiError(
    'redirect_refused',
    `${new URL(url).origin} answered ${what} with a redirect, which could carry the token elsewhere. Call the final URL.`,
  )
}
