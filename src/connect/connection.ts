import { wrap } from 'comlink'
import type { Endpoint } from '../protocol/endpoint.ts'
import { LingpaiError } from '../protocol/errors.ts'
import { BUILD, OLDEST_PROTOCOL_VERSION, PAGE_LOCK, PROTOCOL_VERSION, type Welcome } from '../protocol/handshake.ts'
import { DOUBT, holdLifeLock } from '../protocol/life-lock.ts'
import { type BrokerTable, METHODS } from '../protocol/methods.ts'
import type { Notice } from '../protocol/notices.ts'
import { getOwn } from '../protocol/records.ts'
import type { BrokerSnapshot, Caller } from '../protocol/snapshot.ts'
import { decodeThrownErrors } from '../protocol/throw-handler.ts'
import { platformTimers, type Timers } from './timers.ts'
import { type WaitOptions, waitFor } from './wait.ts'

/** While calls are pending, the page pings the worker this often. In milliseconds. */
const PING_INTERVAL = 1000
/**
 * After this many intervals without an answer, the worker counts as dead. Intervals are counted, not timed, so that the sleep
 * of a computer does not count.
 *
 * `watched`: the page waits for the worker's lock. While the worker holds the lock, it is busy rather than dead, so the limit
 * is high. Without a lock, silence is the only sign. `shared`: a new port leads to the same SharedWorker, so a wrong guess
 * costs little. `owned`: closing the connection ends the worker, so it gets more time.
 */
const SILENT_INTERVALS = { watched: 30, shared: 3, owned: 10 }

export type ControlOptions = Pick<WaitOptions, 'deadline' | 'signal'> & { readonly caller?: Caller | undefined }

export type Method = keyof BrokerTable
export type Result<Name extends Method> = Awaited<ReturnType<BrokerTable[Name]>>
/** The arguments that a caller passes. If the method takes a call id, it is added here. */
export type Arguments<Name extends Method> =
  Parameters<BrokerTable[Name]> extends [string, infer First, Caller?]
    ? [First]
    : Parameters<BrokerTable[Name]> extends [string, ...infer Rest]
      ? Rest
      : Parameters<BrokerTable[Name]>

export interface Connection {
  hello(): Promise<Welcome>
  call<Name extends Method>(name: Name, given: Arguments<Name>, options?: ControlOptions): Promise<Result<Name>>
  notify(notice: Notice): void
  /** After the page got the worker's lock: resolves when it is known whether the worker lives. */
  doubt(): Promise<void> | undefined
  /** For work that outlives its call, such as a body: calls `fail` if the worker is lost. Returns a function that ends that. */
  hold(fail: (error: unknown) => void): () => void
  /** Rejects all pending calls, and notifies the worker that the page is gone. */
  close(error: LingpaiError): void
}

let lastCall = 0

/**
 * Calls over one port.
 *
 * `onLost` is called if the worker is dead or was replaced: what it had in memory is lost.
 */
