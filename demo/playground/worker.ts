import type { HistoryEntry, Snapshot } from 'lingpai'
import { find } from '../page/element.ts'
import { language } from '../page/language.ts'
import { nameOf } from '../page/user.ts'
import { texts } from './texts.ts'

const tick = 200
/** lingpai's own default: a call in the last fifth of a token's life refreshes it first. */
const margin = 0.2
const startsLife: readonly string[] = ['signed-in', 'refresh-succeeded', 'session-restored', 'tokens-adopted']

interface Life {
  readonly from: number
  readonly until: number
}

/** Shows the worker's state: the user, the age of the token and the token server's availability. */
export function createWorkerLine() {
  let snapshot: Snapshot | undefined
  let life: Life | undefined
  /** The worker's clock minus this page's clock, if the user has moved it. */
  let ahead = 0

  function draw(): void {
    if (snapshot === undefined) return
    const { status, user, tokenServer, reason, mode } = snapshot
    const name = status === 'signed-in' ? nameOf(user) : texts().status[status]
    const why = reason === undefined ? '' : texts().because(texts().reasons[reason] ?? reason)
    set('session', `${name}${why}`)
    set('token-server', texts().tokenServers[tokenServer])
    find('token-server', HTMLElement).dataset.state = tokenServer
    document.body.dataset.status = status
    set('worker-name', texts().modes[mode])
    drawToken()
  }

  function drawToken(): void {
    const isHeld = snapshot?.status === 'signed-in'
    const remaining = life === undefined ? 0 : Math.max(0, life.until - Date.now() - ahead)
    const fraction = isHeld && life !== undefined ? Math.min(1, remaining / (life.until - life.from)) : 0
    const bar = find('token-bar', HTMLElement)
    bar.style.setProperty('--fraction', fraction.toFixed(3))
    bar.dataset.state = fraction > margin ? 'fresh' : 'due'
    set('token-remaining', !isHeld ? texts().noToken : describe(remaining))
  }

  function describe(remaining: number): string {
    if (life === undefined) return texts().ageUnknown
    return remaining === 0 ? texts().expired : texts().remaining((remaining / 1000).toFixed(1))
  }

  language.follow(draw)
  setInterval(drawToken, tick)

  return {
    show(next: Snapshot): void {
      snapshot = next
      draw()
    },
    /** Reads when the current token arrived, and when it expires. */
    read(news: readonly HistoryEntry[]): void {
      const last = news.at(-1)
      if (last !== undefined) ahead = Math.max(0, last.at - Date.now())
      const entry = news.filter(({ event }) => startsLife.includes(event)).at(-1)
      if (entry === undefined) return
      const expiresAt = 'expiresAt' in entry ? entry.expiresAt : undefined
      life = expiresAt === undefined || expiresAt <= entry.at ? undefined : { from: entry.at, until: expiresAt }
      drawToken()
    },
  }
}

function set(id: string, text: string): void {
  const target = find(id, HTMLElement)
  if (target.textContent !== text) target.textContent = text
}
