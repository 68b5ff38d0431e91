import { controlServers } from '../server-control.ts'
import { countFigures, type Figures, type TabState } from './figures.ts'
import { type ScenarioName, scenarios } from './scenarios.ts'
import { openTabs, type Tabs } from './tabs.ts'

export const sides = ['hand-written', 'lingpai'] as const
export type Side = (typeof sides)[number]

export const tabCount = 3
export const callsPerTab = 20
/** A call without an outcome after this time counts as unanswered. In milliseconds. */
const stormLimit = 10_000

/** The delay of a refresh in milliseconds, as over a real network. Without it, a refresh on the same machine would be too fast. */
const latency = 200
/** The time in which a redirect to the login page or a late refresh must appear, in milliseconds. */
const aftermath = 1800
/** The time limit of each tab's call after the fault, in milliseconds. */
const recoveryLimit = 3000

const pollInterval = 50

export type Phase = 'signing-in' | 'storm' | 'afterwards'

/** Makes the calls of one side, with its own tabs and servers, and counts the outcomes. */
export async function runStorm(
  side: Side,
  name: ScenarioName,
  place: HTMLElement,
  onChange: (phase: Phase, tabs: readonly TabState[]) => void,
  limit: number = stormLimit,
): Promise<Figures> {
  const servers = controlServers(side)
  const { prepare, strike, failsFor } = scenarios[name]
  let tabs: Tabs | undefined
  let phase: Phase = 'signing-in'
  let shown: readonly TabState[] | undefined
  const show = (next: Phase = phase): void => {
    phase = next
    onChange(phase, shown ?? tabs?.states ?? [])
  }
  show()
  try {
    await servers.reset()
    await servers.setRefreshDelay(latency)
    await prepare?.(servers)
    const opened = await openTabs(`/versus/${side}.html`, tabCount, place, () => show())
    tabs = opened
    await opened.signIn()

    await strike(servers)
    const before = await servers.readCounters()
    const start = performance.now()
    opened.fire('storm', callsPerTab)
    show('storm')
    if (failsFor !== undefined) setTimeout(() => void servers.stopFailingRefreshes(), failsFor)
    const duration = await waitForOutcomes(opened, start, limit)
    await pause(Math.min(aftermath, Math.max(0, start + limit - performance.now())))
    const figures = countFigures(opened.states, before, await servers.readCounters(), duration)
    shown = opened.states
    show('afterwards')

    await servers.setApiDenial(false)
    opened.fire('afterwards', 1)
    await until(() => opened.states.every(({ worksAfterwards }) => worksAfterwards), recoveryLimit)
    return { ...figures, workingTabs: opened.states.filter(({ worksAfterwards }) => worksAfterwards).length }
  } finally {
    await servers.reset()
    // Ends the session. A tab that hangs may not answer.
    await tabs?.signOut().catch(() => {})
    tabs?.close()
  }
}

/** The duration, or the time limit. */
async function waitForOutcomes(tabs: Tabs, start: number, limit: number): Promise<number> {
  const isSettled = (): boolean => tabs.states.every(({ calls }) => calls.every(({ outcome }) => outcome))
  await until(isSettled, limit)
  return Math.min(performance.now() - start, limit)
}

async function until(isTrue: () => boolean, limit: number): Promise<void> {
  const end = performance.now() + limit
  while (!isTrue() && performance.now() < end) await pause(pollInterval)
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
