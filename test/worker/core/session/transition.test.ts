import { expect, test } from 'vitest'
import type { StoredSession } from '../../../../worker/core/adapter.ts'
import type { SessionEvent } from '../../../../worker/core/session/events.ts'
import { type Refresh, type SessionState, startSession, toSnapshot } from '../../../../worker/core/session/state.ts'
import { transition } from '../../../../worker/core/session/transition.ts'
import type { Verdict } from '../../../../worker/core/verdict.ts'
import {
  decide,
  decisions,
  ended,
  expired,
  follow,
  minute,
  newTokens,
  now,
  permit,
  sending,
  signedIn,
  signedOut,
  tokens,
  tokensOfBob,
  waiting,
  want,
} from '../../../fixtures/sessions.ts'

test('signed out, a call that needs a token is refused at once', () => {
  const [next, effects] = decide(signedOut, want())
  expect(effects).toEqual([{ do: 'refuse', call: 'call', code: 'sign_in_required', reason: undefined }])
  expect(next).toBe(signedOut)
})

/** A call that was made during a sign-in, when no user was signed in. */
const wantDuringSignIn = (signIn: number, changes = {}) =>
  want({ generation: 2, subject: undefined, signIn, ...changes })

test('signed out, a call that was made during a sign-in waits for it', () => {
  const session = { ...signedOut, signIn: 1 }
  expect(decide(session, wantDuringSignIn(1))).toEqual([session, []])
})

test('signed out, a call that was made before the sign-in, or during an earlier one, does not wait for it (I6)', () => {
  const session = { ...signedOut, signIn: 2 }
  const refused = [{ do: 'refuse', call: 'call', code: 'sign_in_required', reason: undefined }]
  expect(decide(session, want())[1]).toEqual(refused)
  expect(decide(session, wantDuringSignIn(1))[1]).toEqual(refused)
})

test('a call that has waited for a sign-in gets its token after that is stored', () => {
  const session = follow(
    { ...signedOut, signIn: 1 },
    { type: 'signInSucceeded', signIn: 1, tokens, sessionId: 'session-2' },
  )
  expect(decisions(session, wantDuringSignIn(1))).toEqual([])
  const settled = follow(session, { type: 'saved', flight: session.flights, stored: true })
  expect(decisions(settled, wantDuringSignIn(1))).toEqual(['permit'])
})

test('a call that has waited for a sign-in gets no token of the sign-in that replaced it (I6)', () => {
  expect(decide(signedIn({ begunBy: 2 }), wantDuringSignIn(1))[1]).toEqual([
    { do: 'refuse', call: 'call', code: 'sign_in_required', reason: 'user_changed' },
  ])
})

test('a call that waits for a sign-in gets nothing of a session that another worker has begun meanwhile (I6)', () => {
  expect(decisions(signedIn({ signIn: 1 }), wantDuringSignIn(1))).toEqual([])
})

test('a call does not wait for a sign-in that a later build will not let stand', () => {
  const session = { ...signedOut, signIn: 1, reason: 'later_build' }
  expect(decide(session, wantDuringSignIn(1))[1]).toMatchObject([{ do: 'refuse', code: 'protocol_mismatch' }])
})

test('the refusal of a call says why the session has ended', () => {
  const session = { ...signedOut, reason: 'refresh_rejected' }
  expect(decide(session, want())[1]).toEqual([
    { do: 'refuse', call: 'call', code: 'sign_in_required', reason: 'refresh_rejected' },
  ])
})

test('an API that asks for a sign-in ends no session (I7), and is remembered over a refresh', () => {
  const session = signedIn()
  const [asked, effects] = decide(session, { type: 'signInRequired', generation: session.generation })
  expect(effects).toEqual([])
  expect(asked).toEqual({ ...session, reason: 'sign_in_required' })
  const [renewed] = decide(
    { ...asked, refresh: { kind: 'sending', flight: 1, outcomeLost: false } },
    { type: 'refreshSucceeded', flight: 1, tokens: newTokens },
  )
  expect(toSnapshot(renewed)).toMatchObject({ status: 'signed-in', reason: 'sign_in_required' })
})

test("an API's answer to an earlier session changes nothing in this one (I5)", () => {
  const session = signedIn()
  expect(decide(session, { type: 'signInRequired', generation: session.generation - 1 })).toEqual([session, []])
})

test('a fresh token is granted, and nothing changes', () => {
  const session = signedIn()
  const [next, effects] = decide(session, want())
  expect(effects).toEqual([{ do: 'permit', call: 'call', permit }])
  expect(next).toBe(session)
})

test('a permit holds no refresh token and no profile (I4)', () => {
  expect(JSON.stringify(decide(signedIn(), want())[1])).not.toMatch(/refresh-7|profile/)
})

test.each<[string, number, string[]]>([
  ['a millisecond before its last minute, is granted', 14 * minute - 1, ['permit']],
  ['within its last minute, is refreshed first', 14 * minute, ['refresh']],
  ['expired, is refreshed first', 15 * minute, ['refresh']],
  ['expired long ago, is refreshed first', 86_400_000, ['refresh']],
])('a token of 15 minutes, %s', (_title, passed, expected) => {
  expect(decisions(signedIn(), want({}, now + passed))).toEqual(expected)
})

test.each<[string, number, string[]]>([
  ['before its last fifth, is granted', 79_999, ['permit']],
  ['within its last fifth, is refreshed first', 80_000, ['refresh']],
])('a token of 100 seconds, %s', (_title, passed, expected) => {
  const session = signedIn({ held: { ...tokens, expiresAt: now + 100_000 } })
  expect(decisions(session, want({}, now + passed))).toEqual(expected)
})

