import type { StoredSession, StoredState, TokenSet } from '../../../worker/core/adapter.ts'
import type { Effect, SessionEvent, SessionRules, TokenRequest } from '../../../worker/core/session/events.ts'
import {
  type Claim,
  isExclusive,
  isSettling,
  type Refresh,
  type SessionState,
  startSession,
} from '../../../worker/core/session/state.ts'
import { transition } from '../../../worker/core/session/transition.ts'
import { isInState, type StoreRead } from '../../../worker/core/shared-record.ts'

/** The only time of this model. Every token has expired, so each call needs a refresh. A timer may be due at any time. */
const NOW = 1_000_000_000
const USERS = ['ann', 'bob'] as const

/** The limits of the events, so that the exploration ends. */
export interface Scope {
  readonly signIns: number
  readonly signOuts: number
  readonly rotations: number
  readonly crashes: number
  readonly losses: number
  /** Whether the server accepts the previous refresh token, as after a lost response. */
  readonly hasGrace: boolean
}

type StoreWrite =
  | {
      readonly do: 'save'
      readonly flight: number
      readonly record: StoredSession
      readonly replaces?: StoredState | null
    }
  | {
      readonly do: 'writeClaim'
      readonly flight: number
      readonly record: StoredSession
      readonly replaces: StoredState | null
    }
  | { readonly do: 'writeFailure'; readonly record: StoredSession; readonly replaces: StoredState }
  | { readonly do: 'clear'; readonly only?: StoredState }
  | { readonly do: 'clearRejected'; readonly flight: number; readonly only: StoredState }

export interface Request {
  readonly flight: number
  readonly session: number
  readonly token: number
  /** The server's response: the number of a refresh token, or the end of the session. */
  readonly answer?: number | 'rejected'
}

export interface Worker {
  readonly name: string
  readonly session: SessionState
  /** Pending writes, which run in order. */
  readonly writes: readonly StoreWrite[]
  /** The flight that waits for the lock or for a read of the store. */
  readonly consults?: number
  /** A requested read of the store, and its result. */
  readonly looks?: { readonly flight?: number; readonly read: StoreRead; readonly isOutdated?: boolean }
  readonly isHinted: boolean
  readonly timer?: number
  readonly waiting?: TokenRequest
  /** The sign-in in progress, and the session that the server has started for it. */
  readonly signIn?: { readonly number: number; readonly session?: number }
  readonly holdsLock?: number
  /** By session, the refresh tokens that the worker knows to be used: those below this number. */
  readonly known: Readonly<Record<number, number>>
}

interface ServerSession {
  readonly current: number
  readonly ended?: 'revoked' | 'reuse'
  /** Whether the session may have ended for a reason that the invariants allow. */
  readonly mayEnd: boolean
  /** The sign-in that started it. */
  readonly signIn: number
  /** The version of its first tokens, from the worker that signed in. All other versions count from it. */
  readonly firstVersion?: number
}

export interface World {
  readonly workers: readonly (Worker | undefined)[]
  /** Requests of dead workers that may still arrive at the server. */
  readonly orphans: readonly Request[]
  readonly record?: StoredSession
  readonly sessions: readonly ServerSession[]
  /** Sessions that were removed from the store. */
  readonly over: readonly number[]
  readonly left: Omit<Scope, 'hasGrace'>
  readonly requests: readonly (Request | undefined)[]
  readonly starts: number
  /** Whether no hint was sent of a change of the stored session. The other workers find it at their next read. */
  readonly isUntold?: boolean
  readonly violation?: string
}

export interface Step {
  readonly label: string
  readonly next: World
}

export function startWorld({ hasGrace, ...left }: Scope): World {
  const world: World = {
    workers: [undefined, undefined],
    orphans: [],
    sessions: [],
    over: [],
    left,
    requests: [undefined, undefined],
    starts: 0,
  }
  return startWorker(startWorker(world, 0), 1)
}

