import { expect, test } from 'vitest'
import type { HistoryNote, StoredSession } from '../../../../worker/core/adapter.ts'
import type { SessionEvent, SessionRules } from '../../../../worker/core/session/events.ts'
import type { SessionState } from '../../../../worker/core/session/state.ts'
import { transition } from '../../../../worker/core/session/transition.ts'
import {
  decide,
  ended,
  expired,
  minute,
  newTokens,
  now,
  sending,
  signedIn,
  signedOut,
  tokens,
  waiting,
  want,
} from '../../../fixtures/sessions.ts'

const stored: StoredSession = {
  format: 1,
  sessionId: 'session-1',
  generation: 3,
  version: 7,
  signedInAt: now,
  tokens,
}
const { expiresAt, ...eternal } = newTokens
const read = (session: StoredSession) => ({ kind: 'session' as const, session })

function notesOf(session: SessionState, event: SessionEvent, rules: SessionRules = {}): HistoryNote[] {
  return transition(session, event, rules)[1].flatMap((effect) => (effect.do === 'note' ? [effect.note] : []))
}

const signInOf = (tokensOfIt = newTokens): SessionEvent => ({
  type: 'signInSucceeded',
  signIn: 1,
  tokens: tokensOfIt,
  sessionId: 'session-2',
})
const renewal: SessionEvent = { type: 'refreshSucceeded', flight: 5, tokens: newTokens }
const late = (kept: StoredSession | undefined): SessionEvent => ({
  type: 'loadedLate',
  stored: kept === undefined ? { kind: 'none' } : read(kept),
  now,
})