test('a configured margin is kept', () => {
  const event = want({}, now + 13 * minute)
  expect(decisions(signedIn(), event, { margin: 2 * minute })).toEqual(['refresh'])
  expect(decisions(signedIn(), event, { margin: 0 })).toEqual(['permit'])
})

test('a token without an expiry is granted for ever', () => {
  const { expiresAt, ...eternal } = tokens
  expect(expiresAt).toBeDefined()
  expect(decisions(signedIn({ held: eternal }), want({}, now + 365 * 86_400_000))).toEqual(['permit'])
})

test('an expired token starts one refresh, and later calls join it (I1)', () => {
  const [first, effects] = decide(signedIn({ held: expired }), want({ call: 'one' }))
  expect(effects).toEqual([{ do: 'refresh', flight: 5, tokens: expired }])
  const [second, joined] = decide(first, want({ call: 'two' }))
  expect(joined).toEqual([])
  expect(second).toBe(first)
})

test('a refused token of the current version starts one refresh, and later apiRefreshes join it (I1)', () => {
  const [first, effects] = decide(signedIn(), want({ call: 'one', deniedVersion: 7 }))
  expect(effects.map((effect) => effect.do)).toEqual(['refresh'])
  expect(decisions(first, want({ call: 'two', deniedVersion: 7 }))).toEqual([])
})

test('a refused token of an older version is replayed without a refresh', () => {
  expect(decide(signedIn(), want({ deniedVersion: 6 }))[1]).toEqual([{ do: 'permit', call: 'call', permit }])
})

test('a request that has had its refresh keeps its 401 (I10)', () => {
  const session = signedIn()
  const [next, effects] = decide(session, want({ deniedVersion: 7, mayRefresh: false }))
  expect(effects).toEqual([{ do: 'keepAnswer', call: 'call' }])
  expect(next).toBe(session)
})

test('a request that has had its refresh is still replayed with a newer token', () => {
  expect(decisions(signedIn(), want({ deniedVersion: 6, mayRefresh: false }))).toEqual(['permit'])
})

const orders = 'https://api.example.com/'
const stock = 'https://stock.example.com/'

/** The row of refreshes that followed 401s of one API. */
const row = (count: number) => ({ [orders]: { count, call: 'earlier' } })

test('a second refusal in a row without an accepted replay in between keeps its 401 for a second (I10)', () => {
  const once = signedIn({ apiRefreshes: row(1) })
  expect(decisions(once, want({ deniedVersion: 7 }, now + 999))).toEqual(['keepAnswer'])
  expect(decisions(once, want({ deniedVersion: 7 }, now + 1000))).toEqual(['refresh'])
})

test.each([
  [2, 1500],
  [5, 5063],
  [14, 194_620],
  [15, 291_929],
  [16, 300_000],
  [5000, 300_000],
])('after %i refreshes in a row, the next one begins after %i ms at the earliest (I10)', (count, pause) => {
  const session = signedIn({ apiRefreshes: row(count), held: { ...tokens, expiresAt: now + 60 * minute } })
  expect(decisions(session, want({ deniedVersion: 7 }, now + pause - 1))).toEqual(['keepAnswer'])
  const [next, effects] = decide(session, want({ deniedVersion: 7 }, now + pause))
  expect(effects.map((effect) => effect.do)).toEqual(['refresh'])
  expect(next.apiRefreshes).toEqual({ [orders]: { count: count + 1, call: 'call' } })
})

test('the pause begins with the newest token, whatever has brought it (I10)', () => {
  const renewed = signedIn({ apiRefreshes: row(2), held: { ...tokens, receivedAt: now + minute } })
  expect(decisions(renewed, want({ deniedVersion: 7 }, now + minute + 1499))).toEqual(['keepAnswer'])
  expect(decisions(renewed, want({ deniedVersion: 7 }, now + minute + 1500))).toEqual(['refresh'])
})

test('a 401 that is kept because of the pause is in the history, with the rest of the pause', () => {
  const [session, effects] = transition(signedIn({ apiRefreshes: row(2) }), want({ deniedVersion: 7 }, now + 500), {})
  expect(effects).toEqual([
    { do: 'note', note: { event: 'call-not-replayed', call: 'call', delay: 1000 } },
    { do: 'keepAnswer', call: 'call' },
  ])
  expect(session.apiRefreshes).toEqual(row(2))
})

test('an accepted replay ends the row if the last refresh of its API began for its call', () => {
  const session = signedIn({ apiRefreshes: row(3) })
  const accepted = follow(session, { type: 'replayAccepted', call: 'earlier', api: orders })
  expect(accepted.apiRefreshes).toEqual({})
  expect(decisions(accepted, want({ deniedVersion: 7 }))).toEqual(['refresh'])
})

test('an accepted replay of a call that joined the refresh does not end the row: its 401 may come of that refresh', () => {
  const session = signedIn({ apiRefreshes: row(3) })
  expect(follow(session, { type: 'replayAccepted', call: 'joined', api: orders })).toBe(session)
})

test('a replay that one API accepts does not end the row of another (I10)', () => {
  const session = signedIn({ apiRefreshes: row(3) })
  expect(follow(session, { type: 'replayAccepted', call: 'earlier', api: stock })).toBe(session)
})

