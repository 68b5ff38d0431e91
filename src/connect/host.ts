import type { Endpoint } from '../protocol/endpoint.ts'
import type { Mode } from '../protocol/snapshot.ts'

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

export interface HostCandidate {
  readonly mode: Mode
  /**
   * What the page does if the worker does not answer. `reconnect`: opens a new port, which leads to the same worker. `wait`:
   * does not replace it, because two brokers would serve one session. `giveUp`: ends the worker, then tries the next host;
   * the text goes into the error.
   */
  readonly onSilence: 'reconnect' | 'wait' | { readonly giveUp: string }
  /** Throws where the constructor does, or where the browser has none. */
  open(): HostPort
}
