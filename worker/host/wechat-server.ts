import { createWorkerChannel } from '../../src/protocol/channel.ts'
import type { Mode } from '../../src/protocol/snapshot.ts'
import type { Grant, GrantIO, TokenSet } from '../core/adapter.ts'
import { traceCall } from '../core/broker/call-trace.ts'
import { hash } from '../sign/hash.ts'
import { encodeUtf8 } from '../sign/utf8.ts'
import { memoryTransactions } from '../store/transactions.ts'
import { isWechatStore, openWechatStore, type WechatStorage } from '../store/wechat.ts'
import { type NamedGrantRequest, sendGrantRequest } from '../transport/wechat.ts'
import type { BrokerHost } from './broker-host.ts'
import { type BrokerServer, createBrokerServer } from './broker-server.ts'
import { controlChecks } from './checks.ts'
import { pauseLogins } from './login-pause.ts'
import type { ParsedOptions, ServeOptions } from './options.ts'
import { type AppThreadProxy, createAppThreadProxy } from './wechat-app-thread.ts'
import { taskChecks } from './wechat-checks.ts'
import { checkLimits } from './wechat-limits.ts'
import { createUniqueId, wechatPlatform } from './wechat-platform.ts'
import { createTaskCalls } from './wechat-tasks.ts'

/** The broker of a mini program, at one end of a JSON channel. */
export interface WechatServer {
  /** Returns whether the message was lingpai's. */
  handleMessage(message: unknown): boolean
}

export function createWechatServer(
  options: ServeOptions<never>,
  mode: Mode,
  post: (message: object) => void,
): WechatServer {
  const instance = createUniqueId()
  const services = createAppThreadProxy()
  let server: BrokerServer | undefined
  return createWorkerChannel(post, instance, (channel) => {
    services.connect(channel.services)
    // Only once the app thread listens: the broker starts by reading the app's storage.
    server ??= createBrokerServer(options, createWechatHost(mode, instance, services))
    server.attach(channel.calls)
  })
}

function createWechatHost(mode: Mode, instance: string, services: AppThreadProxy): BrokerHost {
  let storage: WechatStorage | undefined
  return {
    mode,
    // WeChat sends it as Referer. The grants of mini programs do not redirect.
    origin: 'https://servicewechat.com',
    platform: wechatPlatform,
    furtherOption: ' ownDispatcher',
    checks: { ...controlChecks, ...taskChecks },
    instance,
    createId: createUniqueId,
    openTransactions: () => memoryTransactions(),
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
      checkLimits(options)
      if (isWechatStore(options.store)) storage = openWechatStore(options.store, services)
      const grant = pauseLogins(nameExchanges(options.grant), wechatPlatform.now)
      return { ...options, grant, store: storage ?? options.store }
    },

    createApiMethods({ apis }, broker) {
      const runTask = createTaskCalls(apis, broker, services)
      return (runAbortable) => ({
        task: (id, task, caller) =>
          runAbortable(id, (call) => traceCall(broker, call, () => runTask(call, task)), { caller }),
      })
    },
  }
}

const NO_KEY = new Uint8Array(0)

function createExchangeName(text: string): string {
  return hash('sha256', encodeUtf8(text), NO_KEY).slice(0, 32)
}

/**
 * Names each request of a refresh after the tokens that it renews. If the worker is lost, the next worker's refresh of these
 * tokens gets the response to the same request, and does not send a refresh token that may have been used (I2).
 */
function nameExchanges(grant: Grant): Grant {
  const { refresh } = grant
  if (refresh === undefined) return grant
  const named = {
    refresh(tokens: TokenSet, io: GrantIO) {
      const renewed = `${tokens.accessToken}\n${tokens.refreshToken ?? ''}`
      const counts = new Map<string, number>()
      return refresh.call(grant, tokens, {
        ...io,
        send: (request) => {
          // Named by its URL: a grant may skip a request. Without the query, which a signer may change.
          const name = createExchangeName(`${renewed}\n${request.url.split('?')[0]}`)
          const count = (counts.get(name) ?? 0) + 1
          counts.set(name, count)
          const namedRequest: NamedGrantRequest = { ...request, exchange: `${name}.${count}` }
          return io.send(namedRequest)
        },
      })
    },
  }
  for (const name of ['signIn', 'authorize', 'callback', 'signOut'] as const) {
    // Bound: a grant may be an instance of a class with private fields.
    if (grant[name]) Object.assign(named, { [name]: grant[name].bind(grant) })
  }
  return named
}