test('a pause of refreshes after 401s of one API does not stop a refresh after a 401 of another API', () => {
  const session = signedIn({ apiRefreshes: row(3) })
  const [next, effects] = decide(session, want({ deniedVersion: 7, api: stock }, now + 1))
  expect(effects.map((effect) => effect.do)).toEqual(['refresh'])
  expect(next.apiRefreshes).toEqual({ ...row(3), [stock]: { count: 1, call: 'call' } })
})

test('if several APIs refuse every token, the pause of each is longer (I10)', () => {
  const session = signedIn({ apiRefreshes: { ...row(1), [stock]: { count: 9, call: 'other' } } })
  expect(decisions(session, want({ deniedVersion: 7 }, now + 3374))).toEqual(['keepAnswer'])
  expect(decisions(session, want({ deniedVersion: 7 }, now + 3375))).toEqual(['refresh'])
})

test('the pause of an API does not stop a refresh of a token that has come to its own expiry', () => {
  const session = signedIn({
    apiRefreshes: row(18),
    held: { ...tokens, receivedAt: now - 4 * minute, expiresAt: now + minute },
  })
  expect(decisions(session, want({}, now))).toEqual(['refresh'])
  expect(decisions(session, want({ deniedVersion: 7 }, now))).toEqual(['refresh'])
  expect(decisions(session, want({ deniedVersion: 7 }, now - minute))).toEqual(['keepAnswer'])
})

test('a 401 after a failed refresh may try again when the pause of failures is over, and is not counted (I12)', () => {
  const refresh: Refresh = { kind: 'failed', until: now, reason: 'invalid_client', outcomeLost: false }
  const session = signedIn({ apiRefreshes: row(16), refresh, failures: 3 })
  const [next, effects] = decide(session, want({ deniedVersion: 7 }))
  expect(effects.map((effect) => effect.do)).toEqual(['refresh'])
  expect(next.apiRefreshes).toEqual({ [orders]: { count: 16, call: 'call' } })
})

test.each(['', '__proto__', 'constructor', 'toString'])('an API may have any name: %j', (api) => {
  const [refreshing, effects] = decide(signedIn(), want({ deniedVersion: 7, api }))
  expect(effects.map((effect) => effect.do)).toEqual(['refresh'])
  expect(Object.keys(refreshing.apiRefreshes)).toEqual([api])
  const renewed = follow(
    refreshing,
    { type: 'refreshSucceeded', flight: 5, tokens: newTokens },
    { type: 'saved', flight: 5, stored: true },
  )
  expect(decisions(renewed, want({ deniedVersion: 8, api }))).toEqual(['keepAnswer'])
  expect(follow(renewed, { type: 'replayAccepted', call: 'call', api }).apiRefreshes).toEqual({})
})

test('a sign-in begins without a row of refreshes', () => {
  const session = signedIn({ signIn: 1, apiRefreshes: row(3) })
  expect(
    follow(session, { type: 'signInSucceeded', signIn: 1, tokens: newTokens, sessionId: 'session-2' }).apiRefreshes,
  ).toEqual({})
})

test('a clock that is set back a day does not make an API wait for a day (I12)', () => {
  const session = signedIn({ apiRefreshes: row(1), held: { ...tokens, receivedAt: now + 86_400_000 } })
  expect(decisions(session, want({ deniedVersion: 7 }))).toEqual(['refresh'])
})

test('a call that waited for a refresh gets its token whatever the clock says', () => {
  const session = signedIn({ version: 8, held: expired })
  expect(decisions(session, want({ waitingSince: 7, mayRefresh: false }))).toEqual(['permit'])
})

test("a call of another user is refused: it must not get this user's token (I6)", () => {
  expect(decide(signedIn(), want({ generation: 2, subject: 'bob' }))[1]).toEqual([
    { do: 'refuse', call: 'call', code: 'sign_in_required', reason: 'user_changed' },
  ])
})

test('a refused request of another user keeps its 401 (I6)', () => {
  const event = want({ generation: 2, subject: 'bob', deniedVersion: 6 })
  expect(decisions(signedIn(), event)).toEqual(['keepAnswer'])
})

test('a call of an earlier session of the same user goes on (I8)', () => {
  expect(decisions(signedIn(), want({ generation: 2 }))).toEqual(['permit'])
  expect(decisions(signedIn(), want({ generation: 2, deniedVersion: 6 }))).toEqual(['permit'])
})

test('a call of an earlier session with an unknown user is refused (I6)', () => {
  const { subject, ...anonymous } = tokens
  expect(subject).toBe('ann')
  const session = signedIn({ held: anonymous })
  expect(decisions(session, want({ generation: 2, subject: undefined }))).toEqual(['refuse'])
})

test('a session that has reached its maximum age ends at the next call', () => {
  const [next, effects] = decide(signedIn(), want({}, now + minute), { maxSessionAge: minute })
  expect(next).toMatchObject({ generation: 4, held: undefined, reason: 'session_too_old' })
  expect(effects.map((effect) => effect.do)).toEqual(['cancelRetry', 'clear', 'wake', 'refuse'])
  expect(effects.at(-1)).toMatchObject({ code: 'sign_in_required', reason: 'session_too_old' })
})

test('a session below its maximum age goes on, even if the clock was set back', () => {
  expect(decisions(signedIn(), want({}, now + minute - 1), { maxSessionAge: minute })).toEqual(['permit'])
  expect(decisions(signedIn(), want({}, now - 86_400_000), { maxSessionAge: minute })).toEqual(['permit'])
})

