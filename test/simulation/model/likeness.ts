import { hash } from 'node:crypto'
import type { StoredState } from '../../../worker/core/adapter.ts'
import { numberOf, type Request, subjectOf, type Worker, type World } from './world.ts'

/** A hash: texts would fill the memory. */
export function nameOf(world: World): Buffer {
  return hash('sha1', textOf(world), 'buffer')
}

/**
 * States of which the same is told go on in the same way, so one of them stands for all. It does not matter which worker is
 * which, how many flights, generations, sessions and refresh tokens there have been, nor what was called what, where that
 * is gone for good. What is left to happen is not part of it.
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

/** What counts upwards, and means something only beside what else is there. */
interface Numbers {
  /** Sessions that something may still come of. Of others, nobody has a token, nor is anything of them ever stored again. */
  readonly sessions: readonly number[]
  /** By session, its refresh tokens. The current one is 0, the one before -1, which a grace may allow; then order counts. */
  readonly ranks: readonly ReadonlyMap<number, number>[]
  /** By session, the version of its first tokens, less one: so that a version is the number of its token. */
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

/** From 1; or 0, for one that is over. */
function nameSession(session: number, { sessions }: Numbers): number {
  return sessions.indexOf(session) + 1
}

/** The user of the first session that something may come of, or another. */
function nameUser(subject: string | undefined, { sessions: [first] }: Numbers): boolean {
  return first !== undefined && subject === subjectOf(first)
}

/** A step changes one worker, so what was told of the other is often still right. */
const told = new WeakMap<Worker, { readonly numbers: string; readonly text: string }>()

function describe(worker: Worker | undefined, request: Request | undefined, numbers: Numbers): string {
  if (worker === undefined) return ''
  let known = told.get(worker)
  if (known?.numbers !== numbers.text) {
    known = { numbers: numbers.text, text: toText(inOrder(worker), numbers, worker) }
    told.set(worker, known)
  }
  // An answer that tells of a session that is over is heard, and that is all.
  if (request === undefined || !numbers.sessions.includes(request.session)) return known.text
  const { flight, session, token, answer } = request
  const said = typeof answer === 'number' ? rank(session, answer, numbers) : answer
  return `${known.text} ${flight === flightOf(worker)} ${nameSession(session, numbers)} ${rank(session, token, numbers)} ${said}`
}

/** Always the same order, however it came to be. */
function inOrder({ session, writes, consults, looks, isHinted, timer, waiting, signIn, holdsLock, known }: Worker) {
  // What it has seen is of no use to it any more where it must look once more.
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
        // Of what belongs to an earlier flight or generation, nothing comes.
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
        // It tells a call that waits whether it has had its refresh.
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
        // A call that has waited for it knows.
        return undefined
      case 'number':
        return 0
      case 'reason':
        // Why a session has ended is shown, and nothing follows from it.
        return 'flights' in this && this.held === undefined ? undefined : field
      default:
        return field
    }
  })
}

/** Whether the sign-in that a call waits for still runs, or has brought what is held. */
function nameAwaited(signIn: number, worker: Worker | undefined): readonly boolean[] {
  return [signIn === worker?.session.signIn, signIn === worker?.session.begunBy]
}

/** Whether there are newer tokens than when the call began to wait. */
function hasNewer(worker: Worker | undefined): boolean {
  return (worker?.waiting?.waitingSince ?? Number.POSITIVE_INFINITY) < (worker?.session.version ?? 0)
}

/** The flight that is awaited, if there is one. */
function flightOf(worker: Worker | undefined): number | undefined {
  return worker !== undefined && 'flight' in worker.session.refresh ? worker.session.refresh.flight : undefined
}

const FLIGHT = /(worker \d+)(?:\.(\d+))?/g

/** Enough to put two workers in an order that does not depend on their names. */
function disguise(text: string, me: Worker | undefined, you: Worker | undefined): string {
  return text.replace(FLIGHT, (_whole, owner: string, flight?: string) => {
    const worker = owner === me?.name ? me : owner === you?.name ? you : undefined
    return `${worker === undefined ? 'gone' : worker === me ? 'me' : 'you'} ${isLast(worker, flight)}`
  })
}

/** Of a worker that is gone, and of a flight that is not the last one, all that matters is where it is named again. */
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
