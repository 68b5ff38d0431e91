import { expose } from 'comlink'
import type { ApiRules } from '../../src/protocol/apis.ts'
import { invalid } from '../../src/protocol/checks.ts'
import type { Endpoint } from '../../src/protocol/endpoint.ts'
import { LingpaiError, type LingpaiErrorLike } from '../../src/protocol/errors.ts'
import { type GuardOptions, guard } from '../../src/protocol/guard.ts'
import { BUILD, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, type Welcome } from '../../src/protocol/handshake.ts'
import type { HistoryEntry } from '../../src/protocol/history.ts'
import { DOUBT } from '../../src/protocol/life-lock.ts'
import { type BrokerTable, type ControlTable, METHODS } from '../../src/protocol/methods.ts'
import { mismatch } from '../../src/protocol/mismatch.ts'
import type { BrokerSnapshot, Mode } from '../../src/protocol/snapshot.ts'
import { encodeThrownErrors } from '../../src/protocol/throw-handler.ts'
import type { HistoryRecord, Peers } from '../core/adapter.ts'
import { type BrokerOptions, createBroker, type SessionBroker } from '../core/broker/broker.ts'
import type { Call } from '../core/broker/call.ts'
import { traceCall } from '../core/broker/call-trace.ts'
import { type Api, type ParsedOptions, parseOptions, type ServeOptions } from './options.ts'

/** What a host brings: the app's origin, its clock, how requests are sent, and the calls that only it answers. */
export interface BrokerHost extends Pick<BrokerOptions, 'origin' | 'platform' | 'send' | 'login' | 'transactions'> {
  readonly mode: Mode
  /** What each method of this host takes. */
  readonly checks: GuardOptions['checks']
  /** The random name of this worker, where its channel has one already. */
  readonly instance?: string
  /** A random name, new at each call. */
  createId(): string
  /** Reaches the other workers that keep their session in the store of that name, where there may be any. */
  openPeers?(name: string): Peers
  /** Holds a Web Lock of its own for life, where there are any. Returns what tells its name, which changes when it is stolen. */
  holdLock?(instance: string): () => Promise<string | undefined>
  /** Tells when a lock that a page holds has fallen to this worker: the page may be gone. Where there are no locks, never. */
  awaitLock?(name: string, signal: AbortSignal, onFallen: () => void): void
  /** Tells when the host has its network back, where it hears of that. */
  watchNetwork?(onOnline: () => void): void
  /** Fits the app's options to this host. */
  prepare?(options: ParsedOptions): ParsedOptions
  /** What the pages are told of an API. */
  describeApi(api: Api): ApiRules
  /** What pages should know of a snapshot that has no reason of its own. */
  remark(options: ParsedOptions, snapshot: BrokerSnapshot): string | undefined
  createCalls(options: ParsedOptions, broker: SessionBroker): (run: RunCall) => HostCalls
}

type HostCalls = Partial<Omit<BrokerTable, keyof ControlTable>>

/**
 * Runs a call that its page can abort. A lasting one goes on when the page has gone. What it leaves behind when it is
 * answered, such as a body on its way, it hands to `keep`, with what stops that when the page goes; `keep` returns what
 * takes it back.
 */
export type RunCall = <T>(
  id: string,
  work: (call: Call, signal: AbortSignal, keep: (stop: () => void) => () => void) => Promise<T>,
  options?: { readonly isLasting?: boolean },
) => Promise<T>

/** A broker that pages can be attached to. */
export interface BrokerServer {
  attach(port: Endpoint): void
}

/**
 * Puts the broker and its adapters together. Where the configuration is wrong, every call of every page is told so:
 * a worker that throws while it starts leaves its pages waiting for ever, and its console is hard to find.
 */
export function createBrokerServer(options: ServeOptions<never>, host: BrokerHost): BrokerServer {
  encodeThrownErrors()
  const instance = host.instance ?? host.createId()
  try {
    const parsed = parseOptions(options)
    return createWorkingServer(host.prepare?.(parsed) ?? parsed, host, instance)
  } catch (error) {
    console.error(error)
    return createBrokenServer(error as LingpaiErrorLike, host, instance)
  }
}

function createBrokenServer(problem: LingpaiErrorLike, { checks }: BrokerHost, instance: string): BrokerServer {
  const refuse = () => Promise.reject(problem)
  const table = Object.assign(
    Object.create(null),
    Object.fromEntries(Object.keys(METHODS).map((name) => [name, refuse])),
  )
  return { attach: (port) => expose(table, guard(port, { checks, instance, onNotice() {} }) as never) }
}

