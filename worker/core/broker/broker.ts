import { DEFAULT_TIMEOUT } from '../../../src/protocol/deadline.ts'
import { LingpaiError } from '../../../src/protocol/errors.ts'
import type { Caller } from '../../../src/protocol/snapshot.ts'
import type { CancelSignal, Grant, HistoryNote, HistoryRecord, Peers, Store, TransactionStore } from '../adapter.ts'
import { optional } from '../optional-fields.ts'
import { type Effect, type Permit, type SessionEvent, type SessionRules, timeoutOf } from '../session/events.ts'
import { LATER_BUILD, type SessionState, startSession } from '../session/state.ts'
import { transition } from '../session/transition.ts'
import type { Call } from './call.ts'
import type { GrantRunHost } from './grant-run.ts'
import { createHistory } from './history.ts'
import { type Machine, pause, startTimer, waitFor } from './machine.ts'
import { runRefresh } from './refreshes.ts'
import { toRefusal } from './refusals.ts'
import { createSignIns } from './sign-ins.ts'
import { createSnapshotFeed } from './snapshot-feed.ts'
import { createStoreAccess } from './store-access.ts'
import { STORE_TIMEOUT } from './store-queue.ts'
import { createWaiters } from './waiters.ts'

/** A store that fails at the start is read again after this time. In milliseconds. */
const LOAD_RETRY_DELAY = 1000

/** `send` sends one request of the grant, redirects not followed. */
export interface BrokerOptions extends GrantRunHost {
  readonly grant: Grant
  readonly store: Store
  readonly transactions: TransactionStore
  readonly rules: SessionRules
  /** The other workers that keep their session in this store, if it is shared. */
  readonly peers?: Peers
  /** A random id, new at each call. */
  createId(): string
}

/** Older than every generation. */
const NO_GENERATION = -1
const NO_PEERS: Peers = { exclusive: (work) => work(), announce() {}, onHint() {} }

export type SessionBroker = ReturnType<typeof createBroker>

/**
 * The one owner of the session. {@link transition} decides, the broker performs: it keeps the timers, calls the grant and
 * the store, answers waiting calls, and turns every outcome into an event.
 */
