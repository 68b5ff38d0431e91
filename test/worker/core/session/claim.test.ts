import { expect, test } from 'vitest'
import type { RefreshMarker, StoredSession, StoredState } from '../../../../worker/core/adapter.ts'
import type { Effect, SessionEvent, SessionRules } from '../../../../worker/core/session/events.ts'
import {
  type Claim,
  type ClaimStep,
  isExclusive,
  LATER_BUILD,
  type SessionState,
} from '../../../../worker/core/session/state.ts'
import type { StoreRead } from '../../../../worker/core/shared-record.ts'
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
  tokensOfBob,
  waiting,
  want,
} from '../../../fixtures/sessions.ts'

// The decisions of one worker if other workers keep the same session in the same store.
const rules: SessionRules = { owner: 'me' }
const sessionId = 'session-1'
const record: StoredSession = { format: 1, sessionId, generation: 3, version: 7, signedInAt: now, tokens }
const newer: StoredSession = { ...record, version: 8, tokens: newTokens }
const ofBob: StoredSession = { ...record, sessionId: 'of-bob', generation: 1, version: 1, tokens: tokensOfBob }
const laterFormat: StoreRead = { kind: 'later-format' }

type ClaimChanges = Partial<Omit<Claim, 'kind' | 'step'>>

function attemptOf(changes: Partial<RefreshMarker> = {}): RefreshMarker {
  const marker = { id: 'other.9', owner: 'other', isOver: false, failures: 0, outcomeLost: false }
  return { ...marker, until: now + 10_000, pause: 10_000, ...changes }
}

function claiming(step: ClaimStep, changes: ClaimChanges = {}, session: Partial<SessionState> = {}): SessionState {
  const claim = {
    kind: 'claim',
    flight: 5,
    outcomeLost: false,
    cause: 'expired',
    other: undefined,
    conflicts: 0,
  } as const
  return signedIn({ flights: 5, refresh: { ...claim, ...changes, step }, ...session })
}

function reading(changes: ClaimChanges = {}, session: Partial<SessionState> = {}): SessionState {
  return claiming({ name: 'reading' }, changes, session)
}

function writing(changes: ClaimChanges & { replaces?: StoredState | null } = {}): SessionState {
  const { replaces = { sessionId, version: 7, marker: 'other.9' }, ...claim } = changes
  return claiming({ name: 'writing', replaces, until: now + 10_000 }, claim)
}

function waitingForOther(): SessionState {
  return claiming({ name: 'waiting', pause: 1000 }, { other: { id: 'other.9', left: 4000 } })
}

function ending(changes: Partial<SessionState> = {}): SessionState {
  return sending({ refresh: { kind: 'ending', flight: 5, reason: 'refresh_rejected' }, ...changes })
}

function saving(changes: Partial<SessionState> = {}, signIn = false): SessionState {
  return sending({ version: 8, held: newTokens, refresh: { kind: 'saving', flight: 5, signIn }, ...changes })
}

const found = (session: StoredSession): StoreRead => ({ kind: 'session', session })

function look(
  read: StoreRead | StoredSession,
  changes: { flight?: number | undefined; now?: number } = {},
): SessionEvent {
  return { type: 'storeRead', flight: 5, read: 'kind' in read ? read : found(read), now, ...changes }
}

const marked = (outcome: 'done' | 'failed' | 'conflict', at = now): SessionEvent => ({
  type: 'claimWritten',
  flight: 5,
  outcome,
  now: at,
})
const settled = (outcome: 'done' | 'failed' | StoreRead): SessionEvent => ({
  type: 'rejectionSettled',
  flight: 5,
  outcome,
})
const saved = (stored: boolean | StoreRead): SessionEvent => ({ type: 'saved', flight: 5, stored })

function effectsOf(session: SessionState, event: SessionEvent, given = rules): Effect[] {
  return decide(session, event, given)[1]
}

test('before a refresh is sent, the store is read: another worker may have refreshed (I2)', () => {
  const [next, effects] = decide(signedIn({ held: expired }), want(), rules)
  expect(effects).toEqual([{ do: 'readClaim', flight: 5 }])
  expect(next.refresh).toEqual(reading().refresh)
})

