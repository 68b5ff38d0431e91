import { DEFAULT_TIMEOUT } from '../../../src/protocol/deadline.ts'
import {
  isLingpaiError,
  LingpaiError,
  type LingpaiErrorCode,
  tokenServerUnreachable,
} from '../../../src/protocol/errors.ts'
import type { BrokerSnapshot } from '../../../src/protocol/snapshot.ts'
import type {
  CancelSignal,
  Grant,
  GrantIO,
  HistoryNote,
  HistoryRecord,
  MaybePromise,
  Peers,
  Store,
  StoredSession,
  StoredState,
  TokenSet,
  TransactionStore,
} from '../adapter.ts'
import { LONGEST_TIMER } from '../retry.ts'
import {
  type Effect,
  type Permit,
  type SessionEvent,
  type SessionRules,
  type TokenRequest,
  timeoutOf,
  type WriteOutcome,
} from '../session/events.ts'
import {
  denialsOf,
  isExclusive,
  isSettling,
  LATER_BUILD,
  type Session,
  startSession,
  toSnapshot,
} from '../session/state.ts'
import { transition } from '../session/transition.ts'
import { readSeen, type Seen } from '../shared-record.ts'
import { toTokenSet } from '../token-set.ts'
import { failed, RefreshVerdict, refused, toVerdict } from '../verdict.ts'
import { type AttemptHost, startAttempt } from './grant-run.ts'
import { createHistory } from './history.ts'
import { createStoreQueue, STORE_TIMEOUT } from './store-queue.ts'

/** Of the time that the others wait, a refresh leaves the rest for what it brings to be stored (I1, I2). */
const OWN_SHARE = 0.95
/** A flood of hints costs two looks into the store in this time: others announce a refresh, and what it has brought. */
const HINT_PAUSE = 100
const LOAD_AGAIN_AFTER = 1000
/** The user has signed out already; the server's revocation may take this long before nobody waits for it any more. */
const REVOCATION_TIMEOUT = 5000

/** `send` sends one request of the grant, redirects not followed. */
export interface BrokerOptions extends AttemptHost {
  readonly grant: Grant
  readonly store: Store
  readonly transactions: TransactionStore
  readonly rules: SessionRules
  /** The other workers that keep their session in this store, where it is shared. */
  readonly peers?: Peers
  /** A random name, new each time. */
  createId(): string
}

const NO_PEERS: Peers = { exclusive: (work) => work(), announce() {}, onHint() {} }

/** A call that asks for a token. */
export interface Call {
  readonly id: string
  /** The session that was current when the call came in. */
  generation: number
  lineage: string | undefined
  subject: string | undefined
  /** The sign-in that ran when the call came in, where nobody was signed in. */
  signIn?: number | undefined
  readonly signal: CancelSignal
  /** The API that it goes to: denials are counted for each by itself. */
  api: string
  /** Whether this call has waited for a refresh: it gets only one. */
  hasRefreshed: boolean
  /** The longest wait for a token, in milliseconds, where it is shorter than the default. */
  patience?: number
  /** Of the API's last answer. */
  status?: number
}

interface Waiter {
  readonly request: TokenRequest
  /** Without a permit, the answer at hand must do. */
  settle(outcome: Permit | undefined | LingpaiError): void
}

export type SessionBroker = ReturnType<typeof createBroker>

/**
 * The one owner of the session. {@link transition} decides; this performs: it keeps the timers, calls the grant and the
 * store, and answers those who wait.
 */
