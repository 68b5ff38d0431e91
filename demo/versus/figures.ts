import type { Counters } from '../server-control.ts'
import type { Outcome } from './messages.ts'

/** The outcome of a tab's call. Absent until it settles. */
export interface CallState {
  readonly outcome?: Outcome
}

export interface TabState {
  readonly calls: readonly CallState[]
  /** How many times the app asked its user to sign in again. */
  readonly sentToLogin: number
  readonly isOnLoginPage: boolean
  /** Whether a call after the end of the fault was answered. */
  readonly worksAfterwards: boolean
}

/** The counts of one side. The first half comes from its tabs, the second from its servers. */
export interface Figures {
  readonly calls: number
  readonly answered: number
  /** The number of rejected calls for each reason, largest first. */
  readonly rejected: readonly (readonly [reason: string, count: number])[]
  readonly unanswered: number
  readonly sentToLogin: number
  readonly tabs: number
  readonly workingTabs: number
  /** From the first call until the last outcome, or until the storm was ended. Milliseconds. */
  readonly duration: number
  readonly tokenRequests: number
  readonly reuseDetections: number
  readonly apiRequests: number
}

export function countFigures(
  tabs: readonly TabState[],
  before: Counters,
  after: Counters,
  duration: number,
): Omit<Figures, 'workingTabs'> {
  const outcomes = tabs.flatMap(({ calls }) => calls.map(({ outcome }) => outcome))
  const reasons = new Map<string, number>()
  for (const outcome of outcomes) {
    if (outcome?.kind === 'rejected') reasons.set(outcome.reason, (reasons.get(outcome.reason) ?? 0) + 1)
  }
  const authorizationServer = after.authorizationServer
  return {
    calls: outcomes.length,
    answered: outcomes.filter((outcome) => outcome?.kind === 'answered').length,
    rejected: [...reasons].sort(([, one], [, other]) => other - one),
    unanswered: outcomes.filter((outcome) => outcome === undefined).length,
    sentToLogin: tabs.reduce((sum, tab) => sum + tab.sentToLogin, 0),
    tabs: tabs.length,
    duration,
    tokenRequests:
      authorizationServer.tokenRequests.refresh_token - before.authorizationServer.tokenRequests.refresh_token,
    reuseDetections: authorizationServer.reuseDetections - before.authorizationServer.reuseDetections,
    apiRequests: after.api.received - before.api.received,
  }
}

export function countRejected({ rejected }: Figures): number {
  return rejected.reduce((sum, [, count]) => sum + count, 0)
}
