import { wrap } from 'comlink'
import type { Endpoint } from '../protocol/endpoint.ts'
import { LingpaiError } from '../protocol/errors.ts'
import { BUILD, OLDEST_PROTOCOL_VERSION, PAGE_LOCK, PROTOCOL_VERSION, type Welcome } from '../protocol/handshake.ts'
import { DOUBT, holdLifeLock } from '../protocol/life-lock.ts'
import { type BrokerTable, METHODS } from '../protocol/methods.ts'
import type { Notice } from '../protocol/notices.ts'
import { getOwn } from '../protocol/records.ts'
import type { BrokerSnapshot } from '../protocol/snapshot.ts'
import { decodeThrownErrors } from '../protocol/throw-handler.ts'
import { platformTimers, type Timers } from './timers.ts'
import { type WaitOptions, waitFor } from './wait.ts'

/** While calls are pending, the worker is asked this often whether it lives. */
const PING_INTERVAL = 1000
/**
 * After so many intervals without an answer, the worker counts as gone. Counted, not timed: a computer's sleep is none.
 *
 * Where a lock is watched, silence is no proof of death: the worker is busy, and only one that is never done is given up.
 * Without a lock, silence is all that there is. A new port leads to the same SharedWorker, so little is lost where it was
 * only busy; any other worker is ended with its connection, and so given more time.
 */
const SILENT_INTERVALS = { watched: 30, shared: 3, owned: 10 }

export type ControlOptions = Pick<WaitOptions, 'deadline' | 'signal'>

export type Method = keyof BrokerTable
export type Result<Name extends Method> = Awaited<ReturnType<BrokerTable[Name]>>
/** What a caller passes: the call's id, where the method takes one, is added here. */
export type Arguments<Name extends Method> =
  Parameters<BrokerTable[Name]> extends [string, ...infer Rest] ? Rest : Parameters<BrokerTable[Name]>

export interface Connection {
  hello(): Promise<Welcome>
  call<Name extends Method>(name: Name, given: Arguments<Name>, options?: ControlOptions): Promise<Result<Name>>
  notify(notice: Notice): void
  /** After its lock has fallen: resolves when it is known whether the worker lives. */
  doubt(): Promise<void> | undefined
  /** Has something that outlives its call, such as a body on its way, told of the worker's loss. Returns what ends that. */
  hold(fail: (error: unknown) => void): () => void
  /** Rejects all that is pending, and tells the worker, where it still listens, to forget this page. */
  close(error: LingpaiError): void
}

let lastCall = 0

/**
 * Calls over one port.
 *
 * `onLost` tells that the worker is gone or is another one than before; what it had in memory is lost with it.
 */
export function openConnection(
  port: Endpoint,
  onSnapshot: (snapshot: BrokerSnapshot) => void,
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
  // Kept for as long as the connection: Comlink ends both directions of a port whose proxy was collected (comlink#692).
  const remote = wrap<BrokerTable>(endpoint as never)
  // Each property of it is a new proxy, which Comlink has watched by the garbage collector: one per method will do.
  const methods: Partial<typeof remote> = {}

  function createCheckedEndpoint(): Endpoint {
    const listeners = new Set<(event: { data: unknown }) => void>()
    port.addEventListener('message', ({ data }) => {
      if (closedWith || typeof data !== 'object' || data === null) return
      const sender = getOwn(data, 'instance')
      // WebKit restarts a SharedWorker behind the same port, without a word; its memory is empty then.
      if (instance !== undefined && typeof sender === 'string' && sender !== instance) return lose()
      const kind = getOwn(data, 'lingpai')
      // The worker took this page for dead, and has let go of it.
      if (kind === 'goodbye') return lose()
      if (kind === 'snapshot') return onSnapshot(getOwn(data, 'snapshot') as BrokerSnapshot)
      for (const listener of listeners) listener({ data })
    })
    port.start?.()
    return {
      postMessage(message, transfer) {
        // Comlink would have the worker close the port when its proxies are collected; a port is closed by close() only.
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
      // One at a time: after a freeze, many would be due at once, and each would count as an unanswered one.
      schedulePing()
      void ping()
    }, PING_INTERVAL)
  }

  async function ping(): Promise<void> {
    // A worker that has not said hello may still be starting.
    if (instance === undefined) return
    if (++silentIntervals >= SILENT_INTERVALS[watched ? 'watched' : isShared ? 'shared' : 'owned']) return lose()
    if (silentIntervals > 1) return
    await askForLife()
    silentIntervals = 0
  }

  /** Resolves where the worker lives. A refusal is an answer too. */
  function askForLife(): Promise<void> {
    return remote.ping().then(watchLock, () => {})
  }

  /** A lock that the worker holds for life falls to us when it dies, which no event tells, or when somebody steals it. */
  function watchLock(name: string | undefined): void {
    const { locks } = globalThis.navigator ?? {}
    if (name === watched || !locks) return
    watched = name
    if (name === undefined) return
    const onFallen = () => {
      if (name !== watched) return
      watched = undefined
      doubt = askAfterFall()
    }
    locks.request(name, { mode: 'shared', signal: stopWatching.signal }, onFallen).catch(() => {})
  }

  async function askAfterFall(): Promise<void> {
    const answer = askForLife()
    for (let asked = 0; asked < DOUBT.times && !closedWith; asked += 1) {
      try {
        return await waitFor(answer, { deadline: DOUBT.interval, timers, group: pending })
      } catch {
        // Nothing yet, or closed.
      }
    }
    lose()
  }

  /**
   * Says hello with a lock that this page holds until it closes the connection, or dies, which no event tells the worker; and
   * again when that lock was stolen, with another: the worker would take this page for dead.
   */
  function greet(): Promise<Welcome> {
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
    { deadline, signal }: ControlOptions = {},
  ): Promise<Result<Name>> {
    if (closedWith) throw closedWith
    if (signal?.aborted) throw signal.reason
    const id = (++lastCall).toString(36)
    // Not by spreading: lowered to ES5 that is `method.apply(…)`, which Comlink takes for a method of that name.
    methods[name] ??= remote[name]
    const answer: Promise<Result<Name>> = Reflect.apply(
      methods[name] as never,
      undefined,
      METHODS[name] === 'call' ? [id, ...given] : given,
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
      const welcome = await greet()
      const { protocol } = welcome
      if (protocol < OLDEST_PROTOCOL_VERSION || protocol > PROTOCOL_VERSION) {
        // A worker that knows its trade has refused the page before that, and said which of them is old.
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