export function createBroker(options: BrokerOptions) {
  const { grant, store, transactions, platform, createId, peers = NO_PEERS } = options
  const isShared = store.sharedName !== undefined
  const rules: SessionRules = isShared ? { ...options.rules, owner: createId() } : options.rules
  const longest = timeoutOf(rules)
  let session: Session = { ...startSession(undefined), loading: 'pending' }
  let snapshot: BrokerSnapshot = toSnapshot(session)
  const history = createHistory()
  const listeners = new Set<(snapshot: BrokerSnapshot) => void>()
  const waiters = new Map<string, Waiter>()
  const signIns = new Map<number, { abort(reason: unknown): void }>()
  let lastSignIn = 0
  let retryTimer: unknown
  let ageTimer: unknown
  const storeQueue = createStoreQueue(store, platform, peers.announce)
  /** The flight for which no other worker may refresh, until it is over. */
  let exclusive: { readonly flight: number; readonly until: number; end(): void } | undefined
  /** What no other worker may be beside: a refresh, which goes on after a sign-out, or the note that it has failed. */
  let unfinished: Promise<unknown> | undefined
  /** Counts the beginnings and ends of own writes: what was read meanwhile is out of date. */
  let writes = 0
  let isLooking = false
  let lookTimer: unknown
  let isHinted = false
  /** The last two looks that others asked for. */
  let looked: readonly [number, number] = [-Infinity, -Infinity]
  let saving: Promise<void> = Promise.resolve()
  let clearing: Promise<boolean>

  let tellLoaded = () => {}
  const loaded = new Promise<void>((resolve) => (tellLoaded = resolve))
  const ready = restore()
  if (isShared) peers.onHint(onHint)

  async function restore(): Promise<void> {
    const loading = load().catch(() => pause(LOAD_AGAIN_AFTER).then(load))
    try {
      const seen = await withTimeout(() => loading, STORE_TIMEOUT)
      session = startSession(seen.kind === 'session' ? seen.session : undefined)
      if (seen.kind === 'later-format') session = { ...session, reason: LATER_BUILD }
      snapshot = toSnapshot(session)
      record({
        event: session.held ? 'session-restored' : 'started',
        ...(session.held?.expiresAt !== undefined && { expiresAt: session.held.expiresAt }),
      })
    } catch {
      dispatch({ type: 'storeFailed' })
      loading.then(
        (stored) => dispatch({ type: 'loadedLate', stored, now: platform.now() }),
        () => dispatch({ type: 'loadFailed' }),
      )
    }
    watchAge()
    // Nobody may see a session that grew too old while no worker ran.
    dispatch({ type: 'timePassed', now: platform.now() })
  }

  async function load(): Promise<Seen> {
    const seen = readSeen(await store.load())
    // Where no other worker keeps a session, what nobody here can read is none, and is overwritten.
    return seen.kind === 'later-format' && !isShared ? { kind: 'none' } : seen
  }

  function pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => startTimer(milliseconds, resolve))
  }

  function record(note: HistoryNote): void {
    history.add(platform.now(), session, note)
  }

  function dispatch(event: SessionEvent): void {
    const [next, effects] = transition(session, event, rules)
    const before = session
    session = next
    if (session.isAdopted && session.lineage !== before.lineage) storeQueue.forget()
    for (const effect of effects) perform(effect)
    if (session.generation !== before.generation) watchAge()
    // Most events are calls that want a token, and change nothing.
    if (session !== before) publish()
    if (exclusive !== undefined && !isExclusive(session, exclusive.flight)) {
      const { end } = exclusive
      exclusive = undefined
      end()
    }
    if (isHinted && !isSettling(session)) onHint()
    if (session.loading !== 'pending') tellLoaded()
  }

  function publish(): void {
    const next = toSnapshot(session)
    if (isSameSnapshot(snapshot, next)) return
    snapshot = next
    for (const listener of listeners) {
      try {
        listener(next)
      } catch {
        // One page that cannot be told must not keep the others, or the session itself, from going on.
        record({ event: 'listener-failed' })
      }
    }
  }

  function perform(effect: Effect): void {
    switch (effect.do) {
      case 'permit':
        settle(effect.call, effect.permit)
        return
      case 'keepAnswer':
        settle(effect.call, undefined)
        return
      case 'refuse':
        settle(effect.call, refusal(effect.code, effect.reason))
        return
      case 'wake':
        // A copy: whoever is answered leaves the map, and nobody who joins meanwhile was waiting for this.
        for (const { request } of [...waiters.values()]) ask(request)
        return
      case 'refresh':
        unfinished = refresh(effect.flight, effect.tokens)
        return
      case 'retryLater':
        retryTimer = startTimer(effect.delay, () =>
          dispatch({ type: 'retryDue', flight: effect.flight, now: platform.now() }),
        )
        return
      case 'cancelRetry':
        platform.clearTimeout(retryTimer)
        return
      case 'abandonSignIn':
        signIns.get(effect.signIn)?.abort(cancelled())
        return
      case 'save':
        saving = save(effect.flight, effect.session, effect.replaces)
        return
      case 'clear':
        clearing = clear(effect.only)
        return
      case 'readClaim':
        void readForClaim(effect.flight)
        return
      case 'writeClaim':
        void writeClaim(effect.flight, effect.session, effect.replaces)
        return
      case 'writeFailure':
        unfinished = write(() => inTime(() => store.save(effect.session, effect.replaces)))
        return
      case 'clearRejected':
        void clearRejected(effect.flight, effect.only)
        return
      case 'revoke':
        void revoke(effect.tokens, false)
        return
      case 'note':
        record(effect.note)
        return
      default:
        effect satisfies never
    }
  }

  function ask(request: TokenRequest): void {
    dispatch({ type: 'tokenWanted', now: platform.now(), request })
  }

  function settle(call: string, outcome: Permit | undefined | LingpaiError): void {
    const waiter = waiters.get(call)
    waiters.delete(call)
    waiter?.settle(outcome)
  }

  /** Waits for leave to send, or for word that the answer at hand must do. Settles by the deadline in any case (I3). */
  function wantToken(call: Call): Promise<Permit>
  function wantToken(call: Call, denied: Permit): Promise<Permit | undefined>
  function wantToken(call: Call, denied?: Permit): Promise<Permit | undefined> {
    const request: TokenRequest = {
      call: call.id,
      api: call.api,
      generation: denied?.generation ?? call.generation,
      subject: denied ? denied.tokens.subject : call.subject,
      // What was sent before is its own user's, who need not be that of the sign-in.
      signIn: denied ? undefined : call.signIn,
      waitingSince: undefined,
      deniedVersion: denied?.version,
      mayRefresh: !call.hasRefreshed,
    }
    return new Promise((resolve, reject) => {
      let stopWaiting = () => {}
      const finish = (outcome: Permit | undefined | LingpaiError) => {
        stopWaiting()
        // What another worker has received may have grown old: that was no refresh for this call.
        if (session.isAdopted) call.hasRefreshed = false
        if (outcome instanceof LingpaiError) return reject(outcome)
        // From here on it is a call of the session that it has waited for.
        if (outcome && call.signIn !== undefined) {
          const { generation, lineage, tokens } = outcome
          Object.assign(call, { generation, lineage, subject: tokens.subject, signIn: undefined })
        }
        resolve(outcome)
      }
      waiters.set(call.id, { request, settle: finish })
      ask(request)
      if (!waiters.has(call.id)) return
      // Still waiting, for a refresh or a sign-in; only now are a timer and a listener worth their cost.
      waiters.set(call.id, { request: { ...request, waitingSince: session.version }, settle: finish })
      if (request.signIn === undefined) call.hasRefreshed = true
      record({ event: 'call-waiting', call: call.id })
      const patience = Math.min(call.patience ?? DEFAULT_TIMEOUT, DEFAULT_TIMEOUT)
      const timer = startTimer(patience, () => settle(call.id, tokenTimeout(patience)))
      const onAbort = () => settle(call.id, new LingpaiError('aborted', 'The call was aborted.'))
      stopWaiting = () => {
        platform.clearTimeout(timer)
        call.signal.removeEventListener('abort', onAbort)
      }
      if (call.signal.aborted) onAbort()
      else call.signal.addEventListener('abort', onAbort)
    })
  }

  async function refresh(flight: number, tokens: TokenSet): Promise<void> {
    // The others wait from when this worker began to look, or from later. A slow store leaves it half its time at least.
    const rest = exclusive ? exclusive.until - platform.now() : longest
    const attempt = startAttempt(options, { timeout: Math.min(Math.max(rest, longest / 2), longest) })
    try {
      const received = await attempt.run((io) => grant.refresh(tokens, io))
      const renewed = readRefreshed(received, tokens)
      dispatch({ type: 'refreshSucceeded', flight, tokens: renewed })
    } catch (thrown) {
      const isUnsent = attempt.hasOnlyRead() && !(thrown instanceof RefreshVerdict)
      const reason = isUnsent ? refused({ reason: 'not_sent' }) : thrown
      const { verdict, message, retryAfter } = toVerdict(reason, attempt.lastStatus(), attempt.retryAfter())
      dispatch({
        type: 'refreshEnded',
        flight,
        verdict,
        reason: message,
        retryAfter,
        now: platform.now(),
        random: platform.random(),
      })
    }
  }

  function readRefreshed(received: unknown, previous: TokenSet) {
    const renewed = toTokenSet(received, platform.now(), previous)
    if (previous.subject !== undefined && renewed.subject !== previous.subject) {
      throw failed('tokens_of_another_user')
    }
    return renewed
  }

  async function save(flight: number, record: StoredSession, replaces?: StoredState | null): Promise<void> {
    const outcome = await write(() => storeQueue.save(record, replaces))
    dispatch({ type: 'saved', flight, stored: outcome === 'conflict' ? await readStore() : outcome === 'done' })
  }

  async function write(work: () => Promise<unknown>): Promise<WriteOutcome> {
    writes += 1
    try {
      return (await work()) === false ? 'conflict' : 'done'
    } catch {
      return 'failed'
    } finally {
      writes += 1
    }
  }

  async function readStore(): Promise<Seen> {
    return inTime(load).catch(() => ({ kind: 'unreadable' }))
  }

  async function look(flight?: number): Promise<void> {
    let before: number
    let begun: number
    let seen: Seen
    do {
      before = writes
      begun = platform.now()
      seen = await readStore()
      // Where far more time has passed than it may take, the worker was frozen meanwhile, and not the store at fault.
    } while (writes !== before || (seen.kind === 'unreadable' && platform.now() - begun > 2 * STORE_TIMEOUT))
    platform.clearTimeout(lookTimer)
    // Nobody gives a hint twice: what it was about is still there when the store answers again. It may be broken for good.
    if (seen.kind === 'unreadable') lookTimer = startTimer(5 * STORE_TIMEOUT, onHint)
    dispatch({ type: 'storeSeen', flight, seen, now: platform.now() })
  }

  /** Whoever sends a hint, and however many: each leads to a look at most, and a look changes nothing by itself. */
  function onHint(): void {
    isHinted = true
    if (isLooking || isSettling(session)) return
    isLooking = true
    void ready.then(async () => {
      while (isHinted && session.loading !== 'pending' && !isSettling(session)) {
        const since = platform.now() - looked[0]
        // Less than nothing where the clock was set back.
        if (since >= 0 && since < HINT_PAUSE) {
          await pause(HINT_PAUSE - since)
          continue
        }
        isHinted = false
        looked = [looked[1], platform.now()]
        await look()
      }
      isLooking = false
    })
  }

  /** Looks into the store while no other worker does, and keeps them out until this flight has come to an end. */
  async function readForClaim(flight: number): Promise<void> {
    if (exclusive?.flight === flight) return look(flight)
    const work = async () => {
      if (!isExclusive(session, flight)) return
      await new Promise<void>((resolve) => {
        exclusive = { flight, until: platform.now() + longest * OWN_SHARE, end: resolve }
        void look(flight)
      })
      await unfinished
    }
    try {
      await peers.exclusive(work, longest)
    } catch {
      // Without a lock, conditional writes alone keep two workers apart. One that was stolen is at its work already.
      if (exclusive?.flight !== flight) await work()
    }
  }

  function inTime<T>(work: () => MaybePromise<T>): Promise<T> {
    return withTimeout(async () => work(), STORE_TIMEOUT)
  }

  async function writeClaim(flight: number, record: StoredSession, replaces: StoredState | null): Promise<void> {
    const outcome = await write(() => inTime(() => store.save(record, replaces)))
    dispatch({ type: 'claimWritten', flight, outcome, now: platform.now() })
  }

  async function clearRejected(flight: number, only: StoredState): Promise<void> {
    const outcome = await write(() => inTime(() => store.clear(only)))
    if (outcome === 'done') peers.announce()
    dispatch({ type: 'rejectionSettled', flight, outcome: outcome === 'conflict' ? await readStore() : outcome })
  }

  async function clear(only?: StoredState): Promise<boolean> {
    const outcome = await write(() => storeQueue.clear(only))
    if (outcome === 'failed') dispatch({ type: 'storeFailed' })
    return outcome !== 'failed'
  }

  function withTimeout<T>(work: () => Promise<T>, milliseconds: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = startTimer(milliseconds, () =>
        reject(new LingpaiError('store_failed', 'The store has not answered in time.')),
      )
      work()
        .then(resolve, reject)
        .finally(() => platform.clearTimeout(timer))
    })
  }

  function startTimer(milliseconds: number, callback: () => void): unknown {
    return platform.setTimeout(callback, Math.min(Math.max(milliseconds, 0), LONGEST_TIMER))
  }

  /** The timer is a hint: it is clamped, and whether the session is too old is judged by the clock. */
  function watchAge(): void {
    platform.clearTimeout(ageTimer)
    if (rules.maxSessionAge === undefined || session.held === undefined) return
    ageTimer = startTimer(session.signedInAt + rules.maxSessionAge - platform.now(), () => {
      dispatch({ type: 'timePassed', now: platform.now() })
      watchAge()
    })
  }

  /** Runs one sign-in. A newer one, or a sign-out, takes over: then this one's tokens are dropped (I5). */
  async function runSignIn(signal: CancelSignal, work: (io: GrantIO) => Promise<unknown>): Promise<void> {
    // Without a wait where there is none: a call that comes right after it must find it under way.
    if (session.loading === 'pending') await ready
    if (session.reason === LATER_BUILD) throw laterBuild()
    const signIn = ++lastSignIn
    const attempt = startAttempt(options, { letsRequestsEnd: true })
    const onAbort = () => attempt.abort(cancelled())
    if (signal.aborted) throw cancelled()
    signal.addEventListener('abort', onAbort)
    signIns.set(signIn, attempt)
    dispatch({ type: 'signInStarted', signIn })
    try {
      const received = await attempt.run(work, (late) => dropLateSignIn(signIn, late))
      const tokens = toTokenSet(received, platform.now())
      const isWanted = session.signIn === signIn
      dispatch({ type: 'signInSucceeded', signIn, tokens, lineage: createId() })
      if (!isWanted) throw cancelled()
      const { generation } = session
      await saving
      if (isLaterBuild()) throw laterBuild()
      if (session.generation !== generation) throw cancelled()
    } catch (thrown) {
      const error = toSignInError(thrown)
      dispatch({ type: 'signInFailed', signIn, reason: error.code })
      throw error
    } finally {
      signIns.delete(signIn)
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Tokens that nobody waits for any more: only with them in hand can the server be told to forget them. */
  function dropLateSignIn(signIn: number, received: unknown): void {
    let tokens: TokenSet
    try {
      tokens = toTokenSet(received, platform.now())
    } catch {
      return
    }
    // An aborted sign-in may still be the current one for a moment, until its caller has been told.
    dispatch({ type: 'signInFailed', signIn, reason: 'sign_in_cancelled' })
    dispatch({ type: 'signInSucceeded', signIn, tokens, lineage: createId() })
  }

  /** Undefined where the server could not be told. */
  async function revoke(tokens: TokenSet | undefined, everywhere: boolean): Promise<{ url?: string } | undefined> {
    if (grant.signOut === undefined || (tokens === undefined && !everywhere)) return {}
    try {
      const attempt = startAttempt(options, { timeout: REVOCATION_TIMEOUT })
      return await attempt.run(async (io) => (await grant.signOut?.(tokens, { ...io, everywhere })) ?? {})
    } catch {
      // The session is over here; the server's own copy ends when it expires.
      record({ event: 'revocation-failed' })
      return undefined
    }
  }

  function refusal(code: LingpaiErrorCode, reason: string | undefined): LingpaiError {
    if (code === 'refresh_unavailable') {
      return new LingpaiError(code, `The session cannot be refreshed (${reason}): check the grant's configuration.`)
    }
    if (code === 'protocol_mismatch') return laterBuild()
    const why = reason === undefined ? 'Nobody is signed in' : `The session has ended (${reason})`
    return new LingpaiError('sign_in_required', `${why}. Call session.signIn().`)
  }

  function tokenTimeout(patience: number): LingpaiError {
    if (session.tokenServer === 'unreachable') return tokenServerUnreachable()
    const what = session.held ? 'token server has not answered' : 'sign-in has not ended'
    return new LingpaiError('timeout', `The ${what} within ${patience} ms.`)
  }

  function openCall(id: string, signal: CancelSignal): Call {
    const { generation, lineage, held } = session
    return {
      id,
      signal,
      generation,
      lineage,
      subject: held?.subject,
      signIn: findSignIn(),
      api: '',
      hasRefreshed: false,
    }
  }

  /** The sign-in that a call of nobody waits for. Where the store is slow, the call may be somebody's. */
  function findSignIn(): number | undefined {
    return session.held === undefined && session.loading !== 'pending' ? session.signIn : undefined
  }

  function isLaterBuild(): boolean {
    return session.reason === LATER_BUILD
  }

  /** A store that is slow is waited for, like a refresh, and does not make a call fail that it may yet hold a session for. */
  async function authorizeLater(call: Call): Promise<Permit> {
    const signInsBefore = lastSignIn
    const isSigningIn = session.signIn !== undefined
    let timer: unknown
    let onAbort = () => {}
    try {
      await new Promise<void>((resolve, reject) => {
        onAbort = () => reject(new LingpaiError('aborted', 'The call was aborted.'))
        timer = startTimer(DEFAULT_TIMEOUT, () =>
          reject(
            new LingpaiError('store_failed', 'The store has not answered: nobody knows whether anybody is signed in.'),
          ),
        )
        if (call.signal.aborted) onAbort()
        call.signal.addEventListener('abort', onAbort)
        void loaded.then(resolve)
      })
    } finally {
      platform.clearTimeout(timer)
      call.signal.removeEventListener('abort', onAbort)
    }
    // It was made when nobody could be seen; a sign-in meanwhile is somebody else's.
    if (lastSignIn === signInsBefore && !isSigningIn)
      Object.assign(call, openCall(call.id, call.signal), { api: call.api })
    return wantToken(call)
  }

  return {
    /** Resolves when the stored session has been read. Everything below waits for it. */
    ready,
    snapshot: () => snapshot,
    explain: (after?: number): readonly HistoryRecord[] => history.entries(after),
    record,

    subscribe(listener: (snapshot: BrokerSnapshot) => void): () => void {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },

    /** Tells that the host has its network back: a refresh that waits out an outage is tried again soon. */
    resume(): void {
      dispatch({ type: 'resumed', now: platform.now() })
      this.look()
    },

    /** Tells that hints of other workers may have been missed. */
    look(): void {
      if (isShared) onHint()
    },

    async openCall(id: string, signal: CancelSignal): Promise<Call> {
      await ready
      return openCall(id, signal)
    },

    /** Leave to send a request. Rejects with `sign_in_required`, `refresh_unavailable`, `timeout` or `aborted`. */
    authorize(call: Call): Promise<Permit> {
      if (session.loading === 'pending') return authorizeLater(call)
      // A sign-in that was asked for before the call may have begun a moment later than the call came in.
      if (call.lineage === undefined) call.signIn ??= findSignIn()
      return wantToken(call)
    },

    /** Leave to send a request again after the API has refused its token, or `undefined`: its answer is final. */
    reauthorize: (call: Call, denied: Permit): Promise<Permit | undefined> => wantToken(call, denied),

    /** Tells that a call's API has accepted its token, so that a later 401 of that API counts as news. */
    accept({ api }: Call, { version }: Permit): void {
      if (denialsOf(session, api) !== undefined) dispatch({ type: 'tokenAccepted', version, api })
    },

    /** An API wants the user to sign in: pages must know, so that none leads back to where that API is called. */
    askForSignIn({ generation }: Call): void {
      dispatch({ type: 'signInRequired', generation })
    },

    async signIn(input: unknown, signal: CancelSignal): Promise<void> {
      await runSignIn(signal, async (io) => {
        if (grant.signIn === undefined) {
          throw new LingpaiError(
            'invalid_call',
            'This grant has no signIn. With oauth(), call session.signIn({via: "redirect"}).',
          )
        }
        return grant.signIn(input, io)
      })
    },

    async beginSignIn(
      input: { readonly via: string; readonly returnTo?: string },
      signal: CancelSignal,
    ): Promise<{ url: string }> {
      await ready
      const attempt = startAttempt(options, { timeout: DEFAULT_TIMEOUT })
      if (signal.aborted) throw cancelled()
      signal.addEventListener('abort', () => attempt.abort(cancelled()))
      try {
        const { url, transaction } = await attempt.run(async (io) => {
          if (grant.authorize === undefined || grant.callback === undefined) {
            throw new LingpaiError('invalid_call', 'This grant has no authorize: pass what its signIn takes.')
          }
          return grant.authorize(input, io)
        })
        const kept = { ...transaction, ...(input.returnTo !== undefined && { returnTo: input.returnTo }) }
        await withTimeout(() => transactions.put(kept, platform.now()), DEFAULT_TIMEOUT)
        record({ event: 'sign-in-begun' })
        return { url }
      } catch (thrown) {
        throw toSignInError(thrown)
      }
    },

    async completeSignIn(url: string, state: string | undefined, signal: CancelSignal): Promise<{ returnTo?: string }> {
      await ready
      if (state === undefined) {
        throw new LingpaiError('state_missing', 'This URL is no sign-in callback: it has no state.')
      }
      const transaction = await withTimeout(() => transactions.take(state, platform.now()), DEFAULT_TIMEOUT)
      if (transaction === undefined) {
        throw new LingpaiError(
          'state_mismatch',
          'This callback belongs to no sign-in of this browser, or one of ten minutes ago. Sign in again.',
        )
      }
      if (transaction === 'used') {
        throw new LingpaiError(
          'state_used',
          'This callback has been used, perhaps by a reload. Go on with the session as it is.',
        )
      }
      await runSignIn(signal, async (io) => {
        if (grant.callback === undefined) throw new LingpaiError('invalid_call', 'This grant has no callback.')
        return grant.callback(url, transaction, io)
      })
      const { returnTo } = transaction
      return typeof returnTo === 'string' ? { returnTo } : {}
    },

    async adopt(received: unknown): Promise<void> {
      const { signal } = platform.createAbort()
      await runSignIn(signal, async () => received)
    },

    /**
     * Ends the session here first, then tells the server; resolves even where the tokens could not be revoked. Rejects,
     * after all that, with `network_error` where `everywhere` could not be done, and with `store_failed` where the stored
     * session is still there: a restart would sign the user in again.
     */
    async signOut(everywhere: boolean): Promise<{ url?: string }> {
      await ready
      const hadLaterBuild = isLaterBuild()
      const { held } = session
      clearing = Promise.resolve(true)
      dispatch({ type: 'signedOut' })
      const [isCleared] = await Promise.all([
        clearing,
        withTimeout(() => transactions.clear(), STORE_TIMEOUT).catch(() => {}),
      ])
      // Only the store can tell whether its record is gone.
      if (hadLaterBuild) await look()
      const answer = await revoke(held, everywhere)
      if (everywhere && answer === undefined) {
        throw new LingpaiError(
          'network_error',
          "The user is signed out here, but the provider's own session could not be ended. Try again.",
        )
      }
      if (isCleared || answer?.url !== undefined) return answer ?? {}
      throw new LingpaiError(
        'store_failed',
        'The user is signed out here, but the stored session could not be deleted: a restart may sign them in again. ' +
          "Call session.signOut() again, or have the site's data cleared.",
      )
    },
  }
}

function isSameSnapshot(one: BrokerSnapshot, other: BrokerSnapshot): boolean {
  return (
    one.status === other.status &&
    one.tokenServer === other.tokenServer &&
    one.reason === other.reason &&
    one.user?.subject === other.user?.subject &&
    isSameProfile(one.user?.profile, other.user?.profile)
  )
}

/** A refresh may bring the same profile as a new object, which is no news to the pages. */
function isSameProfile(one: unknown, other: unknown): boolean {
  if (one === other) return true
  try {
    return JSON.stringify(one) === JSON.stringify(other)
  } catch {
    return false
  }
}

function laterBuild(): LingpaiError {
  return new LingpaiError(
    'protocol_mismatch',
    "A later build of the app has taken over the stored session, which this tab's worker cannot read. Reload the page and close the other tabs, or delete that session by session.signOut().",
  )
}

function cancelled(): LingpaiError {
  return new LingpaiError(
    'sign_in_cancelled',
    'The sign-in was cancelled, or another sign-in or a sign-out took its place.',
  )
}

function toSignInError(thrown: unknown): LingpaiError {
  if (isLingpaiError(thrown)) return thrown as LingpaiError
  // The text of a SyntaxError quotes the answer that could not be read, perhaps a token in it (I11).
  const isQuote = thrown instanceof SyntaxError
  const why = isQuote ? 'the answer is not JSON' : thrown instanceof Error ? thrown.message : String(thrown)
  return new LingpaiError('sign_in_failed', `The sign-in failed: ${why}`)
}