test('if no other worker refreshes, the marker shows that a refresh begins, its owner and when it ends', () => {
  const [next, effects] = decide(reading({ outcomeLost: true, conflicts: 2 }), look(record), rules)
  const replaces = { sessionId, version: 7, marker: null }
  const marker = attemptOf({ id: 'me.5', owner: 'me', outcomeLost: true })
  expect(effects).toEqual([{ do: 'writeClaim', flight: 5, session: { ...record, marker }, replaces }])
  expect(next.refresh).toEqual(writing({ outcomeLost: true, conflicts: 2, replaces }).refresh)
})

test('a worker does not wait for a marker of its own that is still in the store', () => {
  const marker = attemptOf({ owner: 'me', id: 'me.4' })
  expect(effectsOf(reading(), look({ ...record, marker }))).toMatchObject([{ do: 'writeClaim' }])
})

test('an marker to refresh older tokens than ours is not waited for', () => {
  const older = { ...record, version: 6, marker: attemptOf() }
  expect(effectsOf(reading({}, { isStored: false }), look(older))).toMatchObject([
    { do: 'writeClaim', replaces: { version: 6, marker: 'other.9' } },
  ])
})

test.each<[string, Partial<SessionState>, unknown]>([
  ['had taken it before', {}, { sessionId, version: 7 }],
  ['had not taken it', { isStored: false }, null],
])('if the store does not answer, the refresh is sent all the same (I3), if it %s', (_title, changes, replaces) => {
  const [next, effects] = decide(reading({}, changes), look({ kind: 'unreadable' }), rules)
  expect(effects).toEqual([{ do: 'refresh', flight: 5, tokens }])
  expect(next.refresh).toEqual({ kind: 'sending', flight: 5, outcomeLost: false, replaces })
})

test.each<[string, number | undefined]>([
  ['an earlier flight', 4],
  ['a hint', undefined],
])('a read because of %s does not replace the read that a refresh waits for (I5)', (_title, flight) => {
  const session = reading()
  expect(decide(session, look(record, { flight }), rules)).toEqual([session, []])
})

test('a read changes nothing if no refresh waits for it and the record is the same', () => {
  for (const session of [signedIn(), sending(), writing(), waitingForOther(), waiting()])
    expect(decide(session, look(record), rules)).toEqual([session, []])
})

test('a read changes nothing while a write is pending that decides what the store holds', () => {
  for (const session of [saving({ version: 7 }), ending()])
    for (const read of [newer, ofBob]) expect(decide(session, look(read), rules)).toEqual([session, []])
})

test('a record of a session that has ended in this worker changes nothing (I5)', () => {
  const session = { ...signedOut, endedIds: ['of-bob'] }
  expect(decide(session, look(ofBob), rules)).toEqual([session, []])
})

test.each<[string, number, number]>([
  ['for a second at most, since its answer may have come all the same', 4000, 1000],
  ['no longer than it lasts', 300, 300],
])('a worker waits for the refresh of another worker, and reads the store again %s', (_title, left, pause) => {
  const [next, effects] = decide(reading(), look({ ...record, marker: attemptOf({ until: now + left }) }), rules)
  expect(effects).toEqual([{ do: 'retryLater', flight: 5, delay: pause }])
  expect(next).toMatchObject({ tokenServer: 'ok', failures: 0 })
  expect(next.refresh).toEqual(claiming({ name: 'waiting', pause }, { other: { id: 'other.9', left } }).refresh)
})

test('the failure of another worker counts here, too: its pause is kept, and the waiting calls are asked again (I10)', () => {
  const marker = attemptOf({ isOver: true, failures: 3, until: now + 60_000, pause: 60_000, outcomeLost: true })
  const [next, effects] = decide(reading(), look({ ...record, marker }), rules)
  expect(effects).toEqual([{ do: 'retryLater', flight: 5, delay: 60_000 }, { do: 'wake' }])
  expect(next).toMatchObject({ tokenServer: 'unreachable', failures: 3 })
  expect(next.refresh).toMatchObject({ outcomeLost: false, step: { name: 'waiting', pause: 60_000 } })
})

