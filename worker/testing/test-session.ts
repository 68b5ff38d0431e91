import { type Client, CONTROL_DEADLINE, createClient } from '../../src/client/client.ts'
import { listHosts } from '../../src/connect/hosts.ts'
import type { Endpoint } from '../../src/protocol/endpoint.ts'
import { invalidConfigOf, isLingpaiError, LingpaiError } from '../../src/protocol/errors.ts'
import { createSession, type Session } from '../../src/session.ts'
import type { Grant } from '../core/adapter.ts'
import { oauth } from '../grant/oauth.ts'
import type { BrokerHost } from '../host/broker-host.ts'
import { createBrokerServer } from '../host/broker-server.ts'
import { createEndpointPair } from '../host/endpoint-pair.ts'
import type { ServeOptions } from '../host/options.ts'
import { createWebHost } from '../host/web.ts'
import { memoryStore } from '../store/memory.ts'
import { memoryTransactions } from '../store/transactions.ts'
import { createApi, type TestApi } from './api.ts'
import {
  type AuthorizationServerOptions,
  createAuthorizationServer,
  type TestAuthorizationServer,
} from './authorization-server.ts'
import { createTestClock, type TestClock } from './clock.ts'
import { type Duration, toMilliseconds } from './duration.ts'
import { createLog, type TestLogEntry } from './log.ts'
import { createNetwork } from './network.ts'
import { createVirtualPlatform } from './virtual-platform.ts'
import { createWorkload, type Workload } from './workload.ts'

const invalid = /* @__PURE__ */ invalidConfigOf('startTestSession()')

/** The options of the app's own `serve()`, and those of the test. Only `apis` is required. */
export interface TestSessionOptions<SignInInput = unknown> extends Omit<ServeOptions<SignInInput>, 'grant' | 'store'> {
  /** Default `oauth({issuer: 'https://id.example.com', clientId: 'test'})`. */
  readonly grant?: Grant<SignInInput>
  /** Ignored: a test keeps its session in memory. */
  readonly store?: ServeOptions['store']
  /** How the scripted authorization server behaves. */
  readonly authorizationServer?: AuthorizationServerOptions
  /** How long every response takes. Default 0: a test need not advance the clock for it. */
  readonly latency?: Duration
  /** Sends the requests that go neither to `apis` nor to the authorization server. Default: such a request rejects. */
  readonly fetch?: typeof fetch
  /** The app's own origin, against which redirect URIs are resolved. Default `https://app.example.com`. */
  readonly origin?: string
  /** Decides the jitter of retries: the same seed gives the same run. Default 1. */
  readonly seed?: number
}

/** A page's session, its broker, its servers and its clock, all in the thread of the test. */
export interface TestSession<SignInInput = unknown> {
  /** The session as `connect()` returns it in the app. */
  readonly session: Session<SignInInput>
  readonly clock: TestClock
  readonly authorizationServer: TestAuthorizationServer
  readonly api: TestApi
  /**
   * Signs a user in: at the authorization server and the callback page if the grant has them, else without a request. To
   * test the app's own sign-in form, call `session.signIn()` with the grant's own input.
   */
  signIn(user?: string, options?: { readonly profile?: Readonly<Record<string, unknown>> }): Promise<void>
  /** Opens another page on the same broker. */
  openTab(): Session<SignInInput>
  /** Waits until all work has ended that waits neither for the clock nor for the test. */
  settle(): Promise<void>
  /** All requests, in the order in which they were sent. */
  readonly log: readonly TestLogEntry[]
  /** The log and all changes of the session's state, as text: for a failing test, or to compare two runs. */
  story(): string
  /** Closes all tabs. Pending calls reject with `closed`. */
  close(): void
}

const OPTIONS = [
  'grant apis store refresh maxSessionAge exposeAccessToken adopt redirectTransactions',
  'authorizationServer latency fetch origin seed',
].flatMap((names) => names.split(' '))

/** The input of `test.signIn` to a grant without `authorize`, whose own input is not known. */
const SIGN_IN = 'lingpai/testing: sign in'

/**
 * Starts a session for a test: the real page code and the real broker in this thread, on a virtual clock, with a scripted
 * authorization server and scripted APIs. It sends nothing to the network, and no real time passes.
 *
 * @throws LingpaiError `invalid_config`
 */
