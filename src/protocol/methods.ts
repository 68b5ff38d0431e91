import type { Hello, Welcome } from './handshake.ts'
import type { ExplainOptions, HistoryEntry } from './history.ts'
import type { Caller } from './snapshot.ts'
import type { WireTask } from './tasks.ts'
import type { WireApiRequest, WireRequest, WireResponse } from './wire.ts'

/** A sign-in that the worker has begun, and the user completes at the provider. */
export interface BegunSignIn {
  /** The provider's page. */
  readonly url: string
  /** The `state` parameter of the callback. */
  readonly state: string
  /** If the sign-in ends with the worker: the names of the session and of this worker. */
  readonly session?: string
  readonly worker?: string
}

/** How an interactive sign-in begins. */
export interface AuthorizeInput {
  readonly via: 'redirect' | 'popup'
  /** The page that opens after the sign-in: a path on the page's own origin. */
  readonly returnTo?: string
}

/**
 * Every method that a page may call in the worker; the guard rejects all others. The first argument of a method that can be
 * aborted is the call's id, unique on its port.
 */
export interface BrokerTable extends ControlTable, FetchTable, TaskTable {}

/** The methods of every worker. */
export interface ControlTable {
  hello(hello: Hello): Promise<Welcome>
  /** Resolves with the name of the lock that the worker holds now: another one after the first was stolen. */
  ping(): Promise<string | undefined>
  signIn(call: string, input: unknown): Promise<void>
  authorize(call: string, input: AuthorizeInput): Promise<BegunSignIn>
  callback(call: string, url: string): Promise<{ returnTo?: string }>
  signOut(everywhere: boolean): Promise<{ url?: string }>
  adopt(tokens: unknown): Promise<void>
  getAccessToken(call: string, caller?: Caller): Promise<string>
  explain(options?: ExplainOptions): Promise<readonly HistoryEntry[]>
}

/** The methods of a worker that sends requests itself. */
export interface FetchTable {
  fetch(call: string, request: WireRequest, caller?: Caller): Promise<WireResponse>
  request(call: string, request: WireApiRequest, caller?: Caller): Promise<unknown>
}

/** The method of a worker without network: the app thread sends for it. Resolves when the answer may be delivered. */
export interface TaskTable {
  task(call: string, task: WireTask, caller?: Caller): Promise<void>
}

/** A `call` can be aborted, so it takes an id. A `use` uses the session's token, so it also takes the caller. */
export const METHODS: { readonly [Name in keyof BrokerTable]: 'use' | 'call' | 'plain' } = {
  hello: 'plain',
  ping: 'plain',
  fetch: 'use',
  request: 'use',
  task: 'use',
  signIn: 'call',
  authorize: 'call',
  callback: 'call',
  signOut: 'plain',
  adopt: 'plain',
  getAccessToken: 'use',
  explain: 'plain',
}
