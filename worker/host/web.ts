import { transfer } from 'comlink'
import type { Endpoint } from '../../src/protocol/endpoint.ts'
import { SHARED_WORKER_LOCK, toWorkerKey } from '../../src/protocol/handshake.ts'
import { holdLifeLock } from '../../src/protocol/life-lock.ts'
import type { Mode } from '../../src/protocol/snapshot.ts'
import type { Platform } from '../core/adapter.ts'
import { traceCall } from '../core/broker/call-trace.ts'
import { indexedDBTransactions, memoryTransactions, withMemory } from '../store/transactions.ts'
import { sendGrantRequest } from '../transport/fetch.ts'
import { sendBody } from '../transport/outgoing-body.ts'
import { createApiCalls } from './api-calls.ts'
import type { BrokerHost } from './broker-host.ts'
import { controlChecks, fetchChecks } from './checks.ts'
import { findHolder, findLocks, openPeers } from './peers.ts'
import { platform as globalPlatform } from './platform.ts'
import { watchPolicy } from './policy-watch.ts'

export interface WebHostOptions {
  readonly mode: Mode
  readonly origin: string
  /** Default: the clock and timers of the global scope. */
  readonly platform?: Platform
  fetch?(input: string, init: RequestInit): Promise<Response>
}

/** The host of a browser or Node: it sends by `fetch` and keeps sign-in transactions in IndexedDB, if there is one. */
export function createWebHost(options: WebHostOptions): BrokerHost {
  const { mode, origin, platform = globalPlatform } = options
  // Looked up once: the app may assign `session.fetch` to `window.fetch`, and an inline broker would then call itself.
  const fetch = (options.fetch ?? globalThis.fetch) as typeof globalThis.fetch
  return {
    mode,
    origin,
    platform,
    checks: { ...controlChecks, ...fetchChecks },
    createId: createSecureId,
    holdLock: (instance) => holdLock(mode === 'shared', instance),
    awaitLock,
    ...(mode === 'shared' && findLocks() && { findOwner: async (lock) => lock && findHolder(lock) }),
    watchPort,
    watchNetwork: (onOnline) => void (globalThis as Partial<EventTarget>).addEventListener?.('online', onOnline),
    ...(mode !== 'inline' && { watchPolicy: (onMissing) => watchPolicy(fetch, origin, onMissing) }),
    openPeers: (name) => openPeers(name, platform),
    openTransactions({ grant, store, redirectTransactions }, instance) {
      const isStored = redirectTransactions === 'stored'
      if (isStored && typeof indexedDB === 'undefined') return memoryTransactions()
      // A session in memory is that of its worker, which browsers distinguish by name and URL. An inline one is its page's.
      const session = JSON.stringify([grant.name, store.sharedName ?? (mode === 'inline' ? '' : readWorkerKey())])
      return isStored
        ? withMemory(indexedDBTransactions(undefined, session), memoryTransactions())
        : memoryTransactions({ session, worker: instance })
    },
    send: (request, signal) => sendGrantRequest(fetch, request, signal),
    describeApi: ({ origin, pathPrefix }) => ({ origin, pathPrefix }),

    // With a worker and a memory for each tab, the tabs do not share a session.
    remark: ({ store }) => (mode === 'dedicated' && store.isVolatile === true ? 'not-shared' : undefined),

    createApiMethods({ apis, grant }, broker, ownerOf) {
      const calls = createApiCalls(apis, broker, fetch, platform, ownerOf, grant.prove)
      return (runAbortable) => ({
        fetch: (id, request, caller) =>
          runAbortable(
            id,
            async (call, signal, registerBody) => {
              const answering = traceCall(broker, call, () => calls.fetch(call, request, signal))
              if (request.progress !== undefined) endAfter(answering, request.progress as MessagePort)
              const { head, body } = await answering
              if (body === null) return { ...head, body }
              if (body instanceof ArrayBuffer) return transfer({ ...head, body }, [body])
              const { port1, port2 } = new MessageChannel()
              const removeBody = registerBody(sendBody(port1, body, () => removeBody()))
              return transfer({ ...head, body: port2 }, [port2])
            },
            // A keepalive request outlives its page (Fetch §2.2.5).
            { caller, isLasting: request.keepalive === true },
          ),
        request: (id, request, caller) =>
          runAbortable(id, (call, signal) => traceCall(broker, call, () => calls.request(call, request, signal)), {
            caller,
          }),
      })
    },
  }
}

/** The message arrives although the port is closed at once: this end of the port was received, not created. */
function endAfter(work: Promise<unknown>, port: MessagePort): void {
  const end = () => {
    port.postMessage(null)
    port.close()
  }
  work.then(end, end)
}

function readWorkerKey(): string {
  const { name, location } = globalThis as unknown as { name: string; location: { href: string } }
  return toWorkerKey(name, location.href)
}

/** Holds a lock for as long as the worker lives. A page that gets this lock pings the worker. */
function holdLock(isShared: boolean, instance: string): () => Promise<string | undefined> {
  let name: string | undefined
  const createName = (left: number) =>
    isShared ? `${SHARED_WORKER_LOCK}${instance}.${left}${readWorkerKey()}` : `lingpai:worker:${instance}.${left}`
  const settled = new Promise<void>((resolve) => {
    holdLifeLock(findLocks(), createName, (held) => {
      name = held
      resolve()
    })
  })
  return () => settled.then(() => name)
}

function awaitLock(name: string, signal: AbortSignal, onAcquired: () => void): void {
  findLocks()
    ?.request(name, { signal }, onAcquired)
    .catch(() => {})
}

/** Newer browsers fire `close` when the other end is gone without a message. */
function watchPort(port: Endpoint, onClosed: () => void): void {
  if (port instanceof MessagePort) port.addEventListener('close', onClosed)
}

/** A random id from the secure source. Mini programs lack it: see `createUniqueId` in wechat-platform.ts. */
function createSecureId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
