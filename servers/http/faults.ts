import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { allowOrigin } from './cors.ts'
import { createHoldPoint, type Hold } from './hold.ts'
import { isJsonObject } from './json.ts'

export type Fault =
  /** Answered without being processed. */
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
    }
  /** Processed late, unless the client has aborted the request by then. */
  | { readonly kind: 'delay'; readonly milliseconds: number }
  /**
   * Processed, then the connection is destroyed before the response. If the browser has used the connection before, it
   * sends the request again; with `midway` the response has begun, so it does not.
   */
  | { readonly kind: 'lose'; readonly midway?: boolean }
  /** The connection is destroyed, and the request is not processed. */
  | { readonly kind: 'drop' }
  /** Waits until the faults are cleared, then is processed, unless the client has aborted the request by then. */
  | { readonly kind: 'hang' }

/** `handled`: the request has ended, or its client has gone. */
type Admission = 'process' | 'process-and-lose' | 'process-and-lose-midway' | 'handled'

export interface FaultGate {
  fail(...faults: readonly Fault[]): void
  hold(): Hold
  clear(): void
  /** Drops queued faults. Requests that are held, delayed or hanging stay so. */
  stop(): void
  admit(request: IncomingMessage, response: ServerResponse): Promise<Admission>
}

/**
 * Runs before an endpoint. Each request takes one fault, in the order of arrival. `delayOfAll` returns a delay in
 * milliseconds, which is applied before the fault.
 */
export function createFaultGate(delayOfAll: () => number = () => 0): FaultGate {
  const queue: Fault[] = []
  const holds = createHoldPoint()
  let clearing = new AbortController()

  return {
    fail(...faults) {
      queue.push(...faults)
    },
    hold: () => holds.hold(),
    clear() {
      queue.length = 0
      clearing.abort()
      clearing = new AbortController()
      holds.releaseAll()
    },
    stop() {
      queue.length = 0
    },
    async admit(request, response) {
      const taken = queue.shift()
      const cleared = clearing.signal
      const wait = delayOfAll()
      if (wait > 0) await delay(wait, undefined, { signal: cleared, ref: false }).catch(() => {})
      await holds.pass()
      if (request.socket.destroyed) return 'handled'
      const fault = cleared.aborted ? undefined : taken
      switch (fault?.kind) {
        case 'answer':
          allowOrigin(request, response)
          response.writeHead(fault.status, { 'Content-Type': 'application/json', ...fault.headers })
          response.end(fault.body)
          return 'handled'
        case 'drop':
          request.socket.destroy()
          return 'handled'
        case 'delay':
          await delay(fault.milliseconds, undefined, { signal: cleared, ref: false }).catch(() => {})
          break
        case 'hang':
          await aborted(cleared)
          break
      }
      if (request.socket.destroyed) return 'handled'
      if (fault?.kind !== 'lose') return 'process'
      return fault.midway ? 'process-and-lose-midway' : 'process-and-lose'
    },
  }
}

/** Reads faults from JSON. Throws a `TypeError` with the reason if they are malformed. */
export function parseFaults(value: unknown): readonly Fault[] {
  if (!Array.isArray(value)) throw new TypeError('expected a JSON array of faults')
  return value.map((entry: unknown, index) => parseFault(entry, `fault ${index}`))
}

function parseFault(value: unknown, name: string): Fault {
  if (!isJsonObject(value)) throw new TypeError(`${name} must be an object`)
  switch (value.kind) {
    case 'lose':
      return value.midway === true ? { kind: 'lose', midway: true } : { kind: 'lose' }
    case 'drop':
    case 'hang':
      return { kind: value.kind }
    case 'delay':
      if (typeof value.milliseconds !== 'number' || !(value.milliseconds >= 0)) {
        throw new TypeError(`${name}: milliseconds must be a number that is not negative`)
      }
      return { kind: 'delay', milliseconds: value.milliseconds }
    case 'answer': {
      const { status, headers, body } = value
      if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599) {
        throw new TypeError(`${name}: status must be an integer from 200 to 599`)
      }
      if (headers !== undefined && !isHeaders(headers)) {
        throw new TypeError(`${name}: headers must be an object of strings`)
      }
      if (body !== undefined && typeof body !== 'string') throw new TypeError(`${name}: body must be a string`)
      return {
        kind: 'answer',
        status,
        ...(headers === undefined ? {} : { headers }),
        ...(body === undefined ? {} : { body }),
      }
    }
    default:
      throw new TypeError(`${name}: kind must be answer, delay, lose, drop or hang`)
  }
}

function isHeaders(value: unknown): value is Readonly<Record<string, string>> {
  return isJsonObject(value) && Object.values(value).every((entry) => typeof entry === 'string')
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