function startWorker(world: World, at: number): World {
  const worker: Worker = {
    name: `worker ${world.starts + 1}`,
    session: startSession(world.record),
    writes: [],
    isHinted: false,
    known: world.record ? { [numberOf(world.record.sessionId)]: tokenOf(world.record.tokens) } : {},
  }
  return { ...replaceWorker(world, at, worker), starts: world.starts + 1 }
}

/** Everything that can happen next. */
export function stepsFrom(world: World, scope: Scope): Step[] {
  const steps: Step[] = []
  const add = (label: string, next: World) => steps.push({ label, next })
  const { left } = world
  for (const [at, worker] of world.workers.entries()) {
    if (worker === undefined) {
      add(`a new worker starts`, startWorker(world, at))
      continue
    }
    const { name, session } = worker
    const dispatch = (label: string, event: SessionEvent, changes: Partial<Worker> = {}, from = world) =>
      add(`${name} ${label}`, apply(from, at, { ...worker, ...changes }, event))

    const [write] = worker.writes
    if (write !== undefined) {
      add(`the store takes "${write.do}" of ${name}`, commit(world, at, write))
      if (left.crashes > 0)
        add(`${name} crashes while the store takes its "${write.do}"`, crash(take(world, at, write), at))
    }

    // A worker's read runs after its pending writes, as in IndexedDB.
    const isWritten = write === undefined
    if (isWritten && worker.consults !== undefined && worker.looks === undefined) {
      const holder = world.workers.findIndex((one) => one?.holdsLock !== undefined)
      if (holder === -1 || holder === at) {
        const isAwaited = isReading(session.refresh) && session.refresh.flight === worker.consults
        const { consults, ...rest } = worker
        const next = isAwaited
          ? { ...rest, holdsLock: consults, looks: { flight: consults, read: readStore(world) } }
          : rest
        add(`${name} has the lock and looks into the store`, learn(replaceWorker(world, at, next), at, isAwaited))
      }
    }
    if (worker.looks?.isOutdated) {
      // If an own write has overtaken a read, the worker reads again.
      const { flight } = worker.looks
      const again = { ...worker, looks: { ...(flight !== undefined && { flight }), read: readStore(world) } }
      if (isWritten) add(`${name} looks once more`, learn(replaceWorker(world, at, again), at, true))
    } else if (worker.looks !== undefined) {
      const { looks, ...rest } = worker
      const { flight, read } = looks
      const event: SessionEvent = { type: 'storeRead', flight, read, now: NOW }
      add(`${name} knows what it has seen`, apply(world, at, rest, event))
    } else if (isWritten && worker.isHinted && !isSettling(session)) {
      const looking = { ...worker, isHinted: false, looks: { read: readStore(world) } }
      add(`${name} looks, for a hint`, learn(replaceWorker(world, at, looking), at, true))
    }
    if (worker.timer !== undefined && isDue(world, at, session)) {
      const { timer, ...rest } = worker
      add(`${name} has waited long enough`, apply(world, at, rest, { type: 'retryDue', flight: timer, now: NOW }))
    }
    const request = world.requests[at]
    if (request !== undefined) addAnswers(world, at, worker, request, scope, add)

    const isCalm = worker.waiting === undefined && session.refresh.kind === 'idle'
    const isCallable = session.held !== undefined || session.signIn !== undefined
    if (isCalm && isCallable && left.rotations > 0) {
      const call: TokenRequest = {
        call: 'call',
        api: 'api',
        generation: session.generation,
        subject: session.held?.subject,
        signIn: session.held ? undefined : session.signIn,
        waitingSince: undefined,
        deniedVersion: undefined,
        mayRefresh: true,
      }
      add(`${name} is called`, ask(world, at, worker, call))
    }
    if (worker.signIn === undefined && left.signIns > 0) {
      const number = world.sessions.length + left.signIns
      const used = { ...world, left: { ...left, signIns: left.signIns - 1 } }
      dispatch('begins a sign-in', { type: 'signInStarted', signIn: number }, { signIn: { number } }, used)
    }
    if (worker.signIn?.session === undefined && worker.signIn !== undefined) {
      const signIn = { ...worker.signIn, session: world.sessions.length + 1 }
      const started = { current: 1, mayEnd: false, signIn: signIn.number }
      const begun = { ...world, sessions: [...world.sessions.map(mayEnd), started] }
      add(`the server begins session ${signIn.session}`, replaceWorker(begun, at, { ...worker, signIn }))
    }
    if (worker.signIn?.session !== undefined) {
      const { signIn, ...rest } = worker
      const { number, session: started = 0 } = signIn
      const tokens = tokensOf(started, 1)
      const known = { ...worker.known, [started]: 1 }
      const event: SessionEvent = { type: 'signInSucceeded', signIn: number, tokens, sessionId: `session ${started}` }
      const replaced = {
        ...world,
        sessions: world.sessions.map((one, index) =>
          index === started - 1 ? { ...one, firstVersion: session.version + 1 } : mayEnd(one),
        ),
      }
      add(`${name} has signed ${tokens.subject} in`, apply(replaced, at, { ...rest, known }, event))
    }
    if (session.held !== undefined && left.signOuts > 0) {
      const number = numberOf(session.sessionId)
      const sessions = world.sessions.map((one, index) => (index === number - 1 ? mayEnd(one) : one))
      const used = { ...world, sessions, left: { ...left, signOuts: left.signOuts - 1 } }
      dispatch('signs out', { type: 'signedOut' }, {}, used)
    }
    if (left.crashes > 0) add(`${name} crashes`, crash(world, at))
  }
  for (const [index, orphan] of world.orphans.entries()) {
    const rest = { ...world, orphans: world.orphans.filter((_one, at) => at !== index) }
    add(`the server sees refresh token ${orphan.token} of a worker that is gone`, serve(rest, orphan, scope)[0])
    add(`refresh token ${orphan.token} of a worker that is gone never arrives`, rest)
  }
  return steps
}