export function createBroker(options: BrokerOptions) {
  const { grant, store, transactions, platform, createId, peers = NO_PEERS } = options
  const rules: SessionRules = store.sharedName === undefined ? options.rules : { ...options.rules, owner: createId() }
  let session: SessionState = { ...startSession(undefined), loading: 'pending' }
  let retryTimer: unknown
  let ageTimer: unknown
  let saving: Promise<void> = Promise.resolve()
  let clearing: Promise<boolean>
  let onLoaded = () => {}
  const loaded = new Promise<void>((resolve) => (onLoaded = resolve))

  const history = createHistory()
  const machine: Machine = { platform, state: () => session, dispatch, record }
  const feed = createSnapshotFeed(session, () => record({ event: 'listener-failed' }))
  const waiters = createWaiters(machine)
  const access = createStoreAccess(machine, {
    store,
    peers,
    refreshTimeout: timeoutOf(rules),
    ready: () => ready,
  })
  const ready = restore()
  const signIns = createSignIns(machine, {
    grant,
    host: options,
    transactions,
    createId,
    ready,
    saved: () => saving,
  })

  const perform: { readonly [Do in Effect['do']]: (effect: Extract<Effect, { do: Do }>) => void } = {
    permit: ({ call, permit }) => waiters.settle(call, permit),
    keepAnswer: ({ call }) => waiters.settle(call, undefined),
    refuse: ({ call, code, reason }) => waiters.settle(call, toRefusal(code, reason)),
    wake: waiters.wake,
    refresh: (effect) =>
      access.keepLockUntil(runRefresh(machine, options, grant, { ...effect, timeout: access.timeLeft() })),
    retryLater: ({ flight, delay }) => {
      retryTimer = startTimer(platform, delay, () => dispatch({ type: 'retryDue', flight, now: platform.now() }))
    },
    cancelRetry: () => platform.clearTimeout(retryTimer),
    abandonSignIn: ({ signIn }) => signIns.abandon(signIn),
    save: ({ flight, session, replaces }) => {
      saving = access.save(flight, session, replaces)
    },
    clear: ({ only }) => {
      clearing = access.clear(only)
    },
    readClaim: ({ flight }) => access.readClaim(flight),
    writeClaim: ({ flight, session, replaces }) => access.writeClaim(flight, session, replaces),
    writeFailure: ({ session, replaces }) => access.writeFailure(session, replaces),
    clearRejected: ({ flight, only }) => access.clearRejected(flight, only),
    revoke: ({ tokens }) => signIns.revoke(tokens, false),
    note: ({ note }) => record(note),
  }

  async function restore(): Promise<void> {
    const loading = access.load().catch(() => pause(platform, LOAD_RETRY_DELAY).then(access.load))
    try {
      const read = await waitFor(platform, () => loading, { timeout: STORE_TIMEOUT })
      session = startSession(read.kind === 'session' ? read.session : undefined)
      if (read.kind === 'later-format') session = { ...session, reason: LATER_BUILD }
      feed.begin(session)
      record({
        event: session.held ? 'session-restored' : 'started',
        ...optional({ expiresAt: session.held?.expiresAt }),
      })
    } catch {
      dispatch({ type: 'storeFailed' })
      loading.then(
        (stored) => dispatch({ type: 'loadedLate', stored, now: platform.now() }),
        () => dispatch({ type: 'loadFailed' }),
      )
    }
    watchAge()
    // The session may have become too old while no worker ran: no page may see it.
    dispatch({ type: 'timePassed', now: platform.now() })
  }

  function record(note: HistoryNote): void {
    history.add(platform.now(), session, note)
  }

  function dispatch(event: SessionEvent): void {
    const before = session
    const [next, effects] = transition(session, event, rules)
    session = next
    if (session.isAdopted && session.sessionId !== before.sessionId) access.forget()
    for (const effect of effects) perform[effect.do](effect as never)
    if (session.generation !== before.generation) watchAge()
    // Most events are calls that want a token, and change nothing.
    if (session !== before) feed.publish(session)
    access.onStateChanged()
    if (session.loading !== 'pending') onLoaded()
  }

  /** The timer is only a hint. Whether the session is too old is judged by the clock. */
  function watchAge(): void {
    platform.clearTimeout(ageTimer)
    if (rules.maxSessionAge === undefined || session.held === undefined) return
    ageTimer = startTimer(platform, session.signedInAt + rules.maxSessionAge - platform.now(), () => {
      dispatch({ type: 'timePassed', now: platform.now() })
      watchAge()
    })
  }

  function openCall(id: string, signal: CancelSignal, caller?: Caller): Call {
    const { generation, sessionId, held } = session
    const call = { id, signal, api: '', hasRefreshed: false }
    if (caller === undefined || caller.session === sessionId) {
      return { ...call, generation, sessionId, subject: held?.subject, signIn: findSignIn() }
    }
    // The page saw an earlier session. The call is for that user, and must not wait for a sign-in that runs now (I6).
    return { ...call, generation: NO_GENERATION, sessionId: caller.session, subject: caller.subject }
  }

  /** The sign-in that a call waits for if no user is signed in. While the store loads, the call may have a user. */
  function findSignIn(): number | undefined {
    return session.held === undefined && session.loading !== 'pending' ? session.signIn : undefined
  }

  /** Waits for a slow store: it may hold the session that the call needs. */
  async function authorizeLater(call: Call): Promise<Permit> {
    const { signal } = call
    const signInsBefore = signIns.last()
    const isSigningIn = session.signIn !== undefined
    await waitFor(platform, () => loaded, { timeout: DEFAULT_TIMEOUT, onTimeout: storeSilent, signal })
    // The call was made before a user could be seen. A sign-in since then may be another user's.
    if (signIns.last() === signInsBefore && !isSigningIn)
      Object.assign(call, openCall(call.id, signal, callerOf(call)), { api: call.api })
    return waiters.want(call) as Promise<Permit>
  }

  return {
    /** Resolves when the stored session has been read. Everything below waits for it. */
    ready,
    snapshot: () => feed.current().snapshot,
    view: feed.current,
    subscribe: feed.subscribe,
    explain: (after?: number): readonly HistoryRecord[] => history.entries(after),
    record,
    signIn: signIns.signIn,
    beginSignIn: signIns.begin,
    completeSignIn: signIns.complete,
    adopt: signIns.adopt,

    /** Hints of other workers may have been missed: reads the store, if it is shared. */
    checkStore: access.check,

    /** The network is back: a refresh that waits out an outage is tried again soon. */
    resume(): void {
      dispatch({ type: 'resumed', now: platform.now() })
      access.check()
    },

    /** `caller`: the session that the page saw when it made the call; undefined if it saw none. */
    async openCall(id: string, signal: CancelSignal, caller?: Caller): Promise<Call> {
      await ready
      return openCall(id, signal, caller)
    },

    /** A permit to send a request. Rejects with `sign_in_required`, `refresh_unavailable`, `timeout` or `aborted`. */
    authorize(call: Call): Promise<Permit> {
      if (session.loading === 'pending') return authorizeLater(call)
      // A sign-in that the page asked for before the call may begin a moment after the call came in.
      if (call.sessionId === undefined) call.signIn ??= findSignIn()
      return waiters.want(call) as Promise<Permit>
    },

    /** A permit to send a request again after the API has refused its token; undefined if its answer is final. */
    reauthorize: (call: Call, denied: Permit): Promise<Permit | undefined> => waiters.want(call, denied),

    /** The API has accepted the replay of a call, so a later 401 of that API may refresh again. */
    acceptReplay({ id, api }: Call): void {
      dispatch({ type: 'replayAccepted', call: id, api })
    },

    /** An API requires the user to sign in. The snapshot says so, so that a sign-in page does not lead back to that API. */
    askForSignIn({ generation }: Call): void {
      dispatch({ type: 'signInRequired', generation })
    },

    /**
     * Ends the session here first, then asks the server to revoke its tokens; resolves even if that failed. After all that,
     * rejects with `network_error` if `everywhere` could not be done, and with `store_failed` if the stored session could
     * not be deleted: a restart would sign the user in again.
     */
    async signOut(everywhere: boolean): Promise<{ url?: string }> {
      await ready
      const { held, reason } = session
      clearing = Promise.resolve(true)
      dispatch({ type: 'signedOut' })
      const [isCleared] = await Promise.all([
        clearing,
        waitFor(platform, () => transactions.clear(), { timeout: STORE_TIMEOUT }).catch(() => {}),
      ])
      // Only the store shows whether the later build's record is gone.
      if (reason === LATER_BUILD) await access.syncWithStore()
      const answer = await signIns.revoke(held, everywhere)
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
          "Call session.signOut() again, or ask the user to clear the site's data.",
      )
    },
  }
}

function callerOf({ sessionId, subject }: Call): Caller | undefined {
  return sessionId === undefined ? undefined : { session: sessionId, ...optional({ subject }) }
}

function storeSilent(): LingpaiError {
  return new LingpaiError('store_failed', 'The store did not answer, so it is not known whether a user is signed in.')
}