export function startTestSession<SignInInput = unknown>(
  options: TestSessionOptions<SignInInput>,
): TestSession<SignInInput> {
  checkOptions(options)
  const workload = createWorkload()
  const platform = createVirtualPlatform(options.seed, workload.settle)
  const log = createLog(platform.elapsed)
  const { server, register, ...authorizationServer } = createAuthorizationServer(
    options.authorizationServer ?? {},
    platform,
    log,
  )
  const { api, receive } = createApi(options.apis, register, log)
  const network = createNetwork({
    platform,
    workload,
    log,
    latency: toMilliseconds(options.latency ?? 0, 'latency'),
    elsewhere: options.fetch,
    receive: async (request) => (await authorizationServer.receive(request)) ?? receive(request),
  })

  const given = (options.grant ?? oauth({ issuer: 'https://id.example.com', clientId: 'test' })) as Grant
  const grant = observeGrant(given, workload, authorizationServer.issueWithoutRequest)
  const { authorizationServer: _server, latency: _latency, fetch: _fetch, origin, seed: _seed, ...served } = options
  const { holdLock: _lock, ...host } = createWebHost({
    mode: 'inline',
    origin: origin ?? 'https://app.example.com',
    platform,
    fetch: network.fetch,
  })
  let lastId = 0
  const service = createBrokerServer(
    {
      ...served,
      apis: options.apis.map((one) => observeSigner(one, workload)),
      grant,
      store: memoryStore(),
    } as ServeOptions<never>,
    {
      ...host,
      openTransactions: () => memoryTransactions(),
      createId: () => `test-${++lastId}`,
      // An error of the test's own configuration must reach the test as itself, and not as an outage.
      send: (request, signal) =>
        host.send(request, signal).catch((error) => Promise.reject(isLingpaiError(error.cause) ? error.cause : error)),
    } satisfies BrokerHost,
  )

  const clients: Client[] = []
  function open(): { readonly client: Client; readonly session: Session<SignInInput> } {
    const [page, worker] = createEndpointPair()
    service.attach(observeEndpoint(worker, workload))
    const client = createClient(listHosts({ inline: () => checkMessages(observeEndpoint(page, workload)) }), platform)
    clients.push(client)
    return {
      client,
      session: ignoreUnhandledRejections(createSession<SignInInput>(client, { pageFetch: network.fetch })),
    }
  }
  const { client, session } = open()
  session.subscribe(() => {
    const { status, tokenServer, reason, user } = session.getSnapshot()
    const parts = [
      status,
      user?.subject,
      reason && `(${reason})`,
      tokenServer === 'ok' ? '' : 'token server unreachable',
    ]
    log.note(`page: ${parts.filter(Boolean).join(' ')}`)
  })

  return {
    session,
    clock: createTestClock(platform),
    authorizationServer: server,
    api,
    openTab: () => open().session,
    settle: platform.settle,
    log: log.entries,
    story: log.toText,

    async signIn(user = 'alice', { profile } = {}) {
      authorizationServer.setProfile(user, profile)
      if (given.authorize === undefined) return client.call('signIn', [{ [SIGN_IN]: user }])
      const { url } = await client.call('authorize', [{ via: 'redirect' }], { deadline: CONTROL_DEADLINE })
      await client.call('callback', [authorizationServer.authorize(url, user)])
    },

    close() {
      for (const { close } of clients) close()
    },
  }
}

/**
 * Keeps the test runner from reporting an unhandled rejection. A test awaits a call that fails only after it has advanced
 * the clock. It still gets the error then.
 */
function ignoreUnhandledRejections<SignInInput>(session: Session<SignInInput>): Session<SignInInput> {
  const methods = Object.entries(session).map(([name, method]: [string, (...given: never[]) => unknown]) => [
    name,
    (...given: never[]) => {
      const result = method(...given)
      if (result instanceof Promise) result.catch(() => {})
      return result
    },
  ])
  return Object.freeze(Object.fromEntries(methods))
}

function checkOptions(options: TestSessionOptions<never>): void {
  if (typeof options !== 'object' || options === null || !Array.isArray(options.apis))
    throw invalid('pass {apis: [{origin}]}, as the worker has it')
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) throw invalid(`there is no option "${name}". Options are ${OPTIONS.join(', ')}`)
  }
}

/** The app's grant, with its work counted, and with a sign-in that does not need the grant's own input. */
function observeGrant(grant: Grant, workload: Workload, issueWithoutRequest: (user: string) => object): Grant {
  if (typeof grant !== 'object' || grant === null) return grant
  const observed: Record<string, unknown> = { ...grant }
  for (const name of ['signIn', 'authorize', 'callback', 'refresh', 'signOut'] as const) {
    const method = grant[name] as ((...given: unknown[]) => unknown) | undefined
    if (typeof method !== 'function') continue
    observed[name] = (...given: unknown[]) =>
      workload.run((work) => {
        const io = given.pop() as { send(request: unknown): Promise<unknown> }
        return method.call(grant, ...given, { ...io, send: (request: unknown) => work.wait(io.send(request)) })
      })
  }
  const { signIn } = observed as unknown as Grant
  observed.signIn = async (input: unknown, io: never) => {
    const user = (input as Record<string, unknown> | null)?.[SIGN_IN]
    if (typeof user === 'string') return issueWithoutRequest(user)
    if (signIn !== undefined) return signIn(input, io)
    throw new LingpaiError('invalid_call', 'This grant has no signIn. In a test, call test.signIn(user).')
  }
  return observed as unknown as Grant
}

function observeSigner<Api extends ServeOptions['apis'][number]>(api: Api, workload: Workload): Api {
  const { sign } = api
  return typeof sign === 'function' ? { ...api, sign: (request) => workload.run(() => sign(request)) } : api
}

function observeEndpoint(endpoint: Endpoint, workload: Workload): Endpoint {
  return {
    ...endpoint,
    postMessage(message, transfer) {
      workload.note()
      endpoint.postMessage(message, transfer)
    },
  }
}

/** Rejects messages that cannot be sent to a worker. Not for `fetch`: a cloned body may need another thread. */
function checkMessages(endpoint: Endpoint): Endpoint {
  return {
    ...endpoint,
    postMessage(message, transfer) {
      const [method] = (message as { readonly path?: readonly string[] }).path ?? []
      endpoint.postMessage(method === 'fetch' ? message : structuredClone(message), transfer)
    },
  }
}
