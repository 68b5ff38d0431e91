import type { Endpoint } from '../../src/protocol/endpoint.ts'
import type { Scheduler, Thread } from './scheduler.ts'

type Listener = (event: { readonly data: unknown }) => void

export interface PortOptions {
  readonly scheduler: Scheduler
  /** The delay of the next message. */
  latency(): number
  /** Gets every message as the JSON text of its clone. */
  inspect(text: string, from: Port, to: Port): void
}

export interface Port extends Endpoint {
  readonly thread: Thread
  /** The other end. It changes if a worker is restarted behind the port. */
  peer: Port | undefined
  close(): void
  deliver(text: string): void
  start(): void
}

/** One end of a channel between two threads. Messages stay in order, and are queued until the first listener. */
export function createPort(options: PortOptions, thread: Thread): Port {
  const { scheduler, latency, inspect } = options
  const listeners = new Set<Listener>()
  const kept: string[] = []
  let arrival = 0
  let isClosed = false

  const port: Port = {
    thread,
    peer: undefined,
    postMessage(message) {
      const { peer } = port
      if (isClosed || peer === undefined) return
      // JSON replaces the structured clone, because all messages here are JSON.
      const text = JSON.stringify(message)
      inspect(text, port, peer)
      arrival = Math.max(arrival, scheduler.now() + latency())
      scheduler.schedule(arrival - scheduler.now(), peer.thread, () => peer.deliver(text))
    },
    addEventListener(type, listener) {
      // Pages also listen for script errors of the worker; the simulation has none.
      if (type === 'message') listeners.add(listener)
    },
    removeEventListener(_type, listener) {
      listeners.delete(listener)
    },
    start() {
      for (const text of kept.splice(0)) port.deliver(text)
    },
    close() {
      isClosed = true
    },
    deliver(text) {
      if (isClosed) return
      if (listeners.size === 0) {
        kept.push(text)
        return
      }
      const data: unknown = JSON.parse(text)
      for (const listener of [...listeners]) listener({ data })
    },
  }
  return port
}

export function connectPorts(one: Port, other: Port): void {
  one.peer = other
  other.peer = one
}
