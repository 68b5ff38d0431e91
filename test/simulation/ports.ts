import type { Endpoint } from '../../src/protocol/endpoint.ts'
import type { Scheduler, Thread } from './scheduler.ts'

type Listener = (event: { readonly data: unknown }) => void

export interface PortOptions {
  readonly scheduler: Scheduler
  /** How long the next message is on its way. */
  latency(): number
  /** Sees every message, as the text that a clone of it is. */
  inspect(text: string, from: Port, to: Port): void
}

export interface Port extends Endpoint {
  readonly thread: Thread
  /** The other end; another one after a worker was restarted behind the port. */
  peer: Port | undefined
  close(): void
  deliver(text: string): void
  start(): void
}

/** One end of a channel between two threads. Messages stay in order; what comes before anybody listens is kept. */
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
      // The copy that a structured clone makes; nothing that crosses here is more than JSON.
      const text = JSON.stringify(message)
      inspect(text, port, peer)
      arrival = Math.max(arrival, scheduler.now() + latency())
      scheduler.schedule(arrival - scheduler.now(), peer.thread, () => peer.deliver(text))
    },
    addEventListener(type, listener) {
      // A worker is listened to for errors of its script, too; there are none.
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
