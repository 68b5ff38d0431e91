import { hash } from 'node:crypto'
import type { Request, Worker, World } from './world.ts'

/** A step changes one worker: what is told of the others is there already. */
const told = new WeakMap<Worker, string>()

/**
 * States with the same name go on in the same way, so one of them stands for all: which worker is which does not matter,
 * nor how many flights and generations each has behind it. The name is a hash: texts would fill the memory.
 */
export function nameOf(world: World): string {
  const [one, other] = world.workers
  const first = { worker: one, text: describe(one, other, world.requests[0]) }
  const second = { worker: other, text: describe(other, one, world.requests[1]) }
  const [left, right] = first.text < second.text ? [first, second] : [second, first]
  const { orphans, record, sessions, over, left: remaining, isUntold, violation } = world
  const seen = orphans.map(({ session, token }) => [session, token])
  const rest = JSON.stringify([
    seen,
    record && { ...record, generation: 0 },
    sessions,
    over,
    remaining,
    isUntold,
    violation,
  ])
  const text = `${left.text}\n${right.text}\n${rename(rename(rest, left.worker, 'first'), right.worker, 'second')}`
  return hash('sha1', text, 'base64')
}

function describe(worker: Worker | undefined, other: Worker | undefined, request: Request | undefined): string {
  if (worker === undefined) return ''
  const text = told.get(worker) ?? tell(worker)
  told.set(worker, text)
  if (request === undefined) return rename(text, other, 'you')
  const { flight, session, token, answer } = request
  return `${rename(text, other, 'you')} ${flight === worker.session.flights} ${session} ${token} ${answer}`
}

function tell(worker: Worker): string {
  const { flights, generation } = worker.session
  const text = JSON.stringify({ ...worker, session: { ...worker.session, flights: 0 } }).replace(
    /"(flight|consults|timer|holdsLock|generation)":(\d+)/g,
    // Of an earlier flight or generation, all that matters is that it is not the current one.
    (_whole, name: string, number: string) =>
      `${name} ${Number(number) === (name === 'generation' ? generation : flights)}`,
  )
  return rename(text, worker, 'me')
}

/** Flights of a worker are counted back from its last one. */
function rename(text: string, worker: Worker | undefined, name: string): string {
  if (worker === undefined || !text.includes(worker.name)) return text
  return text
    .split(worker.name)
    .map((part, index) => {
      if (index === 0) return part
      const flight = /^\.(\d+)/.exec(part)
      return flight
        ? `${name}.${worker.session.flights - Number(flight[1])}${part.slice(flight[0].length)}`
        : name + part
    })
    .join('')
}
