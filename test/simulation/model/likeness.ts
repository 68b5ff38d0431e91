import { hash } from 'node:crypto'
import type { StoredState } from '../../../worker/core/adapter.ts'
import { numberOf, type Request, subjectOf, type Worker, type World } from './world.ts'

/** A hash, because texts would need too much memory. */
export function nameOf(world: World): Buffer {
  return hash('sha1', textOf(world), 'buffer')
}

/**
 * States with the same description continue in the same way, so one of them represents all. The description omits which
 * worker is which, the counts of past flights, generations, sessions and refresh tokens, and names that are not used again.
 * It also omits the events that are left.
 */
export function textOf(world: World): string {
  const numbers = numbersOf(world)
  const [one, other] = world.workers
  const first = { worker: one, text: describe(one, world.requests[0], numbers) }
  const second = { worker: other, text: describe(other, world.requests[1], numbers) }
  const isInOrder = disguise(first.text, one, other) < disguise(second.text, other, one)
  const [left, right] = isInOrder ? [first, second] : [second, first]
  const { orphans, record, sessions, over, isUntold } = world
  const rest = [
    orphans
      .filter(({ session }) => numbers.sessions.includes(session))
      .map(({ session, token }) => `${nameSession(session, numbers)} ${rank(session, token, numbers)}`)
      .sort(),
    record,
    numbers.sessions.map((session) => [sessions[session - 1]?.ended, sessions[session - 1]?.mayEnd]),
    numbers.sessions.map((session) => over.includes(session)),
    nameUser(subjectOf(sessions.length + 1), numbers),
    isUntold,
  ]
  return rename(`${left.text}\n${right.text}\n${toText(rest, numbers)}`, left.worker, right.worker)
}

/** Counters, which have a meaning only relative to other values. */
interface Numbers {
  /** Sessions that may still have an effect. Of the others, no worker has a token, and none is ever stored again. */
  readonly sessions: readonly number[]
  /** By session, its refresh tokens. The current one is 0, the one before is -1 (a grace period may allow it); then by order. */
  readonly ranks: readonly ReadonlyMap<number, number>[]
  /** By session, the version of its first tokens minus one, so that a version is the number of its token. */
  readonly firstVersions: readonly number[]
  readonly text: string
}

function numbersOf({ sessions, workers, record, requests, orphans }: World): Numbers {
  const firstVersions = sessions.map(({ firstVersion }) => (firstVersion ?? 1) - 1)
  const tokens = sessions.map(({ current }) => new Set([current]))
  const alive = new Set<number>()
  const add = (session: number, token: number) => tokens[session - 1]?.add(token)
  const addState = ({ sessionId, version }: { sessionId?: string | undefined; version?: number | undefined }) => {
    const session = numberOf(sessionId)
    if (version !== undefined) add(session, version - (firstVersions[session - 1] ?? 0))
    return session
  }
  for (const worker of workers) {
    if (worker === undefined) continue
    const { session, writes, looks, known, signIn } = worker
    alive.add(addState(session))
    if (signIn?.session !== undefined) alive.add(signIn.session)
    if ('replaces' in session.refresh) addState(session.refresh.replaces ?? {})
    for (const write of writes) {
      if ('record' in write) alive.add(addState(stateOf(write.record)))
      addState(('only' in write ? write.only : 'replaces' in write ? write.replaces : undefined) ?? {})
    }
    if (looks?.read.kind === 'session' && !looks.isOutdated) alive.add(addState(stateOf(looks.read.session)))
    for (const [session, token] of Object.entries(known)) add(Number(session), token)
  }
  if (record !== undefined) alive.add(addState(stateOf(record)))
  for (const request of [...requests, ...orphans]) {
    if (request === undefined) continue
    const { session, token, answer } = request
    add(session, token)
    if (typeof answer === 'number') add(session, answer)
  }
  const ranks = tokens.map((set, index) => rankAll(set, sessions[index]?.current ?? 0))
  const living = [...alive].filter((session) => session > 0).sort()
  return { sessions: living, ranks, firstVersions, text: `${living} ${ranks.map((map) => [...map])} ${firstVersions}` }
}

function stateOf({ sessionId, version }: { sessionId: string; version: number }) {
  return { sessionId, version }
}

function rankAll(tokens: ReadonlySet<number>, current: number): Map<number, number> {
  let last = 1
  return new Map(
    [...tokens]
      .sort((one, other) => other - one)
      .map((token) => {
        last = token > current ? Number.MAX_SAFE_INTEGER : Math.max(token - current, Math.min(last - 1, -2))
        return [token, last]
      }),
  )
}

function rank(session: number, token: number, { ranks }: Numbers): number {
  const known = ranks[session - 1]?.get(token)
  if (known === undefined) throw new Error(`refresh token ${token} of session ${session} is not among those that count`)
  return known
}

/** The number from 1, or 0 for a session that has ended. */
function nameSession(session: number, { sessions }: Numbers): number {
  return sessions.indexOf(session) + 1
}

/** The user of the first session that may still have an effect, or another. */
function nameUser(subject: string | undefined, { sessions: [first] }: Numbers): boolean {
  return first !== undefined && subject === subjectOf(first)
}

/** A step changes one worker, so the other worker's description often stays valid. */
const told = new WeakMap<Worker, { readonly numbers: string; readonly text: string }>()

