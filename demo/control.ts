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

/** Resets the servers' settings and the worker's clock. Sessions and counters stay. */
export async function reset(): Promise<void> {
  await Promise.all([servers.reset(), tellWorker({ kind: 'set-clock-right' })])
}

/** Ends the worker at once, as a browser does to free memory, without informing lingpai. */
export async function killWorker(): Promise<void> {
  await tellWorker({ kind: 'kill' })
}

/** Advances the worker's `Date.now`, or sets it back if the number is negative. A new worker has the correct time. */
export async function jumpClock(milliseconds: number): Promise<void> {
  await tellWorker({ kind: 'jump', milliseconds })
}

/** Makes the next sign-in ask for this account. */
export async function askForAccount(account: string, locale: string): Promise<void> {
  await tellWorker({ kind: 'ask-for', account, locale })
}
