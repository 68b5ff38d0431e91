import type { Envelope } from './envelope.ts'

/** Where tokens may go, as far as the page needs to know it. */
export interface ApiRules {
  readonly origin: string
  readonly pathPrefix: string
  /** Told only to an app thread that keeps the bodies: how to read them. */
  readonly envelope?: Envelope
  /** Told only to an app thread that keeps the bodies: whether the worker must see a request's data to sign them. */
  readonly isSigned?: boolean
}

/** Finds the API that a URL belongs to. Origins are compared whole, path prefixes at a segment's end (RFC 6454 §5). */
export function findApi<Api extends ApiRules>(
  apis: readonly Api[],
  url: { readonly origin: string; readonly pathname: string },
): Api | undefined {
  return apis.find(
    ({ origin, pathPrefix }) =>
      url.origin === origin &&
      (url.pathname === pathPrefix ||
        url.pathname.startsWith(pathPrefix.endsWith('/') ? pathPrefix : `${pathPrefix}/`)),
  )
}