/** The violations in a state without spontaneous steps. */
export function checkRest(world: World): string | undefined {
  const live = world.workers.filter((worker) => worker !== undefined)
  if (live.some(({ waiting }) => waiting !== undefined)) return 'I3: a call waits, and nothing will end that'
  if (world.isUntold) return undefined
  const ofStore = world.record?.sessionId
  const other = live.find(({ session }) => session.sessionId !== ofStore)
  if (other !== undefined)
    return `I6: ${other.name} holds ${other.session.sessionId ?? 'nothing'}, the store ${ofStore ?? 'nothing'}`
  return undefined
}

/** Whether a step is spontaneous, and not an act of a user, a crash or a loss. */
export function isByItself(label: string): boolean {
  return !/is called|begins a sign-in|signs out|crashes|is lost|never arrives/.test(label)
}

function addAnswers(
  world: World,
  at: number,
  worker: Worker,
  request: Request,
  scope: Scope,
  add: (label: string, next: World) => void,
): void {
  const { flight, session, token, answer } = request
  const name = `refresh token ${token} of session ${session}`
  const done = { ...world, requests: world.requests.map((one, index) => (index === at ? undefined : one)) }
  if (answer === undefined) {
    const [served, said] = serve(world, request, scope)
    const requests = served.requests.map((one, index) => (index === at ? { ...request, answer: said } : one))
    add(`the server answers ${name}: ${said === 'rejected' ? said : 'accepted'}`, { ...served, requests })
  } else {
    const known = { ...worker.known, [session]: answer === 'rejected' ? Number.MAX_SAFE_INTEGER : answer }
    const event: SessionEvent =
      answer === 'rejected'
        ? ended(flight, 'rejected')
        : { type: 'refreshSucceeded', flight, tokens: tokensOf(session, answer) }
    add(`${worker.name} hears the answer to ${name}`, apply(done, at, { ...worker, known }, event))
  }
  if (world.left.losses === 0) return
  const lost = { ...done, left: { ...world.left, losses: world.left.losses - 1 } }
  add(
    `${answer === undefined ? '' : 'the answer to '}${name} is lost`,
    apply(lost, at, worker, ended(flight, 'unknown')),
  )
}

