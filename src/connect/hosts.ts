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
}

export interface HostChoice {
  readonly mode: Mode
  /** Throws where the constructor does. */
  open(): HostPort
}

/** The hosts to try, best first. */
export function listHosts({ shared, dedicated, inline }: Hosts): HostChoice[] {
  const choices: HostChoice[] = []
  if (shared && typeof SharedWorker === 'function') {
    choices.push({
      mode: 'shared',
      open() {
        const worker = shared()
        return { endpoint: worker.port as unknown as Endpoint, failure: failureOf(worker) }
      },
    })
  }
  if (dedicated && typeof Worker === 'function') {
    choices.push({
      mode: 'dedicated',
      open() {
        const worker = dedicated()
        return {
          endpoint: Object.assign(worker, { close: () => worker.terminate() }) as unknown as Endpoint,
          failure: failureOf(worker),
        }
      },
    })
  }
  if (inline) {
    let endpoint: Endpoint | undefined
    choices.push({
      mode: 'inline',
      open() {
        // Made once: another one would be a second broker.
        endpoint ??= inline()
        return { endpoint, failure: new Promise(() => {}) }
      },
    })
  }
  return choices
}

function failureOf(worker: SharedWorker | Worker): Promise<never> {
  const failure = new Promise<never>((_resolve, reject) => {
    worker.addEventListener(
      'error',
      (event) => reject(new Error((event as ErrorEvent).message || 'its script could not be loaded')),
      { once: true },
    )
  })
  // Only those who start a worker look at it; an error later in its life is not theirs.
  failure.catch(() => {})
  return failure
}
