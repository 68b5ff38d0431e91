import type { ExplainOptions, HistoryEntry } from './protocol/history.ts'
import type { ReceivedTokens } from './protocol/received-tokens.ts'
import type { Snapshot } from './protocol/snapshot.ts'

/** The methods that the session has on the web and in a mini program. */
export interface SessionBase {
  /**
   * Stores tokens that were received elsewhere, if the worker has the option `adopt: true`. Else rejects with
   * `invalid_call`. Rejects with `sign_in_failed` if the value is not a token set.
   */
  readonly adopt: (tokens: ReceivedTokens) => Promise<void>
  /** The access token, if the worker has the option `exposeAccessToken: true`. Else rejects with `token_not_exposed`. */
  readonly getAccessToken: () => Promise<string>
  /** The state of the session: an immutable object, new only if something has changed. */
  readonly getSnapshot: () => Snapshot
  /**
   * Resolves with the first snapshot whose status is not `connecting`, for example in a router guard.
   *
   * Rejects with `worker_lost` if no worker could be started, with `invalid_config` or `protocol_mismatch` if the worker can
   * never be used, with `timeout` after 30 s, with `invalid_call` on a server, and with `closed` after `close()`.
   */
  readonly ready: () => Promise<Snapshot>
  /** Calls the listener after each change of the snapshot. Returns a function that ends the subscription. */
  readonly subscribe: (listener: () => void) => () => void
  /**
   * What happened in the worker and why, newest last, without tokens: the last 500 events, and the last 3,000 steps of calls
   * and pages. `after` is the `number` of the last entry that the caller knows: only newer entries are returned.
   */
  readonly explain: (options?: ExplainOptions) => Promise<readonly HistoryEntry[]>
  /** Closes the connection to the worker. Pending and later calls reject with `closed`. The session is kept. */
  readonly close: () => void
}

/** The options that every call of an API has. */
export interface CallOptionsBase {
  readonly headers?: Readonly<Record<string, string>>
  /**
   * Whether the token is attached. Default: to the APIs listed in the worker. With `false`, a listed API's request is still
   * signed and its envelope read. `true` rejects with `origin_not_allowed` if the URL is not listed.
   */
  readonly auth?: boolean
}

/** The options of a call of an API that uses JSON. */
export interface RequestOptionsBase extends CallOptionsBase {
  /** Sent as JSON; for GET and HEAD, as the query. */
  readonly data?: unknown
  /** In milliseconds, for the whole call, including a refresh. Default 30,000. */
  readonly timeout?: number
}

/**
 * Resolves with the payload of the API's envelope, or with the JSON body if the API has no envelope.
 *
 * Rejects with a LingpaiError: `api_error` (`status`, `apiCode`, `apiMessage`), `sign_in_required`, `network_error`,
 * `timeout`, `aborted`, ...
 */
export type JsonRequest<Options> = <T = unknown>(options: Options) => Promise<T>
