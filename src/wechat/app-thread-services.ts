import type { AppThreadServices } from '../connect/wechat.ts'
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
import type { GrantRequests } from './grant-requests.ts'
import { isUnsent, type Running } from './network.ts'
import type { Storage } from './storage.ts'
import type { Tasks } from './tasks.ts'

/** In UTF-16 units. WeChat's limit for one key of its storage is lower. */
const MAX_RECORD = 1 << 20
const MAX_BODY = 1 << 20
/** A signer returns the data of a whole request. */
const MAX_DATA = 1 << 24
/** WeChat's default. The worker's own timeout is shorter. */
const SEND_TIMEOUT = 60_000

/** The arguments of each service. The worker has no other rights on the app thread. */
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
  /** The requests of the grant. */
  readonly requests: GrantRequests
  readonly storage: Storage
  readonly login: (signal: CancelSignal) => Promise<string>
}

export function createAppThreadServices(
  { tasks, requests, storage, login }: ServiceParts,
  connection: number,
): AppThreadServices {
  const running = new Map<string, { abort(): void }>()

  /** Runs a call that `abort` can end by its id. */
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
            requests.send(connection, exchange, { ...request, timeout: SEND_TIMEOUT, refusesRedirects: true }),
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
        requests.clear()
        return saved
      },
      async clear(key) {
        requests.clear()
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
  if (typeof value !== 'string' || !/^[\w.:-]{1,100}$/.test(value)) throw invalid('the storage key is not valid')
  return value
}