test('a refresh of another worker is waited for no longer than one of our own may take', () => {
  const marker = attemptOf({ until: now + 60_000, pause: 60_000 })
  expect(decide(reading(), look({ ...record, marker }), rules)[0].refresh).toMatchObject({
    other: { id: 'other.9', left: 10_000 },
  })
})

test('a second read of a marker does not make the wait longer, for any change of the clock (I12)', () => {
  const again = reading({ other: { id: 'other.9', left: 2000 } })
  const marker = attemptOf({ until: now + 9000 })
  expect(decide(again, look({ ...record, marker }), rules)[0].refresh).toMatchObject({ other: { left: 2000 } })
  const another = { ...marker, id: 'other.10' }
  expect(decide(again, look({ ...record, marker: another }), rules)[0].refresh).toMatchObject({
    other: { left: 9000 },
  })
})

test.each<[string, boolean, Partial<RefreshMarker>, boolean]>([
  ['nothing is lost', false, { isOver: true }, false],
  ['an answer is lost that it had lost', false, { isOver: true, outcomeLost: true }, true],
  ['an answer is lost that we had lost', true, { isOver: true }, true],
  ['its response is lost if the marker never said that it was over', false, {}, true],
])('after the marker of another worker, %s (I9)', (_title, outcomeLost, changes, expected) => {
  const marker = attemptOf({ until: now, ...changes })
  const [next, effects] = decide(reading({ outcomeLost }), look({ ...record, marker }), rules)
  expect(effects).toMatchObject([{ do: 'writeClaim', session: { marker: { outcomeLost: expected } } }])
  expect(next.refresh).toMatchObject({ outcomeLost: expected, step: { name: 'writing' } })
})

test('an abandoned marker ends the session if the app configured so for unknown outcomes, and only after its time', () => {
  const given: SessionRules = { ...rules, onUnknownOutcome: 'sign-in' }
  const cutOff = { ...record, marker: attemptOf({ until: now }) }
  const [next, effects] = decide(reading(), look(cutOff), given)
  expect(effects).toEqual([{ do: 'clearRejected', flight: 5, only: { sessionId, version: 7 } }])
  expect(next.refresh).toEqual({ kind: 'ending', flight: 5, reason: 'refresh_answer_lost' })
  const over = { ...record, marker: attemptOf({ until: now, isOver: true }) }
  expect(effectsOf(reading(), look(over), given)).toMatchObject([{ do: 'writeClaim' }])
})

test('a wait for another worker ends with a read, which takes the waited time into account', () => {
  const [next, effects] = decide(waitingForOther(), { type: 'retryDue', flight: 5, now }, rules)
  expect(effects).toEqual([{ do: 'readClaim', flight: 5 }])
  expect(next.refresh).toEqual(reading({ other: { id: 'other.9', left: 3000 } }).refresh)
})

test('a wait for another worker is not ended by the timer of an earlier flight (I5)', () => {
  const session = waitingForOther()
  expect(decide(session, { type: 'retryDue', flight: 4, now }, rules)).toEqual([session, []])
})

test.each<[string, () => SessionState]>([
  ['reads the record', () => reading()],
  ['writes its marker', () => writing()],
  ['sends the refresh', () => sending()],
  ['stores the tokens', () => saving()],
])('a timer, or the network, changes nothing while the worker %s', (_what, session) => {
  const given = session()
  expect(decide(given, { type: 'retryDue', flight: 5, now }, rules)).toEqual([given, []])
  expect(decide(given, { type: 'resumed', now }, rules)).toEqual([given, []])
})

test('resumed, a wait for another worker ends at once: its time has passed while the machine slept', () => {
  const [next, effects] = decide(waitingForOther(), { type: 'resumed', now }, rules)
  expect(effects).toEqual([{ do: 'cancelRetry' }, { do: 'readClaim', flight: 5 }])
  expect(next.refresh).toEqual(reading({ other: { id: 'other.9', left: 4000 } }).refresh)
})

