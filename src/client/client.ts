import {
  type Arguments,
  type Connection,
  type ControlOptions,
  type Method,
  openConnection,
  type Result,
} from '../connect/connection.ts'
import type { HostCandidate } from '../connect/host.ts'
import { pause, platformTimers, type Timers } from '../connect/timers.ts'
import { createCancellation, waitFor } from '../connect/wait.ts'
import type { ApiRules } from '../protocol/apis.ts'
import type { CancelSignal } from '../protocol/cancel-signal.ts'
import { DEFAULT_TIMEOUT } from '../protocol/deadline.ts'
import { isLingpaiError, LingpaiError } from '../protocol/errors.ts'
import type { Welcome } from '../protocol/handshake.ts'
import type { Caller, Snapshot } from '../protocol/snapshot.ts'
import { sayHello } from './handshake.ts'
import { watchPageCache } from './page-cache.ts'
import { createRepeat, isWorkerLost, type OpenConnection, type Repeat, repeatsOf } from './repeat.ts'
import { createSnapshotStore } from './snapshot-store.ts'

/** The worker has its own deadlines, whose errors say more: this one is for a worker that does not answer at all. */
export const CONTROL_DEADLINE = DEFAULT_TIMEOUT + 5000

/**
 * A page that starts a SharedWorker while the last one ends may be joined to the dying one, in Firefox for ever. This was
 * seen up to 50 ms after the end: the worker's lock is released before the browser has finished. In milliseconds.
 */
const RESTART_PAUSE = 500

/** The pause before the page tries again to start a SharedWorker that runs with other options. In milliseconds. */
const TAKEN_PAUSE = 2000

/** Keeps a page connected to its broker, and its snapshot current. */
export interface Client {
  /** The connection, as soon as there is one. Rejects at the deadline of a control call, or with the signal's reason. */
  connected(signal?: CancelSignal): Promise<OpenConnection>
  /** The APIs that may get a token. After the first connection, the answer does not wait for another. */
  apis(signal?: CancelSignal): Promise<readonly ApiRules[]>
  /**
   * Calls a method of the broker, as soon as there is a connection. The deadline is for both together. If the worker is
   * lost, a call that is safe to repeat is repeated.
   */
  readonly call: Connection['call']
  /** Does work with a deadline and a signal. If the work does not end by then, its own signal is aborted. */
  within<T>(work: (signal: CancelSignal) => Promise<T>, options: ControlOptions): Promise<T>
  /**
   * Does work over a connection for the given user, by default the current one. If the worker is lost, the work is repeated,
   * by default as often as a call that is safe to repeat.
   */
  readonly repeat: Repeat
  /** The session that the page shows. A request that takes time to prepare is sent only for its user. */
  caller(): Caller | undefined
  /** Notifies the worker, if there is one, that the app is in the foreground again, or online. */
  resume(): void
  readonly getSnapshot: () => Snapshot
  /** Resolves with the snapshot once there is a connection. */
  readonly ready: () => Promise<Snapshot>
  subscribe(listener: () => void): () => void
  close(): void
}

