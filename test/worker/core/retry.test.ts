import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LingpaiError } from '../../../src/protocol/errors.ts'
import { MAX_TIMER, parseRetryAfter, retryDelay, shortestPause } from '../../../worker/core/retry.ts'
import type { SessionEvent } from '../../../worker/core/session/events.ts'
import { type SessionState, startSession } from '../../../worker/core/session/state.ts'
import { transition } from '../../../worker/core/session/transition.ts'
import { failed, outcomeUnknown, refused, rejected, toVerdict, type Verdict } from '../../../worker/core/verdict.ts'

const now = Date.UTC(2027, 0, 15, 12)
const fiveMinutes = 300_000

const failures = fc.integer({ min: 1, max: 10_000 })
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

test('the shortest pause doubles from 1 s to 12 s', () => {
  expect([1, 2, 3, 4, 5, 6, 1000].map(shortestPause)).toEqual([1000, 2000, 4000, 8000, 12_000, 12_000, 12_000])
})

test('a pause lies between its floor and the longest one, whatever the jitter draws', () => {
  fc.assert(
    fc.property(failures, random, fc.integer({ min: 0, max: 3_600_000 }), (count, draw, longest) => {
      const delay = retryDelay(count, draw, longest)
      expect(delay).toBeGreaterThanOrEqual(shortestPause(count))
      expect(delay).toBeLessThanOrEqual(Math.max(longest, 12_000))
    }),
  )
})

test('without a configured longest pause, no pause is longer than 60 s (I12)', () => {
  fc.assert(
    fc.property(failures, random, (count, draw) => {
      expect(retryDelay(count, draw)).toBeLessThanOrEqual(60_000)
    }),
  )
})

test('the jitter spreads pauses over the whole range, so that clients do not come back together', () => {
  expect(retryDelay(10, 0)).toBe(12_000)
  expect(retryDelay(10, 0.5)).toBe(36_000)
  expect(retryDelay(10, 0.999999999)).toBe(60_000)
})

/** Times at which refreshes begin while the server answers each with a verdict, and calls ask for a token all the time. */
function attemptTimes(
  answers: readonly { verdict: Verdict; retryAfter: number | undefined; random: number; duration: number }[],
): number[] {
  const tokens = { accessToken: 'access', tokenType: 'Bearer', receivedAt: now - 10_000, expiresAt: now - 1 }
  let session: SessionState = startSession({
    format: 1,
    sessionId: 'session-1',
    generation: 1,
    version: 1,
    signedInAt: now - 10_000,
    tokens,
  })
  let clock = now
  let due = clock
  const times: number[] = []
  const step = (event: SessionEvent) => {
    const [next, effects] = transition(session, event, {})
    session = next
    for (const effect of effects) {
      if (effect.do === 'refresh') times.push(clock)
      if (effect.do === 'retryLater') due = clock + effect.delay
    }
  }
  const request = {
    call: 'call',
    api: '',
    generation: 1,
    subject: undefined,
    signIn: undefined,
    waitingSince: undefined,
    deniedVersion: undefined,
    mayRefresh: true,
  }
  for (const { verdict, retryAfter, random: draw, duration } of answers) {
    step({ type: 'tokenWanted', now: clock, request })
    const { refresh } = session
    if (refresh.kind === 'failed') {
      clock = refresh.until
      step({ type: 'tokenWanted', now: clock, request })
    } else if (refresh.kind === 'waiting') {
      clock = due
      step({ type: 'retryDue', flight: refresh.flight, now: clock })
    }
    clock += duration
    step({
      type: 'refreshEnded',
      flight: session.flights,
      verdict,
      reason: 'test',
      retryAfter,
      now: clock,
      random: draw,
    })
  }
  return times
}

test('while failing, refreshes begin at most once a second and 30 times in any 5 minutes (I10)', () => {
  const answer = fc.record({
    verdict: fc.constantFrom<Verdict>('refused', 'unknown', 'failed'),
    retryAfter: fc.constantFrom(undefined, undefined, 0, -5, 1, 1000, 2000, 90_000, Number.NaN),
    random,
    duration: fc.constantFrom(0, 1, 500, 30_000),
  })
  fc.assert(
    fc.property(fc.array(answer, { minLength: 2, maxLength: 80 }), (answers) => {
      const times = attemptTimes(answers)
      expect(times.length).toBe(answers.length)
      times.forEach((time, index) => {
        expect((times[index + 1] ?? Number.POSITIVE_INFINITY) - time).toBeGreaterThanOrEqual(1000)
        expect((times[index + 30] ?? Number.POSITIVE_INFINITY) - time).toBeGreaterThanOrEqual(fiveMinutes)
      })
    }),
  )
})

test('a server that always asks for one second is still not asked more than 30 times in 5 minutes (I10)', () => {
  const answers = Array.from({ length: 60 }, () => ({
    verdict: 'refused' as const,
    retryAfter: 1000,
    random: 0,
    duration: 0,
  }))
  const times = attemptTimes(answers)
  const inFiveMinutes = times.filter((time) => time - now < fiveMinutes)
  expect(inFiveMinutes.length).toBeLessThanOrEqual(30)
})