test('time that passes ends a session only at its maximum age', () => {
  const rules = { maxSessionAge: minute }
  const session = signedIn()
  expect(decide(session, { type: 'timePassed', now: now + minute - 1 }, rules)).toEqual([session, []])
  expect(decide(session, { type: 'timePassed', now: now + minute }, rules)[0].reason).toBe('session_too_old')
  expect(decide(session, { type: 'timePassed', now: now + 1e12 })).toEqual([session, []])
  expect(decide(signedOut, { type: 'timePassed', now: now + 1e12 }, rules)).toEqual([signedOut, []])
})

test('new tokens are saved before a call gets them', () => {
  const [saving, effects] = decide(sending(), { type: 'refreshSucceeded', flight: 5, tokens: newTokens })
  expect(effects).toEqual([
    {
      do: 'save',
      flight: 5,
      session: { format: 1, sessionId: 'session-1', generation: 3, version: 8, signedInAt: now, tokens: newTokens },
    },
  ])
  expect(decisions(saving, want({ waitingSince: 7 }))).toEqual([])
  const [settled, woken] = decide(saving, { type: 'saved', flight: 5, stored: true })
  expect(woken).toEqual([{ do: 'wake' }])
  expect(decide(settled, want({ waitingSince: 7 }))[1]).toMatchObject([
    { do: 'permit', permit: { version: 8, tokens: { accessToken: 'access-8' } } },
  ])
})

test('if new tokens cannot be saved, the session goes on in memory', () => {
  const saving = follow(sending(), { type: 'refreshSucceeded', flight: 5, tokens: newTokens })
  const [settled, effects] = decide(saving, { type: 'saved', flight: 5, stored: false })
  expect(effects).toEqual([{ do: 'wake' }])
  expect(settled.reason).toBe('store_failed')
  expect(decisions(settled, want())).toEqual(['permit'])
})

test('the end of a save that the session does not wait for changes nothing (I5)', () => {
  for (const session of [signedOut, signedIn(), sending(), waiting()]) {
    expect(decide(session, { type: 'saved', flight: 5, stored: true })).toEqual([session, []])
    expect(decide(session, { type: 'saved', flight: 5, stored: false })).toEqual([session, []])
  }
})

test('a store that keeps failing does not make the snapshot flicker at every refresh', () => {
  const first = follow(
    sending(),
    { type: 'refreshSucceeded', flight: 5, tokens: newTokens },
    { type: 'saved', flight: 5, stored: false },
  )
  const second = follow(first, want({ deniedVersion: 8 }))
  const saving = follow(second, { type: 'refreshSucceeded', flight: 6, tokens: newTokens })
  expect(toSnapshot(saving)).toEqual(toSnapshot(first))
})

test('the reason store_failed goes when the store works again', () => {
  const saving = follow(sending({ reason: 'store_failed' }), {
    type: 'refreshSucceeded',
    flight: 5,
    tokens: newTokens,
  })
  expect(follow(saving, { type: 'saved', flight: 5, stored: true }).reason).toBeUndefined()
})

test('rejected: the session ends, and each waiting call is asked again, once (I7)', () => {
  const [next, effects] = decide(sending(), ended('rejected'))
  expect(next).toMatchObject({
    generation: 4,
    version: 7,
    held: undefined,
    reason: 'refresh_rejected',
    refresh: { kind: 'idle' },
  })
  expect(effects).toEqual([{ do: 'cancelRetry' }, { do: 'clear' }, { do: 'wake' }])
  expect(decide(next, want({ waitingSince: 7 }))[1]).toEqual([
    { do: 'refuse', call: 'call', code: 'sign_in_required', reason: 'refresh_rejected' },
  ])
})

test('a refresh that brings the tokens of another user ends the session, and they are revoked (I6)', () => {
  const [next, effects] = decide(sending(), { type: 'refreshSucceeded', flight: 5, tokens: tokensOfBob })
  expect(next).toMatchObject({ generation: 4, held: undefined, reason: 'subject_changed', refresh: { kind: 'idle' } })
  expect(effects).toEqual([
    { do: 'revoke', tokens: tokensOfBob },
    { do: 'cancelRetry' },
    { do: 'clear' },
    { do: 'wake' },
  ])
  expect(decide(next, want({ waitingSince: 7 }))[1]).toEqual([
    { do: 'refuse', call: 'call', code: 'sign_in_required', reason: 'subject_changed' },
  ])
})

test('after an answer was lost, too, the tokens of another user are reported as such', () => {
  const session = sending({ refresh: { kind: 'sending', flight: 5, outcomeLost: true } })
  const [next] = decide(session, { type: 'refreshSucceeded', flight: 5, tokens: tokensOfBob })
  expect(next.reason).toBe('subject_changed')
})

test('tokens of another user that come too late do not end the session (I5)', () => {
  const session = signedIn()
  const event = { type: 'refreshSucceeded', flight: 4, tokens: tokensOfBob } as const
  expect(decide(session, event)).toEqual([session, []])
})

test('rejected after an answer was lost: the loss is reported as such (I9)', () => {
  const session = sending({ refresh: { kind: 'sending', flight: 5, outcomeLost: true } })
  expect(decide(session, ended('rejected'))[0].reason).toBe('refresh_answer_lost')
})

test('a lost response is remembered after a refused attempt, and after a failed one (I9)', () => {
  const lost = follow(sending(), ended('unknown'))
  const resent = follow(lost, { type: 'retryDue', flight: 5, now }, ended('refused', { flight: 6 }))
  const again = follow(resent, { type: 'retryDue', flight: 6, now }, ended('rejected', { flight: 7 }))
  expect(again.reason).toBe('refresh_answer_lost')

  const misconfigured = follow(lost, { type: 'retryDue', flight: 5, now }, ended('failed', { flight: 6 }))
  const later = follow(misconfigured, want({ deniedVersion: 7 }, now + minute), ended('rejected', { flight: 7 }))
  expect(later.reason).toBe('refresh_answer_lost')
})

