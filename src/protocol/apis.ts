import type { Envelope } from './envelope.ts'
import { LingpaiError } from './errors.ts'

/** An API that tokens may be sent to: the part that the page needs. */
export interface ApiRules {
  readonly origin: string
  readonly pathPrefix: string
  /** How to read the response bodies. Sent only to a mini program's app thread, which keeps them. */
  readonly envelope?: Envelope
  /** Whether the worker signs a request's data and so must see them. Sent only to a mini program's app thread. */
  readonly isSigned?: boolean
}

/** Finds the API that a URL belongs to. Origins are compared whole, path prefixes at a segment's end (RFC 6454 §5). */
export function findApi<Api extends ApiRules>(
  apis: readonly Api[],
  url: { readonly origin: string; readonly protocol: string; readonly pathname: string },
): Api | undefined {
  return apis.find(
    ({ origin, pathPrefix }) =>
      url.origin === origin &&
      // In Chromium, a `filesystem:` URL has the origin of the URL in it.
      origin.startsWith(url.protocol) &&
      (url.pathname === pathPrefix ||
        url.pathname.startsWith(pathPrefix.endsWith('/') ? pathPrefix : `${pathPrefix}/`)),
  )
}

/** The error about a URL that no token goes to, and the worker sends nothing to. */
export function notListed({ origin }: { readonly origin: string }): LingpaiError {
  return new LingpaiError(
    'origin_not_allowed',
    `Not sent to ${origin}: it is not among the apis of serve(), or the path hides "..".`,
  )
}
