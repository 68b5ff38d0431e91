import type { Endpoint, Mode } from '../protocol/contract.ts'
import type { HostChoice, HostPort } from './host.ts'

/** How to start the worker. The app writes these calls itself, so that its bundler sees them and can build the worker. */
export interface Hosts {
  /** First choice: one worker for all tabs. */
  readonly shared?: () => SharedWorker
  /** Used only where there is no `SharedWorker`, or where it fails to start. */
  readonly dedicated?: () => Worker
  /** The broker in this very thread: `() => serveInline(options)` of `lingpai/inline`. */
  readonly inline?: () => Endpoint
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
