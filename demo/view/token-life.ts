import type { HistoryEntry } from 'lingpai'
import { find } from './element.ts'
import { formatSeconds } from './format.ts'

interface Life {
  readonly from: number
  readonly until: number
}

const tick = 200
/** lingpai's own default: a call in the last fifth of a token's life refreshes it first. */
const margin = 0.2
const startsLife: readonly string[] = ['signed-in', 'refresh-succeeded', 'session-restored']

let life: Life | undefined

/** Runs for as long as the page does. */
export function startTokenLife(): void {
  setInterval(show, tick)
}

/** Reads from the history when the current token came and when it ends. */
export function updateTokenLife(history: readonly HistoryEntry[], isSignedIn: boolean): void {
  const entry = history.filter(({ event }) => startsLife.includes(event)).at(-1)
  const expiresAt = entry !== undefined && 'expiresAt' in entry ? entry.expiresAt : undefined
  life =
    isSignedIn && entry !== undefined && expiresAt !== undefined && expiresAt > entry.at
      ? { from: entry.at, until: expiresAt }
      : undefined
  find('token-life', HTMLElement).hidden = !isSignedIn
  show()
}

function show(): void {
  const remaining = life === undefined ? 0 : Math.max(0, life.until - Date.now())
  const fraction = life === undefined ? 0 : Math.min(1, remaining / (life.until - life.from))
  const bar = find('token-bar', HTMLElement)
  bar.style.setProperty('--fraction', fraction.toFixed(3))
  bar.dataset.state = fraction > margin ? 'fresh' : fraction > 0 ? 'due' : 'over'
  find('token-remaining', HTMLElement).textContent = describe(remaining)
}

function describe(remaining: number): string {
  if (life === undefined) return 'age unknown'
  return remaining === 0 ? 'expired' : formatSeconds(remaining)
}
