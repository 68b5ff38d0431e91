import type { Endpoint, Mode } from '../protocol/contract.ts'

/** How to start the worker. The app writes these calls itself, so that its bundler sees them and can build the worker. */
export interface Hosts {
  /** First choice: one worker for all tabs. */
  readonly shared?: () => SharedWorker
  /** Used only where there is no `SharedWorker`, or where it fails to start. */
  readonly dedicated?: () => Worker
  /** The broker in this very thread: `() => serveInline(options)` of `lingpai/inline`. */
  readonly inline?: () => Endpoint
}

/** A port to a worker that may still be starting. */
export interface HostPort {
  /** Its `close` ends the worker, or this page's part in it. */
  readonly endpoint: Endpoint
  /** Rejects where the worker's script cannot be loaded or run. */
  readonly failure: Promise<never>
  /** Resolves when the worker is started, where that has to wait: before, nobody expects an answer of it. */
  readonly started?: Promise<void>
  /** Takes a listener for the loss of a worker, where the platform tells of it; `failure` rejects first where it is its fault. */
  readonly onLoss?: (listener: () => void) => void
}

export interface HostChoice {
  readonly mode: Mode
  /**
   * What becomes of a worker that does not answer. `ask again`: over a new port, which leads to the same worker. `wait`: it
   * is not replaced, since two brokers would serve one session. `give up`: it is ended first, so the next host may be tried.
   */
  readonly onSilence: 'ask again' | 'wait' | 'give up'
  /** Throws where the constructor does, or where the browser has none. */
  open(): HostPort
}

/** The hosts to try, best first. */
export function listHosts({ shared, dedicated, inline }: Hosts): HostChoice[] {
  const choices: HostChoice[] = []
  const add = (mode: Mode, open: () => HostPort) =>
    choices.push({ mode, onSilence: mode === 'shared' ? 'ask again' : 'wait', open })
  if (shared) {
    add('shared', () => {
      const worker = shared()
      return toHostPort(worker, worker.port)
    })
  }
  if (dedicated) {
    add('dedicated', () => {
      const worker = dedicated()
      return toHostPort(worker, Object.assign(worker, { close: () => worker.terminate() }))
    })
  }
  if (inline) {
    let port: HostPort | undefined
    // Made once: another one would be a second broker.
    add('inline', () => (port ??= { endpoint: inline(), failure: new Promise(() => {}) }))
  }
  return choices
}

function toHostPort(worker: SharedWorker | Worker, endpoint: MessagePort | (Worker & { close(): void })): HostPort {
  const failure = new Promise<never>((_resolve, reject) => {
    worker.addEventListener('error', (event) =>
      reject(new Error((event as ErrorEvent).message || 'its script did not load')),
    )
  })
  // Only those who start a worker look at it; an error later in its life is not theirs.
  failure.catch(() => {})
  return { endpoint: endpoint as unknown as Endpoint, failure }
}
