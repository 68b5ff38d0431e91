import { transfer } from 'comlink'
import { SHARED_WORKER_LOCK, toWorkerKey } from '../../src/protocol/handshake.ts'
import { holdLifeLock } from '../../src/protocol/life-lock.ts'
import type { Mode } from '../../src/protocol/snapshot.ts'
import type { Platform } from '../core/adapter.ts'
import { traceCall } from '../core/broker/call-trace.ts'
import { indexedDBTransactions, memoryTransactions, withFallback } from '../store/transactions.ts'
import { sendGrantRequest } from '../transport/fetch.ts'
import { sendBody } from '../transport/outgoing-body.ts'
import { createApiCalls } from './api-calls.ts'
import type { BrokerHost } from './broker-server.ts'
import { controlChecks, fetchChecks } from './checks.ts'
import { findLocks, openPeers } from './peers.ts'
import { platform as ownPlatform } from './platform.ts'

export interface WebHostOptions {
  readonly mode: Mode
  readonly origin: string
  /** Default the browser's, or Node's. */
  readonly platform?: Platform
  fetch?(input: string, init: RequestInit): Promise<Response>
}

/** The host of a browser or of Node: requests by `fetch`, sign-in transactions in IndexedDB where there is one. */
export function createWebHost(options: WebHostOptions): BrokerHost {
  const { mode, origin, platform = ownPlatform } = options
  // Not looked up at each call: an inline broker would find the `session.fetch` that the app has assigned to `window.fetch`.
  const fetch = (options.fetch ?? globalThis.fetch) as typeof globalThis.fetch
  return {
    mode,
    origin,
    platform,
    checks: { ...controlChecks, ...fetchChecks },
    createId,
    holdLock: (instance) => holdLock(mode === 'shared', instance),
    awaitLock,
    watchNetwork: (onOnline) => void (globalThis as Partial<EventTarget>).addEventListener?.('online', onOnline),
    openPeers: (name) => openPeers(name, platform),
    transactions:
      typeof indexedDB === 'undefined'
        ? memoryTransactions()
        : withFallback(indexedDBTransactions(), memoryTransactions()),
    send: (request, signal) => sendGrantRequest(fetch, request, signal),
    describeApi: ({ origin, pathPrefix }) => ({ origin, pathPrefix }),

    /** Tabs that each have a worker and a memory of their own are no one session, and are told so. */
    remark: ({ store }) => (mode === 'dedicated' && store.isVolatile === true ? 'not-shared' : undefined),

    createCalls({ apis }, broker) {
      const calls = createApiCalls(apis, broker, fetch, options.platform ?? platform)
      return (run) => ({
        fetch: (id, request) =>
          run(
            id,
            async (call, signal, keep) => {
              const answering = traceCall(broker, call, () => calls.fetch(call, request, signal))
              if (request.progress !== undefined) endAfter(answering, request.progress as MessagePort)
              const { head, body } = await answering
              if (body === null) return { ...head, body }
              if (body instanceof ArrayBuffer) return transfer({ ...head, body }, [body])
              const { port1, port2 } = new MessageChannel()
              const release = keep(sendBody(port1, body, () => release()))
              return transfer({ ...head, body: port2 }, [port2])
            },
            // Such a request outlives its page (Fetch §2.2.5).
            { isLasting: request.keepalive === true },
          ),
        request: (id, request) =>
          run(id, (call, signal) => traceCall(broker, call, () => calls.request(call, request, signal))),
      })
    },
  }
}

/** What is posted to a port that was received arrives, though the port is closed at once. */
function endAfter(work: Promise<unknown>, port: MessagePort): void {
  const end = () => {
    port.postMessage(null)
    port.close()
  }
  work.then(end, end)
}

function nameSharedLock(instance: string): string {
  const { name, location } = globalThis as unknown as { name: string; location: { href: string } }
  return SHARED_WORKER_LOCK + instance + toWorkerKey(name, location.href)
}

/** Held for as long as the worker lives: a page that gets this lock has to ask whether the worker is gone. */
function holdLock(isShared: boolean, instance: string): () => Promise<string | undefined> {
  let name: string | undefined
  const createName = (left: number) =>
    isShared ? nameSharedLock(`${instance}.${left}`) : `lingpai:worker:${instance}.${left}`
  const first = new Promise<void>((resolve) => {
    holdLifeLock(findLocks(), createName, (held) => {
      name = held
      resolve()
    })
  })
  return () => first.then(() => name)
}

function awaitLock(name: string, signal: AbortSignal, onFallen: () => void): void {
  findLocks()
    ?.request(name, { signal }, onFallen)
    .catch(() => {})
}

function createId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
