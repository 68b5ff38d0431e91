import type {
  AuthorizeInput,
  BrokerTable,
  Endpoint,
  Hello,
  Notice,
  WireApiRequest,
  WireRequest,
} from '../../src/protocol/contract.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import { errorFrame } from '../../src/protocol/throw-handler.ts'

/** More calls than this, unanswered, from one port are answered with `busy`. */
export const MOST_PENDING_CALLS = 10_000
/** Longest text of one control argument, in UTF-16 units. Bodies are not counted. */
const LONGEST_TEXT = 1 << 20
const LONGEST_URL = 1 << 16
const MOST_HEADERS = 1000

type Arguments<Method extends keyof BrokerTable> = Parameters<BrokerTable[Method]>

/**
 * What each method takes, checked field by field. The result is built anew from what is known, so that nothing else of a
 * message gets any further. The table has no prototype: `constructor` and `__proto__` are no methods.
 */
const checks: { readonly [Method in keyof BrokerTable]: (given: readonly unknown[]) => Arguments<Method> } =
  Object.freeze(
    Object.assign(Object.create(null), {
      hello: ([hello]) => [toHello(hello)],
      ping: () => [],
      fetch: ([call, request]) => [toCallId(call), toRequest(request)],
      request: ([call, request]) => [toCallId(call), toApiRequest(request)],
      signIn: ([call, input]) => [toCallId(call), toPlainData(input)],
      authorize: ([call, input]) => [toCallId(call), toAuthorizeInput(input)],
      callback: ([call, url]) => [toCallId(call), toText(url, 'url', LONGEST_URL)],
      signOut: ([everywhere]) => [everywhere === true],
      adopt: ([tokens]) => [toPlainData(tokens)],
      getAccessToken: ([call]) => [toCallId(call)],
      explain: () => [],
    } satisfies { [Method in keyof BrokerTable]: (given: readonly unknown[]) => Arguments<Method> }),
  )

export interface GuardedEndpoint extends Endpoint {
  /** Sends a message that is no answer. */
  notify(notice: Notice): void
}

/**
 * Stands between a port and Comlink. Bare Comlink walks any path from the exposed object, `constructor.constructor`
 * included, so a page could run its own code in the worker and read every token. Only a call of one of the table's methods,
 * by its own name and with checked arguments, gets through; all else is refused and changes nothing.
 *
 * @see https://github.com/GoogleChromeLabs/comlink/issues/603
 */
export function guard(port: Endpoint, instance: string, onNotice: (notice: Notice) => void): GuardedEndpoint {
  const pending = new Set<string>()
  const listeners = new Set<(event: { data: unknown }) => void>()

  port.addEventListener('message', ({ data }) => {
    if (!isRecord(data)) return
    const notice = toNotice(data)
    if (notice !== undefined) return onNotice(notice)
    const id = own(data, 'id')
    // Without an id of Comlink's form there is nobody to answer.
    if (typeof id !== 'string' || !/^[\w-]{1,100}$/.test(id)) return
    try {
      if (pending.has(id)) throw invalid('its id is in use')
      const frame = toCallFrame(id, data)
      if (pending.size >= MOST_PENDING_CALLS) {
        throw new LingpaiError('busy', `This page has ${MOST_PENDING_CALLS} unanswered calls: wait for some of them.`)
      }
      pending.add(id)
      for (const listener of listeners) listener({ data: frame })
    } catch (error) {
      // Only our own words go out: a TypeError of ours could quote what was sent.
      const refusal = error instanceof LingpaiError ? error : invalid('it has an unexpected form')
      port.postMessage({ ...errorFrame(id, refusal), instance })
    }
  })

  return {
    postMessage(message, transfer) {
      const answer = message as { readonly id: string }
      pending.delete(answer.id)
      port.postMessage({ ...answer, instance }, transfer)
    },
    notify: (notice) => port.postMessage(notice),
    addEventListener: (_type, listener) => void listeners.add(listener),
    removeEventListener: (_type, listener) => void listeners.delete(listener),
    start: () => port.start?.(),
  }
}

function toCallFrame(id: string, data: object): object {
  const path = own(data, 'path')
  const given = own(data, 'argumentList')
  if (own(data, 'type') !== 'APPLY') throw invalid('only calls are answered')
  if (!Array.isArray(path) || path.length !== 1 || typeof path[0] !== 'string') throw invalid('it names no method')
  const check = checks[path[0] as keyof BrokerTable]
  if (check === undefined) throw invalid('there is no such method')
  if (!Array.isArray(given) || given.length > 4) throw invalid('it has too many arguments')
  const values = given.map((argument) => {
    if (!isRecord(argument) || own(argument, 'type') !== 'RAW') throw invalid('an argument is not plain data')
    return own(argument, 'value')
  })
  return { id, type: 'APPLY', path: [path[0]], argumentList: check(values).map((value) => ({ type: 'RAW', value })) }
}

function toNotice(data: object): Notice | undefined {
  const kind = own(data, 'lingpai')
  if (kind === 'goodbye') return { lingpai: 'goodbye' }
  const call = own(data, 'call')
  return kind === 'abort' && typeof call === 'string' ? { lingpai: 'abort', call } : undefined
}

function toHello(value: unknown): Hello {
  const hello = toRecord(value, 'hello')
  const [oldest, newest] = [own(hello, 'oldest'), own(hello, 'newest')]
  if (!Number.isInteger(oldest) || !Number.isInteger(newest)) throw invalid('hello names no protocol versions')
  return { oldest: oldest as number, newest: newest as number }
}

