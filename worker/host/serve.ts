import type { Broker } from '../../src/protocol/broker.ts'
import type { Endpoint } from '../../src/protocol/endpoint.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import { createBrokerServer } from './broker-server.ts'
import type { ServeOptions } from './options.ts'
import { createWebHost } from './web.ts'

/**
 * Runs the broker in this worker, shared or dedicated, and answers the pages that connect to it.
 *
 * Call it at the top of the worker file, before any `await`. Otherwise the worker misses pages that connect earlier.
 *
 * If the configuration is wrong, it logs the error, and every call of the pages rejects with `invalid_config`.
 *
 * @throws LingpaiError `invalid_call` outside a worker
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
  const server = createBrokerServer(options as ServeOptions<never>, host)
  if (!isShared) server.attach(globalThis as unknown as Endpoint)
  else {
    scope.addEventListener('connect', ({ ports: [port] }) => {
      if (port !== undefined) server.attach(port as unknown as Endpoint)
    })
  }
  return {}
}
