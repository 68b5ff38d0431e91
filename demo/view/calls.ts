import { apiOrigin } from 'virtual:servers'
import { readAttempts, readCounters } from '../control.ts'
import { session } from '../session.ts'
import { codeOf, describeError } from './describe-error.ts'
import { element, find } from './element.ts'
import { formatCount, formatTime } from './format.ts'

interface Call {
  readonly id: string
  readonly item: HTMLElement
  readonly outcome: HTMLElement
  readonly duration: HTMLElement
}

const mostBatches = 5

/** Calls the API so many times at once, and shows each call as it goes. */
export async function makeCalls(count: number): Promise<void> {
  const batch = crypto.randomUUID()
  const calls = Array.from({ length: count }, (_, index) => createCall(`${batch}.${index + 1}`, index + 1))
  const title = element('h3', {}, formatCount(count, 'call'))
  const summary = element('p', {}, 'waiting…')
  showBatch(
    element('article', {}, element('header', {}, title, summary), element('ol', {}, ...calls.map(({ item }) => item))),
  )

  const before = await readCounters()
  const startedAt = performance.now()
  const outcomes = await Promise.all(calls.map(makeCall))
  const duration = Math.round(performance.now() - startedAt)
  const [after, replays] = await Promise.all([readCounters(), showReplays(batch, calls)])

  const refreshes = countRefreshes(after) - countRefreshes(before)
  const answers = outcomes.filter(Boolean).length
  const failures = count - answers
  title.textContent = `${formatCount(count, 'call')}, ${formatCount(refreshes, 'refresh', 'refreshes')}`
  const details = [
    `${answers} answered`,
    ...(replays > 0 ? [`${replays} sent twice`] : []),
    ...(failures > 0 ? [`${failures} failed`] : []),
    `${duration} ms`,
  ]
  summary.textContent = `${details.join(', ')}, at ${formatTime(Date.now())}`
  find('calls-summary', HTMLElement).textContent = `${title.textContent}: ${details.join(', ')}.`
}

function createCall(id: string, number: number): Call {
  const outcome = element('span', { className: 'outcome' }, 'waiting')
  const duration = element('small', {})
  const item = element('li', {}, element('b', {}, String(number)), outcome, duration)
  item.dataset.state = 'waiting'
  return { id, item, outcome, duration }
}

async function makeCall({ id, item, outcome, duration }: Call): Promise<boolean> {
  const startedAt = performance.now()
  let isAnswered = false
  try {
    const response = await session.fetch(`${apiOrigin}/orders`, { headers: { 'X-Call': id } })
    await response.arrayBuffer()
    isAnswered = response.ok
    outcome.textContent = String(response.status)
  } catch (error) {
    outcome.textContent = codeOf(error)
    item.title = describeError(error)
  }
  item.dataset.state = isAnswered ? 'answered' : 'failed'
  duration.textContent = `${Math.round(performance.now() - startedAt)} ms`
  return isAnswered
}

/** The page cannot see a replay, only its last answer: the API's own log tells. */
async function showReplays(batch: string, calls: readonly Call[]): Promise<number> {
  const attempts = await readAttempts(batch)
  let replays = 0
  for (const { id, item, outcome } of calls) {
    const statuses = attempts[id] ?? []
    if (statuses.length < 2) continue
    replays += 1
    outcome.textContent = statuses.join(' → ')
    item.dataset.state = item.dataset.state === 'answered' ? 'replayed' : 'failed'
  }
  return replays
}

function showBatch(batch: HTMLElement): void {
  const list = find('batches', HTMLElement)
  find('no-calls', HTMLElement).hidden = true
  list.prepend(batch)
  list.scrollTop = 0
  while (list.childElementCount > mostBatches) list.lastElementChild?.remove()
}

function countRefreshes({ authorizationServer }: Awaited<ReturnType<typeof readCounters>>): number {
  return authorizationServer.tokenRequests.refresh_token
}
