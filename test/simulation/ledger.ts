import type { StoredSession } from '../../worker/core/adapter.ts'
import { isOfLaterFormat } from '../../worker/core/token-set.ts'
import { ACCESS_MARK, type Family, REFRESH_MARK, type UserName } from './authorization-server.ts'
import type { Plan } from './plan.ts'
import type { Scheduler, Thread } from './scheduler.ts'
import type { Story } from './story.ts'

/** The longest time in flight of a message, or of a queue of messages. */
const TRAVEL = 40
/** The default of `refresh.timeout`. */
const REFRESH_TIMEOUT = 10_000
/** A worker that finds the marker of a dead worker waits for this time, from before the marker was stored. */
const ORPHAN_LIFE = REFRESH_TIMEOUT - 2000
/** The longest time in flight of a token. Its lifetime counts from its arrival. */
const MAX_ANSWER = 30_000
/** Timers are a little late, and so are the steps that depend on them. */
const SLACK = 200
const MAX_FAILURES = 30
const FAILURE_WINDOW = 300_000
const TOKEN_HOLDERS = ['https://id.example.com/token', 'https://id.example.com/revoke']
export const API_ORIGIN = 'https://api.example.com'

export interface Violation {
  readonly invariant: string
  readonly text: string
}

/** The state that a page shows: the number of the session, or the status without one. */
export interface Shown {
  readonly status: string
  readonly session: number | undefined
  readonly user: UserName | undefined
  readonly reason: string | undefined
}

export interface TabFacts {
  readonly name: string
  readonly thread: Thread
  shown: Shown
  /** The time of its last connection. */
  connectedAt: number
  /** The number of ports that it has opened to workers. */
  readonly connections: number
  /** Sessions that this tab has shown earlier. */
  readonly past: Set<number>
}

/** A promise that a page waits for. */
export interface PageCall {
  readonly id: number
  readonly tab: TabFacts
  readonly what: string
  readonly startedAt: number
  readonly frozenBefore: number
  /** The deadline by which it must have settled, in milliseconds of the page's own time. */
  readonly limit: number
  readonly sessionAtStart: number | undefined
  readonly userAtStart: UserName | undefined
  /** Whether its page was signed out at that time. */
  readonly isOfNobody: boolean
  /** The user whose token it was sent with. */
  sentFor: UserName | undefined
  readonly pastAtStart: ReadonlySet<number>
  attempts: number
  readonly connectionsBefore: number
  /** The session that a sign-in has started at the server. */
  signsIn: number | undefined
  isSettled: boolean
}

export interface RefreshExchange {
  readonly thread: Thread
  readonly family: Family
  readonly token: number
  readonly at: number
  readonly frozenBefore: number
  readonly clockChanges: number
  end: { readonly at: number; readonly how: 'succeeded' | 'rejected' | 'failed' } | undefined
}

interface Facts {
  readonly exchanges: RefreshExchange[]
  /** Why this session may have ended (I7). */
  readonly causes: Set<string>
  /** Workers that have sent the others a hint about a refresh. */
  readonly markedBy: Set<Thread>
  /** The newest refresh token in the store. */
  stored: number
  /** The newest access token that a worker received. */
  latest: { readonly at: number; readonly clockChanges: number; isDenied: boolean } | undefined
  /** The time until which the server wants no refresh. */
  notBefore: number
  readonly rows: Map<Thread, Row>
}

/** Refreshes of one worker, in a row, that replaced a token before its time, and of which no replay shows a use. */
interface Row {
  attempts: readonly RefreshExchange[]
  /** Calls that got a 401. */
  readonly denied: Set<number>
}

