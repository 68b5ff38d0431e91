import { type BrokerSnapshot, DEFAULT_TIMEOUT, type HistoryEntry } from '../../src/protocol/contract.ts'
import { isLingpaiError, LingpaiError, type LingpaiErrorCode } from '../../src/protocol/errors.ts'
import type {
  CancelSignal,
  Grant,
  GrantIO,
  GrantRequest,
  GrantResponse,
  HistoryNote,
  Platform,
  Store,
  StoredSession,
  TransactionStore,
} from './adapter.ts'
import { createHistory } from './history.ts'
import { LONGEST_TIMER } from './retry.ts'
import {
  type Effect,
  type Permit,
  type Session,
  type SessionEvent,
  type SessionRules,
  startSession,
  type TokenRequest,
  toSnapshot,
  transition,
} from './session.ts'
import { readStoredSession, toTokenSet } from './token-set.ts'
import { failed, parseRetryAfter, toVerdict } from './verdict.ts'

/** A storage that has not answered by then counts as broken; the session goes on in memory. */
const STORE_TIMEOUT = 2000
/** The user has signed out already; the server's revocation may take this long before nobody waits for it any more. */
const REVOCATION_TIMEOUT = 5000

export interface BrokerOptions {
  readonly grant: Grant
  readonly store: Store
  readonly transactions: TransactionStore
  readonly platform: Platform
  readonly rules: SessionRules
  readonly origin: string
  /** Sends one request of the grant, redirects not followed. */
  send(request: GrantRequest, signal: CancelSignal): Promise<GrantResponse>
}

/** A call that asks for a token. */
export interface Call {
  readonly id: string
  /** The session that was current when the call came in. */
  readonly generation: number
  readonly subject: string | undefined
  readonly signal: CancelSignal
  /** Whether this call has waited for a refresh: it gets only one. */
  hasRefreshed: boolean
}

interface Waiter {
  readonly request: TokenRequest
  settle(outcome: Permit | 'keepAnswer' | LingpaiError): void
}

export type SessionBroker = ReturnType<typeof createBroker>

/**
 * The one owner of the session. {@link transition} decides; this performs: it keeps the timers, calls the grant and the
 * store, and answers those who wait.
 */
