import {
  type Arguments,
  type Connection,
  type ControlOptions,
  type Method,
  openConnection,
  type Result,
} from '../connect/connection.ts'
import type { HostCandidate } from '../connect/host.ts'
import { platformTimers, type Timers } from '../connect/timers.ts'
import { createCancellation, waitFor } from '../connect/wait.ts'
import type { ApiRules } from '../protocol/apis.ts'
import type { CancelSignal } from '../protocol/cancel-signal.ts'
import { DEFAULT_TIMEOUT } from '../protocol/deadline.ts'
import { isLingpaiError, LingpaiError } from '../protocol/errors.ts'
import type { Welcome } from '../protocol/handshake.ts'
import type { BrokerSnapshot, Snapshot } from '../protocol/snapshot.ts'
import type { WireApiRequest } from '../protocol/wire.ts'

/** For a worker that does not answer at all: it has deadlines of its own, whose errors say more. */
export const CONTROL_DEADLINE = DEFAULT_TIMEOUT + 5000

/** A worker that has not answered by then is taken for blocked, and asked again over a new port. */
const HELLO_TIMEOUT = 5000

/**
 * A SharedWorker that was started in the moment when the last one ends may be joined to the dying one, in Firefox for
 * good: seen up to 50 ms after the end, which its lock tells before the browser has done its part. In milliseconds.
 */
const RESTART_PAUSE = 500

/** A page that was hidden this long ago, and runs, is not in the back/forward cache. In milliseconds. */
const HIDDEN_PAUSE = 1000

/** What may be done twice, a request where it is idempotent. A sign-in may not: its code or password has perhaps been used up. */
const REPEATABLE: ReadonlySet<Method> = new Set([
  'request',
  'authorize',
  'signOut',
  'adopt',
  'getAccessToken',
  'explain',
])
/** A worker that dies at every call is not started for ever. */
export const MAX_REPEATS = 3

export interface OpenConnection extends Connection {
  readonly welcome: Welcome
}

/** Keeps a page connected to its broker, and its snapshot current. */
export interface Client {
  /** The connection, once there is one. Rejects by the deadline of a control call, or with the signal's reason. */
  connected(signal?: CancelSignal): Promise<OpenConnection>
  /** Where tokens may go: known from the first connection on, and then without waiting for another. */
  apis(signal?: CancelSignal): Promise<readonly ApiRules[]>
  /**
   * Calls a method of the broker, once there is a connection. The deadline is for both together. Where the worker is lost,
   * what may be done twice is called again.
   */
  readonly call: Connection['call']
  /**
   * Does something over a connection for the user that the page knows now, and where its worker is lost, anew: so many times
   * at most, by default as often as is good for what may be done twice.
   */
  repeat<T>(
    work: (connection: OpenConnection) => Promise<T>,
    signal: CancelSignal,
    repeats?: number,
    caller?: string | undefined,
  ): Promise<T>
  /** Who is asking now, where that is known: what takes time to be sent is sent for nobody else. */
  caller(): string | undefined
  /** Tells the worker, where there is one, that the app is in the foreground again, or online. */
  resume(): void
  getSnapshot(): Snapshot
  subscribe(listener: () => void): () => void
  close(): void
}