export function openConnection(
  port: Endpoint,
  onSnapshot: (snapshot: BrokerSnapshot, caller: Caller | undefined) => void,
  onLost: () => void,
  timers: Timers = platformTimers,
  isShared = false,
): Connection {
  decodeThrownErrors()
  const pending = new Set<(error: unknown) => void>()
  const stopWatching = new AbortController()
  let instance: string | undefined
  let closedWith: LingpaiError | undefined
  let pingTimer: unknown
  let silentIntervals = 0
  /** The worker's lock that this page waits for. */
  let watched: string | undefined
  let doubt: Promise<void> | undefined

  const endpoint = createCheckedEndpoint()
  // Kept as long as the connection: if the proxy is garbage collected, Comlink closes the port (comlink#692).
  const remote = wrap<BrokerTable>(endpoint as never)
  // Reading a property creates a proxy, which Comlink registers for garbage collection: keep one proxy per method.
  const methods: Partial<typeof remote> = {}

  function createCheckedEndpoint(): Endpoint {
    const listeners = new Set<(event: { data: unknown }) => void>()
    port.addEventListener('message', ({ data }) => {
      if (closedWith || typeof data !== 'object' || data === null) return
      const sender = getOwn(data, 'instance')
      // WebKit silently restarts a SharedWorker behind the same port, with an empty memory.
      if (instance !== undefined && typeof sender === 'string' && sender !== instance) return lose()
      const kind = getOwn(data, 'lingpai')
      // The worker assumed that this page is dead, and removed it.
      if (kind === 'goodbye') return lose()
      if (kind === 'snapshot')
        return onSnapshot(getOwn(data, 'snapshot') as BrokerSnapshot, getOwn(data, 'caller') as Caller | undefined)
      for (const listener of listeners) listener({ data })
    })
    port.start?.()
    return {
      postMessage(message, transfer) {
        // When a proxy is garbage collected, Comlink asks the worker to close the port. Only close() may do that.
        if ((message as { type?: string }).type !== 'RELEASE') port.postMessage(message, transfer)
      },
      addEventListener: (_type, listener) => void listeners.add(listener),
      removeEventListener: (_type, listener) => void listeners.delete(listener),
    }
  }

  function lose(): void {
    if (!closedWith) onLost()
  }

  function notify(notice: Notice): void {
    if (!closedWith) port.postMessage(notice)
  }

  function schedulePing(): void {
    pingTimer ??= timers.setTimeout(() => {
      pingTimer = undefined
      if (closedWith || pending.size === 0) return
      // One timer at a time: after a freeze, several would fire at once, and each would count as an unanswered ping.
      schedulePing()
      void ping()
    }, PING_INTERVAL)
  }

  async function ping(): Promise<void> {
    // A worker that has not said hello may still be starting.
    if (instance === undefined) return
    if (++silentIntervals >= SILENT_INTERVALS[watched ? 'watched' : isShared ? 'shared' : 'owned']) return lose()
    if (silentIntervals > 1) return
    await pingWorker()
    silentIntervals = 0
  }

  /** Resolves if the worker lives. An error from the worker is an answer, too. */
  function pingWorker(): Promise<void> {
    return remote.ping().then(watchLock, () => {})
  }

  /** The page gets the worker's lock when the worker dies, which no event reports, or when another script steals it. */
  function watchLock(name: string | undefined): void {
    const { locks } = globalThis.navigator ?? {}
    if (name === watched || !locks) return
    watched = name
    if (name === undefined) return
    const onLockGranted = () => {
      if (name !== watched) return
      watched = undefined
      doubt = checkLife()
    }
    locks.request(name, { mode: 'shared', signal: stopWatching.signal }, onLockGranted).catch(() => {})
  }

  async function checkLife(): Promise<void> {
    const answer = pingWorker()
    for (let count = 0; count < DOUBT.times && !closedWith; count += 1) {
      try {
        return await waitFor(answer, { deadline: DOUBT.interval, timers, group: pending })
      } catch {
        // No answer yet, or the connection is closed.
      }
    }
    lose()
  }

  /**
   * Says hello with the name of a lock. The page holds it until it closes the connection or dies, for which the worker gets
   * no event. If the lock is stolen, the page says hello again with another lock, or the worker would assume that it is dead.
   */
  function helloWithLock(): Promise<Welcome> {
    return new Promise((resolve, reject) => {
      const locks = isShared ? globalThis.navigator?.locks : undefined
      const createName = () => PAGE_LOCK + globalThis.crypto.randomUUID()
      const sayHello = (lock: string | undefined) => {
        const page = { oldest: OLDEST_PROTOCOL_VERSION, newest: PROTOCOL_VERSION, build: BUILD, ...(lock && { lock }) }
        call('hello', [page]).then(resolve, reject)
      }
      const closing = new Promise((release) => stopWatching.signal.addEventListener('abort', release))
      holdLifeLock(locks, createName, sayHello, closing)
    })
  }

  async function call<Name extends Method>(
    name: Name,
    given: Arguments<Name>,
    { deadline, signal, caller }: ControlOptions = {},
  ): Promise<Result<Name>> {
    if (closedWith) throw closedWith
    if (signal?.aborted) throw signal.reason
    const id = (++lastCall).toString(36)
    // Not by spreading: in ES5 that becomes `method.apply(…)`, and Comlink would call a method named "apply".
    methods[name] ??= remote[name]
    const kind = METHODS[name]
    const answer: Promise<Result<Name>> = Reflect.apply(
      methods[name] as never,
      undefined,
      kind === 'plain' ? given : kind === 'use' && caller ? [id, ...given, caller] : [id, ...given],
    )
    schedulePing()
    return waitFor(answer.catch(toCallError), {
      deadline,
      signal,
      timers,
      group: pending,
      onGiveUp: () => notify({ lingpai: 'abort', call: id }),
    })
  }

  return {
    call,
    notify,
    doubt: () => doubt,

    hold(fail) {
      pending.add(fail)
      schedulePing()
      return () => void pending.delete(fail)
    },

    async hello() {
      const welcome = await helloWithLock()
      const { protocol } = welcome
      if (protocol < OLDEST_PROTOCOL_VERSION || protocol > PROTOCOL_VERSION) {
        // Normally the worker has already rejected the page, and said which side is old.
        throw new LingpaiError(
          'protocol_mismatch',
          "The worker is of another build: close this site's other tabs, then reload.",
        )
      }
      instance = welcome.instance
      watchLock(welcome.lock)
      return welcome
    },

    close(error) {
      if (closedWith) return
      notify({ lingpai: 'goodbye' })
      closedWith = error
      timers.clearTimeout(pingTimer)
      stopWatching.abort()
      for (const reject of [...pending]) reject(error)
      port.close?.()
    },
  }
}

function toCallError(error: unknown): never {
  if ((error as Error | undefined)?.name === 'DataCloneError') {
    throw new LingpaiError('invalid_call', 'Only plain data can be passed to the worker.', {
      cause: error,
    })
  }
  throw error
}
