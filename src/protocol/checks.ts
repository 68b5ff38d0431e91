import { LingpaiError } from './errors.ts'
import { getOwn, isRecord } from './records.ts'
import type { Caller } from './snapshot.ts'
import type { SentPermit, SentRequest } from './tasks.ts'

/** Longest text of one control argument, in UTF-16 units. Does not limit bodies. */
const MAX_TEXT = 1 << 20
export const MAX_URL = 1 << 16
const MAX_HEADERS = 1000
const MAX_DATA = 20

/** For each method, a function that checks the received arguments and copies only the fields that it knows. */
export type Checks<Table> = {
  readonly [Method in keyof Table]: (
    given: readonly unknown[],
  ) => Table[Method] extends (...given: infer Arguments) => unknown ? Arguments : never
}

type HeaderPairs = readonly (readonly [string, string])[]

export function toCallId(value: unknown): string {
  if (typeof value !== 'string' || !/^\w{1,32}$/.test(value)) throw invalid('the call has no id')
  return value
}

export function toHeaderPairs(headers: unknown, name: string): HeaderPairs {
  if (!Array.isArray(headers) || headers.length > MAX_HEADERS) throw invalid(`${name} is not a list of pairs`)
  let length = 0
  // Not `map`, which skips holes.
  return Array.from(headers, (pair) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw invalid(`${name} is not a list of pairs`)
    const [field, text] = [toText(pair[0], 'a header', MAX_TEXT), toText(pair[1], 'a header', MAX_TEXT)]
    length += field.length + text.length
    if (length > MAX_TEXT) throw invalid(`${name} are too long`)
    return [field, text] as const
  })
}

/**
 * Copies data that JSON can carry. Rejects functions, cycles, class instances, arrays with holes, and data above the limit.
 * `longest` counts UTF-16 units, field names included.
 */
export function toPlainData(value: unknown, longest = MAX_TEXT): unknown {
  let budget = longest
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
    if (depth > MAX_DATA || typeof item !== 'object') throw invalid('an argument is not plain data')
    if (Array.isArray(item)) {
      return Array.from(item, (element, index) => {
        // Stop at the first hole: a message of a few bytes may hold billions of them.
        if (!Object.hasOwn(item, index)) throw invalid('an argument is not plain data')
        return copy(element, depth + 1)
      })
    }
    if (!isPlain(item)) throw invalid('an argument is not plain data')
    const record: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(item)) {
      budget -= name.length
      // An own `__proto__` survives structured cloning; an assignment would change the copy's prototype.
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

/** The session that the caller saw; undefined if it saw none. */
export function toCaller(value: unknown): Caller | undefined {
  if (value === undefined || value === null) return undefined
  const caller = toRecord(value, 'caller')
  const subject = getOwn(caller, 'subject')
  return {
    session: toText(getOwn(caller, 'session'), 'caller.session', MAX_SESSION_ID),
    ...(subject !== undefined && { subject: toText(subject, 'caller.subject', MAX_URL) }),
  }
}

/** Whether an object is a literal of this or another realm: in a mini program, messages may come from another realm. */
function isPlain(item: object): boolean {
  const prototype = Object.getPrototypeOf(item)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

export function toText(value: unknown, name: string, longest: number): string {
  if (typeof value !== 'string') throw invalid(`${name} is not a string`)
  if (value.length > longest) throw invalid(`${name} is too long`)
  return value
}

export function toFlag(value: unknown, name: string): boolean | undefined {
  if (value !== undefined && typeof value !== 'boolean') throw invalid(`${name} is not true or false`)
  return value
}

export function toCount(value: unknown, name: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw invalid(`${name} is not a whole number`)
  return value as number
}

export function toSentRequest(record: object): SentRequest {
  const ticket = getOwn(record, 'ticket')
  return {
    isReplay: getOwn(record, 'isReplay') === true,
    ...(ticket !== undefined && { ticket: toSentPermit(ticket) }),
  }
}

/** Far longer than any session id that a worker creates. */
const MAX_SESSION_ID = 200

function toSentPermit(value: unknown): SentPermit {
  const record = toRecord(value, 'ticket')
  const subject = getOwn(record, 'subject')
  return {
    sessionId: toText(getOwn(record, 'sessionId'), 'ticket.sessionId', MAX_SESSION_ID),
    version: toCount(getOwn(record, 'version'), 'ticket.version'),
    hasRefreshed: getOwn(record, 'hasRefreshed') === true,
    ...(subject !== undefined && { subject: toText(subject, 'ticket.subject', MAX_URL) }),
  }
}

export function toRecord(value: unknown, name: string): object {
  if (!isRecord(value)) throw invalid(`${name} is not an object`)
  return value
}

export function invalid(why: string): LingpaiError {
  return new LingpaiError('invalid_call', `A call from the other thread was rejected: ${why}.`)
}