test('after the marker is written, the refresh is sent, and its tokens may replace the written record', () => {
  const [next, effects] = decide({ ...writing({ outcomeLost: true }), isStored: false }, marked('done'), rules)
  expect(effects).toEqual([{ do: 'refresh', flight: 5, tokens }])
  expect(next.isStored).toBe(true)
  expect(next.refresh).toEqual({ kind: 'sending', flight: 5, outcomeLost: true, replaces: { sessionId, version: 7 } })
})

test.each<[string, StoredState | null, unknown]>([
  [
    'of the session that was there, whosever marker',
    { sessionId, version: 6, marker: 'other.9' },
    { sessionId, version: 6 },
  ],
  ['of nothing', null, null],
])(
  'if the marker cannot be written, the refresh is sent all the same (I3), in place %s',
  (_title, replaces, expected) => {
    const [next, effects] = decide({ ...writing({ replaces }), isStored: false }, marked('failed'), rules)
    expect(effects).toEqual([{ do: 'refresh', flight: 5, tokens }])
    expect(next.isStored).toBe(false)
    expect(next.refresh).toMatchObject({ kind: 'sending', replaces: expected })
  },
)

test.each<[string, SessionEvent]>([
  ['another worker was first', marked('conflict')],
  ['its time is over, after a freeze', marked('done', now + 10_000)],
])('if %s, nothing is sent before another read (I2)', (_title, event) => {
  const [next, effects] = decide(writing({ conflicts: 4, outcomeLost: true, cause: 'denied' }), event, rules)
  expect(effects).toEqual([{ do: 'readClaim', flight: 5 }])
  expect(next.refresh).toEqual(reading({ conflicts: 5, outcomeLost: true, cause: 'denied' }).refresh)
})

test('a marker that was written within its time needs no second read', () => {
  expect(effectsOf(writing(), marked('done', now + 9999))).toMatchObject([{ do: 'refresh' }])
})

test('a store that has disagreed five times does not keep the refresh from being sent (I3)', () => {
  expect(effectsOf(writing({ conflicts: 5 }), marked('conflict'))).toMatchObject([{ do: 'refresh' }])
})

test("the end of a marker's write that no refresh waits for sends nothing (I1, I5)", () => {
  for (const session of [signedIn(), reading(), sending(), waitingForOther(), writing({ flight: 6 }), signedOut])
    for (const outcome of ['done', 'failed', 'conflict'] as const)
      expect(decide(session, marked(outcome), rules)).toEqual([session, []])
})

test.each([
  ['failed', 0, 1000],
  ['failed', 2, 4000],
  ['refused', 0, 1000],
  ['unknown', 2, 4000],
] as const)(
  '%s after %d others: the marker shows it, and for how long no worker may try (I10)',
  (verdict, failures, pause) => {
    const effects = effectsOf(sending({ failures }), ended(verdict, { random: 0.9 }))
    const marker = attemptOf({
      id: 'me.5',
      owner: 'me',
      isOver: true,
      failures: failures + 1,
      until: now + pause,
      pause,
      outcomeLost: verdict === 'unknown',
    })
    expect(effects[0]).toEqual({
      do: 'writeFailure',
      session: { ...record, marker },
      replaces: { sessionId, version: 7, marker: 'me.5' },
    })
  },
)

test('a failure is not written if the store does not hold the session', () => {
  const effects = effectsOf(sending({ isStored: false }), ended('failed'))
  expect(effects).toEqual([{ do: 'wake' }])
})

test('rejected: only these tokens are deleted, and no call is refused before that is done (I7)', () => {
  const [next, effects] = decide(sending({ tokenServer: 'unreachable' }), ended('rejected'), rules)
  expect(effects).toEqual([{ do: 'clearRejected', flight: 5, only: { sessionId, version: 7 } }])
  expect(next.refresh).toEqual({ kind: 'ending', flight: 5, reason: 'refresh_rejected' })
  expect(effectsOf(next, want())).toEqual([])
})

