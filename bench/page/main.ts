import { bodies } from './cases/bodies.ts'
import { expiry } from './cases/expiry.ts'
import { latency } from './cases/latency.ts'
import { memory } from './cases/memory.ts'
import { refresh } from './cases/refresh.ts'
import { roundTrip } from './cases/round-trip.ts'
import { stages } from './cases/stages.ts'
import { control, type Figure, type Plan } from './control.ts'
import type { PageCase } from './page-case.ts'

const cases: Readonly<Record<string, PageCase>> = {
  latency,
  proofs: latency,
  bodies,
  stages,
  memory,
  'round-trip': roundTrip,
  expiry,
  refresh,
}

const figures: Figure[] = []
try {
  const plan = await control.plan(Number(new URLSearchParams(location.search).get('tab')))
  openOtherTabs(plan)
  const run = cases[plan.case]
  if (run === undefined) throw new Error(`There is no case ${plan.case}.`)
  await run(plan, (figure) => figures.push(figure))
  await control.report(figures)
} catch (error) {
  await control.report(figures, error instanceof Error ? `${error.message}\n${error.stack}` : String(error))
}

/** A headless browser starts with only one URL, so the first tab opens the others. Not again after a redirect. */
function openOtherTabs({ tab, tabs }: Plan): void {
  if (tab !== 0 || new URLSearchParams(location.search).has('code')) return
  for (let other = 1; other < tabs; other++) window.open(`/?tab=${other}`, '_blank', 'noopener')
}
