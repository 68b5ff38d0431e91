import type { Endpoint } from '../protocol/endpoint.ts'
import { LingpaiError } from '../protocol/errors.ts'
import { SHARED_WORKER_LOCK, toWorkerKey } from '../protocol/handshake.ts'
import type { Mode } from '../protocol/snapshot.ts'
import type { HostCandidate, HostPort } from './host.ts'

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
export function listHosts({ shared, dedicated, inline }: Hosts): HostCandidate[] {
  const choices: HostCandidate[] = []
  const add = (mode: Mode, open: () => HostPort) =>
    choices.push({ mode, onSilence: mode === 'shared' ? 'reconnect' : 'wait', open })
  if (shared) {
    add('shared', () => {
      const worker = shared()
      return toHostPort(worker, worker.port, () => findWorker(shared))
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

function toHostPort(
  worker: SharedWorker | Worker,
  endpoint: MessagePort | (Worker & { close(): void }),
  findOther?: () => Promise<boolean>,
): HostPort {
  const failure = new Promise<never>((_resolve, reject) => {
    worker.addEventListener('error', async (event) => {
      const { message } = event as Partial<ErrorEvent>
      if (message || !(await findOther?.())) reject(new Error(message || 'its script did not load'))
      else
        reject(
          new LingpaiError(
            'protocol_mismatch',
            "Another build's worker runs, started with other options (see extendedLifetime): close this site's other tabs, then reload.",
          ),
        )
    })
  })
  // Only those who start a worker look at it; an error later in its life is not theirs.
  failure.catch(() => {})
  return { endpoint: endpoint as unknown as Endpoint, failure }
}

/**
 * Whether the SharedWorker that could not be started is running. The browser then refuses one with other options by the same
 * event as where a script does not load, and a fallback would be a second broker beside the first.
 *
 * @see https://html.spec.whatwg.org/multipage/workers.html#dom-sharedworker
 */
async function findWorker(start: () => SharedWorker): Promise<boolean> {
  const { held = [] } = (await globalThis.navigator?.locks?.query()) ?? {}
  const workers = held.flatMap(({ name }) => (name?.startsWith(SHARED_WORKER_LOCK) ? name : []))
  if (workers.length === 0) return false
  const key = keyOf(start)
  return workers.some((name) => name.endsWith(key))
}

/** By what the browser tells SharedWorkers apart: only the app's own call of the constructor knows it. Nothing is started. */
function keyOf(start: () => SharedWorker): string {
  const { SharedWorker } = globalThis
  let key = 'none'
  globalThis.SharedWorker = new Proxy(SharedWorker, {
    construct(_target, [url, options]: [string | URL, (string | WorkerOptions)?]) {
      const name = typeof options === 'string' ? options : options?.name
      key = toWorkerKey(name ?? '', new URL(url, globalThis.document.baseURI).href)
      throw key
    },
  })
  try {
    start()
  } catch {
    // Ours, or the app's.
  } finally {
    globalThis.SharedWorker = SharedWorker
  }
  return key
}
