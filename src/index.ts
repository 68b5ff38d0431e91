import './connect/extended-lifetime.ts'
import { createClient } from './client/client.ts'
import { type Hosts, listHosts } from './connect/hosts.ts'
import type { Broker } from './protocol/broker.ts'
import { createSession, type Session } from './session.ts'

export type { Hosts } from './connect/hosts.ts'
export type { SessionFetch, SessionRequestInit } from './fetch/fetch.ts'
export type { Broker } from './protocol/broker.ts'
export type { Endpoint } from './protocol/endpoint.ts'
export {
  isLingpaiError,
  LingpaiError,
  type LingpaiErrorCode,
  type LingpaiErrorFields,
  type LingpaiErrorLike,
} from './protocol/errors.ts'
export type {
  CallEntry,
  ExplainOptions,
  HistoryEntry,
  PageEntry,
  RefreshEntry,
  SessionEntry,
} from './protocol/history.ts'
export type { AuthorizeInput } from './protocol/methods.ts'
export type { ReceivedTokens } from './protocol/received-tokens.ts'
export type { Mode, Snapshot, User } from './protocol/snapshot.ts'
export type { UploadProgress } from './protocol/wire.ts'
export type { RequestOptions, SessionRequest } from './request.ts'
export type { Session } from './session.ts'

/** How to start the worker, and what a script of the page cannot find out. */
export interface ConnectOptions extends Hosts {
  /**
   * The policy of this page's `Referrer-Policy` header, which a script cannot read. `session.fetch` uses it for requests
   * without their own policy. Default: that of `<meta name="referrer">`, else the browser's (Referrer Policy §4).
   */
  readonly referrerPolicy?: ReferrerPolicy
}

type SignInInputOf<B> = B extends Broker<infer Input> ? Input : unknown

/**
 * Connects this page to the worker that keeps the session. Returns at once; a later failure rejects a call.
 *
 * Pass the worker file's broker as a type, `connect<typeof broker>(...)`, to type the input of `signIn`.
 */
export function connect<B extends Broker<never> | Broker = Broker>(options: ConnectOptions): Session<SignInInputOf<B>> {
  const hosts = options.inline || hasPage() ? listHosts(options) : []
  return createSession(createClient(hosts), { referrerPolicy: options.referrerPolicy })
}

/** False on a server, which renders a page. Some have a `Worker`, too: it must not be started there. */
function hasPage(): boolean {
  return 'document' in globalThis || 'WorkerGlobalScope' in globalThis
}
