import './connect/extended-lifetime.ts'
import { createClient } from './client.ts'
import { type Hosts, listHosts } from './connect/hosts.ts'
import type { Broker } from './protocol/contract.ts'
import { createSession, type Session } from './session.ts'

export type { Hosts } from './connect/hosts.ts'
export type { SessionFetch, SessionRequestInit } from './fetch.ts'
export type {
  AuthorizeInput,
  Broker,
  Endpoint,
  HistoryEntry,
  Mode,
  ReceivedTokens,
  Snapshot,
  User,
} from './protocol/contract.ts'
export {
  isLingpaiError,
  LingpaiError,
  type LingpaiErrorCode,
  type LingpaiErrorFields,
  type LingpaiErrorLike,
} from './protocol/errors.ts'
export type { RequestOptions, SessionRequest } from './request.ts'
export type { Session } from './session.ts'

type SignInInputOf<B> = B extends Broker<infer Input> ? Input : unknown

/**
 * Connects this page to the worker that keeps the session. Returns at once; what goes wrong later rejects a call.
 *
 * Pass the worker file's broker as a type, `connect<typeof broker>(...)`, and `signIn` knows what the grant takes.
 */
export function connect<B extends Broker<never> | Broker = Broker>(hosts: Hosts): Session<SignInInputOf<B>> {
  return createSession(createClient(listHosts(hosts)))
}