test.each<Verdict>(['refused', 'unknown'])(
  '%s: the session is kept, the token server is unreachable, and the refresh is sent again later (I7)',
  (verdict) => {
    const [next, effects] = decide(sending(), ended(verdict))
    expect(next).toMatchObject({
      generation: 3,
      version: 7,
      held: tokens,
      tokenServer: 'unreachable',
      failures: 1,
      refresh: { kind: 'waiting', flight: 5, until: now + 1000, outcomeLost: verdict === 'unknown' },
    })
    expect(effects).toEqual([{ do: 'retryLater', flight: 5, delay: 1000 }, { do: 'wake' }])
    expect(decide(next, { type: 'retryDue', flight: 5, now: now + 1000 })[1]).toEqual([
      { do: 'refresh', flight: 6, tokens },
    ])
  },
)

test('a pause that the server asks for is kept', () => {
  expect(decide(sending(), ended('refused', { retryAfter: 90_000 }))[1]).toContainEqual({
    do: 'retryLater',
    flight: 5,
    delay: 90_000,
  })
})

test.each([
  ['0', 0, 1000],
  ['negative', -5000, 1000],
  ['NaN', Number.NaN, 1000],
  ['a millisecond', 1, 1000],
  ['a year', 365 * 86_400_000, 600_000],
  ['Infinity', Number.POSITIVE_INFINITY, 600_000],
])('a pause of %s that a grant asks for is limited (I10, I12)', (_title, retryAfter, delay) => {
  expect(decide(sending(), ended('refused', { retryAfter }))[1]).toContainEqual({ do: 'retryLater', flight: 5, delay })
})

test('the pauses between failing attempts become longer, for any pause that the server asks for (I10)', () => {
  const session = sending({ failures: 4 })
  expect(decide(session, ended('refused', { retryAfter: 1000 }))[1]).toContainEqual({
    do: 'retryLater',
    flight: 5,
    delay: 12_000,
  })
})

test('unknown ends the session if the app configured so (I7)', () => {
  const [next] = decide(sending(), ended('unknown'), { onUnknownOutcome: 'sign-in' })
  expect(next).toMatchObject({ held: undefined, reason: 'refresh_answer_lost' })
})

test('refused does not end the session if the app configured so for unknown (I7)', () => {
  expect(decide(sending(), ended('refused'), { onUnknownOutcome: 'sign-in' })[0].held).toBe(tokens)
})

test('failed: nothing is sent again, calls that need a new token are refused, and the session is kept (I7)', () => {
  const [next, effects] = decide(sending({ held: expired }), ended('failed', { reason: 'invalid_client' }))
  expect(effects).toEqual([{ do: 'wake' }])
  expect(next).toMatchObject({ held: expired, reason: 'refresh_failed', refresh: { kind: 'failed' } })
  expect(decide(next, want({ waitingSince: 7 }))[1]).toEqual([
    { do: 'refuse', call: 'call', code: 'refresh_unavailable', reason: 'invalid_client' },
  ])
})

test('failed: the token server has answered, so an outage before is over', () => {
  expect(decide(sending({ tokenServer: 'unreachable' }), ended('failed'))[0].tokenServer).toBe('ok')
})

test('failed: a token that is still valid is granted', () => {
  const [next] = decide(sending(), ended('failed'))
  expect(decisions(next, want({}, now + 14 * minute + 1))).toEqual(['refresh'])
  const pausing = { ...next, refresh: { ...next.refresh, until: now + 14 * minute + 500 } as Refresh }
  expect(decisions(pausing, want({}, now + 14 * minute + 1))).toEqual(['permit'])
})

test('failed: a later call may try again, after a pause that grows (I10)', () => {
  const [once] = decide(sending({ held: expired }), ended('failed'))
  expect(decisions(once, want({}, now + 999))).toEqual(['refuse'])
  expect(decisions(once, want({}, now + 1000))).toEqual(['refresh'])
  const [again] = decide(sending({ held: expired, failures: 1 }), ended('failed'))
  expect(decisions(again, want({}, now + 1999))).toEqual(['refuse'])
  expect(decisions(again, want({}, now + 2000))).toEqual(['refresh'])
})

test('failed: a clock that is set back a day does not keep calls refused for a day (I12)', () => {
  const [next] = decide(sending({ held: expired }), ended('failed', { now: now + 86_400_000 }))
  expect(decisions(next, want())).toEqual(['refresh'])
})

const longPause = waiting({
  refresh: {
    kind: 'waiting',
    flight: 5,
    until: now + 20 * minute,
    earliest: now + minute,
    outcomeLost: false,
  },
})

test('during an outage a token that is still valid is granted within its margin', () => {
  expect(decisions(longPause, want({}, now + 15 * minute - 1))).toEqual(['permit'])
})

test('during an outage, a token that is still valid is granted while an attempt is in flight', () => {
  expect(decisions(sending({ tokenServer: 'unreachable' }), want({}, now + 15 * minute - 1))).toEqual(['permit'])
})

test('without an outage, calls wait for the refresh that is under way', () => {
  expect(decisions(sending(), want())).toEqual([])
})

test('during an outage calls wait for a token once theirs has expired or was refused', () => {
  for (const session of [longPause, sending({ tokenServer: 'unreachable' })]) {
    expect(decisions(session, want({}, now + 15 * minute))).toEqual([])
    expect(decisions(session, want({ deniedVersion: 7 }))).toEqual([])
  }
})