test('tokens of another user: only the tokens that were sent are deleted, and no call is refused before that (I7)', () => {
  const event: SessionEvent = { type: 'refreshSucceeded', flight: 5, tokens: tokensOfBob }
  const [next, effects] = decide(sending(), event, rules)
  expect(effects).toEqual([
    { do: 'revoke', tokens: tokensOfBob },
    { do: 'clearRejected', flight: 5, only: { sessionId, version: 7 } },
  ])
  expect(next.refresh).toEqual({ kind: 'ending', flight: 5, reason: 'subject_changed' })
  expect(effectsOf(next, want())).toEqual([])
  expect(decide(next, settled('done'), rules)[0]).toMatchObject({ held: undefined, reason: 'subject_changed' })
})

test.each<[string, 'done' | 'failed' | StoreRead, string, Effect[]]>([
  ['deleted', 'done', 'refresh_rejected', [{ do: 'cancelRetry' }, { do: 'wake' }]],
  ['gone already', { kind: 'none' }, 'refresh_rejected', [{ do: 'cancelRetry' }, { do: 'wake' }]],
  ['not to be read', { kind: 'unreadable' }, 'refresh_rejected', [{ do: 'cancelRetry' }, { do: 'wake' }]],
  ['taken over by a later build', laterFormat, LATER_BUILD, [{ do: 'cancelRetry' }, { do: 'wake' }]],
  [
    'not to be deleted',
    'failed',
    'refresh_rejected',
    [{ do: 'cancelRetry' }, { do: 'clear', only: { sessionId } }, { do: 'wake' }],
  ],
])('rejected, and the record is %s: the session ends', (_title, outcome, reason, effects) => {
  const [next, done] = decide(ending(), settled(outcome), rules)
  expect(next).toMatchObject({ held: undefined, reason, generation: 4, endedIds: [sessionId] })
  expect(done).toEqual(effects)
})

test('rejected, and another worker has newer tokens: the session goes on with them (I7)', () => {
  const [next, effects] = decide(ending(), settled(found(newer)), rules)
  expect(next).toMatchObject({ held: newTokens, version: 8, generation: 3, isAdopted: true, refresh: { kind: 'idle' } })
  expect(effects).toEqual([{ do: 'cancelRetry' }, { do: 'wake' }])
})

test('the end of a deletion that the session does not wait for ends nothing (I5)', () => {
  for (const session of [
    signedIn(),
    sending(),
    saving(),
    ending({ refresh: { kind: 'ending', flight: 6, reason: '' } }),
  ])
    for (const outcome of ['done', 'failed', { kind: 'none' } as const] as const)
      expect(decide(session, settled(outcome), rules)).toEqual([session, []])
})

test.each(['store_failed', 'refresh_failed', undefined])(
  'tokens of another worker replace those of this worker, and the earlier failure (%s) is over',
  (reason) => {
    const before = waiting({ reason, failures: 3, isStored: false })
    const [next, effects] = decide(before, look(newer), rules)
    expect(next).toEqual({
      ...before,
      version: 8,
      held: newTokens,
      isAdopted: true,
      isStored: true,
      refresh: { kind: 'idle' },
      tokenServer: 'ok',
      reason: undefined,
      failures: 0,
    })
    expect(effects).toEqual([{ do: 'cancelRetry' }, { do: 'wake' }])
  },
)

test('a session of another worker replaces that of this worker, and a sign-in in progress goes on (I8)', () => {
  const [next, effects] = decide(waiting({ signIn: 2 }), look(ofBob), rules)
  expect(next).toMatchObject({
    generation: 4,
    version: 1,
    sessionId: 'of-bob',
    endedIds: [sessionId],
    held: tokensOfBob,
    isStored: true,
    isAdopted: true,
    refresh: { kind: 'idle' },
    signIn: 2,
    flights: 5,
    tokenServer: 'ok',
  })
  expect(effects).toEqual([{ do: 'cancelRetry' }, { do: 'wake' }])
})

test('a refused token of a session that another worker has replaced is replayed, whatever its version (I8)', () => {
  expect(effectsOf(signedIn(), want({ generation: 2, deniedVersion: 7 }))).toMatchObject([{ do: 'permit' }])
})