function toCallId(value: unknown): string {
  if (typeof value !== 'string' || !/^\w{1,32}$/.test(value)) throw invalid('it has no call id')
  return value
}

const CHOICES = {
  credentials: ['omit', 'same-origin', 'include'],
  mode: ['cors', 'no-cors', 'same-origin'],
  cache: ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'],
  redirect: ['follow', 'error', 'manual'],
  priority: ['high', 'low', 'auto'],
} as const

function toRequest(value: unknown): WireRequest {
  const record = toRecord(value, 'request')
  const request: Record<string, unknown> = { ...toRequestHead(record) }
  for (const [name, choices] of Object.entries(CHOICES)) {
    const choice = own(record, name)
    if (choice === undefined) continue
    if (!(choices as readonly unknown[]).includes(choice)) throw invalid(`request.${name} has no such value`)
    request[name] = choice
  }
  for (const name of ['integrity', 'referrer', 'referrerPolicy']) {
    const text = own(record, name)
    if (text !== undefined) request[name] = toText(text, `request.${name}`, LONGEST_URL)
  }
  if (own(record, 'keepalive') !== undefined) request.keepalive = own(record, 'keepalive') === true
  const body = own(record, 'body')
  if (body !== undefined) {
    if (
      typeof body !== 'string' &&
      !(body instanceof ArrayBuffer) &&
      !(typeof Blob === 'function' && body instanceof Blob)
    ) {
      throw invalid('request.body is neither a string, an ArrayBuffer nor a Blob')
    }
    request.body = body
  }
  return request as unknown as WireRequest
}

function toApiRequest(value: unknown): WireApiRequest {
  const record = toRecord(value, 'request')
  const body = own(record, 'body')
  if (body !== undefined && typeof body !== 'string') throw invalid('request.body is not a string')
  const auth = own(record, 'auth')
  if (auth !== undefined && typeof auth !== 'boolean') throw invalid('request.auth is not true or false')
  return { ...toRequestHead(record), auth, ...(body !== undefined && { body }) }
}

function toRequestHead(record: object): Pick<WireRequest, 'url' | 'method' | 'headers'> {
  const headers = own(record, 'headers')
  if (!Array.isArray(headers) || headers.length > MOST_HEADERS) throw invalid('request.headers is not a list of pairs')
  let length = 0
  return {
    url: toText(own(record, 'url'), 'request.url', LONGEST_URL),
    method: toText(own(record, 'method'), 'request.method', 100),
    headers: headers.map((pair) => {
      if (!Array.isArray(pair) || pair.length !== 2) throw invalid('request.headers is not a list of pairs')
      const [name, text] = [toText(pair[0], 'a header', LONGEST_TEXT), toText(pair[1], 'a header', LONGEST_TEXT)]
      length += name.length + text.length
      if (length > LONGEST_TEXT) throw invalid('request.headers are too long')
      return [name, text] as const
    }),
  }
}

function toAuthorizeInput(value: unknown): AuthorizeInput {
  const record = toRecord(value, 'input')
  const via = own(record, 'via')
  if (via !== 'redirect' && via !== 'popup') throw invalid('input.via must be "redirect" or "popup"')
  const returnTo = own(record, 'returnTo')
  return { via, ...(returnTo !== undefined && { returnTo: toText(returnTo, 'input.returnTo', LONGEST_URL) }) }
}

/** Copies data that JSON could carry, and refuses the rest: functions, cycles, class instances, too much of it. */
function toPlainData(value: unknown): unknown {
  let budget = LONGEST_TEXT
  const copy = (item: unknown, depth: number): unknown => {
    budget -= typeof item === 'string' ? item.length + 1 : 1
    if (budget < 0) throw invalid('an argument is too large')
    if (
      item === null ||
      item === undefined ||
      typeof item === 'string' ||
      typeof item === 'boolean' ||
      typeof item === 'number'
    )
      return item
    if (depth > 20 || typeof item !== 'object') throw invalid('an argument is not plain data')
    if (Array.isArray(item)) return item.map((element) => copy(element, depth + 1))
    const prototype = Object.getPrototypeOf(item)
    if (prototype !== Object.prototype && prototype !== null) throw invalid('an argument is not plain data')
    const record: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(item)) {
      budget -= name.length
      // An own `__proto__` survives structured cloning, and assigning it would change the copy's prototype.
      Object.defineProperty(record, name, {
        value: copy(field, depth + 1),
        enumerable: true,
        configurable: true,
        writable: true,
      })
    }
    if (budget < 0) throw invalid('an argument is too large')
    return record
  }
  return copy(value, 0)
}

function toText(value: unknown, name: string, longest: number): string {
  if (typeof value !== 'string') throw invalid(`${name} is not a string`)
  if (value.length > longest) throw invalid(`${name} is too long`)
  return value
}

function toRecord(value: unknown, name: string): object {
  if (!isRecord(value) || Array.isArray(value)) throw invalid(`${name} is not an object`)
  return value
}

/** Reads a message's own field, whatever somebody has put on `Object.prototype`. */
function own(record: object, name: string): unknown {
  return Object.hasOwn(record, name) ? (record as Record<string, unknown>)[name] : undefined
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function invalid(why: string): LingpaiError {
  return new LingpaiError('invalid_call', `The worker refused a call: ${why}.`)
}
