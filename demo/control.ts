import { controlServers } from './server-control.ts'
import { tellWorker } from './worker-control.ts'

export type { Counters, RefreshFault, Settings } from './server-control.ts'

const servers = controlServers('main')

export const {
  setAccessTokenSeconds,
  setRefreshDelay,
  setRotation,
  setReuseGrace,
  expireAccessTokens,
  revokeEverything,
  failNextRefreshes,
  stopFailingRefreshes,
  setApiDenial,
  goOffline,
  readCounters,
  readSettings,
} = servers

/** Every setting of the servers as at the start, and the worker's clock right again. Sessions and counters stay. */
export async function reset(): Promise<void> {
  await Promise.all([servers.reset(), tellWorker({ kind: 'set-clock-right' })])
}

/** The worker ends at once, as where the browser takes its memory back. Nothing is told to lingpai. */
export async function killWorker(): Promise<void> {
  await tellWorker({ kind: 'kill' })
}

/** Moves the worker's `Date.now`, back where the number is negative. A new worker is on time. */
export async function jumpClock(milliseconds: number): Promise<void> {
  await tellWorker({ kind: 'jump', milliseconds })
}

/** Whoever signs in next is asked to be this account. */
export async function askForAccount(account: string, locale: string): Promise<void> {
  await tellWorker({ kind: 'ask-for', account, locale })
}
