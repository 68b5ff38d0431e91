import type { HistoryEntry } from 'lingpai'
import { element, find } from './element.ts'
import { formatCount, formatSeconds, formatTime } from './format.ts'

type Kind = 'good' | 'bad' | 'busy' | 'plain'

interface Line {
  readonly entry: HistoryEntry
  /** How many calls in a row had the same thing happen to them. */
  readonly count: number
}

const mostLines = 80
const aboutCalls: readonly string[] = ['call-waiting', 'call-replayed']

const kinds: Readonly<Record<string, Kind>> = {
  'signed-in': 'good',
  'session-restored': 'good',
  'refresh-succeeded': 'good',
  'refresh-started': 'busy',
  'refresh-ended': 'bad',
  'sign-in-failed': 'bad',
  'store-failed': 'bad',
  'revocation-failed': 'bad',
}

const refreshSentences: Readonly<Record<string, string>> = {
  expired: 'The token was due, so the worker asked the provider for a new one.',
  denied: 'An API refused the token, so the worker asked the provider for a new one.',
  retry: 'The worker asked the provider once more.',
}

let shown = ''

/** Shows what happened in the worker, newest first. */
export function showHistory(history: readonly HistoryEntry[]): void {
  const fingerprint = JSON.stringify([history.length, history.at(-1)])
  if (fingerprint === shown) return
  shown = fingerprint
  const lines = toLines(history).slice(-mostLines).reverse()
  find('history', HTMLElement).replaceChildren(...lines.map(toItem))
}

function toLines(history: readonly HistoryEntry[]): Line[] {
  const lines: Line[] = []
  for (const entry of history) {
    const isOfCalls = 'page' in entry
    if (isOfCalls && !aboutCalls.includes(entry.event)) continue
    const last = lines.at(-1)
    if (last && isOfCalls && last.entry.event === entry.event) {
      lines[lines.length - 1] = { entry, count: last.count + 1 }
    } else {
      lines.push({ entry, count: 1 })
    }
  }
  return lines
}

function toItem({ entry, count }: Line): HTMLLIElement {
  const { at, event, generation, version } = entry
  const time = element('time', { dateTime: new Date(at).toISOString() }, formatTime(at))
  const name = element('code', { title: `session ${generation}, token ${version}` }, event)
  const item = element('li', {}, time, element('p', { className: 'event' }, toSentence(entry, count), ' ', name))
  item.dataset.kind = kinds[event] ?? 'plain'
  return item
}

function toSentence(entry: HistoryEntry, count: number): string {
  const reason = 'reason' in entry ? entry.reason : undefined
  const because = reason === undefined ? '' : ` (${reason})`
  switch (entry.event) {
    case 'started':
      return 'The worker started; it had no session.'
    case 'session-restored':
      return 'The worker started and found the stored session.'
    case 'sign-in-begun':
      return 'Somebody went to the provider to sign in.'
    case 'sign-in-started':
      return 'The provider sent its answer; the worker is exchanging the code for tokens.'
    case 'sign-in-failed':
      return `The sign-in failed${because}.`
    case 'signed-in':
      return 'Signed in, in every tab.'
    case 'refresh-started':
      return refreshSentences[reason ?? ''] ?? 'The worker asked the provider for a new token.'
    case 'refresh-succeeded':
      return 'The provider gave a new token.'
    case 'refresh-ended':
      return `The refresh brought no token: ${entry.verdict}${because}.${entry.delay === undefined ? '' : ` Next attempt in ${formatSeconds(entry.delay)}.`}`
    case 'call-waiting':
      return `${formatCount(count, 'call')} waited for the refresh.`
    case 'call-replayed':
      return `${formatCount(count, 'call')} got a 401 for the old token and went out again with the new one.`
    case 'signed-out':
      return reason === undefined ? 'Signed out, in every tab.' : `The session has ended${because}.`
    case 'late-refresh-dropped':
      return 'The answer to a refresh came after its session had ended, and was dropped.'
    case 'late-sign-in-dropped':
      return 'Tokens came for a sign-in that was no longer wanted, and were dropped.'
    case 'revocation-failed':
      return 'The provider could not be told to forget the tokens; they end by themselves.'
    case 'store-failed':
      return 'The browser could not store the session; it lives on in memory.'
    default:
      return `${entry.event}${because}.`
  }
}
