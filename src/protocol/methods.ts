import type { Hello, Welcome } from './handshake.ts'
import type { ExplainOptions, HistoryEntry } from './history.ts'
import type { WireTask } from './tasks.ts'
import type { WireApiRequest, WireRequest, WireResponse } from './wire.ts'

/** What a page may ask to begin an interactive sign-in with. */
export interface AuthorizeInput {
  readonly via: 'redirect' | 'popup'
  /** Where to go afterwards: a path on the page's own origin. */
  readonly returnTo?: string
}

/**
 * Every method that a page may call in the worker; the guard refuses all else. The first argument of the methods that
 * can be aborted is the call's id, unique on its port.
 */
export interface BrokerTable extends ControlTable, FetchTable, TaskTable {}

/** What every worker answers. */
export interface ControlTable {
  hello(hello: Hello): Promise<Welcome>
  /** Resolves with the name of the lock that the worker holds: another name if the lock was stolen. */
  ping(): Promise<string | undefined>
  signIn(call: string, input: unknown): Promise<void>
  authorize(call: string, input: AuthorizeInput): Promise<{ url: string }>
  callback(call: string, url: string): Promise<{ returnTo?: string }>
  signOut(everywhere: boolean): Promise<{ url?: string }>
  adopt(tokens: unknown): Promise<void>
  getAccessToken(call: string): Promise<string>
  explain(options?: ExplainOptions): Promise<readonly HistoryEntry[]>
}

/** What a worker answers that sends the requests itself. */
export interface FetchTable {
  fetch(call: string, request: WireRequest): Promise<WireResponse>
  request(call: string, request: WireApiRequest): Promise<unknown>
}

/** What a worker without a network answers: it has the app thread send, and resolves once the answer may be delivered. */
export interface TaskTable {
  task(call: string, task: WireTask): Promise<void>
}

/** The methods that can be aborted, and so take a call's id; and all the others. */
export const METHODS: { readonly [Name in keyof BrokerTable]: 'call' | 'plain' } = {
  hello: 'plain',
  ping: 'plain',
  fetch: 'call',
  request: 'call',
  task: 'call',
  signIn: 'call',
  authorize: 'call',
  callback: 'call',
  signOut: 'plain',
  adopt: 'plain',
  getAccessToken: 'call',
  explain: 'plain',
}