test('a pause that is over by the clock ends with the next call, whose timer may have slept', () => {
  const [next, effects] = decide(waiting({ held: expired }), want({}, now + 1000))
  expect(effects).toEqual([{ do: 'cancelRetry' }, { do: 'refresh', flight: 6, tokens: expired }])
  expect(next.refresh).toEqual({ kind: 'sending', flight: 6, outcomeLost: false })
  expect(decide(next, { type: 'retryDue', flight: 5, now: now + 1000 })).toEqual([next, []])
  expect(decisions(waiting({ held: expired }), want({}, now + 999))).toEqual([])
})

test('a call with a token that is still valid ends such a pause too, and does not wait', () => {
  expect(decisions(waiting(), want({}, now + 1000))).toEqual(['cancelRetry', 'refresh', 'permit'])
})

test('a lost answer is remembered when a call ends the pause (I9)', () => {
  const lost = follow(sending(), ended('unknown'), want({}, now + 1000), ended('rejected', { flight: 6 }))
  expect(lost.reason).toBe('refresh_answer_lost')
})

test('a clock that is set back does not keep the timer from ending a pause (I12)', () => {
  expect(decisions(waiting(), { type: 'retryDue', flight: 5, now: now - 86_400_000 })).toEqual(['refresh'])
})

const resumed = (at: number): SessionEvent => ({ type: 'resumed', now: at })

/** A pause of a minute that the jitter has drawn: without it, four seconds would have been enough. */
function pausing(changes: Partial<Extract<Refresh, { kind: 'waiting' }>> = {}): SessionState {
  const refresh: Refresh = {
    kind: 'waiting',
    flight: 5,
    until: now + minute,
    earliest: now + 4000,
    outcomeLost: false,
    ...changes,
  }
  return waiting({ refresh, failures: 3 })
}

test('when the network is back, a pause may end after its shortest time, and not earlier (I10)', () => {
  const [next, effects] = decide(pausing(), resumed(now + 1000))
  expect(effects).toEqual([{ do: 'cancelRetry' }, { do: 'retryLater', flight: 5, delay: 3000 }])
  expect(next.refresh).toMatchObject({ kind: 'waiting', until: now + 4000, earliest: now + 4000, flight: 5 })
  expect(decisions(next, { type: 'retryDue', flight: 5, now: now + 4000 })).toEqual(['refresh'])
})

test('after that time a resumed pause ends at once, and its timer no longer counts (I5)', () => {
  for (const at of [now + 4000, now + 5000, now + 2 * minute]) {
    const [next, effects] = decide(pausing(), resumed(at))
    expect(effects).toEqual([{ do: 'cancelRetry' }, { do: 'refresh', flight: 6, tokens }])
    expect(decide(next, { type: 'retryDue', flight: 5, now: at })).toEqual([next, []])
  }
})

test('resumed many times, a pause changes once, and keeps its shortest time (I10)', () => {
  const once = follow(pausing(), resumed(now + 1000))
  const [again, effects] = decide(once, resumed(now + 2000))
  expect(again).toBe(once)
  expect(effects).toEqual([])
})

test('a pause that a server asked for with Retry-After is kept, even if the app resumes often', () => {
  const asked = follow(sending({ failures: 0 }), ended('refused', { retryAfter: 90_000, random: 0.9 }))
  expect(asked.refresh).toMatchObject({ kind: 'waiting', until: now + 90_000, earliest: now + 90_000 })
  for (const at of [now, now + 1000, now + 89_999]) expect(decide(asked, resumed(at))).toEqual([asked, []])
  expect(decisions(asked, resumed(now + 90_000))).toEqual(['cancelRetry', 'refresh'])
})

test('the shortest time grows with each failure, whatever the jitter draws (I10)', () => {
  const floors = [0, 1, 2, 3, 4, 9].map((failures) => {
    const { refresh } = follow(sending({ failures }), ended('unknown', { random: 0.999 }))
    return refresh.kind === 'waiting' && refresh.earliest - now
  })
  expect(floors).toEqual([1000, 2000, 4000, 8000, 12_000, 12_000])
})

test('a lost answer is remembered when a resumed pause ends (I9)', () => {
  const lost = follow(sending(), ended('unknown'), resumed(now + minute), ended('rejected', { flight: 6 }))
  expect(lost.reason).toBe('refresh_answer_lost')
})

test('resumed after the clock was set back, a pause keeps its timer: by the clock it would last for a day (I12)', () => {
  const session = pausing()
  for (const at of [now - 86_400_000, now - 3_600_000, now - 9000])
    expect(decide(session, resumed(at))).toEqual([session, []])
})

test.each<[string, SessionState]>([
  ['no user is signed in', signedOut],
  ['nothing is to be refreshed', signedIn()],
  ['a refresh is under way', sending()],
  ['new tokens are being stored', signedIn({ refresh: { kind: 'saving', flight: 4, signIn: false } })],
  [
    'the refresh has failed for good',
    signedIn({ refresh: { kind: 'failed', until: now + minute, reason: 'invalid_client', outcomeLost: false } }),
  ],
])('resumed when %s, nothing changes', (_what, session) => {
  expect(decide(session, resumed(now + minute))).toEqual([session, []])
})

test('after a successful refresh the token server is no longer unreachable', () => {
  const session = sending({ tokenServer: 'unreachable', failures: 3, reason: 'refresh_failed' })
  const next = follow(session, { type: 'refreshSucceeded', flight: 5, tokens: newTokens })
  expect(next).toMatchObject({ tokenServer: 'ok', failures: 0, reason: undefined })
})

