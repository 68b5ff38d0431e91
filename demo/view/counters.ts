import type { Counters } from '../control.ts'
import { find } from './element.ts'

/** Shows what the servers counted, which is not for the page to say. */
export function showCounters({ authorizationServer, api }: Counters): void {
  const { tokenRequests, reuseDetections } = authorizationServer
  const values: Readonly<Record<string, number>> = {
    answers: api.answered,
    refusals: api.unauthorized,
    'token-requests': tokenRequests.authorization_code + tokenRequests.refresh_token,
    refreshes: tokenRequests.refresh_token,
    reuses: reuseDetections,
  }
  for (const [name, value] of Object.entries(values)) show(find(`count-${name}`, HTMLElement), value)
  find('count-reuses', HTMLElement).dataset.state = reuseDetections === 0 ? 'good' : 'bad'
}

function show(target: HTMLElement, value: number): void {
  const text = String(value)
  if (target.textContent === text) return
  const isFirst = target.textContent === '–'
  target.textContent = text
  if (!isFirst) target.animate([{ color: 'var(--accent)' }, {}], { duration: 1000 })
}
