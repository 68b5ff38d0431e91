import type { ServerControl } from '../server-control.ts'

export const scenarioNames = ['expired', 'outage', 'hang', 'lost', 'lost-strict', 'rejected', 'denial'] as const
export type ScenarioName = (typeof scenarioNames)[number]

/** The faults for the servers of one side. Both sides get the same. */
export interface Scenario {
  /** Runs before the sign-in. */
  prepare?(servers: ServerControl): Promise<void>
  /** Runs before the calls. */
  strike(servers: ServerControl): Promise<void>
  /** How long the token server fails after the start of the calls, in milliseconds. Absent if the fault does not end by time. */
  readonly failsFor?: number
}

/** More faults than the clients can send requests, so that only `failsFor` ends them. */
const every = 1000
/** Longer than a storm. */
const graceSeconds = 30

/** Without a grace period, a refresh token works once, as with strict rotation. */
export const scenarios: Readonly<Record<ScenarioName, Scenario>> = {
  expired: {
    strike: (servers) => servers.expireAccessTokens(),
  },
  outage: {
    async strike(servers) {
      await servers.failNextRefreshes('503', every)
      await servers.expireAccessTokens()
    },
    failsFor: 1500,
  },
  hang: {
    async strike(servers) {
      await servers.failNextRefreshes('hang', every)
      await servers.expireAccessTokens()
    },
    // Less than the timeout of lingpai's side, so that lingpai retries after the server works again.
    failsFor: 2500,
  },
  lost: {
    prepare: (servers) => servers.setReuseGrace(graceSeconds),
    async strike(servers) {
      await servers.failNextRefreshes('lost')
      await servers.expireAccessTokens()
    },
  },
  'lost-strict': {
    async strike(servers) {
      await servers.failNextRefreshes('lost')
      await servers.expireAccessTokens()
    },
  },
  rejected: {
    strike: (servers) => servers.revokeEverything(),
  },
  denial: {
    // A strict provider would end the session, and with it the loop that this scenario shows.
    prepare: (servers) => servers.setReuseGrace(graceSeconds),
    strike: (servers) => servers.setApiDenial(true),
  },
}
