import type { Endpoint } from '../../src/protocol/endpoint.ts'
import { createEndpointPair } from './endpoint-pair.ts'
import type { ServeOptions } from './options.ts'
import { createWechatServer } from './wechat-server.ts'

/**
 * Runs the broker on the app thread of a mini program, if no worker is available. Returns the endpoint for
 * `connect({wechat: {...}, inline: () => serveInline(options)})`.
 */
export function serveInline<SignInInput>(options: ServeOptions<SignInInput>): Endpoint {
  const [page, own] = createEndpointPair()
  const server = createWechatServer(options as ServeOptions<never>, 'inline', (message) => own.postMessage(message))
  own.addEventListener('message', ({ data }) => void server.handleMessage(data))
  return page
}
