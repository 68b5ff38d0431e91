import { find } from '../page/element.ts'
import { fill, language } from '../page/language.ts'
import type { CounterTable } from './counters.ts'
import type { Tabs } from './tabs.ts'
import { texts } from './texts.ts'

interface Storm {
  readonly calls: number
  readonly startedAt: number
  readonly before: { readonly answered: number; readonly lost: number }
  /** Set after every call has ended. */
  duration?: number
}

/** The third step: the outcomes of the latest calls. */
export function createResult(tabs: Tabs, counters: CounterTable) {
  let storm: Storm | undefined

  function draw(): void {
    if (storm === undefined) {
      set(find('result-details', HTMLElement), texts().lookHint)
      return
    }
    const { answered, lost, hung } = measure(storm)
    const open = storm.calls - answered - lost
    if (open <= 0 && storm.duration === undefined) storm.duration = performance.now() - storm.startedAt
    const result = find('result', HTMLElement)
    result.hidden = false
    set(result, `${texts().refreshes(counters.since('refreshes'))} · ${texts().answers(answered)}`)
    const { duration } = storm
    const details =
      duration === undefined ? texts().lookRunning(open - hung) : texts().lookDetails(lost, hung, formatMs(duration))
    set(find('result-details', HTMLElement), details)
  }

  function measure({ before }: Storm) {
    const { answered, lost, hung } = tabs.totals()
    return { answered: answered - before.answered, lost: sum(lost) - before.lost, hung }
  }

  language.follow(draw)

  return {
    draw,
    begin(calls: number): void {
      const { answered, lost } = tabs.totals()
      storm = { calls, startedAt: performance.now(), before: { answered, lost: sum(lost) } }
      draw()
    },
  }
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}

function formatMs(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`
}

function set(target: HTMLElement, text: string): void {
  if (target.textContent !== text) fill(target, text)
}