function ended(flight: number, verdict: 'rejected' | 'unknown'): SessionEvent {
  return { type: 'refreshEnded', flight, verdict, reason: verdict, retryAfter: undefined, now: NOW, random: 0 }
}

/** Rotates, or detects the reuse of a token. */
function serve(world: World, { session, token }: Request, { hasGrace }: Scope): [World, number | 'rejected'] {
  const kept = world.sessions[session - 1] as ServerSession
  const become = (changed: ServerSession): World => ({
    ...world,
    sessions: world.sessions.map((one, index) => (index === session - 1 ? changed : one)),
  })
  if (kept.ended !== undefined) return [become(mayEnd(kept)), 'rejected']
  if (token === kept.current) {
    const rotated = become({ ...kept, current: token + 1 })
    return [{ ...rotated, left: { ...world.left, rotations: world.left.rotations - 1 } }, token + 1]
  }
  if (hasGrace && token === kept.current - 1) return [world, kept.current]
  const reused = become({ ...mayEnd(kept), ended: 'reuse' })
  const isArrived =
    (world.record !== undefined &&
      numberOf(world.record.sessionId) === session &&
      tokenOf(world.record.tokens) > token) ||
    world.workers.some((worker) => (worker?.known[session] ?? 0) > token)
  return [
    hasGrace || isArrived
      ? violate(reused, `I9: refresh token ${token} is used again after its response had arrived`)
      : reused,
    'rejected',
  ]
}

function crash(world: World, at: number): World {
  const request = world.requests[at]
  return {
    ...world,
    workers: world.workers.map((one, index) => (index === at ? undefined : one)),
    requests: world.requests.map((one, index) => (index === at ? undefined : one)),
    orphans: request === undefined || request.answer !== undefined ? world.orphans : [...world.orphans, request],
    left: { ...world.left, crashes: world.left.crashes - 1 },
  }
}

/** The effect of a write on the store, before the hints. */
function take(world: World, at: number, write: StoreWrite): World {
  const { record: old, ...empty } = world
  if (!isExpected(old, write)) return world
  const isClear = write.do === 'clear' || write.do === 'clearRejected'
  const taken: World = isClear ? empty : { ...world, record: write.record }
  const isNews = taken.record?.sessionId !== old?.sessionId
  const next = checkCommit(isNews ? { ...taken, isUntold: true } : taken, old, world.workers[at] as Worker)
  // The later write of two sign-ins is valid.
  const isSignIn = write.do === 'save' && write.replaces === undefined && old !== undefined
  if (!isSignIn) return next
  return {
    ...next,
    sessions: next.sessions.map((one, index) => (index === numberOf(old.sessionId) - 1 ? mayEnd(one) : one)),
  }
}

function isExpected(record: StoredSession | undefined, write: StoreWrite): boolean {
  const kept = record && stateOf(record)
  if (write.do !== 'clear' && write.do !== 'clearRejected') return isInState(kept, write.replaces)
  return kept === undefined || write.only === undefined || isInState(kept, write.only)
}

function commit(world: World, at: number, write: StoreWrite): World {
  const worker = world.workers[at] as Worker
  const before = { ...outdate(worker), writes: worker.writes.slice(1) }
  const isWanted = isExpected(world.record, write)
  const next = isWanted ? hint(take(world, at, write), at) : world
  const outcome = isWanted ? 'done' : 'conflict'
  switch (write.do) {
    case 'save': {
      const event: SessionEvent = { type: 'saved', flight: write.flight, stored: isWanted || readStore(next) }
      return apply(next, at, before, event)
    }
    case 'writeClaim':
      return apply(next, at, before, { type: 'claimWritten', flight: write.flight, outcome, now: NOW })
    case 'clearRejected': {
      const event: SessionEvent = {
        type: 'rejectionSettled',
        flight: write.flight,
        outcome: isWanted ? 'done' : readStore(next),
      }
      return apply(next, at, before, event)
    }
    default:
      return replaceWorker(next, at, before)
  }
}