// People read the history to learn what happened and why: each step of a session has one entry, with its reason.
test.each<[string, SessionState, SessionEvent, SessionRules, HistoryNote[]]>([
  ['a sign-in begins', signedOut, { type: 'signInStarted', signIn: 1 }, {}, [{ event: 'sign-in-started' }]],
  [
    'a sign-in fails',
    { ...signedOut, signIn: 1 },
    { type: 'signInFailed', signIn: 1, reason: 'sign_in_cancelled' },
    {},
    [{ event: 'sign-in-failed', reason: 'sign_in_cancelled' }],
  ],
  ['a sign-in that was superseded fails', signedOut, { type: 'signInFailed', signIn: 1, reason: 'timeout' }, {}, []],
  [
    'a user signs in',
    { ...signedOut, signIn: 1 },
    signInOf(),
    {},
    [{ event: 'signed-in', expiresAt: now + 15 * minute }],
  ],
  [
    'a sign-in brings a token without an expiry',
    { ...signedOut, signIn: 1 },
    signInOf(eternal),
    {},
    [{ event: 'signed-in' }],
  ],
  ['a sign-in comes too late', signedOut, signInOf(), {}, [{ event: 'late-sign-in-dropped' }]],
  ['the user signs out', signedIn(), { type: 'signedOut' }, {}, [{ event: 'signed-out' }]],
  [
    'the session grows too old',
    signedIn(),
    { type: 'timePassed', now: now + minute },
    { maxSessionAge: minute },
    [{ event: 'signed-out', reason: 'session_too_old' }],
  ],
  [
    'a token has expired',
    signedIn({ held: expired }),
    want(),
    {},
    [{ event: 'refresh-started', reason: 'expired', expiresAt: now }],
  ],
  [
    'a token without an expiry was refused',
    signedIn({ held: eternal }),
    want({ deniedVersion: 7 }),
    {},
    [{ event: 'refresh-started', reason: 'denied' }],
  ],
  [
    'a pause ends by its timer',
    waiting(),
    { type: 'retryDue', flight: 5, now: now + 1000 },
    {},
    [{ event: 'refresh-started', reason: 'retry', expiresAt: now + 15 * minute }],
  ],
  [
    'a pause ends by a call',
    waiting({ held: expired }),
    want({}, now + 1000),
    {},
    [{ event: 'refresh-started', reason: 'retry', expiresAt: now }],
  ],
  [
    'a pause ends since the network is back',
    waiting(),
    { type: 'resumed', now: now + 1000 },
    {},
    [{ event: 'refresh-started', reason: 'retry', expiresAt: now + 15 * minute }],
  ],
  ['a refresh succeeds', sending(), renewal, {}, [{ event: 'refresh-succeeded', expiresAt: now + 15 * minute }]],
  ['a refresh succeeds too late', signedIn(), renewal, {}, [{ event: 'late-refresh-dropped' }]],
  [
    'a refresh ends too late',
    signedIn(),
    ended('refused'),
    {},
    [{ event: 'late-refresh-dropped', verdict: 'refused', reason: 'because' }],
  ],
  [
    'a refresh is refused',
    sending(),
    ended('refused'),
    {},
    [{ event: 'refresh-ended', verdict: 'refused', reason: 'because', delay: 1000 }],
  ],
  [
    'a refresh has failed',
    sending(),
    ended('failed'),
    {},
    [{ event: 'refresh-ended', verdict: 'failed', reason: 'because' }],
  ],
  [
    'a refresh is rejected',
    sending(),
    ended('rejected'),
    {},
    [
      { event: 'refresh-ended', verdict: 'rejected', reason: 'because' },
      { event: 'signed-out', reason: 'refresh_rejected' },
    ],
  ],
  [
    'a refresh brings the tokens of another user',
    sending(),
    { type: 'refreshSucceeded', flight: 5, tokens: { ...newTokens, subject: 'bob' } },
    {},
    [
      { event: 'refresh-ended', verdict: 'rejected', reason: 'subject_changed' },
      { event: 'signed-out', reason: 'subject_changed' },
    ],
  ],
  [
    'the outcome of a refresh is unknown, and the app wants a sign-in then',
    sending(),
    ended('unknown'),
    { onUnknownOutcome: 'sign-in' },
    [
      { event: 'refresh-ended', verdict: 'unknown', reason: 'because' },
      { event: 'signed-out', reason: 'refresh_answer_lost' },
    ],
  ],
  [
    'a refresh is rejected and other workers keep the session, too',
    sending(),
    ended('rejected'),
    { owner: 'me' },
    [{ event: 'refresh-ended', verdict: 'rejected', reason: 'because' }],
  ],
  ['the store fails', signedIn(), { type: 'storeFailed' }, {}, [{ event: 'store-failed' }]],
  [
    'the store fails after the session has ended',
    { ...signedOut, reason: 'refresh_rejected' },
    { type: 'storeFailed' },
    {},
    [{ event: 'store-failed' }],
  ],
  [
    'new tokens cannot be stored',
    sending({ refresh: { kind: 'saving', flight: 5, signIn: false } }),
    { type: 'saved', flight: 5, stored: false },
    {},
    [{ event: 'store-failed' }],
  ],
  [
    'new tokens are stored',
    sending({ refresh: { kind: 'saving', flight: 5, signIn: false } }),
    { type: 'saved', flight: 5, stored: true },
    {},
    [],
  ],
  [
    'a slow store has brought a session',
    signedOut,
    late(stored),
    {},
    [{ event: 'session-restored', expiresAt: now + 15 * minute }],
  ],
  ['a slow store has brought none', signedOut, late(undefined), {}, [{ event: 'started' }]],
  ['a slow store comes after a sign-in', signedIn(), late(stored), {}, [{ event: 'late-session-dropped' }]],
  [
    'another worker has refreshed',
    signedIn(),
    { type: 'storeRead', flight: undefined, read: read({ ...stored, version: 8, tokens: newTokens }), now },
    { owner: 'me' },
    [{ event: 'tokens-adopted', expiresAt: now + 15 * minute }],
  ],
  [
    'a user has signed in in another worker',
    signedIn(),
    { type: 'storeRead', flight: undefined, read: read({ ...stored, sessionId: 'session-2' }), now },
    { owner: 'me' },
    [{ event: 'session-adopted', expiresAt: now + 15 * minute }],
  ],
  [
    'the user has signed out in another worker',
    signedIn(),
    { type: 'storeRead', flight: undefined, read: { kind: 'none' }, now },
    { owner: 'me' },
    [{ event: 'signed-out', reason: 'signed_out_elsewhere' }],
  ],
])('the history records that %s', (_title, session, event, rules, notes) => {
  // Strictly: an undefined does not get through a channel that carries JSON only.
  expect(notesOf(session, event, rules)).toStrictEqual(notes)
})

test('a store that fails is reported over a refresh that has failed before: that may have been its fault', () => {
  const session = signedIn({ reason: 'refresh_failed' })
  expect(decide(session, { type: 'storeFailed' })).toEqual([{ ...session, reason: 'store_failed' }, []])
})

test('an accepted replay changes nothing if its API has caused no refresh, for any name of the API', () => {
  const session = signedIn()
  for (const api of ['https://api.example.com/', '', 'constructor', '__proto__'])
    expect(decide(session, { type: 'replayAccepted', call: 'call', api })).toEqual([session, []])
  const denied = signedIn({ apiRefreshes: { '': { count: 1, call: 'call' } } })
  expect(decide(denied, { type: 'replayAccepted', call: 'call', api: '' })).toEqual([session, []])
})

test('a first sign-in replaces no other sign-in', () => {
  expect(decide(signedOut, { type: 'signInStarted', signIn: 1 })).toEqual([{ ...signedOut, signIn: 1 }, []])
})