test('tokens of another worker may have grown old before they were found; those of an own refresh have not', () => {
  const adopted = signedIn({ version: 8, held: expired, isAdopted: true })
  expect(effectsOf(adopted, want({ waitingSince: 7 }))).toEqual([{ do: 'readClaim', flight: 5 }])
  const [renewed] = decide(
    { ...sending({ isAdopted: true }) },
    { type: 'refreshSucceeded', flight: 5, tokens: expired },
    rules,
  )
  const [own] = decide(renewed, saved(true), rules)
  expect(effectsOf(own, want({ waitingSince: 7 }))).toMatchObject([{ do: 'permit', permit: { version: 8 } }])
})

test('a sign-out elsewhere ends the session here, and leaves the store alone', () => {
  const [next, effects] = decide(waiting(), look({ kind: 'none' }), rules)
  expect(next).toMatchObject({ held: undefined, reason: 'signed_out_elsewhere', generation: 4, endedIds: [sessionId] })
  expect(effects).toEqual([{ do: 'cancelRetry' }, { do: 'wake' }])
})

test('an empty store ends no session that it has never taken (I7)', () => {
  const session = signedIn({ isStored: false })
  expect(decide(session, look({ kind: 'none' }), rules)).toEqual([session, []])
})

test('signed out, the reason shows a later build that takes over the store, and nothing else changes', () => {
  expect(decide(signedOut, look(laterFormat), rules)).toEqual([{ ...signedOut, reason: LATER_BUILD }, []])
})

test("the reason goes when the later build's record is gone; if the store does not answer, it may still be there", () => {
  const session: SessionState = { ...signedOut, reason: LATER_BUILD }
  expect(decide(session, look({ kind: 'none' }), rules)).toEqual([signedOut, []])
  expect(decide(session, look({ kind: 'unreadable' }), rules)).toEqual([session, []])
})

test('a record of a later build that comes late is not touched', () => {
  const unloaded: SessionState = { ...signedOut, loading: 'pending', reason: 'store_failed' }
  expect(decide(unloaded, { type: 'loadedLate', stored: laterFormat, now }, rules)).toEqual([
    { ...unloaded, loading: 'done', reason: LATER_BUILD },
    [],
  ])
})

test('if another worker has stored tokens of the same version first, they count, and those of this worker are dropped', () => {
  const theirs = { ...newer, tokens: { ...newTokens, accessToken: 'theirs' } }
  const [next, effects] = decide(saving(), saved(found(theirs)), rules)
  expect(next).toMatchObject({
    version: 8,
    held: { accessToken: 'theirs' },
    isAdopted: true,
    refresh: { kind: 'idle' },
  })
  expect(effects).toEqual([{ do: 'cancelRetry' }, { do: 'wake' }])
})

test('a sign-in of this worker does not adopt the record of another session with the same version', () => {
  const [next, effects] = decide(saving({}, true), saved(found(newer)), rules)
  expect(next).toMatchObject({ held: newTokens, isAdopted: false, reason: 'store_failed' })
  expect(effects).toEqual([{ do: 'wake' }])
})

test.each<[string, SessionState, StoreRead]>([
  ['whatever it holds cannot be read', saving(), { kind: 'unreadable' }],
  ['it holds nothing, and has never taken the session', saving({ isStored: false }), { kind: 'none' }],
])('new tokens that the store does not take are used all the same if %s', (_title, session, read) => {
  const [next, effects] = decide(session, saved(read), rules)
  expect(next).toMatchObject({ held: newTokens, isStored: false, reason: 'store_failed', refresh: { kind: 'idle' } })
  expect(effects).toEqual([{ do: 'wake' }])
})

test('a sign-in that the store does not take goes on in memory if the store is empty', () => {
  const started = decide(
    { ...signedOut, signIn: 1 },
    { type: 'signInSucceeded', signIn: 1, tokens: newTokens, sessionId: 'of-ann' },
    rules,
  )[0]
  const [next] = decide(started, { type: 'saved', flight: 1, stored: { kind: 'none' } }, rules)
  expect(next).toMatchObject({ held: newTokens, reason: 'store_failed', isStored: false })
})

