import type { Counters } from '../control.ts'
import { element, find } from '../page/element.ts'
import { language, say } from '../page/language.ts'
import type { CallTotals } from './tabs.ts'
import { type Count, texts } from './texts.ts'

type Values = Readonly<Record<Count, number>>

const ofServers: readonly Count[] = ['refreshes', 'tokenRequests', 'reuses', 'answers', 'refusals']
const ofTabs: readonly Count[] = ['lost', 'hung']
/** Counters that show a problem if they are not 0. */
const bad: readonly Count[] = ['reuses', 'lost', 'hung']

export function toValues({ authorizationServer, api }: Counters, { lost, hung }: CallTotals): Values {
  const { tokenRequests, reuseDetections } = authorizationServer
  return {
    refreshes: tokenRequests.refresh_token,
    tokenRequests: tokenRequests.authorization_code + tokenRequests.refresh_token,
    reuses: reuseDetections,
    answers: api.answered,
    refusals: api.unauthorized,
    lost: Object.values(lost).reduce((sum, count) => sum + count, 0),
    hung,
  }
}

export type CounterTable = ReturnType<typeof createCounters>

/** The table of the counters, since the last press and in total. */
export function createCounters() {
  const cells = new Map<Count, { readonly since: HTMLElement; readonly all: HTMLElement }>()
  let baseline: Values | undefined
  let latest: Values | undefined

  for (const [group, names] of [
    ['countedByServers', ofServers],
    ['countedByTabs', ofTabs],
  ] as const) {
    const heading = say(element('th', { colSpan: 3, scope: 'colgroup' }), () => texts()[group])
    find('counts', HTMLElement).append(element('tr', { className: 'origin' }, heading))
    for (const name of names) {
      const since = element('td', { id: `since-${name}` }, '–')
      const all = element('td', { id: `count-${name}` }, '–')
      const label = say(element('th', { scope: 'row' }), () => texts().counts[name])
      find('counts', HTMLElement).append(element('tr', {}, label, since, all))
      cells.set(name, { since, all })
    }
  }
  language.follow(draw)

  function draw(): void {
    if (latest === undefined) return
    for (const [name, { since, all }] of cells) {
      // A call that hung and then settled no longer counts as hanging.
      const difference = Math.max(0, latest[name] - (baseline?.[name] ?? latest[name]))
      set(since, String(difference))
      set(all, String(latest[name]))
      since.dataset.state = difference === 0 ? 'none' : bad.includes(name) ? 'bad' : 'some'
      all.dataset.state = latest[name] > 0 && bad.includes(name) ? 'bad' : 'none'
    }
  }

  return {
    show(values: Values): void {
      latest = values
      baseline ??= values
      draw()
    },
    /** Starts the counts since the last press. */
    begin(): void {
      baseline = latest
      draw()
    },
    since(name: Count): number {
      return latest === undefined || baseline === undefined ? 0 : latest[name] - baseline[name]
    },
  }
}

function set(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text
}