test.each<[string, SessionState]>([
  ['a sign-out', follow(sending(), { type: 'signedOut' })],
  [
    'a sign-in of another user',
    follow(
      sending(),
      { type: 'signInStarted', signIn: 1 },
      { type: 'signInSucceeded', signIn: 1, tokens: tokensOfBob, sessionId: 'session-2' },
    ),
  ],
  ['a later attempt', follow(sending(), ended('unknown'), { type: 'retryDue', flight: 5, now })],
  ['a retry that is due', follow(sending(), ended('unknown'))],
])('after %s, a late refresh changes nothing (I5)', (_title, session) => {
  for (const event of [
    ended('rejected'),
    ended('refused'),
    ended('unknown'),
    ended('failed'),
    { type: 'refreshSucceeded', flight: 5, tokens: newTokens } as const,
  ]) {
    const [next, effects] = decide(session, event)
    expect(next).toBe(session)
    expect(effects.filter((effect) => effect.do !== 'revoke')).toEqual([])
  }
})

test('tokens that come too late for a session that has ended are revoked', () => {
  const session = follow(sending(), { type: 'signedOut' })
  expect(decide(session, { type: 'refreshSucceeded', flight: 5, tokens: newTokens })[1]).toEqual([
    { do: 'revoke', tokens: newTokens },
  ])
})

test('tokens that come too late are not revoked if another session has begun: that could end it', () => {
  const session = follow(
    sending(),
    { type: 'signInStarted', signIn: 1 },
    { type: 'signInSucceeded', signIn: 1, tokens: tokensOfBob, sessionId: 'session-2' },
  )
  expect(decisions(session, { type: 'refreshSucceeded', flight: 5, tokens: newTokens })).toEqual([])
})

test('a retry that is no longer due changes nothing (I5)', () => {
  for (const session of [signedOut, signedIn(), sending(), waiting({ flights: 6 })]) {
    expect(decide(session, { type: 'retryDue', flight: 4, now })).toEqual([session, []])
  }
})

test('a sign-in begins a new generation and is saved before a call gets its token', () => {
  const session = { ...signedOut, generation: 3, version: 7, flights: 5, signIn: 1 }
  const [saving, effects] = decide(session, {
    type: 'signInSucceeded',
    signIn: 1,
    tokens: newTokens,
    sessionId: 'session-2',
  })
  expect(saving).toMatchObject({ generation: 4, version: 8, held: newTokens, signIn: undefined })
  expect(effects).toEqual([
    { do: 'cancelRetry' },
    {
      do: 'save',
      flight: 6,
      session: {
        format: 1,
        sessionId: 'session-2',
        generation: 4,
        version: 8,
        signedInAt: newTokens.receivedAt,
        tokens: newTokens,
      },
    },
  ])
  expect(decisions(saving, want({ generation: 4 }))).toEqual([])
  expect(decisions(follow(saving, { type: 'saved', flight: 6, stored: true }), want({ generation: 4 }))).toEqual([
    'permit',
  ])
})

test('a newer sign-in replaces the one in progress', () => {
  const [next, effects] = decide({ ...signedOut, signIn: 1 }, { type: 'signInStarted', signIn: 2 })
  expect(next.signIn).toBe(2)
  expect(effects).toEqual([{ do: 'abandonSignIn', signIn: 1 }, { do: 'wake' }])
})

test('a sign-in that was replaced changes nothing, and its tokens are revoked (I5)', () => {
  const session = { ...signedOut, signIn: 2 }
  expect(decide(session, { type: 'signInSucceeded', signIn: 1, tokens, sessionId: 'session-2' })).toEqual([
    session,
    [{ do: 'revoke', tokens }],
  ])
  expect(decide(session, { type: 'signInFailed', signIn: 1, reason: 'sign_in_failed' })).toEqual([session, []])
})

test('a sign-in that fails leaves the session as it was', () => {
  const session = signedIn({ signIn: 1 })
  const [next, effects] = decide(session, { type: 'signInFailed', signIn: 1, reason: 'sign_in_failed' })
  expect(next).toEqual({ ...session, signIn: undefined })
  expect(effects).toEqual([{ do: 'wake' }])
})

test('a sign-out ends the session, the sign-in in progress and the retry', () => {
  const [next, effects] = decide(waiting({ signIn: 1 }), { type: 'signedOut' })
  expect(next).toMatchObject({
    generation: 4,
    version: 7,
    held: undefined,
    signIn: undefined,
    refresh: { kind: 'idle' },
    tokenServer: 'ok',
  })
  expect(effects).toEqual([{ do: 'abandonSignIn', signIn: 1 }, { do: 'cancelRetry' }, { do: 'clear' }, { do: 'wake' }])
})

test('a session that ends without a sign-out does not cancel a sign-in in progress (I8)', () => {
  const [next, effects] = decide(sending({ signIn: 1 }), ended('rejected'))
  expect(next.signIn).toBe(1)
  expect(effects.map((effect) => effect.do)).not.toContain('abandonSignIn')
})

test('versions and flights never fall, so that an old response stays old (I5)', () => {
  const signedOutAgain = follow(sending(), { type: 'signedOut' })
  expect(signedOutAgain).toMatchObject({ version: 7, flights: 5 })
  const next = follow(
    signedOutAgain,
    { type: 'signInStarted', signIn: 1 },
    { type: 'signInSucceeded', signIn: 1, tokens, sessionId: 'session-2' },
  )
  expect(next).toMatchObject({ generation: 5, version: 8, flights: 6 })
})

