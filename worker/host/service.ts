import { expose, transfer } from 'comlink'
import {
  type BrokerTable,
  type Endpoint,
  findApi,
  OLDEST_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  type Welcome,
  type WireApiRequest,
  type WireRequest,
} from '../../src/protocol/contract.ts'
import { readAnswer } from '../../src/protocol/envelope.ts'
import { LingpaiError, type LingpaiErrorLike } from '../../src/protocol/errors.ts'
import { installThrowHandler } from '../../src/protocol/throw-handler.ts'
import type { Platform } from '../core/adapter.ts'
import { type Call, createBroker, type SessionBroker } from '../core/broker.ts'
import { type Attempt, runRequest } from '../core/request-loop.ts'
import type { Permit } from '../core/session.ts'
import { memoryTransactions } from '../store/memory.ts'
import { indexedDBTransactions, withFallback } from '../store/transactions.ts'
import { readResponse, sendApiRequest, sendGrantRequest } from '../transport/fetch.ts'
import { guard } from './guard.ts'
import { type Api, type ParsedOptions, parseOptions, type ServeOptions } from './options.ts'

/** What a host brings: the app's origin, its clock, its `fetch`. */
export interface Host {
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
  installThrowHandler()
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
  const names = ['hello', 'ping', 'fetch', 'request', 'signIn', 'authorize', 'callback', 'signOut', 'adopt', 'getAccessToken', 'explain']
  const table = Object.assign(Object.create(null), Object.fromEntries(names.map((name) => [name, refuse])))
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
      typeof indexedDB === 'undefined' ? memoryTransactions() : withFallback(indexedDBTransactions(), memoryTransactions()),
    send: (request, signal) => sendGrantRequest(fetch, request, signal),
  })
  const lock = holdLock(`lingpai:${instance}`)
  let ports = 0

  return {
    attach(port) {
      const calls = new Map<string, AbortController>()
      const prefix = `${++ports}.`
      const endpoint = guard(port, instance, (notice) => {
        if (notice.lingpai === 'abort') calls.get(notice.call)?.abort()
        if (notice.lingpai !== 'goodbye') return
        unsubscribe()
        for (const controller of calls.values()) controller.abort()
        port.close?.()
      })
      const unsubscribe = broker.subscribe((snapshot) => endpoint.notify({ lingpai: 'snapshot', instance, snapshot }))

      /** Runs a call that the page can abort. Ids are the page's own, so they are told apart by their port. */
      async function run<T>(id: string, work: (call: Call, signal: AbortSignal) => Promise<T>): Promise<T> {
        if (calls.has(id)) throw new LingpaiError('invalid_call', 'The worker refused a call: its id is in use.')
        const controller = new AbortController()
        calls.set(id, controller)
        try {
          return await work(await broker.openCall(prefix + id, controller.signal), controller.signal)
        } finally {
          calls.delete(id)
        }
      }

      const table: BrokerTable = Object.assign(Object.create(null), {
        async hello({ oldest, newest }) {
          if (newest < OLDEST_PROTOCOL_VERSION || oldest > PROTOCOL_VERSION) {
            throw new LingpaiError(
              'protocol_mismatch',
              `The page speaks versions ${oldest} to ${newest} of lingpai's protocol, the worker ${OLDEST_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}: ` +
                'they come from different builds. Reload the page; if that does not help, close the app\'s other tabs first.',
            )
          }
          const [held] = await Promise.all([lock, broker.ready])
          const welcome: Welcome = {
            protocol: Math.min(newest, PROTOCOL_VERSION),
            instance,
            snapshot: broker.snapshot(),
            apis: options.apis.map(({ origin, pathPrefix, envelope }) => ({ origin, pathPrefix, ...(envelope && { envelope }) })),
            ...(held !== undefined && { lock: held }),
          }
          return welcome
        },
        async ping() {},
        fetch: (id, request) =>
          run(id, async (call, signal) => {
            const api = findAllowedApi(options.apis, request.url)
            const response = await fetchFromApi(fetch, broker, call, api, request, signal)
            return response.body === null ? response : transfer(response, [response.body])
          }),
        request: (id, request) =>
          run(id, (call, signal) => requestFromApi(fetch, broker, call, findAllowedApi(options.apis, request.url), request, signal)),
        signIn: (id, input) => run(id, (_call, signal) => broker.signIn(input, signal)),
        authorize: (id, input) => run(id, (_call, signal) => broker.beginSignIn(input, signal)),
        callback: (id, url) => run(id, (_call, signal) => broker.completeSignIn(url, readState(url), signal)),
        signOut: (everywhere) => broker.signOut(everywhere),
        async adopt(tokens) {
          if (options.adopt) return broker.adopt(tokens)
          throw new LingpaiError('invalid_call', 'The worker takes no tokens from pages. If it should, pass adopt: true to serve().')
        },
        getAccessToken: (id) =>
          run(id, async (call) => {
            if (options.exposeAccessToken) return (await broker.authorize(call)).tokens.accessToken
            throw new LingpaiError(
              'token_not_exposed',
              'The access token stays in the worker. Use session.fetch, or pass exposeAccessToken: true to serve() and accept that page code can read it.',
            )
          }),
        explain: async () => broker.explain(),
      } satisfies BrokerTable)

      expose(Object.freeze(table), endpoint as never)
    },
  }
}