test.each([
  ['seconds', '120', 120_000],
  ['seconds with spaces around', ' 7 ', 7000],
  ['0, as the shortest pause', '0', 1000],
  ['a day, as ten minutes', '86400', 600_000],
  ['more digits than a number can hold, as ten minutes', '9'.repeat(400), 600_000],
  ['an HTTP date', new Date(now + 90_000).toUTCString(), 90_000],
  ['an HTTP date in the past, as the shortest pause', new Date(now - 90_000).toUTCString(), 1000],
  ['an HTTP date of next year, as ten minutes', new Date(now + 400 * 86_400_000).toUTCString(), 600_000],
])('Retry-After may be %s', (_title, header, expected) => {
  expect(parseRetryAfter(header, now)).toBe(expected)
})

test.each([undefined, '', ' ', 'soon', '-5', '1.5', '5 minutes', '1e3', 'Infinity', 'NaN', '2027-01-15', 'null'])(
  'a Retry-After of %j is ignored',
  (header) => {
    expect(parseRetryAfter(header, now)).toBeUndefined()
  },
)

test('whatever Retry-After says, the pause it asks for is between 1 s and 10 min', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.date().map(String)), (header) => {
      const delay = parseRetryAfter(header, now) ?? 1000
      expect(delay).toBeGreaterThanOrEqual(1000)
      expect(delay).toBeLessThanOrEqual(600_000)
    }),
  )
})

test.each<[string, unknown, number | undefined, Verdict]>([
  ['an error and status 400', new Error('no'), 400, 'rejected'],
  ['an error and status 401', new Error('no'), 401, 'rejected'],
  ['an error and status 429', new Error('no'), 429, 'refused'],
  ['an error and status 503', new Error('no'), 503, 'refused'],
  ['an error and status 500', new Error('no'), 500, 'unknown'],
  ['an error and status 502', new Error('no'), 502, 'unknown'],
  ['an error and status 504', new Error('no'), 504, 'unknown'],
  ['an error and status 403', new Error('no'), 403, 'unknown'],
  ['an error and status 404', new Error('no'), 404, 'unknown'],
  ['an error and status 200', new SyntaxError('not JSON'), 200, 'unknown'],
  ['an error and status 302', new Error('no'), 302, 'unknown'],
  ['an error and no answer', new TypeError('network'), undefined, 'unknown'],
  ['a thrown string', 'no', undefined, 'unknown'],
  ['a thrown undefined', undefined, undefined, 'unknown'],
  ['rejected() in spite of status 503', rejected(), 503, 'rejected'],
  ['refused() in spite of status 400', refused(), 400, 'refused'],
  ['failed() in spite of status 401', failed('invalid_client'), 401, 'failed'],
  ['outcomeUnknown() in spite of status 400', outcomeUnknown('odd'), 400, 'unknown'],
])('%s is a verdict', (_title, thrown, status, verdict) => {
  expect(toVerdict(thrown, status, undefined).verdict).toBe(verdict)
})

test('the Retry-After of a 429 or 503 goes with its verdict, and that of a 500 does not', () => {
  expect(toVerdict(new Error('no'), 503, 5000).retryAfter).toBe(5000)
  expect(toVerdict(new Error('no'), 429, 5000).retryAfter).toBe(5000)
  expect(toVerdict(new Error('no'), 500, 5000).retryAfter).toBeUndefined()
  expect(toVerdict(refused({ retryAfter: 7000 }), 503, 5000).retryAfter).toBe(7000)
})

test('refused() without a pause of its own takes the one of the answer', () => {
  expect(toVerdict(refused(), 503, 5000).retryAfter).toBe(5000)
})

test.each<[unknown, number | undefined, string]>([
  [rejected(), undefined, 'refresh_rejected'],
  [refused(), undefined, 'refused'],
  [refused({ reason: 'not_sent' }), undefined, 'not_sent'],
  [failed('invalid_client'), undefined, 'invalid_client'],
  [new LingpaiError('invalid_config', 'The grant has no tokenEndpoint.'), 400, 'invalid_config'],
  [new LingpaiError('timeout', 'Not in time.'), 503, 'http_503'],
  [new Error('no'), 429, 'http_429'],
  [new Error('no'), 500, 'unusable_answer_500'],
  [new Error('no'), undefined, 'no_answer'],
])('a refresh that ended with %s and status %s says why: %s', (thrown, status, reason) => {
  expect(toVerdict(thrown, status, undefined)).toMatchObject({ name: 'RefreshVerdict', message: reason })
})

test('a grant need not say why a refresh was rejected or refused: then the reason is just that', () => {
  expect([rejected().message, refused().message, refused({ retryAfter: 1000 }).message]).toEqual([
    'refresh_rejected',
    'refused',
    'refused',
  ])
  expect(outcomeUnknown('odd')).toMatchObject({ verdict: 'unknown', message: 'odd' })
})

test('a misconfigured grant has failed, whatever the server has answered: trying again cannot help', () => {
  const error = new LingpaiError('invalid_config', 'The grant has no tokenEndpoint.')
  for (const status of [undefined, 400, 503]) expect(toVerdict(error, status, undefined).verdict).toBe('failed')
  expect(toVerdict(new LingpaiError('timeout', 'Not in time.'), 503, undefined).verdict).toBe('refused')
})

test('the reason of a verdict does not quote the thrown error, which may hold a token (I11)', () => {
  for (const status of [undefined, 200, 400, 401, 429, 500, 503]) {
    expect(toVerdict(new Error('canary'), status, undefined).message).not.toContain('canary')
  }
})

test('the longest timer fits into 31 bits', () => {
  expect(MAX_TIMER).toBe(2_147_483_647)
})
