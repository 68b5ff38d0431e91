import type { ServerControl } from '../server-control.ts'

export const scenarioNames = ['expired', 'outage', 'hang', 'lost', 'lost-strict', 'rejected', 'denial'] as const
export type ScenarioName = (typeof scenarioNames)[number]

/** What is done to the servers of one side, the same to each. */
export interface Scenario {
  /** Before anyone signs in. */
  prepare?(servers: ServerControl): Promise<void>
  /** Before the calls are made. */
  strike(servers: ServerControl): Promise<void>
  /** How long the token server fails, from the moment of the calls. Milliseconds; absent where it is not about time. */
  readonly failsFor?: number
}

/** As many as nobody sends while the token server fails; `failsFor` is what ends it. */
const every = 1000
/** Longer than a storm. */
const graceSeconds = 30

/** Where there is no grace, a refresh token works once, as providers with strict rotation have it. */
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
    // Less than the timeout of lingpai's side, so that it asks again once the server answers.
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
    // A strict provider would end the session, and with it the loop that is to be seen.
    prepare: (servers) => servers.setReuseGrace(graceSeconds),
    strike: (servers) => servers.setApiDenial(true),
  },
}