/** Records the events of the servers, the store, the channels and the pages, and checks the invariants against them. */
export function createLedger({ plan, scheduler, story }: { plan: Plan; scheduler: Scheduler; story: Story }) {
  let violation: Violation | undefined
  const sessions = new Map<number, Facts>()
  const openCalls = new Set<PageCall>()
  const calls = new Map<number, PageCall>()
  /**
   * The responses that a worker received: refresh tokens below this number are used; this one was rejected. If the store
   * holds a newer token, the worker adopts it, because only the server knows whether that one has ended too (I7).
   */
  const known = new Map<Thread, Map<number, { below: number; rejected: number }>>()
  const storedAccessTokens = new Set<string>()
  /** Sessions that a sign-out or another session has removed from the store. */
  const over = new Set<number>()
  const lastSnapshots = new Map<object, string>()
  /** Sessions whose tokens came in the answer to a refresh of another user's session. */
  const strangers = new Set<number>()
  /** The refreshes that brought such tokens to their worker. */
  const mixUps: RefreshExchange[] = []
  /** Sessions whose sign-in was cancelled. */
  const unwanted = new Set<number>()
  let storedSession: number | undefined
  let hasStoreTrouble = false
  let laterBuildAt = 0
  let hasLostThreads = false
  let hasLateWrites = false
  let clockChanges = 0
  let nextDeadline = Number.POSITIVE_INFINITY
  let lastCall = 0
  let longestRow = 0
  const isInMemory = plan.hosts === 'shared, in memory'

  function violate(invariant: string, text: string): void {
    if (violation !== undefined) return
    violation = { invariant, text }
    story.tell(`VIOLATION of ${invariant}: ${text}`)
  }

  function factsOf(session: number): Facts {
    let facts = sessions.get(session)
    if (facts === undefined) {
      facts = {
        exchanges: [],
        causes: new Set(),
        markedBy: new Set(),
        stored: 0,
        latest: undefined,
        notBefore: 0,
        rows: new Map(),
      }
      sessions.set(session, facts)
    }
    return facts
  }

  function knowledgeOf(thread: Thread, session: number): { below: number; rejected: number } {
    const ofThread = known.get(thread) ?? new Map()
    known.set(thread, ofThread)
    const ofSession = ofThread.get(session) ?? { below: 0, rejected: 0 }
    ofThread.set(session, ofSession)
    return ofSession
  }

  function addCause(cause: string, sessionNumber?: number): void {
    if (sessionNumber !== undefined) factsOf(sessionNumber).causes.add(cause)
    else for (const facts of sessions.values()) facts.causes.add(cause)
  }

  function isInProgress(exchange: RefreshExchange): boolean {
    if (exchange.end !== undefined) return false
    const age = scheduler.now() - exchange.at
    // Without locks, only the store shows it.
    if (exchange.thread.state === 'running') return plan.hasLocks || !hasStoreTrouble
    // Its worker is dead. The next worker has waited until the lease was over, by the clock.
    return age < ORPHAN_LIFE && exchange.clockChanges === clockChanges && !hasStoreTrouble
  }

  function mayHaveEnded(session: number): boolean {
    const { causes, exchanges } = factsOf(session)
    // For the next worker, the outcome is unknown if this worker died before the response.
    const isOutcomeLost = exchanges.some(({ end, thread }) => end === undefined && thread.state !== 'running')
    const isMarkLost = [...factsOf(session).markedBy].some(({ state }) => state !== 'running')
    return causes.size > 0 || ((isOutcomeLost || isMarkLost) && plan.onUnknownOutcome === 'sign-in')
  }

  function checkPace(exchange: RefreshExchange, before: readonly RefreshExchange[]): void {
    const failures = before.filter(({ end }) => end?.how === 'failed')
    const last = failures[failures.length - 1]
    const isAfterFailure = last !== undefined && last === before[before.length - 1]
    if (isAfterFailure && last.clockChanges === clockChanges && !hasStoreTrouble && exchange.at - last.at < 1000 - 2)
      violate('I10', `two refreshes of session ${exchange.family.id} within ${Math.round(exchange.at - last.at)} ms`)
    const recent = failures.filter(({ at }) => exchange.at - at < FAILURE_WINDOW)
    if (recent.length > MAX_FAILURES && !hasStoreTrouble)
      violate('I10', `${recent.length} failed refreshes of session ${exchange.family.id} in five minutes`)
    const facts = factsOf(exchange.family.id)
    const { latest, notBefore } = facts
    const isClockSteady = last?.clockChanges === clockChanges
    if (exchange.at < notBefore && isClockSteady && !hasStoreTrouble)
      violate(
        'I10',
        `a refresh of session ${exchange.family.id} comes ${Math.round(notBefore - exchange.at)} ms before its Retry-After`,
      )
    if (latest === undefined || latest.clockChanges !== clockChanges || hasStoreTrouble) return
    const life = plan.life === undefined ? Number.POSITIVE_INFINITY : plan.life * 1000
    const freshFor = life - Math.min(60_000, life * 0.2) - SLACK
    if (exchange.at - latest.at >= freshFor) return
    if (!latest.isDenied)
      violate('I10', `session ${exchange.family.id} is refreshed, though its token is new and no API has rejected it`)
    checkRow(exchange)
  }

  /** The API has refused a new token. Its worker must not replace one after the other, whether that succeeds or not. */
  function checkRow(exchange: RefreshExchange): void {
    const { thread, family, at } = exchange
    const row = rowOf(thread, family.id)
    const last = row.attempts.at(-1)
    row.attempts = [...row.attempts, exchange]
    longestRow = Math.max(longestRow, row.attempts.length)
    if (last?.clockChanges === clockChanges && at - last.at < 1000 - 2)
      violate('I10', `${thread.name} replaces a new token ${Math.round(at - last.at)} ms after the last one`)
    const recent = row.attempts.filter((one) => at - one.at < FAILURE_WINDOW)
    if (recent.length > MAX_FAILURES)
      violate('I10', `${thread.name} replaces ${recent.length} new tokens in five minutes`)
  }

  function rowOf(thread: Thread, session: number): Row {
    const { rows } = factsOf(session)
    const row = rows.get(thread) ?? { attempts: [], denied: new Set() }
    rows.set(thread, row)
    return row
  }

  function checkStranger(session: number, what: string): void {
    if (strangers.has(session)) violate('I6', `${what} session ${session}, whose tokens came to another user`)
  }

  function onStoreTrouble(): void {
    hasStoreTrouble = true
    addCause('store')
  }

  return {
    violate,
    addCause,
    violation: () => violation,
    call: (id: number) => calls.get(id),
    hasStoreTrouble: () => hasStoreTrouble,
    /** Whether the store committed a write after the worker could send its hint to the others. */
    hasLateWrites: () => hasLateWrites,
    /**
     * The longest duration of a call after the faults have ended. After a worker's death, its silence is the only sign (10539),
     * or another worker waits for its lease. If the clock was set back, the pause that the server asked for counts twice.
     */
    longestWait: (longestPause: number) =>
      clockChanges > 0 ? Math.max(11_000, longestPause + 1000) : hasLostThreads ? 11_000 : 5000,
    causes: (session: number) => factsOf(session).causes,

    onSignInServed(callId: number, session: number): void {
      const call = calls.get(callId)
      if (call === undefined) return
      call.signsIn = session
    },

    onSessionBegun(session: number, user: UserName): void {
      const { causes } = factsOf(session)
      // Its caller got a rejection before the session began.
      for (const call of calls.values()) if (call.signsIn === session && call.isSettled) unwanted.add(session)
      // In every tab that shows this session, the session before has ended.
      for (const [number, facts] of sessions) if (number !== session) facts.causes.add('replaced')
      // A request of this moment may arrive later. A request that has waited longer must not act on another user (I6).
      const mayEndIt = ({ what, userAtStart, startedAt }: PageCall) =>
        what === 'sign-out' &&
        (userAtStart === undefined || userAtStart === user || scheduler.now() - startedAt < TRAVEL)
      if ([...openCalls].some(mayEndIt)) causes.add('sign-out')
    },

    onClockChange(): void {
      clockChanges += 1
    },

    onStoreTrouble,

    /** To the sessions of this build, a later build is like a store that fails. */
    onLaterBuild(): void {
      laterBuildAt = scheduler.now()
      onStoreTrouble()
    },

    onThreadLost(): void {
      hasLostThreads = true
    },

    onRefreshSent(thread: Thread, family: Family, token: number): RefreshExchange {
      const { exchanges } = factsOf(family.id)
      const exchange: RefreshExchange = {
        thread,
        family,
        token,
        at: scheduler.now(),
        frozenBefore: thread.frozenFor(),
        clockChanges,
        end: undefined,
      }
      checkStranger(family.id, `${thread.name} refreshes`)
      const other = exchanges.find(isInProgress)
      if (other !== undefined)
        violate('I1', `${thread.name} refreshes session ${family.id} while ${other.thread.name} does`)
      const knowledge = knowledgeOf(thread, family.id)
      if (token < knowledge.below)
        violate('I2', `${thread.name} sends refresh token ${token} of session ${family.id}, known to be used`)
      if (token <= knowledge.rejected)
        violate('I2', `${thread.name} sends refresh token ${token} of session ${family.id}, known to be rejected`)
      checkPace(exchange, exchanges)
      exchanges.push(exchange)
      return exchange
    },

    /** The worker has received the outcome of its refresh; `next` is the new refresh token. */
    onRefreshEnded(exchange: RefreshExchange, how: 'succeeded' | 'rejected' | 'failed', next?: number): void {
      if (exchange.end !== undefined) return
      const now = scheduler.now()
      exchange.end = { at: now, how }
      if (now - exchange.at - (exchange.thread.frozenFor() - exchange.frozenBefore) > REFRESH_TIMEOUT + SLACK)
        violate('I3', `a refresh of session ${exchange.family.id} exceeds its timeout`)
      if (how === 'succeeded') factsOf(exchange.family.id).latest = { at: now, clockChanges, isDenied: false }
      const knowledge = knowledgeOf(exchange.thread, exchange.family.id)
      if (next !== undefined) knowledge.below = Math.max(knowledge.below, next)
      if (how === 'rejected') knowledge.rejected = Math.max(knowledge.rejected, exchange.token)
      if (how === 'failed' && plan.onUnknownOutcome === 'sign-in') addCause('unknown outcome', exchange.family.id)
    },

    /** The server answers a refresh with the tokens of another user's session. */
    onMixUp(family: Family, stranger: number): void {
      strangers.add(stranger)
      addCause('mix-up', family.id)
    },

    /** Such tokens have reached the worker. The refresh token that it sent must not be sent again. */
    onMixUpHeard(exchange: RefreshExchange): void {
      this.onRefreshEnded(exchange, 'rejected')
      mixUps.push(exchange)
    },

    /** The session of such a refresh has ended, unless another worker has stored newer tokens. */
    checkMixUps(tabs: readonly TabFacts[]): void {
      // Without hints, another worker finds it at its next refresh.
      if (!plan.hasHints) return
      for (const { family, token, thread } of mixUps) {
        if (hasStoreTrouble || thread.state !== 'running' || factsOf(family.id).stored > token) continue
        const tab = tabs.find(({ shown }) => shown.session === family.id)
        if (tab !== undefined)
          violate('I6', `${tab.name} shows session ${family.id}, whose refresh has brought the tokens of another user`)
      }
    },

    /** The server asks for a pause. */
    onPauseAsked(family: Family, milliseconds: number): void {
      factsOf(family.id).notBefore = scheduler.now() + milliseconds
    },

    onAccessDenied(session: number): void {
      const { latest } = factsOf(session)
      if (latest) latest.isDenied = true
    },

    /** The worker has received the answer of the API. */
    onApiAnswer(thread: Thread, family: Family, callId: number, status: number): void {
      const row = rowOf(thread, family.id)
      if (status === 401) row.denied.add(callId)
      // A replay that is not refused: the new token was of use.
      else if (row.denied.has(callId)) row.attempts = []
    },

    /** How long the API may be paused because it has refused every token. Pauses of a minute come after ten refreshes. */
    longestPause: () => (longestRow > 10 ? FAILURE_WINDOW + SLACK : 0),

    onRejection(family: Family): void {
      addCause('rejected', family.id)
    },

    /** The server has received a used refresh token after its grace period. */
    onReuse(family: Family, token: number): void {
      const { exchanges, stored } = factsOf(family.id)
      const rotation = exchanges.find((one) => one.token === token && one.end?.how === 'succeeded')
      const isKept = stored > token || (isInMemory && rotation?.thread.state === 'running')
      if (rotation !== undefined && isKept && !hasStoreTrouble)
        violate('I9', `refresh token ${token} of session ${family.id} was used again, though its successor had arrived`)
    },

    onRead(record: StoredSession | undefined, by: Thread): void {
      if (isOfLaterFormat(record)) return
      const [session, token] = readRefreshToken(record?.tokens.refreshToken)
      if (session === undefined) return
      const knowledge = knowledgeOf(by, session)
      knowledge.below = Math.max(knowledge.below, token)
    },

    onCommit(record: StoredSession | undefined, before: StoredSession | undefined, by: Thread): void {
      if (by.state === 'dead') hasLateWrites = true
      const mayEndIt = ({ what, startedAt, isSettled }: PageCall) =>
        what === 'sign-out' && (startedAt >= laterBuildAt || !isSettled)
      if (isOfLaterFormat(before) && (record !== undefined || ![...calls.values()].some(mayEndIt)))
        violate('later build', `${by.name} removes the record of a later build`)
      const [session, token] = readRefreshToken(record?.tokens.refreshToken)
      const [previous] = readRefreshToken(before?.tokens?.refreshToken)
      if (record !== undefined) storedAccessTokens.add(record.tokens.accessToken)
      if (session !== undefined) {
        checkStranger(session, `${by.name} stores`)
        const facts = factsOf(session)
        if (over.has(session) && !hasStoreTrouble)
          violate('I5', `${by.name} writes session ${session} again after its end`)
        if (session === previous && token < facts.stored && !hasStoreTrouble)
          violate('I5', `${by.name} stores an older refresh token of session ${session}`)
        facts.stored = Math.max(facts.stored, token)
        if (record?.marker?.isOver === false) facts.markedBy.add(by)
      }
      if (previous !== undefined && previous !== session) {
        const isSignedOut = factsOf(previous).causes.has('sign-out')
        if (session !== undefined || isSignedOut) over.add(previous)
        if (session !== undefined && session < previous && over.has(session))
          violate('I5', `${by.name} replaces the newer session ${previous} with session ${session}`)
      }
      storedSession = session
    },

    /** A message may contain a token, or a part of one, only if the app exposes it (I11). */
    onMessage(text: string, from: string, to: string): void {
      if (text.includes(ACCESS_MARK) || text.includes(REFRESH_MARK))
        violate('I11', `a token goes from ${from} to ${to}`)
    },

    /** Pages are not notified of a refresh or another event that changes nothing for them. */
    onSnapshotSent(port: object, text: string): void {
      if (lastSnapshots.get(port) === text) violate('snapshot', 'a worker sends a page the same snapshot again')
      lastSnapshots.set(port, text)
    },

    /** A request leaves a worker. */
    onRequest(url: string, everything: string): void {
      const hasRefreshToken = everything.includes(REFRESH_MARK)
      const hasToken = hasRefreshToken || everything.includes(ACCESS_MARK)
      if (!hasToken) return
      const isTokenHolder = TOKEN_HOLDERS.includes(url)
      if (hasRefreshToken && !isTokenHolder) violate('I4', `a refresh token goes to ${url}`)
      if (!isTokenHolder && !url.startsWith(`${API_ORIGIN}/`)) violate('I4', `a token goes to ${url}`)
    },

    onApiRequest(callId: number, { id: session, user }: Family, accessToken: string, expiresAt: number): void {
      const call = calls.get(callId)
      if (call === undefined) return
      call.attempts += 1
      checkStranger(session, `call ${callId} is sent with a token of`)
      const isKnownToExpire = plan.life !== undefined && clockChanges === 0
      if (isKnownToExpire && expiresAt + MAX_ANSWER < call.startedAt)
        violate('expiry', `call ${callId} is sent with a token that had expired long before it was made`)
      // An idempotent call is sent again over each new connection.
      const runs = 1 + Math.min(3, call.tab.connections - call.connectionsBefore)
      if (call.attempts > 2 * runs) violate('I10', `call ${callId} is sent for the ${call.attempts}th time`)
      if (call.pastAtStart.has(session) && call.sessionAtStart !== undefined && !hasStoreTrouble)
        violate(
          'I6',
          `call ${callId} was made in session ${call.sessionAtStart} and is sent with a token of ${session}`,
        )
      const { tab, startedAt, userAtStart } = call
      // The call names the session that its page showed, so it does not matter when the switch came.
      if (userAtStart !== undefined && userAtStart !== user)
        violate('I6', `call ${callId} was made for ${userAtStart} and is sent with a token of ${user}`)
      const isAwake = tab.thread.state === 'running' && tab.thread.frozenFor() === call.frozenBefore
      const signIn = [...calls.values()].find(({ signsIn }) => signsIn === session)
      if (call.sentFor !== undefined && call.sentFor !== user)
        violate('I6', `call ${callId} was sent for ${call.sentFor} and is sent again with a token of ${user}`)
      const isFirst = call.sentFor === undefined
      call.sentFor = user
      const isOfLaterSignIn =
        isFirst && call.isOfNobody && signIn !== undefined && signIn.startedAt > startedAt + TRAVEL
      if (isOfLaterSignIn && isAwake && tab.connections === call.connectionsBefore && !hasStoreTrouble)
        violate('I6', `call ${callId} was made before sign-in ${signIn.id}, and is sent with its token`)
      if (!isInMemory && !storedAccessTokens.has(accessToken) && !hasStoreTrouble)
        violate('I6', `call ${callId} is sent with a token of session ${session} that is not stored yet`)
    },

    onCall(tab: TabFacts, what: string, limit: number): PageCall {
      const call: PageCall = {
        id: ++lastCall,
        tab,
        what,
        startedAt: scheduler.now(),
        frozenBefore: tab.thread.frozenFor(),
        limit,
        sessionAtStart: tab.shown.session,
        userAtStart: tab.shown.user,
        isOfNobody: tab.shown.status === 'signed-out' || tab.shown.status === 'signing-in',
        sentFor: undefined,
        pastAtStart: new Set(tab.past),
        attempts: 0,
        connectionsBefore: tab.connections,
        signsIn: undefined,
        isSettled: false,
      }
      calls.set(call.id, call)
      openCalls.add(call)
      nextDeadline = Math.min(nextDeadline, call.startedAt + limit + SLACK)
      return call
    },

    onSettled(call: PageCall, outcome: 'fulfilled' | { readonly code: string; readonly reason?: string }): void {
      if (call.isSettled) violate('I3', `call ${call.id} settles twice`)
      call.isSettled = true
      openCalls.delete(call)
      if (outcome === 'fulfilled') {
        const isKept = call.what === 'sign-out' && storedSession !== undefined && storedSession === call.sessionAtStart
        if (isKept && !hasStoreTrouble) violate('I5', `session ${storedSession} is signed out, and still stored`)
        return
      }
      const { sessionAtStart, tab } = call
      const isSame = sessionAtStart !== undefined && sessionAtStart === tab.shown.session
      if (outcome.code === 'sign_in_required' && isSame && !mayHaveEnded(sessionAtStart))
        violate('I8', `call ${call.id} rejects with sign_in_required, though session ${sessionAtStart} continues`)
      const isExpected =
        EXPECTED.includes(outcome.code) ||
        (outcome.code === 'store_failed' && hasStoreTrouble) ||
        (outcome.code === 'protocol_mismatch' && plan.laterBuild !== undefined)
      if (!isExpected) violate('I8', `call ${call.id} (${call.what}) rejects with ${outcome.code}`)
    },

    onSnapshot(tab: TabFacts, shown: Shown): void {
      const before = tab.shown.session
      if (tab.shown.status === 'connecting') tab.connectedAt = scheduler.now()
      tab.shown = shown
      if (shown.session !== undefined && unwanted.has(shown.session) && !hasLostThreads)
        violate('I5', `${tab.name} shows session ${shown.session}, whose sign-in was cancelled`)
      const { session, status, reason } = shown
      if (session !== undefined) {
        checkStranger(session, `${tab.name} shows`)
        // If the worker died before it stored or announced the sign-out, the sign-out is not done yet: its page asks the
        // next worker for it.
        const isOver = !hasLateWrites && (over.has(session) || !hasLostThreads)
        if (tab.past.has(session) && isOver && !hasStoreTrouble)
          violate('I5', `${tab.name} shows session ${session} again after its end`)
        if (!isInMemory && factsOf(session).stored === 0 && reason !== 'store_failed' && !hasStoreTrouble)
          violate('I6', `${tab.name} shows session ${session}, which is not stored`)
        if (before !== undefined && before !== session) tab.past.add(before)
        tab.past.delete(session)
      } else if (status !== 'connecting' && before !== undefined) {
        tab.past.add(before)
        if (!mayHaveEnded(before)) violate('I7', `session ${before} ends for ${tab.name} (${reason})`)
      }
      const isLossHidden = reason === 'refresh_rejected' && before !== undefined && !hasStoreTrouble
      if (isLossHidden && factsOf(before).exchanges.some(({ family }) => family.ended === 'reuse'))
        violate('I9', `session ${before} ended after a lost response, but ${tab.name} shows "refresh_rejected"`)
    },

    /** Whether every promise has settled by its deadline (I3). */
    afterStep(): boolean {
      const now = scheduler.now()
      if (now >= nextDeadline) {
        nextDeadline = Number.POSITIVE_INFINITY
        for (const call of openCalls) {
          const { thread } = call.tab
          if (thread.state === 'dead') {
            openCalls.delete(call)
            continue
          }
          const frozen = thread.frozenFor() - call.frozenBefore
          const deadline = call.startedAt + frozen + call.limit + SLACK
          if (now >= deadline && thread.state === 'running') {
            violate('I3', `call ${call.id} (${call.what}) of ${call.tab.name} has not settled within ${call.limit} ms`)
          }
          nextDeadline = Math.min(nextDeadline, Math.max(deadline, now + 1))
        }
      }
      return violation === undefined
    },

    storedSession: () => storedSession,
    openCalls: () => openCalls.size,
  }
}

/** The error codes that a call may reject with during faults. */
const EXPECTED: readonly string[] = [
  'sign_in_required',
  'sign_in_cancelled',
  'sign_in_failed',
  'api_error',
  'network_error',
  'TypeError',
  'timeout',
  'aborted',
  'refresh_unavailable',
  'worker_lost',
  'closed',
  'origin_not_allowed',
  'token_not_exposed',
]

function readRefreshToken(text: string | undefined): [number, number] | [undefined, 0] {
  const [, session, token] = /^rt~(\d+)\.(\d+)~$/.exec(text ?? '') ?? []
  return session === undefined ? [undefined, 0] : [Number(session), Number(token)]
}

export type Ledger = ReturnType<typeof createLedger>
export type { UserName }