export function createClient(choices: readonly HostCandidate[], timers: Timers = platformTimers): Client {
  const listeners = new Set<() => void>()
  let choice = 0
  let wasSignedIn = false
  let subject: string | undefined
  let lastWelcome: Welcome | undefined
  let latest: Connection | undefined
  let current: OpenConnection | undefined
  let connecting: Promise<OpenConnection> | undefined
  let fatal: LingpaiError | undefined
  let shown: Promise<void> | undefined
  let show = () => {}
  /** How often this page has been hidden. */
  let hides = 0
  let snapshot: Snapshot = Object.freeze({
    status: 'connecting',
    tokenServer: 'ok',
    mode: choices[0]?.mode ?? 'inline',
  })

  function publish(next: BrokerSnapshot | { status: 'connecting'; tokenServer: 'ok'; reason: string }): void {
    // Compared by content: what a message brings is always another object. Read back, it is a copy of our own to freeze.
    const content = JSON.stringify({ ...next, mode: choices[choice]?.mode ?? snapshot.mode })
    if (next.status !== 'connecting') {
      wasSignedIn = next.status === 'signed-in'
      subject = next.user?.subject
    }
    if (content === JSON.stringify(snapshot)) return
    snapshot = JSON.parse(content, (_name, value) => Object.freeze(value))
    for (const listener of [...listeners]) {
      try {
        listener()
      } catch (error) {
        // The app's own bug: it must not look like a failed worker, nor keep the news from the other listeners.
        console.error(error)
      }
    }
  }

  function publishConnecting(reason: string): void {
    publish({ status: 'connecting', tokenServer: 'ok', reason })
  }

  function connect(delay?: Promise<unknown>): Promise<OpenConnection> {
    if (connecting) return connecting
    const attempt = delay ? delay.then(establish) : establish()
    connecting = attempt
    attempt.then(
      (connection) => {
        current = connection
      },
      // Those who wait for it hear of its failure; nobody may be waiting.
      () => {
        if (connecting === attempt) connecting = undefined
      },
    )
    return attempt
  }

  async function establish(): Promise<OpenConnection> {
    let why = 'connect() was given no host'
    while (choice < choices.length) {
      // Without a wait, the host is opened at once.
      if (shown) await shown
      if (fatal) throw fatal
      const hidesBefore = hides
      try {
        return await startHost(choices[choice] as HostCandidate)
      } catch (error) {
        // Closed because the page was hidden: no fault of the host.
        if (hides !== hidesBefore && !fatal) continue
        if (isLingpaiError(error)) throw fail(error as LingpaiError)
        choice += 1
        why = error instanceof Error ? error.message : String(error)
      }
    }
    choice = 0
    publishConnecting('worker_failed')
    throw new LingpaiError('worker_lost', `No worker could be started: ${why}.`)
  }

  /** Configuration and version do not change by asking again; a worker that is gone is started anew by the next call. */
  function fail(error: LingpaiError): LingpaiError {
    if (error.code !== 'worker_lost') fatal = error
    publishConnecting(error.code)
    return error
  }

  /**
   * Asks until there is an answer. A silent worker is never replaced: two brokers would serve one session. A new port to
   * a SharedWorker leads to the same one, and gets through where another tab has blocked the first.
   */
  async function startHost({ mode, onSilence, open }: HostCandidate): Promise<OpenConnection> {
    for (;;) {
      const { endpoint, failure, started, onLoss } = open()
      const connection: Connection = openConnection(
        endpoint,
        publish,
        () => onLost(connection),
        timers,
        mode === 'shared',
      )
      onLoss?.(() => onLost(connection))
      latest = connection
      const hello = connection.hello()
      try {
        await Promise.race([started, hello, failure])
        do {
          const welcome = await Promise.race([hello, failure, pause(HELLO_TIMEOUT)])
          if (fatal) throw fatal
          if (welcome !== undefined) {
            // Whoever was signed in only in the memory of a worker that is gone is told why that is over (I7).
            const isLost = lastWelcome && lastWelcome.instance !== welcome.instance && wasSignedIn
            lastWelcome = welcome
            publish(
              isLost && welcome.snapshot.status === 'signed-out'
                ? { reason: 'worker_lost', ...welcome.snapshot }
                : welcome.snapshot,
            )
            return { ...connection, welcome }
          }
          publishConnecting('blocked')
        } while (onSilence === 'wait')
        if (onSilence === 'give up')
          throw new Error('it does not answer. Its script has failed, or has not called serve(): see its console')
        connection.close(lost())
      } catch (error) {
        connection.close(lost())
        // A worker that was taken away before it had answered is no fault of its script: it is started again.
        const isTakenAway = onLoss !== undefined && isLingpaiError(error) && error.code === 'worker_lost'
        if (fatal || !isTakenAway) throw error
      }
    }
  }

  function onLost(connection: Connection): void {
    connection.close(lost())
    // A platform may tell it late, or twice: the worker that came after is not lost by that.
    if (connection !== latest || current === undefined || fatal) return
    current = undefined
    connecting = undefined
    publishConnecting('worker_lost')
    connect(snapshot.mode === 'shared' ? pause(RESTART_PAUSE).then(() => shown) : undefined)
  }

  // A page in the back/forward cache must hold no port to a SharedWorker, even one that is still connecting: one message
  // would evict it.
  function onPageHide(): void {
    if (snapshot.mode !== 'shared') return
    hides += 1
    shown ??= new Promise((resolve) => {
      show = () => {
        shown = undefined
        resolve()
      }
    })
    // In the cache no timer runs: a page that comes to this lives on, whether an event tells it or not.
    pause(HIDDEN_PAUSE).then(show)
    // An attempt that is under way goes on when the page is shown again.
    if (current) connecting = undefined
    current = undefined
    latest?.close(lost())
  }

  function onPageShow({ persisted }: PageTransitionEvent): void {
    show()
    if (fatal) return
    if (persisted) connect()
    resume()
  }

  function resume(): void {
    current?.notify({ lingpai: 'resumed' })
  }

  function onVisible(): void {
    if (!globalThis.document.hidden) resume()
  }

  async function connected(signal?: CancelSignal): Promise<OpenConnection> {
    const doubt = current?.doubt()
    // What is called now would be lost with a dead worker, or be answered a little later by a living one.
    if (doubt) await waitFor(doubt, { signal })
    if (shown) await waitFor(shown, { signal })
    if (fatal) throw fatal
    return current ?? waitFor(connect(), { deadline: DEFAULT_TIMEOUT, signal, timers })
  }

  function call<Name extends Method>(
    name: Name,
    given: Arguments<Name>,
    { deadline, signal }: ControlOptions = {},
  ): Promise<Result<Name>> {
    const cancellation = createCancellation()
    const run = (connection: Connection) => connection.call(name, given, { signal: cancellation.signal })
    const isOnce = name === 'request' && !isIdempotent(given[0] as WireApiRequest)
    const answer = REPEATABLE.has(name)
      ? repeat(run, cancellation.signal, isOnce ? 0 : MAX_REPEATS)
      : connected().then(run)
    return waitFor(answer, { deadline, signal, timers, onGiveUp: cancellation.cancel })
  }

  async function repeat<T>(
    work: (connection: OpenConnection) => Promise<T>,
    signal: CancelSignal,
    repeats = MAX_REPEATS,
    caller = subject,
    failure?: unknown,
  ): Promise<T> {
    const connection = await connected(signal)
    // What one user asked for is not done as another (I6).
    if (caller !== undefined && wasSignedIn && subject !== caller)
      throw failure ?? new LingpaiError('sign_in_required', 'Another user has signed in meanwhile.')
    try {
      return await work(connection)
    } catch (error) {
      const isLost = isLingpaiError(error) && error.code === 'worker_lost'
      if (!isLost || signal.aborted || repeats === 0) throw error
      return repeat(work, signal, repeats - 1, caller, error)
    }
  }

  function pause(milliseconds: number): Promise<undefined> {
    return new Promise((resolve) => timers.setTimeout(() => resolve(undefined), milliseconds))
  }

  const events = Object.entries({
    pagehide: onPageHide,
    pageshow: onPageShow,
    online: resume,
    visibilitychange: onVisible,
  })
  for (const [type, listener] of events) globalThis.addEventListener?.(type, listener as () => void)
  connect()

  return {
    connected,
    async apis(signal) {
      if (fatal) throw fatal
      return (lastWelcome ?? (await connected(signal)).welcome).apis
    },
    call,
    repeat,
    caller: () => subject,
    resume,
    getSnapshot: () => snapshot,
    subscribe(listener) {
      // The same function may subscribe twice, and each subscription ends by itself.
      const own = () => listener()
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    close() {
      if (fatal?.code === 'closed') return
      for (const [type, listener] of events) globalThis.removeEventListener?.(type, listener as () => void)
      fatal = new LingpaiError('closed', 'This session was closed with close(). Call connect() anew.')
      latest?.close(fatal)
      show()
      current = undefined
      listeners.clear()
    },
  }
}

/** Whether a request may be sent twice, the safe methods among them (RFC 9110 §9.2.2). */
export function isIdempotent({ method }: { readonly method: string }): boolean {
  return ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'].includes(method)
}

function lost(): LingpaiError {
  return new LingpaiError('worker_lost', 'The worker is gone. A request may have reached the server.')
}
