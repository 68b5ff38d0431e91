import { invalid } from './checks.ts'
import type { Endpoint } from './endpoint.ts'
import { LingpaiError } from './errors.ts'
import type { Notice } from './notices.ts'
import { getOwn, isObject } from './records.ts'
import { errorFrame } from './throw-handler.ts'

/** If one port has this many unanswered calls, further calls are rejected with `busy`. */
export const MAX_PENDING_CALLS = 10_000

export interface GuardedEndpoint extends Endpoint {
  /** Sends a message that is not an answer. */
  notify(notice: Notice): void
}

export interface GuardOptions {
  /** For each method that may be called, a function that checks its arguments and returns copies. */
  readonly checks: Readonly<Record<string, (given: readonly unknown[]) => readonly unknown[]>>
  /** Random id of the answering thread; added to every answer. */
  readonly instance?: string
  onNotice(notice: Notice): void
}

/**
 * Filters the messages between a port and Comlink. Comlink alone follows any path from the exposed object, for example
 * `constructor.constructor`, so a page could run its own code in the worker and read every token. The guard passes on only
 * calls of the methods in the table, with checked arguments. It rejects all other calls, and they change nothing.
 *
 * @see https://github.com/GoogleChromeLabs/comlink/issues/603
 */
export function guard(port: Endpoint, { checks, instance, onNotice }: GuardOptions): GuardedEndpoint {
  // Without a prototype, so that `constructor` and `__proto__` are not found.
  const table: Partial<GuardOptions['checks']> = Object.assign(Object.create(null), checks)
  const pending = new Set<string>()
  const listeners = new Set<(event: { data: unknown }) => void>()
  const sender = instance === undefined ? {} : { instance }

  function toCallFrame(id: string, data: object): object {
    const path = getOwn(data, 'path')
    const given = getOwn(data, 'argumentList')
    if (getOwn(data, 'type') !== 'APPLY') throw invalid('it is not a method call')
    if (!Array.isArray(path) || path.length !== 1 || typeof path[0] !== 'string') throw invalid('it names no method')
    const check = table[path[0]]
    if (check === undefined) throw invalid('there is no such method')
    if (!Array.isArray(given) || given.length > 4) throw invalid('it has too many arguments')
    const values = given.map((argument) => {
      if (!isObject(argument) || getOwn(argument, 'type') !== 'RAW') throw invalid('an argument is not plain data')
      return getOwn(argument, 'value')
    })
    return { id, type: 'APPLY', path: [path[0]], argumentList: check(values).map((value) => ({ type: 'RAW', value })) }
  }

  port.addEventListener('message', ({ data }) => {
    if (!isObject(data)) return
    const notice = toNotice(data)
    if (notice !== undefined) return onNotice(notice)
    const id = getOwn(data, 'id')
    // Without an id of Comlink's form, an answer could not be delivered.
    if (typeof id !== 'string' || !/^[\w-]{1,100}$/.test(id)) return
    try {
      if (pending.has(id)) throw invalid('its id is in use')
      const frame = toCallFrame(id, data)
      if (pending.size >= MAX_PENDING_CALLS) {
        throw new LingpaiError('busy', `This page has ${MAX_PENDING_CALLS} unanswered calls: wait for some of them.`)
      }
      pending.add(id)
      for (const listener of listeners) listener({ data: frame })
    } catch (error) {
      // Send only lingpai's own errors: a TypeError of the engine could quote what the page sent.
      const refusal = error instanceof LingpaiError ? error : invalid('it has an unexpected form')
      port.postMessage({ ...errorFrame(id, refusal), ...sender })
    }
  })

  return {
    postMessage(message, transfer) {
      const answer = message as { readonly id: string }
      pending.delete(answer.id)
      port.postMessage({ ...answer, ...sender }, transfer)
    },
    notify: (notice) => port.postMessage(notice),
    addEventListener: (_type, listener) => void listeners.add(listener),
    removeEventListener: (_type, listener) => void listeners.delete(listener),
    start: () => port.start?.(),
  }
}

function toNotice(data: object): Notice | undefined {
  const kind = getOwn(data, 'lingpai')
  if (kind === 'goodbye' || kind === 'resumed') return { lingpai: kind }
  const call = getOwn(data, 'call')
  return kind === 'abort' && typeof call === 'string' ? { lingpai: 'abort', call } : undefined
}
