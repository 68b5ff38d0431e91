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

/** The options of `serve`, as the app's worker has them, and those of the test. Only `apis` is required. */
export interface TestSessionOptions<SignInInput = unknown> extends Omit<ServeOptions<SignInInput>, 'grant' | 'store'> {
  /** Default `oauth({issuer: 'https://id.example.com', clientId: 'test'})`. */
  readonly grant?: Grant<SignInInput>
  /** Not used, whatever it is: a test's session is kept in memory. */
  readonly store?: ServeOptions['store']
  /** How the scripted authorization server behaves. */
  readonly authorizationServer?: AuthorizationServerOptions
  /** How long every answer takes. Default 0: then a test need not move the clock for it. */
  readonly latency?: Duration
  /** Sends what goes neither to `apis` nor to the authorization server. Default: such a request rejects. */
  readonly fetch?: typeof fetch
  /** The app's own origin, which redirect URIs are resolved against. Default `https://app.example.com`. */
  readonly origin?: string
  /** Same seed, same run: it decides the jitter of retries. Default 1. */
  readonly seed?: number
}

/** A session of `connect`, its broker, its servers and its clock, all in the thread of the test. */
export interface TestSession<SignInInput = unknown> {
  /** What `connect()` returns in the app. */
  readonly session: Session<SignInInput>
  readonly clock: TestClock
  readonly authorizationServer: TestAuthorizationServer
  readonly api: TestApi
  /**
   * Signs a user in, at the authorization server and over the callback page where the grant has these, else without any
   * request. To try the app's own sign-in form, call `session.signIn()` with what the grant takes.
   */
  signIn(user?: string, options?: { readonly profile?: Readonly<Record<string, unknown>> }): Promise<void>
  /** Opens another page on the same broker. */
  openTab(): Session<SignInInput>
  /** Lets everything happen that waits neither for the clock nor for the test. */
  settle(): Promise<void>
  /** Every request, in the order in which they were sent. */
  readonly log: readonly TestLogEntry[]
  /** The log and every change of the session's state, as text: for a failing test, or to compare two runs. */
  story(): string
  /** Closes every tab: calls that are pending reject with `closed`. */
  close(): void
}

const OPTIONS = [
  'grant apis store refresh maxSessionAge exposeAccessToken adopt',
  'authorizationServer latency fetch origin seed',
].flatMap((names) => names.split(' '))

/** What `test.signIn` passes through the broker to a grant whose own input it does not know. */
const SIGN_IN = 'lingpai/testing: sign in'

/**
 * Starts a session for a test: the real page code and the real broker in this thread, on a virtual clock, between a
 * scripted authorization server and scripted APIs. Nothing leaves to the network, and no real time passes.
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
  const grant = observeGrant(given, workload, authorizationServer.mint)
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
      transactions: memoryTransactions(),
      createId: () => `test-${++lastId}`,
      // What is wrong with the test's own configuration should be read there, and not as an outage.
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
    return { client, session: expectRejections(createSession<SignInInput>(client, { pageFetch: network.fetch })) }
  }
  const { client, session } = open()
  session.subscribe(() => {
    const { status, tokenServer, reason, user } = session.getSnapshot()
    const words = [
      status,
      user?.subject,
      reason && `(${reason})`,
      tokenServer === 'ok' ? '' : 'token server unreachable',
    ]
    log.note(`page: ${words.filter(Boolean).join(' ')}`)
  })

  return {
    session,
    clock: createTestClock(platform),
    authorizationServer: server,
    api,
    openTab: () => open().session,
    settle: platform.settle,
    log: log.entries,
    story: log.tell,

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
 * A test looks at a call that fails only after it has moved the clock; by then, its runner would have reported an unhandled
 * rejection. Whoever awaits the call still gets its error.
 */
function expectRejections<SignInInput>(session: Session<SignInInput>): Session<SignInInput> {
  const expecting = Object.entries(session).map(([name, method]: [string, (...given: never[]) => unknown]) => [
    name,
    (...given: never[]) => {
      const result = method(...given)
      if (result instanceof Promise) result.catch(() => {})
      return result
    },
  ])
  return Object.freeze(Object.fromEntries(expecting))
}

function checkOptions(options: TestSessionOptions<never>): void {
  if (typeof options !== 'object' || options === null || !Array.isArray(options.apis))
    throw invalid('pass {apis: [{origin}]}, as the worker has it')
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) throw invalid(`there is no option "${name}". Options are ${OPTIONS.join(', ')}`)
  }
}

/** The app's grant, with its work counted, and with a sign-in that needs none of its own input. */
function observeGrant(grant: Grant, workload: Workload, mint: (user: string) => object): Grant {
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
    if (typeof user === 'string') return mint(user)
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

/** What a worker could not be sent is refused here too. Bodies are left out: cloned, some would come by other threads. */
function checkMessages(endpoint: Endpoint): Endpoint {
  return {
    ...endpoint,
    postMessage(message, transfer) {
      const [method] = (message as { readonly path?: readonly string[] }).path ?? []
      endpoint.postMessage(method === 'fetch' ? message : structuredClone(message), transfer)
    },
  }
}
