import type { Endpoint } from '../../src/protocol/endpoint.ts'
import { createBrokerServer } from './broker-server.ts'
import { createEndpointPair } from './endpoint-pair.ts'
import type { ServeOptions } from './options.ts'
import { createWebHost } from './web.ts'

/**
 * Runs the broker in the calling thread, and returns the endpoint for `connect({inline: () => serveInline(options)})`. Use
 * it in Node, in tests, and if workers are not available. Tokens then share the page's memory: in a browser, prefer a worker.
 *
 * Redirect URIs are resolved against `origin`. Default: the page's origin, or `http://localhost` without a `location`.
 */
export function serveInline<SignInInput>(
  options: ServeOptions<SignInInput>,
  { origin }: { readonly origin?: string } = {},
): Endpoint {
  const host = createWebHost({
    mode: 'inline',
    origin: origin ?? (globalThis as { location?: { origin: string } }).location?.origin ?? 'http://localhost',
  })
  const server = createBrokerServer(options as ServeOptions<never>, host)
  const [page, worker] = createEndpointPair()
  server.attach(worker)
  return page
}
