import { type Connection, openConnection } from './connect/connection.ts'
import { type HostChoice, type Hosts, listHosts } from './connect/hosts.ts'
import { type BrokerSnapshot, DEFAULT_TIMEOUT, type Snapshot, type Welcome } from './protocol/contract.ts'
import { isLingpaiError, LingpaiError } from './protocol/errors.ts'

/** A worker that has not answered by then is taken for blocked, and asked again over a new port. */
const HELLO_TIMEOUT = 5000

export interface OpenConnection extends Connection {
  readonly welcome: Welcome
}

/** Keeps a page connected to its broker, and its snapshot current. */
export interface Client {
  /** The connection, once there is one. Rejects by the deadline of a control call, or with the signal's reason. */
  connected(signal?: AbortSignal): Promise<OpenConnection>
  getSnapshot(): Snapshot
  subscribe(listener: () => void): () => void
  close(): void
}

export function createClient(hosts: Hosts): Client {
  const choices = listHosts(hosts)
  const listeners = new Set<() => void>()
  let choice = 0
  let current: OpenConnection | undefined
  let connecting: Promise<OpenConnection> | undefined
  let fatal: LingpaiError | undefined
  let snapshot: Snapshot = Object.freeze({ status: 'connecting', tokenServer: 'ok', mode: choices[0]?.mode ?? 'inline' })

  function publish(next: BrokerSnapshot | { status: 'connecting'; tokenServer: 'ok'; reason?: string }): void {
    const mode = choices[choice]?.mode ?? snapshot.mode
    if (isSame(snapshot, next) && mode === snapshot.mode) return
    snapshot = Object.freeze({ ...next, mode })
    for (const listener of [...listeners]) listener()
  }

  function publishConnecting(reason?: string): void {
    publish({ status: 'connecting', tokenServer: 'ok', ...(reason !== undefined && { reason }) })
  }

  function connect(): Promise<OpenConnection> {
    connecting ??= establish().then(
      (connection) => {
        current = connection
        return connection
      },
      (error: LingpaiError) => {
        connecting = undefined
        throw error
      },
    )
    // Those who wait for it hear of its failure; nobody may be waiting.
    connecting.catch(() => {})
    return connecting
  }

  async function establish(): Promise<OpenConnection> {
    let why = 'connect() was given no host that this browser has'
    for (; choice < choices.length; choice++) {
      try {
        return await startHost(choices[choice] as HostChoice)
      } catch (error) {
        if (isLingpaiError(error)) return fail(error as LingpaiError)
        why = error instanceof Error ? error.message : String(error)
      }
    }
    choice = 0
    publishConnecting('worker_failed')
    throw new LingpaiError('worker_lost', `No worker could be started: ${why}. Check the URL and the console of the worker.`)
  }

  /** Configuration and version do not change by asking again. */
  function fail(error: LingpaiError): never {
    if (error.code !== 'closed') fatal = error
    publishConnecting(error.code)
    throw error
  }

  /** Asks until there is an answer. A silent worker is never replaced: two brokers would serve one session. */
  async function startHost({ open, canReopen }: HostChoice): Promise<OpenConnection> {
    let port = open()
    for (;;) {
      const connection: Connection = openConnection(port.endpoint, publish, () => onLost(connection))
      const welcome = connection.hello()
      for (;;) {
        const outcome = await Promise.race([welcome, port.failure, delay(HELLO_TIMEOUT)])
        if (fatal) throw fatal
        if (outcome !== undefined) {
          publish(outcome.snapshot)
          return { ...connection, welcome: outcome }
        }
        publishConnecting('blocked')
        if (canReopen) break
      }
      welcome.catch(() => {})
      port.discard()
      port = open()
    }
  }

  function onLost(connection: Connection): void {
    connection.close(new LingpaiError('worker_lost', 'The worker that kept the session is gone. Requests that were under way may have reached the server.'), false)
    if (current === undefined || fatal) return
    current = undefined
    connecting = undefined
    publishConnecting('worker_lost')
    connect()
  }

  // A page in the back/forward cache must hold no port to a SharedWorker: one message would evict it.
  function onPageHide(): void {
    if (current === undefined || snapshot.mode !== 'shared') return
    const connection = current
    current = undefined
    connecting = undefined
    connection.close(new LingpaiError('worker_lost', 'The page went away while the call was under way.'), true)
  }

  function onPageShow(event: PageTransitionEvent): void {
    if (event.persisted && !fatal) connect()
  }

  globalThis.addEventListener?.('pagehide', onPageHide)
  globalThis.addEventListener?.('pageshow', onPageShow)
  connect()

  return {
    connected(signal) {
      if (fatal) return Promise.reject(fatal)
      return current && !signal?.aborted ? Promise.resolve(current) : withDeadline(connect(), signal)
    },
    getSnapshot: () => snapshot,
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close() {
      if (fatal?.code === 'closed') return
      globalThis.removeEventListener?.('pagehide', onPageHide)
      globalThis.removeEventListener?.('pageshow', onPageShow)
      fatal = new LingpaiError('closed', 'This session object has been closed with close(). Call connect() for a new one.')
      current?.close(fatal, true)
      current = undefined
      listeners.clear()
    },
  }
}

function withDeadline<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new LingpaiError('timeout', `The worker has not answered within ${DEFAULT_TIMEOUT} ms. Another tab may be blocking it; close it, or try again.`))
    }, DEFAULT_TIMEOUT)
    const onAbort = () => reject(signal?.reason)
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort)
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    })
  })
}

function delay(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), milliseconds))
}

function isSame(one: Snapshot, other: Omit<Snapshot, 'mode'>): boolean {
  return one.status === other.status && one.tokenServer === other.tokenServer && one.reason === other.reason && isSameUser(one.user, other.user)
}

// The user's data come as a fresh copy with each message.
function isSameUser(one: Snapshot['user'], other: Snapshot['user']): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
