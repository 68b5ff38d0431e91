import type { Endpoint } from '../../src/protocol/contract.ts'
import type { ServeOptions } from './options.ts'
import { platform } from './platform.ts'
import { createService } from './service.ts'

/**
 * Runs the broker in this very thread, and returns the endpoint for `connect({inline: () => serveInline(options)})`: for
 * Node, for tests, and where no worker can be had. Here tokens share the page's memory; in a browser, prefer a worker.
 *
 * `origin` is what redirect URIs are resolved against where there is no `location`.
 */
export function serveInline<SignInInput>(
  options: ServeOptions<SignInInput>,
  { origin }: { readonly origin?: string } = {},
): Endpoint {
  const service = createService(options as ServeOptions<never>, {
    mode: 'inline',
    origin: origin ?? (globalThis as { location?: { origin: string } }).location?.origin ?? 'http://localhost',
    platform,
    fetch: (input, init) => fetch(input, init),
  })
  const [page, worker] = createEndpointPair()
  service.attach(worker)
  return page
}

type Listener = (event: { readonly data: unknown }) => void

/** Two ends of a channel within one thread. Messages arrive in a later microtask, never within `postMessage`. */
function createEndpointPair(): [Endpoint, Endpoint] {
  const ends = [new Set<Listener>(), new Set<Listener>()] as const
  const createEnd = (own: Set<Listener>, other: Set<Listener>): Endpoint => ({
    postMessage: (data) => queueMicrotask(() => other.forEach((listener) => void listener({ data }))),
    addEventListener: (_type, listener) => void own.add(listener),
    removeEventListener: (_type, listener) => void own.delete(listener),
    close: () => own.clear(),
  })
  return [createEnd(ends[0], ends[1]), createEnd(ends[1], ends[0])]
}