function checkCommit(world: World, old: StoredSession | undefined, by: Worker): World {
  const { record, over } = world
  if (record !== undefined && over.includes(numberOf(record.sessionId)))
    return violate(world, `I5: ${by.name} writes session ${numberOf(record.sessionId)} again after its end`)
  if (old === undefined || old.sessionId === record?.sessionId) {
    const isOlder = old && record && tokenOf(record.tokens) < tokenOf(old.tokens)
    return isOlder ? violate(world, `I5: ${by.name} stores older tokens`) : world
  }
  return { ...world, over: [...over, numberOf(old.sessionId)] }
}

function outdate(worker: Worker): Worker {
  return worker.looks === undefined ? worker : { ...worker, looks: { ...worker.looks, isOutdated: true } }
}

/** Sends every other worker a hint to read the store. */
function hint(world: World, from: number): World {
  const workers = world.workers.map((one, index) =>
    one === undefined || index === from ? one : { ...one, isHinted: true },
  )
  const { isUntold: _told, ...rest } = world
  return { ...rest, workers }
}

function learn(world: World, at: number, hasLooked: boolean): World {
  const worker = world.workers[at] as Worker
  if (!hasLooked || world.record === undefined) return world
  const session = numberOf(world.record.sessionId)
  const token = Math.max(worker.known[session] ?? 0, tokenOf(world.record.tokens))
  return replaceWorker(world, at, { ...worker, known: { ...worker.known, [session]: token } })
}

function isReading(refresh: Refresh): refresh is Claim {
  return refresh.kind === 'claim' && refresh.step.name === 'reading'
}

/**
 * A timer may be due at any time, but not before the refresh and the write that it waits for have ended: both have
 * deadlines of their own.
 */
function isDue(world: World, at: number, { refresh, sessionId }: SessionState): boolean {
  if (refresh.kind !== 'claim' || refresh.step.name !== 'waiting') return true
  const number = numberOf(sessionId)
  const requests = [...world.orphans, ...world.requests.filter((_one, index) => index !== at)]
  const isWriting = world.workers.some(
    (worker, index) => index !== at && worker !== undefined && worker.writes.length > 0,
  )
  return !isWriting && !requests.some((request) => request?.session === number)
}

function ask(world: World, at: number, worker: Worker, request: TokenRequest): World {
  const waiting = { ...request, waitingSince: request.waitingSince ?? worker.session.version, mayRefresh: false }
  return apply(world, at, { ...worker, waiting }, { type: 'tokenWanted', now: NOW, request })
}

const RULES: SessionRules = { timeout: 1000 }

function apply(world: World, at: number, worker: Worker, event: SessionEvent): World {
  const before = worker.session
  const [session, effects] = transition(before, event, { ...RULES, owner: worker.name })
  let next: World = replaceWorker(world, at, { ...worker, session })
  for (const effect of effects) next = perform(next, at, effect)
  const after = next.workers[at] as Worker
  if (after.holdsLock !== undefined && !isExclusive(after.session, after.holdsLock)) {
    const { holdsLock, ...rest } = after
    next = replaceWorker(next, at, rest)
  }
  const number = numberOf(before.sessionId)
  const isGone = before.held !== undefined && session.sessionId !== before.sessionId
  if (isGone && world.sessions[number - 1]?.mayEnd === false && next.sessions[number - 1]?.mayEnd === false)
    return violate(next, `I7: ${worker.name} gives session ${number} up (${session.reason})`)
  const isLossHidden = isGone && session.reason === 'refresh_rejected' && world.sessions[number - 1]?.ended === 'reuse'
  return isLossHidden
    ? violate(next, `I9: session ${number} ended after a lost response, but is reported as rejected`)
    : next
}

