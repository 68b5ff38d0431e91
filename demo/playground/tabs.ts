import { element } from '../page/element.ts'
import { language } from '../page/language.ts'
import { type CallCounts, everyTab, lockOf, openTabChannel, type TabReport } from '../tab/channel.ts'
import { type Lane, laneIdOf } from '../timeline/index.ts'
import { texts } from './texts.ts'

/** The sums of all tabs. */
export interface CallTotals {
  readonly answered: number
  readonly lost: Readonly<Record<string, number>>
  readonly hung: number
}

export const mostFrames = 4
const lookInterval = 1000

interface TabListeners {
  /** Called after a change of the tabs or their calls. */
  onChange(): void
  onStory(text: string): void
}

export type Tabs = ReturnType<typeof createTabs>

/** The tabs of the playground: the frames in this page, and the real tabs that it has opened. */
export function createTabs(place: HTMLElement, { onChange, onStory }: TabListeners) {
  const playground = nameOfPlayground()
  const channel = openTabChannel(playground)
  const reports = new Map<string, TabReport>()
  /** The counts of a tab at its first report, because it may have been opened before this page was loaded. */
  const atFirst = new Map<string, CallCounts>()
  /** Closed tabs, whose calls still count. */
  let gone: readonly string[] = []
  const lanes = new Map<string, string>()
  const frames: HTMLIFrameElement[] = []

  channel.listen((message) => {
    if (message.kind === 'story') onStory(message.text)
    if (message.kind !== 'report') return
    const { report } = message
    if (!reports.has(report.tab)) atFirst.set(report.tab, report.calls)
    reports.set(report.tab, report)
    if (report.connection) lanes.set(laneIdOf(report.connection), report.tab)
    onChange()
  })
  channel.post({ kind: 'call-the-roll' })
  setInterval(lookForGone, lookInterval)

  async function lookForGone(): Promise<void> {
    const { held = [] } = await navigator.locks.query()
    const next = [...reports.keys()].filter((tab) => !held.some(({ name }) => name === lockOf(playground, tab)))
    if (next.join() === gone.join()) return
    gone = next
    onChange()
  }
  language.follow(() => {
    frames.forEach((frame, index) => {
      frame.title = texts().frame(String(index + 1))
    })
  })

  /** The frames, and the real tabs that have reported. */
  function names(): string[] {
    const shown = frames.map((_frame, index) => String(index + 1))
    return [...shown, ...[...reports.keys()].filter((name) => Number(name) > mostFrames && !gone.includes(name))]
  }

  const addressOf = (tab: string) => `/tab.html?${new URLSearchParams({ playground, tab })}`

  return {
    names,
    show(count: number): void {
      while (frames.length > count) frames.pop()?.remove()
      while (frames.length < count) {
        const tab = String(frames.length + 1)
        const frame = element('iframe', { src: addressOf(tab), title: texts().frame(tab) })
        frames.push(frame)
        place.append(frame)
      }
      place.style.setProperty('--count', String(count))
    },
    open(): void {
      const numbers = [...reports.keys()].map(Number).filter(Number.isFinite)
      window.open(addressOf(String(Math.max(mostFrames, ...numbers) + 1)), '_blank', 'noopener')
    },
    fire(count: number, to: string = everyTab): void {
      channel.post({ kind: 'fire', to, count })
    },
    nameLane(lane: Lane): string | undefined {
      const tab = lanes.get(lane.id)
      return tab === undefined ? undefined : texts().laneName(tab)
    },
    totals(): CallTotals {
      const now = addUp([...reports.values()].map(({ calls }) => calls))
      const before = addUp([...atFirst.values()])
      const lost = Object.entries(now.lost).map(([code, count]) => [code, count - (before.lost[code] ?? 0)])
      return { answered: now.answered - before.answered, lost: Object.fromEntries(lost), hung: now.hung }
    },
  }
}

function addUp(tabs: readonly CallCounts[]): CallTotals {
  const lost: Record<string, number> = {}
  for (const { lost: codes } of tabs) {
    for (const [code, count] of Object.entries(codes)) lost[code] = (lost[code] ?? 0) + count
  }
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  return {
    answered: sum(tabs.flatMap(({ answered }) => Object.values(answered))),
    lost,
    hung: sum(tabs.map(({ hung }) => hung)),
  }
}

/** Kept over a reload, so that earlier tabs still belong to this playground. */
function nameOfPlayground(): string {
  const key = 'lingpai-demo.playground'
  const name = sessionStorage.getItem(key) ?? crypto.randomUUID()
  sessionStorage.setItem(key, name)
  return name
}