test('a store that fails is reported, and nothing else changes', () => {
  const session = signedIn()
  expect(decide(session, { type: 'storeFailed' })).toEqual([{ ...session, reason: 'store_failed' }, []])
})

test('a store that fails does not hide why the session has ended', () => {
  const session = { ...signedOut, reason: 'refresh_rejected' }
  expect(decide(session, { type: 'storeFailed' })).toEqual([session, []])
  expect(decide(signedOut, { type: 'storeFailed' })[0].reason).toBe('store_failed')
})

const stored: StoredSession = {
  format: 1,
  sessionId: 'session-1',
  generation: 3,
  version: 7,
  signedInAt: now,
  tokens,
}
const read = { kind: 'session' as const, session: stored }
const unloaded = follow(signedOut, { type: 'storeFailed' })

test('a stored session that comes late begins if no user has signed in or out since (I7)', () => {
  const [next, effects] = decide(unloaded, { type: 'loadedLate', stored: read, now })
  expect(next).toEqual(startSession(stored))
  expect(effects).toEqual([{ do: 'wake' }])
  expect(decide(unloaded, { type: 'loadedLate', stored: { kind: 'none' }, now })[0]).toEqual(signedOut)
})

test.each<[string, SessionState]>([
  ['a sign-in has begun', follow(unloaded, { type: 'signInStarted', signIn: 1 })],
  [
    'a user has signed in',
    follow(
      unloaded,
      { type: 'signInStarted', signIn: 1 },
      { type: 'signInSucceeded', signIn: 1, tokens: tokensOfBob, sessionId: 'session-2' },
    ),
  ],
  ['the user has signed out', follow(unloaded, { type: 'signedOut' })],
])('a stored session that comes late changes nothing if %s (I5)', (_title, session) => {
  expect(decide(session, { type: 'loadedLate', stored: read, now })).toEqual([session, []])
})

test('a stored session that comes late and is too old is not shown', () => {
  const rules = { maxSessionAge: minute }
  const [next, effects] = decide(unloaded, { type: 'loadedLate', stored: read, now: now + minute }, rules)
  expect(next).toMatchObject({ held: undefined, generation: 4, reason: 'session_too_old' })
  expect(effects.map((effect) => effect.do)).toEqual(['cancelRetry', 'clear', 'wake'])
})

test('the snapshot shows a user only once the store names them too (I6)', () => {
  const saving = follow(
    signedIn(),
    { type: 'signInStarted', signIn: 1 },
    { type: 'signInSucceeded', signIn: 1, tokens: tokensOfBob, sessionId: 'session-2' },
  )
  expect(toSnapshot(saving)).toEqual({ status: 'signing-in', tokenServer: 'ok' })
  expect(toSnapshot(follow(saving, { type: 'saved', flight: 5, stored: true }))).toEqual({
    status: 'signed-in',
    tokenServer: 'ok',
    user: { subject: 'bob', profile: { name: 'Bob' } },
  })
})

test('a refresh does not change the snapshot at any of its steps', () => {
  const before = toSnapshot(signedIn())
  const started = follow(signedIn(), want({ deniedVersion: 7 }))
  const saving = follow(started, { type: 'refreshSucceeded', flight: 5, tokens: newTokens })
  const settled = follow(saving, { type: 'saved', flight: 5, stored: true })
  for (const session of [started, saving, settled]) expect(toSnapshot(session)).toEqual(before)
})

test('the snapshot shows an outage as an outage, not as a sign-out', () => {
  expect(toSnapshot(waiting())).toEqual({
    status: 'signed-in',
    tokenServer: 'unreachable',
    user: { subject: 'ann', profile: { name: 'Ann' } },
  })
})

test('the snapshot shows a sign-in in progress only if no user is signed in', () => {
  expect(toSnapshot({ ...signedOut, signIn: 1 }).status).toBe('signing-in')
  expect(toSnapshot(signedIn({ signIn: 1 })).status).toBe('signed-in')
})

test('the snapshot holds no token (I11)', () => {
  expect(JSON.stringify(toSnapshot(signedIn()))).not.toMatch(/access-|refresh-/)
})

test('no note holds a token (I11)', () => {
  const events: SessionEvent[] = [
    want({ deniedVersion: 7 }),
    { type: 'refreshSucceeded', flight: 5, tokens: newTokens },
    { type: 'saved', flight: 5, stored: false },
    ended('unknown'),
    { type: 'signInStarted', signIn: 1 },
    { type: 'signInSucceeded', signIn: 1, tokens, sessionId: 'session-2' },
    { type: 'signedOut' },
  ]
  for (const session of [signedIn(), sending(), waiting()]) {
    for (const event of events) {
      const notes = transition(session, event, {})[1].filter((effect) => effect.do === 'note')
      expect(JSON.stringify(notes)).not.toMatch(/access-|refresh-\d/)
    }
  }
})

test('a transition changes neither the session nor the event that it is given', () => {
  const freeze = <Value extends object>(value: Value): Value => {
    for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) freeze(part)
    return Object.freeze(value)
  }
  for (const session of [signedOut, signedIn({ signIn: 1 }), sending(), waiting()]) {
    const events: SessionEvent[] = [
      want(),
      want({ deniedVersion: 7 }),
      ended('rejected'),
      ended('unknown'),
      { type: 'signedOut' },
    ]
    for (const event of events)
      expect(() => transition(freeze(structuredClone(session)), freeze(event), {})).not.toThrow()
  }
})
