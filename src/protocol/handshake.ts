import type { ApiRules } from './apis.ts'
import type { BrokerSnapshot } from './snapshot.ts'

/** Version of the messages between page and worker. Raised when an old page could not understand a new worker. */
export const PROTOCOL_VERSION = 1

/** The oldest version that this build still understands. */
export const OLDEST_PROTOCOL_VERSION = 1

/** Which build this is: the package's version, told to the other side for the text of a mismatch. */
export const BUILD = '0.1.0'

/** The page's first call on a connection. The page makes it again if it holds another lock. */
export interface Hello {
  readonly oldest: number
  readonly newest: number
  /** Absent where the page is of a build that did not tell. */
  readonly build?: string | undefined
  /** Name of the Web Lock that the page holds for as long as it uses this port, where it has told one. */
  readonly lock?: string | undefined
}

/** How the name of every page's lock begins, so that no page can have a worker take another lock. */
export const PAGE_LOCK = 'lingpai:page:'

/** How the name of every SharedWorker's lock begins: by it, a page sees that there is such a worker on its origin. */
export const SHARED_WORKER_LOCK = 'lingpai:shared:'

/** How it ends: with what the browser tells SharedWorkers apart by. */
export function toWorkerKey(name: string, url: string): string {
  return ` ${name} ${url}`
}

/** The worker's answer to {@link Hello}. */
export interface Welcome {
  readonly protocol: number
  readonly instance: string
  /** Absent where the worker is of a build that did not tell. */
  readonly build?: string
  /** Name of the Web Lock that the worker holds for as long as it lives, where it could get one. */
  readonly lock?: string
  readonly snapshot: BrokerSnapshot
  readonly apis: readonly ApiRules[]
}
