import type { TabState } from './figures.ts'
import type { Order, Report, StormName } from './messages.ts'

type Reply = 'ready' | 'signed-in' | 'prepared' | 'signed-out'

interface Tab {
  readonly frame: HTMLIFrameElement
  state: TabState
  readonly heard: Set<Reply>
  problem?: string
}

/** The tabs of one side, each a page in an invisible frame. */
export interface Tabs {
  readonly states: readonly TabState[]
  /** Resolves when all tabs share a session and each has had a response. */
  signIn(): Promise<void>
  fire(storm: StormName, callsPerTab: number): void
  signOut(): Promise<void>
  /** Ends every page at once. */
  close(): void
}

/** In milliseconds. */
const patience = 15_000

const fresh: TabState = { calls: [], sentToLogin: 0, isOnLoginPage: false, worksAfterwards: false }

export async function openTabs(page: string, count: number, place: HTMLElement, onChange: () => void): Promise<Tabs> {
  const listeners = new Set<() => void>()
  const tabs: readonly Tab[] = Array.from({ length: count }, (_, index) => {
    const frame = document.createElement('iframe')
    frame.title = `${page} ${index + 1}`
    frame.src = page
    return { frame, state: fresh, heard: new Set() }
  })

  const hear = ({ source, origin, data }: MessageEvent<Report>): void => {
    const tab = tabs.find(({ frame }) => frame.contentWindow === source)
    if (!tab || origin !== location.origin) return
    takeReport(tab, data)
    for (const listener of [...listeners]) listener()
    onChange()
  }

  const allHave = (reply: Reply, among: readonly Tab[]): Promise<void> =>
    new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer)
        listeners.delete(look)
        settle()
      }
      const look = (): void => {
        const problem = among.find((tab) => tab.problem !== undefined)?.problem
        if (problem !== undefined) end(() => reject(new Error(problem)))
        else if (among.every(({ heard }) => heard.has(reply))) end(resolve)
      }
      const timer = setTimeout(() => end(() => reject(new Error(`no tab of ${page} said "${reply}"`))), patience)
      listeners.add(look)
      look()
    })

  const order = (tab: Tab | undefined, message: Order): void => {
    tab?.frame.contentWindow?.postMessage(message, location.origin)
  }
  const first = tabs.slice(0, 1)

  addEventListener('message', hear)
  place.append(...tabs.map(({ frame }) => frame))
  const close = (): void => {
    removeEventListener('message', hear)
    for (const { frame } of tabs) frame.remove()
  }
  await allHave('ready', tabs).catch((error) => {
    close()
    throw error
  })

  return {
    get states() {
      return tabs.map(({ state }) => state)
    },
    async signIn() {
      order(tabs[0], { kind: 'sign-in' })
      await allHave('signed-in', first)
      for (const tab of tabs) order(tab, { kind: 'prepare' })
      await allHave('prepared', tabs)
    },
    fire(storm, callsPerTab) {
      for (const tab of tabs) {
        if (storm === 'storm') tab.state = { ...tab.state, calls: Array(callsPerTab).fill({}) }
        order(tab, { kind: 'fire', storm, count: callsPerTab })
      }
      onChange()
    },
    async signOut() {
      const open = tabs.filter(({ state }) => !state.isOnLoginPage).slice(0, 1)
      for (const tab of open) order(tab, { kind: 'sign-out' })
      await allHave('signed-out', open)
    },
    close,
  }
}

function takeReport(tab: Tab, report: Report): void {
  const { state } = tab
  switch (report.kind) {
    case 'failed':
      tab.problem = report.reason
      return
    case 'sent-to-login':
      tab.state = { ...state, sentToLogin: state.sentToLogin + 1 }
      return
    case 'login-page':
      tab.state = { ...state, isOnLoginPage: true, worksAfterwards: false }
      return
    case 'settled': {
      const { storm, call, outcome } = report
      if (storm === 'afterwards') tab.state = { ...state, worksAfterwards: outcome.kind === 'answered' }
      else tab.state = { ...state, calls: state.calls.map((old, index) => (index === call ? { outcome } : old)) }
      return
    }
    default:
      tab.heard.add(report.kind)
  }
}