function describe(worker: Worker | undefined, request: Request | undefined, numbers: Numbers): string {
  if (worker === undefined) return ''
  let known = told.get(worker)
  if (known?.numbers !== numbers.text) {
    known = { numbers: numbers.text, text: toText(inOrder(worker), numbers, worker) }
    told.set(worker, known)
  }
  // A response for a session that has ended has no effect.
  if (request === undefined || !numbers.sessions.includes(request.session)) return known.text
  const { flight, session, token, answer } = request
  const said = typeof answer === 'number' ? rank(session, answer, numbers) : answer
  return `${known.text} ${flight === flightOf(worker)} ${nameSession(session, numbers)} ${rank(session, token, numbers)} ${said}`
}

/** An order that does not depend on the path. */
function inOrder({ session, writes, consults, looks, isHinted, timer, waiting, signIn, holdsLock, known }: Worker) {
  // If the worker must read the store again, the result of its last read is not used.
  const useful = looks?.isOutdated ? { flight: looks.flight, isOutdated: true } : looks
  const all = { session, writes, consults, looks: useful, isHinted, timer, waiting, signIn, holdsLock, known }
  return all satisfies Readonly<Record<Exclude<keyof Worker, 'name'>, unknown>>
}

interface Holder extends Partial<StoredState> {
  readonly format?: number
  readonly held?: object
}

function toText(value: unknown, numbers: Numbers, worker?: Worker): string {
  return JSON.stringify(value, function (this: Holder, key: string, field: unknown) {
    switch (key) {
      case 'flight':
      case 'consults':
      case 'timer':
      case 'holdsLock':
        // Events of an earlier flight or generation have no effect.
        return (field !== undefined && field === flightOf(worker)) || undefined
      case 'flights':
        return 0
      case 'generation':
        return 'format' in this ? 0 : field === worker?.session.generation
      case 'sessionId':
        return nameSession(numberOf(field as string | undefined), numbers)
      case 'version': {
        const session = numberOf(this.sessionId)
        if (nameSession(session, numbers) === 0) return 0
        return rank(session, (field as number) - (numbers.firstVersions[session - 1] ?? 0), numbers)
      }
      case 'endedIds': {
        const sessions = (field as string[]).map((sessionId) => nameSession(numberOf(sessionId), numbers))
        const last = this.sessionId === undefined ? sessions.at(-1) : undefined
        return [last, numbers.sessions.map((_session, index) => sessions.includes(index + 1))]
      }
      case 'isAdopted':
        // A waiting call uses it to know whether it has had its refresh.
        return field && hasNewer(worker)
      case 'waitingSince':
        return hasNewer(worker)
      case 'accessToken':
      case 'refreshToken': {
        const [session, token] = (field as string).split('.').map(Number) as [number, number]
        return [nameSession(session, numbers), rank(session, token, numbers)]
      }
      case 'known':
        return numbers.sessions.map((session) => {
          const token = (field as Worker['known'])[session]
          return token === undefined ? null : rank(session, token, numbers)
        })
      case 'session':
        return typeof field === 'number' ? nameSession(field, numbers) : field
      case 'subject':
        return nameUser(field as string, numbers)
      case 'signIn':
        if (typeof field !== 'number') return field
        return 'call' in this ? nameAwaited(field, worker) : field === worker?.signIn?.number
      case 'begunBy':
        // A call that has waited for this flight knows it.
        return undefined
      case 'number':
        return 0
      case 'reason':
        // The reason for a session's end is only shown.
        return 'flights' in this && this.held === undefined ? undefined : field
      default:
        return field
    }
  })
}

/** Whether the sign-in that a call waits for still runs, or has brought the held tokens. */
function nameAwaited(signIn: number, worker: Worker | undefined): readonly boolean[] {
  return [signIn === worker?.session.signIn, signIn === worker?.session.begunBy]
}

/** Whether the tokens are newer than at the start of the call's wait. */
function hasNewer(worker: Worker | undefined): boolean {
  return (worker?.waiting?.waitingSince ?? Number.POSITIVE_INFINITY) < (worker?.session.version ?? 0)
}

/** The flight that the call waits for, if there is one. */
function flightOf(worker: Worker | undefined): number | undefined {
  return worker !== undefined && 'flight' in worker.session.refresh ? worker.session.refresh.flight : undefined
}

const FLIGHT = /(worker \d+)(?:\.(\d+))?/g

/** A key that sorts two workers independently of their names. */
function disguise(text: string, me: Worker | undefined, you: Worker | undefined): string {
  return text.replace(FLIGHT, (_whole, owner: string, flight?: string) => {
    const worker = owner === me?.name ? me : owner === you?.name ? you : undefined
    return `${worker === undefined ? 'gone' : worker === me ? 'me' : 'you'} ${isLast(worker, flight)}`
  })
}

/** For a dead worker, and for a flight that is not the last, only equal names matter. */
function rename(text: string, left: Worker | undefined, right: Worker | undefined): string {
  const earlier = new Map<string, number>()
  return text.replace(FLIGHT, (whole, owner: string, flight?: string) => {
    const worker = owner === left?.name ? left : owner === right?.name ? right : undefined
    const name = worker === left ? 'left' : 'right'
    if (worker !== undefined && flight === undefined) return name
    if (worker !== undefined && isLast(worker, flight)) return `${name} last`
    const number = earlier.get(whole) ?? earlier.size
    earlier.set(whole, number)
    return `${worker === undefined ? 'gone' : name} ${number}`
  })
}

function isLast(worker: Worker | undefined, flight: string | undefined): boolean {
  return Number(flight) === flightOf(worker)
}
