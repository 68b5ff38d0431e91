import type { ApiRules } from './apis.ts'
import type { BrokerSnapshot, Caller } from './snapshot.ts'

/** Version of the messages between page and worker. Raise it if an old page cannot understand a new worker. */
export const PROTOCOL_VERSION = 1

/** The oldest version that this build understands. */
export const OLDEST_PROTOCOL_VERSION = 1

/** The package's version. Each side sends it to the other for the text of a mismatch. */
export const BUILD = '0.1.0'

/** The page's first call on a connection. The page calls it again when it holds another lock. */
export interface Hello {
  readonly oldest: number
  readonly newest: number
  readonly build: string
  /** Name of the Web Lock that the page holds for as long as it uses this port; undefined if it has none. */
  readonly lock?: string | undefined
}

/** Prefix of the names of pages' locks: a worker requests no other locks for a page. */
export const PAGE_LOCK = 'lingpai:page:'

/** Prefix of the names of SharedWorkers' locks. A page searches for it to find out if its origin has such a worker. */
export const SHARED_WORKER_LOCK = 'lingpai:shared:'

/** Suffix of a SharedWorker's lock: the name and URL by which browsers distinguish SharedWorkers. */
export function toWorkerKey(name: string, url: string): string {
  return ` ${name} ${url}`
}

/** The worker's answer to {@link Hello}. */
export interface Welcome {
  readonly protocol: number
  readonly instance: string
  readonly build: string
  /** Name of the Web Lock that the worker holds for as long as it lives; absent if it has none. */
  readonly lock?: string
  readonly snapshot: BrokerSnapshot
  readonly caller?: Caller
  readonly apis: readonly ApiRules[]
}
