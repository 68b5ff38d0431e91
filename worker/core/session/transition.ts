/*
 * The map of the session.
 *
 * What is held           begins                      ends
 *   nothing
 *   a token set          a sign-in, the store at     a sign-out, tokens that the server rejected (rejection.ts),
 *                        the start, another worker   the configured maximum age, another worker
 *                        (follow.ts)                 (ending.ts, follow.ts)
 *
 * What is in flight      (refresh.ts; `claim` and `ending` exist only with a shared store)
 *
 *            ┌──────────────────────── a sign-in: its tokens are saved ────────┐
 *            │                                                                 ▼
 *   idle ────┴─► claim { reading ⇄ waiting → writing } ──► sending ────────► saving ──► idle
 *    a call wants   another worker's refresh is             │ the request of    the store
 *    a token        waited for; its tokens are adopted      │ the grant         holds them
 *                   and the state is idle again             │
 *                                                           ├─► waiting   refused or unknown: tried again later
 *                                                           ├─► failed    the app is misconfigured
 *                                                           └─► ending    rejected: unless the store holds newer tokens
 *
 * A sign-in in progress is a number beside that. A newer sign-in replaces it, a sign-out cancels it (sign-in.ts).
 *
 * Who moves it: calls that want a token (authorize.ts), the grant, the store, timers, and the user. Each moves it by one
 * event. The broker performs the effects and turns their outcomes into events.
 */
import { onTokenWanted } from './authorize.ts'
import { onClaimWritten } from './claim.ts'
import { endIfTooOld, onSignedOut } from './ending.ts'
import { note, type SessionEvent, type SessionRules, type Step } from './events.ts'
import { onLoadedLate } from './follow.ts'
import { onReplayAccepted } from './fruitless.ts'
import { onRefreshEnded, onRefreshSucceeded, onResumed, onRetryDue, onStoreRead } from './refresh.ts'
import { onRejectionSettled } from './rejection.ts'
import { onSaved } from './saving.ts'
import { onSignInFailed, onSignInStarted, onSignInSucceeded } from './sign-in.ts'
import type { SessionState } from './state.ts'

type Handler<Type> = (session: SessionState, event: Extract<SessionEvent, { type: Type }>, rules: SessionRules) => Step

const handlers: { readonly [Type in SessionEvent['type']]: Handler<Type> } = {
  tokenWanted: onTokenWanted,
  replayAccepted: onReplayAccepted,
  refreshSucceeded: onRefreshSucceeded,
  refreshEnded: onRefreshEnded,
  retryDue: onRetryDue,
  saved: onSaved,
  storeRead: onStoreRead,
  claimWritten: onClaimWritten,
  rejectionSettled: onRejectionSettled,
  signInStarted: onSignInStarted,
  signInSucceeded: onSignInSucceeded,
  signInFailed: onSignInFailed,
  signedOut: onSignedOut,
  // One API's answer ends no session (I7), and an answer to an earlier session says nothing about this one (I5).
  signInRequired: (session, { generation }) => [
    generation === session.generation ? { ...session, reason: 'sign_in_required' } : session,
    [],
  ],
  storeFailed: (session) => {
    // The reason why a session has ended matters more than the store.
    const reason = session.held === undefined ? (session.reason ?? 'store_failed') : 'store_failed'
    return [{ ...session, reason }, [note('store-failed')]]
  },
  loadedLate: onLoadedLate,
  loadFailed: (session) => [session.loading === 'pending' ? { ...session, loading: 'failed' } : session, []],
  timePassed: (session, { now }, rules) => endIfTooOld(session, now, rules) ?? [session, []],
  resumed: onResumed,
}

/** Decides what follows from an event. Pure: the result depends only on the arguments. */
export function transition(session: SessionState, event: SessionEvent, rules: SessionRules): Step {
  return (handlers[event.type] as Handler<typeof event.type>)(session, event as never, rules)
}