export function createClient(candidates: readonly HostCandidate[], timers: Timers = platformTimers): Client {
  let position = 0
  let lastWelcome: Welcome | undefined
  let latest: Connection | undefined
  let current: OpenConnection | undefined
  let connecting: Promise<OpenConnection> | undefined
  let fatal: LingpaiError | undefined = candidates[0] ? undefined : noHost()
  /** Why the last host could not be started. */
  let failure: unknown
  /** Whether the last attempt to connect ended because the page was hidden. */
  let isHiding = false

  const mode = () => candidates[position]?.mode ?? 'inline'
  const isShared = () => mode() === 'shared'
  const { currentCaller, getSnapshot, subscribe, publish, publishConnecting, clear } = createSnapshotStore(mode)
  const page = watchPageCache(
    isShared,
    () => {
      isHiding = true
      // An attempt that has not connected yet continues when the page is shown again.
      if (current) connecting = undefined
      current = undefined
      latest?.close(workerLost())
    },
    () => void connect(),
    resume,
    timers,
  )

  function throwIfEnded(): void {
    if (fatal) throw fatal
  }

  function connect(delay?: Promise<unknown>): Promise<OpenConnection> {
    if (connecting) return connecting
    const attempt = delay ? delay.then(establish) : establish()
    connecting = attempt
    attempt.then(
      (connection) => {
        current = connection
      },
      // The callers that wait for the attempt get its error.
      () => {
        if (connecting === attempt) connecting = undefined
      },
    )
    return attempt
  }

  async function establish(): Promise<OpenConnection> {
    throwIfEnded()
    let cause = ''
    while (position < candidates.length) {
      // Without a wait, the host is opened at once.
      if (page.shown()) await page.shown()
      isHiding = false
      try {
        return await startHost(candidates[position] as HostCandidate)
      } catch (error) {
        // The port was closed because the page was hidden: the host is not at fault.
        if (isHiding) continue
        if (isLingpaiError(error)) {
          if (isWorkerLost(error) || fatal) publishConnecting(error.code)
          else publishFailure(error, error.code)
          // A wrong configuration or version stays wrong. A lost worker is started again by the next call. A host that is taken
          // may be free later.
          if (error === failure) {
            connecting = undefined
            connect(pause(TAKEN_PAUSE, timers))
          } else if (!isWorkerLost(error)) fatal = error as LingpaiError
          throw error
        }
        position += 1
        cause = error instanceof Error ? error.message : String(error)
      }
    }
    position = 0
    const error = new LingpaiError('worker_lost', `No worker could be started: ${cause}.`)
    publishFailure(error, 'worker_failed')
    throw error
  }

  /** Says it once: each call tries again, and rejects with its own error. */
  function publishFailure(error: unknown, reason: string): void {
    if (getSnapshot().reason !== reason) console.error(error)
    publishConnecting(reason)
  }

  async function startHost({ onSilence, open }: HostCandidate): Promise<OpenConnection> {
    for (;;) {
      throwIfEnded()
      const port = open()
      port.failure.catch((error) => {
        failure = error
      })
      const onLost = () => {
        connection.close(workerLost())
        // The platform may report a loss late, or twice: that does not concern the next worker.
        if (connection !== latest || !current || fatal) return
        current = undefined
        connecting = undefined
        publishConnecting('worker_lost')
        connect(isShared() ? pause(RESTART_PAUSE, timers) : undefined)
      }
      const connection = openConnection(port.endpoint, publish, onLost, timers, isShared())
      port.onLoss?.(onLost)
      latest = connection
      let welcome: Welcome | undefined
      try {
        welcome = await sayHello(connection, port, onSilence, () => publishConnecting('blocked'), timers)
      } catch (error) {
        // If the platform took the worker away before it answered, its script is not at fault: start it again.
        if (!port.onLoss || !isWorkerLost(error)) throw error
      } finally {
        if (!welcome) connection.close(workerLost())
      }
      throwIfEnded()
      if (welcome) {
        onWelcome(welcome)
        return { ...connection, welcome }
      }
    }
  }

  function onWelcome(welcome: Welcome): void {
    const { snapshot, instance, caller } = welcome
    // If the session was only in the memory of the lost worker, the snapshot says why it ended (I7).
    const isLost = lastWelcome && lastWelcome.instance !== instance && currentCaller()
    lastWelcome = welcome
    publish(isLost && snapshot.status === 'signed-out' ? { reason: 'worker_lost', ...snapshot } : snapshot, caller)
  }

  function resume(): void {
    current?.notify({ lingpai: 'resumed' })
  }

  async function connected(signal?: CancelSignal): Promise<OpenConnection> {
    const doubt = current?.doubt()
    // A dead worker would lose a call that is made now. If the worker lives, the call waits only a moment.
    if (doubt) await waitFor(doubt, { signal })
    const hidden = page.shown()
    if (hidden) await waitFor(hidden, { signal })
    throwIfEnded()
    return current ?? waitFor(connect(), { deadline: DEFAULT_TIMEOUT, signal, timers })
  }

  const repeat = createRepeat(connected, currentCaller)

  function within<T>(work: (signal: CancelSignal) => Promise<T>, { deadline, signal }: ControlOptions): Promise<T> {
    const cancellation = createCancellation()
    return waitFor(work(cancellation.signal), { deadline, signal, timers, onGiveUp: cancellation.cancel })
  }

  function call<Name extends Method>(
    name: Name,
    given: Arguments<Name>,
    options: ControlOptions = {},
  ): Promise<Result<Name>> {
    return within((signal) => {
      const run = (connection: Connection, caller?: Caller) => connection.call(name, given, { signal, caller })
      const repeats = repeatsOf(name, given)
      return repeats === undefined ? connected().then((connection) => run(connection)) : repeat(run, signal, repeats)
    }, options)
  }

  connect()

  return {
    connected,
    async apis(signal) {
      throwIfEnded()
      return (lastWelcome ?? (await connected(signal)).welcome).apis
    },
    call,
    within,
    repeat,
    caller: currentCaller,
    resume,
    getSnapshot,
    async ready() {
      await connected()
      return getSnapshot()
    },
    subscribe,
    close() {
      if (fatal?.code === 'closed') return
      fatal = new LingpaiError('closed', 'This session was closed. Call connect() again.')
      latest?.close(fatal)
      page.stop()
      current = undefined
      clear()
    },
  }
}

function workerLost(): LingpaiError {
  return new LingpaiError('worker_lost', 'The worker is gone. A request may have reached the server.')
}

function noHost(): LingpaiError {
  return new LingpaiError(
    'invalid_call',
    'connect() has no host here. In a browser, pass shared or dedicated. A server has no session: call it in the browser only.',
  )
}
