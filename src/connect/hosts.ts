import type { Endpoint } from '../protocol/endpoint.ts'
import { LingpaiError } from '../protocol/errors.ts'
import { SHARED_WORKER_LOCK, toWorkerKey } from '../protocol/handshake.ts'
import type { Mode } from '../protocol/snapshot.ts'
import type { HostCandidate, HostPort } from './host.ts'

/** How to start the worker. The app contains these calls, so that its bundler finds them and builds the worker. */
export interface Hosts {
  /** First choice: one worker for all tabs. */
  readonly shared?: () => SharedWorker
  /** Used only if the browser lacks `SharedWorker`, or if the shared worker fails to start. */
  readonly dedicated?: () => Worker
  /** The broker in the page's own thread: `() => serveInline(options)` of `lingpai/inline`. */
  readonly inline?: () => Endpoint
}

/** The hosts to try, best first. */
export function listHosts({ shared, dedicated, inline }: Hosts): HostCandidate[] {
  const candidates: HostCandidate[] = []
  const add = (mode: Mode, open: () => HostPort) =>
    candidates.push({ mode, onSilence: mode === 'shared' ? 'reconnect' : 'wait', open })
  if (shared) {
    let isTaken = false
    // The last search counts, too: the other worker may end between the browser's refusal and this search.
    const isTakenByOther = async () => {
      const wasTaken = isTaken
      isTaken = await findWorker(shared)
      return isTaken || wasTaken
    }
    add('shared', () => {
      const worker = shared()
      return toHostPort(worker, worker.port, isTakenByOther)
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
    // Created once: another endpoint would be a second broker.
    add('inline', () => (port ??= { endpoint: inline(), failure: new Promise(() => {}) }))
  }
  return candidates
}

function toHostPort(
  worker: SharedWorker | Worker,
  endpoint: MessagePort | (Worker & { close(): void }),
  findRunning?: () => Promise<boolean>,
): HostPort {
  const failure = new Promise<never>((_resolve, reject) => {
    worker.addEventListener('error', async (event) => {
      const { message } = event as Partial<ErrorEvent>
      if (message || !(await findRunning?.())) reject(new Error(message || 'its script did not load'))
      else
        reject(
          new LingpaiError(
            'protocol_mismatch',
            "The worker runs with other options (see extendedLifetime). Close this site's other tabs.",
          ),
        )
    })
  })
  // Only the start of a worker uses this promise. A later error must not be an unhandled rejection.
  failure.catch(() => {})
  return { endpoint: endpoint as unknown as Endpoint, failure }
}

/**
 * Whether the SharedWorker that could not be started is running already, with other options. The browser reports both that
 * and a script that does not load by the same event. With a running worker, a fallback would be a second broker.
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

/** The name and URL that identify a SharedWorker, read from the app's call of the constructor. No worker is started. */
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
    // The key thrown above, or an error of the app.
  } finally {
    globalThis.SharedWorker = SharedWorker
  }
  return key
}
