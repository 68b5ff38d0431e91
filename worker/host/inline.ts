import type { Endpoint } from '../../src/protocol/endpoint.ts'
import { createBrokerServer } from './broker-server.ts'
import { createEndpointPair } from './endpoint-pair.ts'
import type { ServeOptions } from './options.ts'
import { createWebHost } from './web.ts'

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
  const host = createWebHost({
    mode: 'inline',
    origin: origin ?? (globalThis as { location?: { origin: string } }).location?.origin ?? 'http://localhost',
  })
  const service = createBrokerServer(options as ServeOptions<never>, host)
  const [page, worker] = createEndpointPair()
  service.attach(worker)
  return page
}
