import type { Permit } from '../core/session/events.ts'

/**
 * How the browser's HTTP cache may be used for an API's requests with a token.
 *
 * - `no-store`: not at all.
 * - `revalidate`: the server is asked whether a stored response is still good.
 * - `default`: as the request's own `cache` says. After a change of user, the first request of each URL is revalidated.
 *
 * A script of the page can read what is stored, with `fetch(url, { cache: 'force-cache' })`.
 */
export type CacheRule = 'no-store' | 'revalidate' | 'default'

/** These modes do not take a response from the cache without asking the server (Fetch §2.2.5, cache mode). */
const STRICT: readonly unknown[] = ['no-store', 'reload', 'no-cache']
/** If more URLs are known than this, all count as new again. */
const MAX_URLS = 1000

type CacheMode = 'default' | 'no-store' | 'reload' | 'no-cache' | 'force-cache' | 'only-if-cached'

/** Chooses the cache mode of each request. A response of one user must never reach the next (I6). */
export function createCacheModes() {
  let user: string | undefined
  let known = new Set<string>()
  return (
    rule: CacheRule,
    { url, cache }: { readonly url: string; readonly cache?: unknown },
    permit: Permit,
  ): CacheMode | undefined => {
    if (rule === 'no-store') return 'no-store'
    const owner = permit.tokens.subject ?? permit.sessionId
    if (owner !== user || known.size >= MAX_URLS) known = new Set()
    user = owner
    const isKnown = known.has(url)
    known.add(url)
    if (STRICT.includes(cache) || (rule === 'default' && isKnown)) return cache as CacheMode | undefined
    return 'no-cache'
  }
}