function perform(world: World, at: number, effect: Effect): World {
  const worker = world.workers[at] as Worker
  const change = (changes: Partial<Worker>) => replaceWorker(world, at, { ...worker, ...changes })
  switch (effect.do) {
    case 'permit': {
      const { waiting, ...rest } = worker
      const isOthers =
        waiting?.signIn === undefined
          ? waiting?.subject !== undefined && waiting.subject !== effect.permit.tokens.subject
          : waiting.signIn !== world.sessions[numberOf(effect.permit.sessionId) - 1]?.signIn
      const next = replaceWorker(world, at, rest)
      const caller = waiting?.subject ?? 'the user of a sign-in'
      return isOthers ? violate(next, `I6: a call for ${caller} gets a token of another user`) : next
    }
    case 'refuse':
    case 'keepAnswer': {
      const { waiting, ...rest } = worker
      return replaceWorker(world, at, rest)
    }
    case 'wake':
      return worker.waiting === undefined ? world : ask(world, at, worker, worker.waiting)
    case 'refresh':
      return send(world, at, effect.flight, effect.tokens)
    case 'retryLater':
      return change({ timer: effect.flight })
    case 'cancelRetry': {
      const { timer, ...rest } = worker
      return replaceWorker(world, at, rest)
    }
    case 'abandonSignIn': {
      const { signIn, ...rest } = worker
      return signIn?.number === effect.signIn ? replaceWorker(world, at, rest) : world
    }
    case 'readClaim':
      return change({ consults: effect.flight })
    case 'save':
    case 'writeClaim':
    case 'writeFailure': {
      const { session: record, ...write } = effect
      return change({ ...outdate(worker), writes: [...worker.writes, { ...write, record } as StoreWrite] })
    }
    case 'clear':
    case 'clearRejected':
      return change({ ...outdate(worker), writes: [...worker.writes, effect] })
    case 'revoke': {
      const number = Number(effect.tokens.accessToken.split('.')[0])
      const sessions = world.sessions.map((one, index) =>
        index === number - 1 ? { ...mayEnd(one), ended: one.ended ?? ('revoked' as const) } : one,
      )
      return { ...world, sessions }
    }
    case 'note':
      return world
    default:
      return effect satisfies never
  }
}

function send(world: World, at: number, flight: number, tokens: TokenSet): World {
  const [session, token] = tokens.accessToken.split('.').map(Number) as [number, number]
  const worker = world.workers[at] as Worker
  const requests = world.requests.map((one, index) => (index === at ? { flight, session, token } : one))
  // This worker ignores the refresh of an earlier session, but it may still arrive at the server.
  const earlier = world.requests[at]
  const orphans = earlier === undefined ? world.orphans : [...world.orphans, earlier]
  const next = { ...world, requests, orphans: orphans.filter(({ answer }) => answer === undefined) }
  if ([...world.requests, ...world.orphans].some((one) => one?.session === session))
    return violate(next, `I1: ${worker.name} refreshes session ${session} while a refresh is in progress`)
  if (token < (worker.known[session] ?? 0))
    return violate(next, `I2: ${worker.name} sends refresh token ${token} of session ${session}, known to be used`)
  return next
}

function replaceWorker(world: World, at: number, worker: Worker): World {
  return { ...world, workers: world.workers.map((one, index) => (index === at ? worker : one)) }
}

function violate(world: World, violation: string): World {
  return { violation, ...world }
}

function mayEnd(session: ServerSession): ServerSession {
  return { ...session, mayEnd: true }
}

function tokensOf(session: number, token: number): TokenSet {
  const name = `${session}.${token}`
  const subject = subjectOf(session)
  return { accessToken: name, refreshToken: name, tokenType: 'Bearer', receivedAt: 0, expiresAt: 1, subject }
}

function tokenOf({ accessToken }: TokenSet): number {
  return Number(accessToken.split('.')[1])
}

/** The number of a session at the server, from 1; 0 for none. */
export function numberOf(sessionId: string | undefined): number {
  return Number(sessionId?.slice(8) ?? 0)
}

export function subjectOf(session: number): string {
  return USERS[(session - 1) % USERS.length] as string
}

function readStore({ record }: World): StoreRead {
  return record === undefined ? { kind: 'none' } : { kind: 'session', session: record }
}

function stateOf({ sessionId, version, marker }: StoredSession): Required<StoredState> {
  return { sessionId, version, marker: marker?.id ?? null }
}
