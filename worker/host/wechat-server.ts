import { createWorkerChannel } from '../../src/protocol/channel.ts'
import type { Mode } from '../../src/protocol/snapshot.ts'
import type { Grant, TokenSet } from '../core/adapter.ts'
import { traceCall } from '../core/broker/call-trace.ts'
import { hash } from '../sign/hash.ts'
import { encodeUtf8 } from '../sign/utf8.ts'
import { memoryTransactions } from '../store/transactions.ts'
import { isWechatStore, openWechatStore, type WechatStorage } from '../store/wechat.ts'
import { type NamedGrantRequest, sendGrantRequest } from '../transport/wechat.ts'
import { type BrokerHost, type BrokerServer, createBrokerServer } from './broker-server.ts'
import { controlChecks } from './checks.ts'
import { pauseLogins } from './login-pause.ts'
import type { ParsedOptions, ServeOptions } from './options.ts'
import { type AppThreadProxy, createAppThreadProxy } from './wechat-app-thread.ts'
import { taskChecks } from './wechat-checks.ts'
import { checkOptions } from './wechat-options.ts'
import { createId, wechatPlatform } from './wechat-platform.ts'
import { createTaskCalls } from './wechat-tasks.ts'

/** The broker of a mini program, at one end of a channel that carries JSON. */
export interface WechatServer {
  /** Whether the message was one of lingpai's. */
  handleMessage(message: unknown): boolean
}

export function createWechatServer(
  options: ServeOptions<never>,
  mode: Mode,
  post: (message: object) => void,
): WechatServer {
  const instance = createId()
  const services = createAppThreadProxy()
  let service: BrokerServer | undefined
  return createWorkerChannel(post, instance, (channel) => {
    services.connect(channel.services)
    // Not before the app thread listens: the broker begins with a look into its storage.
    service ??= createBrokerServer(options, createWechatHost(options, mode, instance, services))
    service.attach(channel.calls)
  })
}

function createWechatHost(
  given: ServeOptions<never>,
  mode: Mode,
  instance: string,
  services: AppThreadProxy,
): BrokerHost {
  let storage: WechatStorage | undefined
  return {
    mode,
    // What WeChat sends as Referer; no grant of a mini program redirects anywhere.
    origin: 'https://servicewechat.com',
    platform: wechatPlatform,
    checks: { ...controlChecks, ...taskChecks },
    instance,
    createId,
    transactions: memoryTransactions(),
    send: (request, signal) => sendGrantRequest(services, request, signal),
    login: (signal) => services.login(signal),
    describeApi: ({ origin, pathPrefix, envelope, sign }) => ({
      origin,
      pathPrefix,
      isSigned: sign !== undefined,
      ...(envelope && { envelope }),
    }),
    remark: (_options, { status }) =>
      status === 'signed-in' && storage?.isEncrypted() === false ? 'stored-unencrypted' : undefined,

    prepare(options: ParsedOptions): ParsedOptions {
      checkOptions(given)
      if (isWechatStore(options.store)) storage = openWechatStore(options.store, services)
      const grant = pauseLogins(nameExchanges(options.grant), wechatPlatform.now)
      return { ...options, grant, ...(storage && { store: storage }) }
    },

    createCalls({ apis }, broker) {
      const runTask = createTaskCalls(apis, broker, services)
      return (run) => ({ task: (id, task) => run(id, (call) => traceCall(broker, call, () => runTask(call, task))) })
    },
  }
}

const NO_KEY = new Uint8Array(0)

function createName(text: string): string {
  return hash('sha256', encodeUtf8(text), NO_KEY).slice(0, 32)
}

/**
 * Names the requests of a refresh after the tokens that they renew. The next worker's refresh of the same tokens then gets
 * the answer that a lost worker was waiting for, in place of sending a refresh token that may have been used (I2).
 */
function nameExchanges(grant: Grant): Grant {
  const named = {
    refresh(tokens: TokenSet, io: Parameters<Grant['refresh']>[1]) {
      const renewed = `${tokens.accessToken}\n${tokens.refreshToken ?? ''}`
      const counts = new Map<string, number>()
      return grant.refresh(tokens, {
        ...io,
        send: (request) => {
          // By where it goes, since a grant need not send the same ones each time; a signer may change the query.
          const name = createName(`${renewed}\n${request.url.split('?')[0]}`)
          const count = (counts.get(name) ?? 0) + 1
          counts.set(name, count)
          const ofExchange: NamedGrantRequest = { ...request, exchange: `${name}.${count}` }
          return io.send(ofExchange)
        },
      })
    },
  }
  for (const name of ['signIn', 'authorize', 'callback', 'signOut'] as const) {
    // Bound, since a grant may be an instance of a class with private fields.
    if (grant[name]) Object.assign(named, { [name]: grant[name].bind(grant) })
  }
  return named
}