test('new tokens that come after a sign-out in another worker are revoked: that worker did not have them', () => {
  const [next, effects] = decide(saving(), saved({ kind: 'none' }), rules)
  expect(next).toMatchObject({ held: undefined, reason: 'signed_out_elsewhere' })
  expect(effects).toEqual([{ do: 'cancelRetry' }, { do: 'wake' }, { do: 'revoke', tokens: newTokens }])
})

test('new tokens that come after a sign-in in another worker are not revoked: that could end the new session', () => {
  expect(effectsOf(saving(), saved(found(ofBob)))).toEqual([{ do: 'cancelRetry' }, { do: 'wake' }])
})

test('tokens that come too late are not revoked if a later build has taken over the session: it may use them', () => {
  const event: SessionEvent = { type: 'refreshSucceeded', flight: 5, tokens: newTokens }
  expect(effectsOf({ ...signedOut, reason: LATER_BUILD }, event)).toEqual([])
  expect(effectsOf({ ...signedOut, reason: 'refresh_rejected' }, event)).toEqual([{ do: 'revoke', tokens: newTokens }])
})

test('the end of an earlier save changes nothing while the next is awaited (I5)', () => {
  const session = saving({ refresh: { kind: 'saving', flight: 6, signIn: false } })
  for (const stored of [true, false, found(ofBob)]) expect(decide(session, saved(stored), rules)).toEqual([session, []])
})

test.each<[string, SessionState, Effect[]]>([
  ['the session that was signed in', signedIn(), [{ do: 'clear', only: { sessionId } }]],
  [
    'the last session of this worker, if it has ended already',
    { ...signedOut, endedIds: ['older', sessionId] },
    [{ do: 'clear', only: { sessionId } }],
  ],
  ['nothing, if no user was ever signed in', signedOut, []],
  ['the record of a later build', { ...signedOut, endedIds: [sessionId], reason: LATER_BUILD }, [{ do: 'clear' }]],
  ['any record, if the worker has not read the store yet', { ...signedOut, loading: 'pending' }, [{ do: 'clear' }]],
  ['any record, if the store never answered', { ...signedOut, loading: 'failed' }, [{ do: 'clear' }]],
])('a sign-out deletes %s (I5)', (_title, session, cleared) => {
  expect(effectsOf(session, { type: 'signedOut' })).toEqual([{ do: 'cancelRetry' }, ...cleared, { do: 'wake' }])
})

test('a worker keeps the ids of its last twenty sessions, so that an old record does not restore one of them (I5)', () => {
  const past = Array.from({ length: 20 }, (_, index) => `past-${index}`)
  const [next] = decide(signedIn({ endedIds: past }), { type: 'signedOut' }, rules)
  expect(next.endedIds).toEqual([...past.slice(1), sessionId])
  expect(decide(next, { type: 'signedOut' }, rules)[0].endedIds).toEqual(next.endedIds)
})

test('a store that will not answer any more is marked as failed if its answer was still pending', () => {
  const unloaded: SessionState = { ...signedOut, loading: 'pending' }
  expect(decide(unloaded, { type: 'loadFailed' }, rules)).toEqual([{ ...unloaded, loading: 'failed' }, []])
  const loaded = signedIn()
  expect(decide(loaded, { type: 'loadFailed' }, rules)).toEqual([loaded, []])
})

test.each<[string, SessionState, boolean]>([
  ['reads the store', reading(), true],
  ['writes its marker', writing(), true],
  ['is sent', sending(), true],
  ['ends the session', ending(), true],
  ['stores its tokens', saving(), true],
  ['waits for another worker', waitingForOther(), false],
  ['waits out an outage', waiting(), false],
  ['is over', signedIn(), false],
])('a refresh that %s keeps others out: %s (I1)', (_title, session, expected) => {
  expect(isExclusive(session, 5)).toBe(expected)
  expect(isExclusive(session, 4)).toBe(false)
})

test('the worker that sees the session grow too old deletes it, and nothing of another session', () => {
  const effects = effectsOf(signedIn(), { type: 'timePassed', now: now + minute }, { ...rules, maxSessionAge: minute })
  expect(effects).toEqual([{ do: 'cancelRetry' }, { do: 'clear', only: { sessionId } }, { do: 'wake' }])
})
