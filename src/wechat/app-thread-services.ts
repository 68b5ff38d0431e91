import { AbortController } from '../protocol/abort-controller.ts'
import type { AppThreadAnswer, AppThreadRequest, AppThreadTable, TaskOrder } from '../protocol/app-thread.ts'
import type { CancelSignal } from '../protocol/cancel-signal.ts'
import {
  type Checks,
  invalid,
  MAX_URL,
  toCallId,
  toHeaderPairs,
  toPlainData,
  toRecord,
  toSentRequest,
  toText,
} from '../protocol/checks.ts'
import { getOwn } from '../protocol/records.ts'
import type { Exchanges } from './exchanges.ts'
import { isUnsent, type Running } from './network.ts'
import type { Storage } from './storage.ts'
import type { Tasks } from './tasks.ts'

/** WeChat's own limit for one key of its storage, in UTF-16 units, is below this. */
const MAX_RECORD = 1 << 20
const MAX_BODY = 1 << 20
/** A signer may have been shown this much, and gives it back. */
const MAX_DATA = 1 << 24
/** WeChat's default; the worker gives up earlier. */
const SEND_TIMEOUT = 60_000

/** What each service takes: the worker holds no more rights on the app thread than these. */
export const serviceChecks: Checks<AppThreadTable> = {
  send: ([call, request]) => [toCallId(call), toServiceRequest(request)],
  sendTask: ([order]) => [toTaskOrder(order)],
  awaitTask: ([name]) => [toCallId(name)],
  load: ([key]) => [toKey(key)],
  save: ([key, text]) => [toKey(key), toText(text, 'the record', MAX_RECORD)],
  clear: ([key]) => [toKey(key)],
  login: ([call]) => [toCallId(call)],
}

export interface ServiceParts {
  readonly tasks: Pick<Tasks, 'sendTask' | 'awaitTask'>
  readonly exchanges: Exchanges
  readonly storage: Storage
  readonly login: (signal: CancelSignal) => Promise<string>
}

/** The services of one connection to a worker. */
export interface ServiceDesk {
  readonly table: AppThreadTable
  abort(call: string): void
}

export function createAppThreadServices(
  { tasks, exchanges, storage, login }: ServiceParts,
  connection: number,
): ServiceDesk {
  const running = new Map<string, { abort(): void }>()

  /** Begins a call that its id can end. */
  async function run<T>(call: string, start: () => Running<T>): Promise<T> {
    if (running.has(call)) throw invalid('its id is in use')
    const started = start()
    running.set(call, started)
    try {
      return await started.answer
    } finally {
      running.delete(call)
    }
  }

  return {
    abort: (call) => running.get(call)?.abort(),

    table: {
      async send(call, { exchange, ...request }): Promise<AppThreadAnswer> {
        try {
          const { status, headers, text } = await run(call, () =>
            exchanges.send(connection, exchange, { ...request, timeout: SEND_TIMEOUT, refusesRedirects: true }),
          )
          return { status, headers, body: text }
        } catch (error) {
          if (isUnsent(error)) return { unsent: 'not_sent' }
          throw error
        }
      },
      sendTask: (order) => tasks.sendTask(order),
      awaitTask: (name) => tasks.awaitTask(name),
      load: (key) => storage.load(key),
      async save(key, text) {
        const saved = await storage.save(key, text)
        exchanges.clear()
        return saved
      },
      async clear(key) {
        exchanges.clear()
        await storage.clear(key)
      },
      login: (call) =>
        run(call, () => {
          const controller = new AbortController()
          return { answer: login(controller.signal), abort: () => controller.abort() }
        }),
    },
  }
}

function toServiceRequest(value: unknown): AppThreadRequest {
  const record = toRecord(value, 'request')
  const body = getOwn(record, 'body')
  const exchange = getOwn(record, 'exchange')
  return {
    url: toText(getOwn(record, 'url'), 'request.url', MAX_URL),
    method: toText(getOwn(record, 'method'), 'request.method', 20),
    headers: toHeaderPairs(getOwn(record, 'headers'), 'request.headers'),
    ...(body !== undefined && { body: toText(body, 'request.body', MAX_BODY) }),
    ...(exchange !== undefined && { exchange: toText(exchange, 'request.exchange', 100) }),
  }
}

function toTaskOrder(value: unknown): TaskOrder {
  const record = toRecord(value, 'order')
  const data = getOwn(record, 'data')
  return {
    ...toSentRequest(record),
    name: toCallId(getOwn(record, 'name')),
    url: toText(getOwn(record, 'url'), 'order.url', MAX_URL),
    method: toText(getOwn(record, 'method'), 'order.method', 20),
    headers: toHeaderPairs(getOwn(record, 'headers'), 'order.headers'),
    ...(data !== undefined && { data: toPlainData(data, MAX_DATA) }),
  }
}

function toKey(value: unknown): string {
  if (typeof value !== 'string' || !/^[\w.:-]{1,100}$/.test(value)) throw invalid('it names no key of the storage')
  return value
}
