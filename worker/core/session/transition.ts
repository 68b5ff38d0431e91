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
import { onTokenAccepted, onTokenWanted } from './authorize.ts'
import { abandonSignIn, endIfTooOld, endSession } from './ending.ts'
import { note, type SessionEvent, type SessionRules, type Step } from './events.ts'
import { onLoadedLate } from './follow.ts'
import { onClaimWriteEnded, onRefreshEnded, onRefreshSucceeded, onResumed, onRetryDue, onStoreRead } from './refresh.ts'
import { onRejectionSettled } from './rejection.ts'
import { onSaved } from './saving.ts'
import { onSignInFailed, onSignInStarted, onSignInSucceeded } from './sign-in.ts'
import type { SessionState } from './state.ts'

/** Decides what follows from an event. Pure: the result depends only on the arguments. */
export function transition(session: SessionState, event: SessionEvent, rules: SessionRules): Step {
  switch (event.type) {
    case 'tokenWanted':
      return onTokenWanted(session, event.request, event.now, rules)
    case 'tokenAccepted':
      return onTokenAccepted(session, event.version, event.api)
    case 'refreshSucceeded':
      return onRefreshSucceeded(session, event.flight, event.tokens)
    case 'refreshEnded':
      return onRefreshEnded(session, event, rules)
    case 'retryDue':
      return onRetryDue(session, event.flight, rules)
    case 'saved':
      return onSaved(session, event.flight, event.stored)
    case 'storeRead':
      return onStoreRead(session, event, rules)
    case 'claimWritten':
      return onClaimWriteEnded(session, event, rules)
    case 'rejectionSettled':
      return onRejectionSettled(session, event.flight, event.outcome, rules)
    case 'signInStarted':
      return onSignInStarted(session, event.signIn)
    case 'signInSucceeded':
      return onSignInSucceeded(session, event.signIn, event.tokens, event.sessionId)
    case 'signInFailed':
      return onSignInFailed(session, event.signIn, event.reason)
    case 'signedOut':
      return endSession(session, undefined, rules, abandonSignIn(session))
    case 'signInRequired':
      // One API's answer ends no session (I7), and an answer to an earlier session says nothing about this one (I5).
      return [event.generation === session.generation ? { ...session, reason: 'sign_in_required' } : session, []]
    case 'storeFailed':
      // The reason why a session has ended matters more than the store.
      if (session.held === undefined && session.reason !== undefined) return [session, [note('store-failed')]]
      return [{ ...session, reason: 'store_failed' }, [note('store-failed')]]
    case 'loadedLate':
      return onLoadedLate(session, event.stored, event.now, rules)
    case 'loadFailed':
      return [session.loading === 'pending' ? { ...session, loading: 'failed' } : session, []]
    case 'timePassed':
      return endIfTooOld(session, event.now, rules) ?? [session, []]
    case 'resumed':
      return onResumed(session, event.now, rules)
    default:
      return event satisfies never
  }
}