export function createBroker({ grant, store, transactions, platform, rules, origin, send }: BrokerOptions) {
  let session: Session = startSession(undefined)
  let snapshot: BrokerSnapshot = toSnapshot(session)
  const history = createHistory()
  const listeners = new Set<(snapshot: BrokerSnapshot) => void>()
  const waiters = new Map<string, Waiter>()
  const signIns = new Map<number, { abort(reason: unknown): void }>()
  let lastSignIn = 0
  let retryTimer: unknown
  let ageTimer: unknown
  let storeQueue: Promise<unknown> = Promise.resolve()
  let saving: Promise<void> = Promise.resolve()
  let clearing: Promise<void> = Promise.resolve()

  const ready = restore()

  async function restore(): Promise<void> {
    try {
      const loaded = await withTimeout(async () => store.load(), STORE_TIMEOUT)
      session = startSession(readStoredSession(loaded))
      snapshot = toSnapshot(session)
      record({
        event: session.held ? 'session-restored' : 'started',
        ...(session.held?.expiresAt !== undefined && { expiresAt: session.held.expiresAt }),
      })
    } catch {
      dispatch({ type: 'storeFailed' })
    }
    watchAge()
    // Nobody may see a session that grew too old while no worker ran.
    dispatch({ type: 'timePassed', now: platform.now() })
  }

  function record(note: HistoryNote): void {
    history.add(platform.now(), session, note)
  }

  function dispatch(event: SessionEvent): void {
    const [next, effects] = transition(session, event, rules)
    const generation = session.generation
    session = next
    for (const effect of effects) perform(effect)
    if (session.generation !== generation) watchAge()
    publish()
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
      case 'grant':
        settle(effect.call, effect.permit)
        return
      case 'keepAnswer':
        settle(effect.call, 'keepAnswer')
        return
      case 'refuse':
        settle(effect.call, refusal(effect.code, effect.reason))
        return
      case 'wait':
        return
      case 'wake':
        // A copy: whoever is answered leaves the map, and nobody who joins meanwhile was waiting for this.
        for (const { request } of [...waiters.values()]) ask(request)
        return
      case 'refresh':
        void refresh(effect.flight, effect.tokens)
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
        saving = save(effect.flight, effect.session)
        return
      case 'clear':
        clearing = inStore(() => store.clear()).catch(() => dispatch({ type: 'storeFailed' }))
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

  function settle(call: string, outcome: Permit | 'keepAnswer' | LingpaiError): void {
    const waiter = waiters.get(call)
    waiters.delete(call)
    waiter?.settle(outcome)
  }

  /** Waits for leave to send, or for word that the answer at hand must do. Settles by the deadline in any case (I3). */
  function wantToken(call: Call, refused: Permit | undefined): Promise<Permit | 'keepAnswer'> {
    const request: TokenRequest = {
      call: call.id,
      generation: refused?.generation ?? call.generation,
      subject: refused ? refused.tokens.subject : call.subject,
      waitingSince: undefined,
      refusedVersion: refused?.version,
      mayRefresh: !call.hasRefreshed,
    }
    return new Promise((resolve, reject) => {
      let timer: unknown
      const onAbort = () => settle(call.id, new LingpaiError('aborted', 'The call was aborted.'))
      const finish = (outcome: Permit | 'keepAnswer' | LingpaiError) => {
        platform.clearTimeout(timer)
        call.signal.removeEventListener('abort', onAbort)
        if (outcome instanceof LingpaiError) reject(outcome)
        else resolve(outcome)
      }
      waiters.set(call.id, { request, settle: finish })
      ask(request)
      if (!waiters.has(call.id)) return
      // Still waiting, so there is a refresh to wait for; only now are a timer and a listener worth their cost.
      waiters.set(call.id, {
        request: { ...request, waitingSince: session.version, mayRefresh: false },
        settle: finish,
      })
      call.hasRefreshed = true
      record({ event: 'call-waiting', call: call.id })
      timer = startTimer(DEFAULT_TIMEOUT, () => settle(call.id, tokenTimeout()))
      if (call.signal.aborted) onAbort()
      else call.signal.addEventListener('abort', onAbort)
    })
  }

  async function refresh(flight: number, tokens: NonNullable<Session['held']>): Promise<void> {
    const attempt = startAttempt(rules.timeout ?? DEFAULT_TIMEOUT)
    try {
      const received = await attempt.run((io) => grant.refresh(tokens, io))
      const renewed = readRefreshed(received, tokens)
      dispatch({ type: 'refreshSucceeded', flight, tokens: renewed })
    } catch (thrown) {
      const { verdict, message, retryAfter } = toVerdict(thrown, attempt.lastStatus(), attempt.retryAfter())
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

  function readRefreshed(received: unknown, previous: NonNullable<Session['held']>) {
    const renewed = toTokenSet(received, platform.now(), previous)
    if (previous.subject !== undefined && renewed.subject !== previous.subject) {
      throw failed('tokens_of_another_user')
    }
    return renewed
  }

  /** One exchange of a grant: a deadline, an abort signal, and the status of the last answer, from which verdicts are read. */
  function startAttempt(timeout: number | undefined) {
    const { signal, abort } = platform.createAbort()
    let lastStatus: number | undefined
    let retryAfter: number | undefined
    const io: GrantIO = {
      signal,
      origin,
      async send(request) {
        lastStatus = undefined
        // A grant that does not look at its signal must not send beside the attempt that took its place (I1).
        if (signal.aborted) throw signal.reason
        const response = await send(request, signal)
        lastStatus = response.status
        retryAfter = parseRetryAfter(response.headers['retry-after'], platform.now())
        return response
      },
    }
    return {
      abort,
      lastStatus: () => lastStatus,
      retryAfter: () => retryAfter,
      /** Rejects on abort and timeout even where the grant's own code does not look at its signal. */
      run<T>(work: (io: GrantIO) => Promise<T> | T): Promise<T> {
        return new Promise((resolve, reject) => {
          const timer =
            timeout === undefined
              ? undefined
              : startTimer(timeout, () => {
                  lastStatus = undefined
                  abort(new LingpaiError('timeout', `The token server has not answered within ${timeout} ms.`))
                })
          if (signal.aborted) reject(signal.reason)
          signal.addEventListener('abort', () => reject(signal.reason))
          Promise.resolve()
            .then(() => work(io))
            .then(resolve, reject)
            .finally(() => platform.clearTimeout(timer))
        })
      },
    }
  }

  /**
   * Store operations run one after the other, so that a sign-out's clear never overtakes an older save (I5). The next one
   * begins when the last has really ended, however late: what its caller hears after the deadline is only a loss of hope.
   */
  function inStore(work: () => unknown): Promise<void> {
    const done = storeQueue.then(work)
    storeQueue = done.catch(() => {})
    return withTimeout(() => done.then(() => {}), STORE_TIMEOUT)
  }

  async function save(flight: number, record: StoredSession): Promise<void> {
    const stored = await inStore(() => store.save(record)).then(
      () => true,
      () => false,
    )
    dispatch({ type: 'saved', flight, stored })
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
    await ready
    const signIn = ++lastSignIn
    const attempt = startAttempt(undefined)
    const onAbort = () => attempt.abort(cancelled())
    if (signal.aborted) throw cancelled()
    signal.addEventListener('abort', onAbort)
    signIns.set(signIn, attempt)
    dispatch({ type: 'signInStarted', signIn })
    try {
      const received = await attempt.run(work)
      const tokens = toTokenSet(received, platform.now())
      const isWanted = session.signIn === signIn
      dispatch({ type: 'signInSucceeded', signIn, tokens })
      if (!isWanted) throw cancelled()
      const { generation } = session
      await saving
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

  async function revoke(tokens: NonNullable<Session['held']>, everywhere: boolean): Promise<{ url?: string }> {
    if (grant.signOut === undefined) return {}
    try {
      const attempt = startAttempt(REVOCATION_TIMEOUT)
      return await attempt.run(async (io) => (await grant.signOut?.(tokens, { ...io, everywhere })) ?? {})
    } catch {
      // The session is over here; the server's own copy ends when it expires.
      record({ event: 'revocation-failed' })
      return {}
    }
  }

  function refusal(code: LingpaiErrorCode, reason: string | undefined): LingpaiError {
    if (code === 'refresh_unavailable') {
      return new LingpaiError(code, `The session cannot be refreshed (${reason}): check the grant's configuration.`)
    }
    const why = reason === undefined ? 'Nobody is signed in' : `The session has ended (${reason})`
    return new LingpaiError('sign_in_required', `${why}. Call session.signIn().`)
  }

  function tokenTimeout(): LingpaiError {
    return session.tokenServer === 'unreachable' || session.refresh.kind === 'waiting'
      ? new LingpaiError(
          'refresh_unavailable',
          'The token server cannot be reached. The user is still signed in: try again later.',
        )
      : new LingpaiError('timeout', `The token server has not answered within ${DEFAULT_TIMEOUT} ms.`)
  }

  function openCall(id: string, signal: CancelSignal): Call {
    return { id, signal, generation: session.generation, subject: session.held?.subject, hasRefreshed: false }
  }

  return {
    /** Resolves when the stored session has been read. Everything below waits for it. */
    ready,
    snapshot: () => snapshot,
    explain: (): readonly HistoryEntry[] => history.entries(),
    record,

    subscribe(listener: (snapshot: BrokerSnapshot) => void): () => void {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },

    async openCall(id: string, signal: CancelSignal): Promise<Call> {
      await ready
      return openCall(id, signal)
    },

    /** Leave to send a request. Rejects with `sign_in_required`, `refresh_unavailable`, `timeout` or `aborted`. */
    async authorize(call: Call): Promise<Permit> {
      const permit = await wantToken(call, undefined)
      if (permit === 'keepAnswer')
        throw new LingpaiError('sign_in_required', 'The session has ended. Call session.signIn().')
      return permit
    },

    /** Leave to send a request again after the API has refused its token, or `undefined`: its answer is final. */
    async reauthorize(call: Call, refused: Permit): Promise<Permit | undefined> {
      const permit = await wantToken(call, refused)
      return permit === 'keepAnswer' ? undefined : permit
    },

    /** Tells that an API has accepted a token, so that a later 401 counts as news. */
    accept({ version }: Permit): void {
      if (session.refusals > 0) dispatch({ type: 'tokenAccepted', version })
    },

    async signIn(input: unknown, signal: CancelSignal): Promise<void> {
      await runSignIn(signal, async (io) => {
        if (grant.signIn === undefined) {
          throw new LingpaiError('invalid_call', 'This grant has no signIn: call session.signIn({via: "redirect"}).')
        }
        return grant.signIn(input, io)
      })
    },

    async beginSignIn(
      input: { readonly via: string; readonly returnTo?: string },
      signal: CancelSignal,
    ): Promise<{ url: string }> {
      await ready
      const attempt = startAttempt(DEFAULT_TIMEOUT)
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

    /** Ends the session here first, then tells the server; resolves even where the server cannot be reached. */
    async signOut(everywhere: boolean): Promise<{ url?: string }> {
      await ready
      const { held } = session
      dispatch({ type: 'signedOut' })
      await Promise.all([clearing, withTimeout(() => transactions.clear(), STORE_TIMEOUT).catch(() => {})])
      return held === undefined ? {} : revoke(held, everywhere)
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