function createWorkingServer(options: ParsedOptions, host: BrokerHost, instance: string): BrokerServer {
  const { platform, origin, send, login, transactions, checks, createId } = host
  const { sharedName } = options.store
  const broker = createBroker({
    grant: options.grant,
    store: options.store,
    rules: options.rules,
    platform,
    origin,
    transactions,
    send,
    createId,
    ...(sharedName !== undefined && host.openPeers && { peers: host.openPeers(sharedName) }),
    ...(login && { login }),
  })
  const createHostCalls = host.createCalls(options, broker)
  const lock = host.holdLock?.(instance)
  host.watchNetwork?.(() => broker.resume())
  let ports = 0

  function explain(snapshot: BrokerSnapshot): BrokerSnapshot {
    const remark = snapshot.reason === undefined ? host.remark(options, snapshot) : undefined
    return remark === undefined ? snapshot : { ...snapshot, reason: remark }
  }

  return {
    attach(port) {
      const calls = new Map<string, AbortController>()
      const lasting = new Set<string>()
      /** What answered calls have left behind, by the call's id. */
      const kept = new Map<string, () => void>()
      const page = ++ports
      const prefix = `${page}.`
      let isConnected = false
      let hasLeft = false
      let watch = new AbortController()
      const endpoint = guard(port, {
        checks,
        instance,
        onNotice(notice) {
          if (notice.lingpai === 'abort') {
            calls.get(notice.call)?.abort()
            // The answer was on its way: the page drops it.
            kept.get(notice.call)?.()
          }
          if (notice.lingpai === 'resumed') broker.resume()
          if (notice.lingpai === 'goodbye') leave()
        },
      })

      /** Lets go of all that the page had here. */
      function leave(): void {
        if (hasLeft) return
        hasLeft = true
        watch.abort()
        broker.record({ event: 'page-left', page })
        unsubscribe()
        for (const [id, controller] of calls) if (!lasting.has(id)) controller.abort()
        for (const stop of kept.values()) stop()
        port.close?.()
      }

      /** A page whose lock was stolen lives: it says hello with another one, from which on it is watched anew. */
      function watchPage(name: string | undefined): void {
        watch.abort()
        watch = new AbortController()
        const { signal } = watch
        if (name !== undefined && !hasLeft) host.awaitLock?.(name, signal, () => awaitHello(signal, DOUBT.times))
      }

      function awaitHello(signal: AbortSignal, times: number): void {
        platform.setTimeout(() => {
          if (signal.aborted) return
          if (times > 1) return awaitHello(signal, times - 1)
          // Where it lives after all, it must not wait for answers that will not come.
          endpoint.notify({ lingpai: 'goodbye' })
          leave()
        }, DOUBT.interval)
      }

      const unsubscribe = broker.subscribe((snapshot) =>
        endpoint.notify({ lingpai: 'snapshot', instance, snapshot: explain(snapshot) }),
      )

      /** Ids are the page's own, so they are told apart by their port. */
      const run: RunCall = async (id, work, { isLasting = false } = {}) => {
        if (calls.has(id)) throw invalid('its id is in use')
        const controller = new AbortController()
        calls.set(id, controller)
        if (isLasting) lasting.add(id)
        const keep = (stop: () => void) => {
          kept.set(id, stop)
          return () => kept.delete(id)
        }
        try {
          return await work(await broker.openCall(prefix + id, controller.signal), controller.signal, keep)
        } finally {
          calls.delete(id)
          lasting.delete(id)
        }
      }

      const control: ControlTable = {
        async hello(hello) {
          if (hello.newest < OLDEST_PROTOCOL_VERSION || hello.oldest > PROTOCOL_VERSION) {
            throw mismatch(hello, { oldest: OLDEST_PROTOCOL_VERSION, newest: PROTOCOL_VERSION, build: BUILD })
          }
          watchPage(hello.lock)
          const [held] = await Promise.all([lock?.(), broker.ready])
          broker.checkStore()
          if (!isConnected) broker.record({ event: 'page-connected', page })
          isConnected = true
          const welcome: Welcome = {
            protocol: Math.min(hello.newest, PROTOCOL_VERSION),
            instance,
            build: BUILD,
            snapshot: explain(broker.snapshot()),
            apis: options.apis.map(host.describeApi),
            ...(held !== undefined && { lock: held }),
          }
          return welcome
        },
        ping: async () => lock?.(),
        signIn: (id, input) => run(id, (_call, signal) => broker.signIn(input, signal)),
        authorize: (id, input) => run(id, (_call, signal) => broker.beginSignIn(input, signal)),
        callback: (id, url) => run(id, (_call, signal) => broker.completeSignIn(url, readState(url), signal)),
        signOut: (everywhere) => broker.signOut(everywhere),
        async adopt(tokens) {
          if (options.adopt) return broker.adopt(tokens)
          throw new LingpaiError('invalid_call', 'The worker takes no tokens from pages without serve({adopt: true}).')
        },
        getAccessToken: (id) =>
          run(id, async (call) => {
            if (options.exposeAccessToken) {
              broker.record({ event: 'call-received', call: call.id })
              return traceCall(broker, call, async () => (await broker.authorize(call)).tokens.accessToken)
            }
            throw new LingpaiError(
              'token_not_exposed',
              'The access token stays in the worker, without serve({exposeAccessToken: true}). Use session.fetch or session.request.',
            )
          }),
        explain: async ({ after } = {}) => broker.explain(after).map((entry) => toHistoryEntry(entry, instance, page)),
      }

      const table = Object.assign(Object.create(null), control, createHostCalls(run))
      expose(Object.freeze(table), endpoint as never)
    },
  }
}

/** A call's name begins with the number of its page. */
function toHistoryEntry(entry: HistoryRecord, instance: string, asking: number): HistoryEntry {
  if (!('call' in entry || 'page' in entry)) return { ...entry, instance }
  const page = 'page' in entry ? entry.page : Number.parseInt(entry.call, 10)
  return { ...entry, instance, page, ...(page === asking && { own: true }) } as HistoryEntry
}

function readState(url: string): string | undefined {
  try {
    return new URL(url).searchParams.get('state') ?? undefined
  } catch {
    throw new LingpaiError('invalid_call', 'completeSignIn takes location.href.')
  }
}