function findAllowedApi(apis: readonly Api[], url: string): Api {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw new LingpaiError('invalid_call', 'The URL of the request is malformed.')
  }
  const api = parsed.username === '' && parsed.password === '' ? findApi(apis, parsed) : undefined
  if (api !== undefined) return api
  throw new LingpaiError(
    'origin_not_allowed',
    `No token goes to ${parsed.origin}${parsed.pathname}: it is not among the apis of serve(). Add its origin there, or call it with auth: false.`,
  )
}

async function fetchFromApi(
  fetch: typeof globalThis.fetch,
  broker: SessionBroker,
  call: Call,
  api: Api,
  request: WireRequest,
  signal: AbortSignal,
) {
  let token = ''
  const response = await runRequest(broker, call, async (permit): Promise<Attempt<Response>> => {
    token = permit.tokens.accessToken
    const signed = api.sign ? { ...request, ...(await signRequest(api, request)) } : request
    const answer = await sendApiRequest(fetch, signed, api.attach, permit, signal)
    return {
      answer,
      isTokenRefused: answer.status === 401,
      discard: () => void answer.body?.cancel().catch(() => {}),
    }
  })
  if (api.signInRequired.includes(response.status)) throw signInRequired(response.status)
  return readResponse(response, token)
}

async function requestFromApi(
  fetch: typeof globalThis.fetch,
  broker: SessionBroker,
  call: Call,
  api: Api,
  { body, ...head }: WireApiRequest,
  signal: AbortSignal,
): Promise<unknown> {
  const attempt = async (permit: Permit) => {
    const data = body === undefined ? undefined : JSON.parse(body)
    const signed = api.sign ? await signRequest(api, head, data) : { ...head, data: undefined }
    const text = api.sign && signed.data !== undefined ? JSON.stringify(signed.data) : body
    const request = { ...head, ...signed, ...(text !== undefined && { body: text }) }
    const response = await sendApiRequest(fetch, request, api.attach, permit, signal).catch((error) => Promise.reject(toNetworkError(error, signal)))
    const { status, body: bytes } = await readResponse(response, permit.tokens.accessToken)
    const meaning = readAnswer(api.envelope, status, bytes === null ? '' : new TextDecoder().decode(bytes))
    return { answer: { meaning, status }, isTokenRefused: meaning.kind === 'expired' }
  }
  const { meaning, status } = await runRequest(broker, call, attempt)
  if (meaning.kind === 'signInRequired' || api.signInRequired.includes(status)) throw signInRequired(status)
  if (meaning.kind === 'payload') return meaning.payload
  throw meaning.error
}

async function signRequest(api: Api, { url, method, headers }: Omit<WireRequest, 'body'>, data?: unknown) {
  const signed = await api.sign?.({ url, method, headers: Object.fromEntries(headers), ...(data !== undefined && { data }) })
  if (signed === undefined || signed === null) throw new LingpaiError('invalid_config', 'serve(): the sign function of an API returned nothing. Return the request.')
  // A signer may add parameters; the token goes where the configuration says, and nowhere else (I4).
  if (new URL(signed.url).origin !== api.origin) throw new LingpaiError('origin_not_allowed', 'The sign function of an API moved the request to another origin.')
  return { url: signed.url, method: signed.method, headers: Object.entries(signed.headers), data: signed.data }
}

function toNetworkError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || error instanceof LingpaiError) return error
  return new LingpaiError('network_error', 'The API could not be reached: the network or CORS is in the way.')
}

function signInRequired(status: number): LingpaiError {
  return new LingpaiError('sign_in_required', `The API asks the user to sign in (status ${status}). Call session.signIn().`, { status })
}

function readState(url: string): string | undefined {
  try {
    return new URL(url).searchParams.get('state') ?? undefined
  } catch {
    throw new LingpaiError('invalid_call', 'completeSignIn takes the whole URL of the callback page: pass location.href.')
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
