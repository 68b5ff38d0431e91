import type { Broker } from '../../src/protocol/broker.ts'
import type { Endpoint } from '../../src/protocol/endpoint.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import { createBrokerServer } from './broker-server.ts'
import type { ServeOptions } from './options.ts'
import { createWebHost } from './web.ts'

/**
 * Runs the broker in this worker, shared or dedicated, and answers the pages that connect to it.
 *
 * Call it at the top of the worker file, before any `await`: pages that connected earlier would not be heard.
 *
 * A wrong configuration is written to the console, and every call of the pages rejects with `invalid_config`.
 *
 * @throws LingpaiError `invalid_call` where this is no worker
 */
export function serve<SignInInput = unknown>(options: ServeOptions<SignInInput>): Broker<SignInInput> {
  const scope = globalThis as unknown as {
    SharedWorkerGlobalScope?: unknown
    DedicatedWorkerGlobalScope?: unknown
    location: { origin: string }
    addEventListener(type: 'connect', listener: (event: MessageEvent) => void): void
  }
  const isShared = scope.SharedWorkerGlobalScope !== undefined
  if (!isShared && scope.DedicatedWorkerGlobalScope === undefined) {
    throw new LingpaiError(
      'invalid_call',
      'serve() runs in a SharedWorker or Worker. Elsewhere, use serveInline() of lingpai/inline.',
    )
  }
  const host = createWebHost({ mode: isShared ? 'shared' : 'dedicated', origin: scope.location.origin })
  const service = createBrokerServer(options as ServeOptions<never>, host)
  if (!isShared) service.attach(globalThis as unknown as Endpoint)
  else {
    scope.addEventListener('connect', ({ ports: [port] }) => {
      if (port !== undefined) service.attach(port as unknown as Endpoint)
    })
  }
  return {}
}
