import { expose, transfer } from 'comlink'
import {
  type BrokerSnapshot,
  type BrokerTable,
  type Endpoint,
  METHODS,
  type Mode,
  OLDEST_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  type Welcome,
} from '../../src/protocol/contract.ts'
import { LingpaiError, type LingpaiErrorLike } from '../../src/protocol/errors.ts'
import { encodeThrownErrors } from '../../src/protocol/throw-handler.ts'
import type { Platform } from '../core/adapter.ts'
import { type Call, createBroker } from '../core/broker.ts'
import { indexedDBTransactions, memoryTransactions, withFallback } from '../store/transactions.ts'
import { sendGrantRequest } from '../transport/fetch.ts'
import { createApiCalls } from './api-calls.ts'
import { guard } from './guard.ts'
import { type ParsedOptions, parseOptions, type ServeOptions } from './options.ts'

/** What a host brings: the app's origin, its clock, its `fetch`. */
export interface Host {
  readonly mode: Mode
  readonly origin: string
  readonly platform: Platform
  fetch(input: string, init: RequestInit): Promise<Response>
}

/** A broker that pages can be attached to. */
export interface Service {
  attach(port: Endpoint): void
}

/**
 * Puts the broker and its adapters together. Where the configuration is wrong, every call of every page is told so:
 * a worker that throws while it starts leaves its pages waiting for ever, and its console is hard to find.
 */
export function createService(options: ServeOptions<never>, host: Host): Service {
  encodeThrownErrors()
  const instance = randomId()
  try {
    return createWorkingService(parseOptions(options), host, instance)
  } catch (error) {
    console.error(error)
    return createBrokenService(error as LingpaiErrorLike, instance)
  }
}

function createBrokenService(problem: LingpaiErrorLike, instance: string): Service {
  const refuse = () => Promise.reject(problem)
  const table = Object.assign(
    Object.create(null),
    Object.fromEntries(Object.keys(METHODS).map((name) => [name, refuse])),
  )
  return { attach: (port) => expose(table, guard(port, instance, () => {}) as never) }
}

function createWorkingService(options: ParsedOptions, host: Host, instance: string): Service {
  const { platform } = host
  const fetch = host.fetch as typeof globalThis.fetch
  const broker = createBroker({
    grant: options.grant,
    store: options.store,
    rules: options.rules,
    platform,
    origin: host.origin,
    transactions:
      typeof indexedDB === 'undefined'
        ? memoryTransactions()
        : withFallback(indexedDBTransactions(), memoryTransactions()),
    send: (request, signal) => sendGrantRequest(fetch, request, signal),
  })
  const apiCalls = createApiCalls(options.apis, broker, fetch)
  const lock = holdLock(`lingpai:${instance}`)
  let ports = 0

  /** Tabs that each have a worker and a memory of their own are no one session, and are told so. */
  function explainSharing(snapshot: BrokerSnapshot): BrokerSnapshot {
    const isAlone = host.mode === 'dedicated' && options.store.isVolatile === true
    return isAlone && snapshot.reason === undefined ? { ...snapshot, reason: 'not-shared' } : snapshot
  }

  return {
    attach(port) {
      const calls = new Map<string, AbortController>()
      const lasting = new Set<string>()
      const prefix = `${++ports}.`
      const endpoint = guard(port, instance, (notice) => {
        if (notice.lingpai === 'abort') calls.get(notice.call)?.abort()
        if (notice.lingpai !== 'goodbye') return
        unsubscribe()
        for (const [id, controller] of calls) if (!lasting.has(id)) controller.abort()
        port.close?.()
      })
      const unsubscribe = broker.subscribe((snapshot) =>
        endpoint.notify({ lingpai: 'snapshot', instance, snapshot: explainSharing(snapshot) }),
      )

      /** Runs a call that the page can abort. Ids are the page's own, so they are told apart by their port. */
      async function run<T>(id: string, work: (call: Call, signal: AbortSignal) => Promise<T>): Promise<T> {
        if (calls.has(id)) throw new LingpaiError('invalid_call', 'The worker refused a call: its id is in use.')
        const controller = new AbortController()
        calls.set(id, controller)
        try {
          return await work(await broker.openCall(prefix + id, controller.signal), controller.signal)
        } finally {
          calls.delete(id)
          lasting.delete(id)
        }
      }

      const table: BrokerTable = Object.assign(Object.create(null), {
        async hello({ oldest, newest }) {
          if (newest < OLDEST_PROTOCOL_VERSION || oldest > PROTOCOL_VERSION) {
            throw new LingpaiError(
              'protocol_mismatch',
              `The page speaks protocol ${oldest} to ${newest}, the worker ${OLDEST_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}. Reload the page, and if need be close the other tabs.`,
            )
          }
          const [held] = await Promise.all([lock, broker.ready])
          const welcome: Welcome = {
            protocol: Math.min(newest, PROTOCOL_VERSION),
            instance,
            snapshot: explainSharing(broker.snapshot()),
            apis: options.apis.map(({ origin, pathPrefix }) => ({ origin, pathPrefix })),
            ...(held !== undefined && { lock: held }),
          }
          return welcome
        },
        async ping() {},
        fetch: (id, request) =>
          run(id, async (call, signal) => {
            // Such a request outlives its page (Fetch §2.2.5).
            if (request.keepalive) lasting.add(id)
            const response = await apiCalls.fetch(call, request, signal)
            return response.body === null ? response : transfer(response, [response.body])
          }),
        request: (id, request) => run(id, (call, signal) => apiCalls.request(call, request, signal)),
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
            if (options.exposeAccessToken) return (await broker.authorize(call)).tokens.accessToken
            throw new LingpaiError(
              'token_not_exposed',
              'The access token stays in the worker, without serve({exposeAccessToken: true}). Use session.fetch.',
            )
          }),
        explain: async () => broker.explain(),
      } satisfies BrokerTable)

      expose(Object.freeze(table), endpoint as never)
    },
  }
}

function readState(url: string): string | undefined {
  try {
    return new URL(url).searchParams.get('state') ?? undefined
  } catch {
    throw new LingpaiError('invalid_call', 'completeSignIn takes location.href.')
  }
}

/** Held for as long as the worker lives: a page that gets this lock knows that the worker is gone. */
async function holdLock(name: string): Promise<string | undefined> {
  const locks = (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks
  if (locks === undefined) return undefined
  return new Promise((resolve) => {
    locks
      .request(name, () => {
        resolve(name)
        return new Promise(() => {})
      })
      .catch(() => resolve(undefined))
  })
}

function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
