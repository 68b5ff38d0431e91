import type { ApiRules } from '../../src/protocol/apis.ts'
import type { Endpoint } from '../../src/protocol/endpoint.ts'
import type { GuardOptions } from '../../src/protocol/guard.ts'
import type { BrokerTable, ControlTable } from '../../src/protocol/methods.ts'
import type { BrokerSnapshot, Caller, Mode } from '../../src/protocol/snapshot.ts'
import type { Peers, TransactionStore } from '../core/adapter.ts'
import type { BrokerOptions, SessionBroker } from '../core/broker/broker.ts'
import type { Call } from '../core/broker/call.ts'
import type { Api, ParsedOptions } from './options.ts'

/** What the broker needs from its platform: the app's origin, clock, network, locks, and the methods that only it has. */
export interface BrokerHost extends Pick<BrokerOptions, 'origin' | 'platform' | 'send' | 'login'> {
  readonly mode: Mode
  /** Checks the arguments of each method of this host. */
  readonly checks: GuardOptions['checks']
  /** The random id of this worker, if its channel has one already. */
  readonly instance?: string
  /** A random id, new at each call. */
  createId(): string
  /** Connects to the other workers that keep their session in the store of that name. Absent if there cannot be any. */
  openPeers?(name: string): Peers
  /**
   * Holds a Web Lock for as long as the worker lives. Returns a function that reads the lock's name: it changes after a
   * theft, and is undefined if no lock is held.
   */
  holdLock?(instance: string): () => Promise<string | undefined>
  /** Waits for a lock that a page holds. When this worker gets the lock, the page may be gone. */
  awaitLock?(name: string, signal: AbortSignal, onAcquired: () => void): void
  /**
   * Finds the client that holds a page's lock; undefined if it holds none. Absent if the host cannot find out, or has only one
   * page.
   */
  findOwner?(lock: string | undefined): Promise<string | undefined>
  /** Calls `onClosed` when the other end of a port is gone, if the platform reports that. */
  watchPort?(port: Endpoint, onClosed: () => void): void
  /** Calls `onOnline` when the network is back, if the platform reports that. */
  watchNetwork?(onOnline: () => void): void
  /**
   * Calls `onMissing` once if the worker has no Content Security Policy. Makes the check at the latest when the returned
   * function is called. Absent if the broker is in a page.
   */
  watchPolicy?(onMissing: () => void): () => Promise<void>
  /** The name of an option of `serve` that only this host has, with a space before it. */
  readonly furtherOption?: string
  /** Keeps the sign-ins in progress. `instance` is the random id of this worker. */
  openTransactions(options: ParsedOptions, instance: string): TransactionStore
  /** Adapts the app's options to this host. */
  prepare?(options: ParsedOptions): ParsedOptions
  /** Selects the fields of an API that pages receive. */
  describeApi(api: Api): ApiRules
  /** The reason to put on a snapshot that has none. */
  remark(options: ParsedOptions, snapshot: BrokerSnapshot): string | undefined
  /** The methods besides {@link ControlTable}, made anew for each page's connection. */
  createApiMethods(
    options: ParsedOptions,
    broker: SessionBroker,
    ownerOf: OwnerOf,
  ): (runAbortable: RunAbortable) => ApiMethods
}

/** The page that pays for a call. A promise only while its lock is checked. */
export type OwnerOf = (call: Call) => string | Promise<string>

type ApiMethods = Partial<Omit<BrokerTable, keyof ControlTable>>

/** Registers the function that stops a body which is still on its way after its call was answered. Returns the removal. */
type RegisterBody = (stop: () => void) => () => void

/** Runs a call that its page can abort. It is also aborted when its page leaves, unless it is lasting. */
export type RunAbortable = <T>(
  id: string,
  work: (call: Call, signal: AbortSignal, registerBody: RegisterBody) => Promise<T>,
  options?: { readonly isLasting?: boolean; readonly caller?: Caller | undefined },
) => Promise<T>
