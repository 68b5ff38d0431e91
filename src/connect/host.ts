import type { Endpoint } from '../protocol/endpoint.ts'
import type { Mode } from '../protocol/snapshot.ts'

/** A port to a worker that may still be starting. */
export interface HostPort {
  /** Its `close` ends the worker, or this page's connection to it. */
  readonly endpoint: Endpoint
  /**
   * Rejects if the worker's script cannot be loaded or run. A LingpaiError says that the host is not at fault, and may be free
   * later.
   */
  readonly failure: Promise<never>
  /** If the start is delayed: resolves when the worker is started. Until then, no answer is expected. */
  readonly started?: Promise<void>
  /** Takes a listener for the loss of a worker, if the platform reports it. If the script is at fault, `failure` rejects first. */
  readonly onLoss?: (listener: () => void) => void
}

export interface HostCandidate {
  readonly mode: Mode
  /**
   * What the page does if the worker does not answer. `reconnect`: opens a new port, which leads to the same worker. `wait`:
   * does not replace it, because two brokers would serve one session. `giveUp`: ends the worker, then tries the next host;
   * the text goes into the error.
   */
  readonly onSilence: 'reconnect' | 'wait' | { readonly giveUp: string }
  /** Throws if the worker's constructor throws, or if the browser does not have it. */
  open(): HostPort
}
