import { expect, test } from 'vitest'
import { isLingpaiError } from '../../../src/protocol/errors.ts'
import type { StoredSession, TokenSet } from '../../../worker/core/adapter.ts'
import { isExpired, isSameUser, readStoredSession, refreshTime, toTokenSet } from '../../../worker/core/token-set.ts'

const now = 1_800_000_000_000
const thirtyDays = 30 * 24 * 3_600_000

const previous: TokenSet = {
  accessToken: 'old-access',
  tokenType: 'DPoP',
  receivedAt: now - 900_000,
  expiresAt: now,
  refreshToken: 'old-refresh',
  scope: 'orders',
  subject: 'ann',
  profile: { name: 'Ann' },
  key: { of: 'these tokens' },
}

const stored: StoredSession = {
  format: 1,
  sessionId: 'session-1',
  generation: 3,
  version: 7,
  signedInAt: now - 5000,
  tokens: previous,
}

function expiryOf(expiresIn: unknown): number | undefined {
  return toTokenSet({ accessToken: 'access', expiresIn }, now).expiresAt
}

function withTokens(changes: Record<string, unknown>): unknown {
  return { ...stored, tokens: { ...previous, ...changes } }
}

test('the expiry is the time of receipt plus expiresIn', () => {
  expect(toTokenSet({ accessToken: 'access', expiresIn: 900 }, now)).toEqual({
    accessToken: 'access',
    tokenType: 'Bearer',
    receivedAt: now,
    expiresAt: now + 900_000,
  })
})

test.each([
  ['the string "900"', '900', now + 900_000],
  ['a string with spaces around it', ' 900 ', now + 900_000],
  ['a fraction of a second', 0.5, now + 500],
  ['Infinity: thirty days at most', Number.POSITIVE_INFINITY, now + thirtyDays],
  ['1e12: thirty days at most', 1e12, now + thirtyDays],
  ['the string "1e12": thirty days at most', '1e12', now + thirtyDays],
])('expiresIn may be %s', (_title, expiresIn, expected) => {
  expect(expiryOf(expiresIn)).toBe(expected)
})

test.each([
  ['absent', undefined],
  ['null', null],
  ['an empty string', ''],
  ['a blank string', '  '],
  ['0', 0],
  ['the string "0"', '0'],
  ['negative', -1],
  ['a negative string', '-900'],
  ['NaN', Number.NaN],
  ['minus Infinity', Number.NEGATIVE_INFINITY],
  ['a word', 'soon'],
  ['a number with a unit', '900s'],
  ['an object', {}],
  ['an array', [900]],
  ['a boolean', true],
  ['a Date', new Date(now)],
])('a token whose expiresIn is %s is used until an API refuses it', (_title, expiresIn) => {
  const tokens = toTokenSet({ accessToken: 'access', expiresIn }, now)
  expect(tokens).not.toHaveProperty('expiresAt')
  expect(isExpired(tokens, now + thirtyDays)).toBe(false)
  expect(refreshTime(tokens)).toBe(Number.POSITIVE_INFINITY)
})

test.each([
  ['undefined', undefined],
  ['null', null],
  ['a string', 'access'],
  ['a number', 1],
  ['an array', ['access']],
  ['an object without accessToken', { token: 'access' }],
  ['an empty accessToken', { accessToken: '' }],
  ['an accessToken that is null', { accessToken: null }],
  ['an accessToken that is a number', { accessToken: 123 }],
  ['an accessToken that is an object', { accessToken: { value: 'access' } }],
  ['a refreshToken that is a number', { accessToken: 'access', refreshToken: 5 }],
  ['a refreshToken that is an object', { accessToken: 'access', refreshToken: {} }],
  ['a tokenType that is a number', { accessToken: 'access', tokenType: 1 }],
  ['a subject that is a number', { accessToken: 'access', subject: 42 }],
])('%s is not a token set', (_title, received) => {
  expect(() => toTokenSet(received, now)).toThrow(expect.objectContaining({ code: 'sign_in_failed' }))
})

test.each([
  ['a line feed', 'acc\ness'],
  ['a carriage return', 'acc\ress'],
  ['a line break with a header after it', 'access\r\nX-Evil: 1'],
  ['a null character', 'acc\0ess'],
  ['a tab', 'acc\tess'],
  ['a delete character', 'acc\x7fess'],
  ['a character beyond ASCII', 'acçess'],
  ['a Chinese character', '令牌'],
])('a token with %s is refused, since no header could carry it', (_title, token) => {
  expect(() => toTokenSet({ accessToken: token }, now)).toThrow(expect.objectContaining({ code: 'sign_in_failed' }))
  expect(() => toTokenSet({ accessToken: 'access', refreshToken: token }, now)).toThrow(
    expect.objectContaining({ code: 'sign_in_failed' }),
  )
  expect(() => toTokenSet({ accessToken: 'access', tokenType: token }, now)).toThrow(
    expect.objectContaining({ code: 'sign_in_failed' }),
  )
})

test('the error about an unusable token set does not quote the received values (I11)', () => {
  try {
    toTokenSet({ accessToken: 'canary\n', refreshToken: 'canary', subject: 'canary' }, now)
    expect.unreachable()
  } catch (error) {
    expect(isLingpaiError(error)).toBe(true)
    expect(JSON.stringify([error, (error as Error).message, (error as Error).stack])).not.toContain('canary')
  }
})

test.each(['scope', 'profile', 'refreshToken', 'tokenType', 'subject', 'expiresIn'])(
  'a %s of null counts as absent, as many servers mean it',
  (name) => {
    expect(toTokenSet({ accessToken: 'access', [name]: null }, now)).toEqual({
      accessToken: 'access',
      tokenType: 'Bearer',
      receivedAt: now,
    })
  },
)

test.each(['scope', 'refreshToken', 'tokenType', 'subject'])('an empty %s counts as absent', (name) => {
  expect(toTokenSet({ accessToken: 'access', [name]: '' }, now)).toEqual({
    accessToken: 'access',
    tokenType: 'Bearer',
    receivedAt: now,
  })
})

test.each<[string, unknown]>([
  ['a refreshToken of null', { refreshToken: null }],
  ['an empty refreshToken', { refreshToken: '' }],
  ['a refreshToken that is a number', { refreshToken: 5 }],
  ['a refreshToken with a line break', { refreshToken: 'new\nrefresh' }],
  ['a tokenType of null', { tokenType: null }],
  ['an empty tokenType', { tokenType: '' }],
  ['a tokenType that is a number', { tokenType: 1 }],
  ['a scope of null', { scope: null }],
  ['an empty scope', { scope: '' }],
  ['a scope that is a list', { scope: ['orders'] }],
  ['a subject of null', { subject: null }],
  ['an empty subject', { subject: '' }],
  ['a profile of null', { profile: null }],
])('%s does not make a refresh fail: the previous value stays (I9)', (_title, odd) => {
  const { expiresAt: _, ...rest } = previous
  expect(toTokenSet({ accessToken: 'new-access', ...(odd as object) }, now, previous)).toEqual({
    ...rest,
    accessToken: 'new-access',
    receivedAt: now,
  })
})

test('a scope or profile of a wrong type is left out', () => {
  const tokens = toTokenSet({ accessToken: 'access', scope: 5, profile: 'Ann' }, now)
  expect(tokens).not.toHaveProperty('scope')
  expect(tokens).not.toHaveProperty('profile')
})

test('a subject that is a number at a refresh is compared as text, so that another user is noticed (I6)', () => {
  expect(toTokenSet({ accessToken: 'access', subject: 42 }, now, previous).subject).toBe('42')
})

test.each([2 ** 53, -(2 ** 53), 7.5, Number.NaN, {}, true])(
  'a subject of %s at a refresh is ambiguous: the tokens are kept, and the user stays (I6, I9)',
  (subject) => {
    expect(toTokenSet({ accessToken: 'new-access', subject }, now, previous)).toMatchObject({
      accessToken: 'new-access',
      subject: 'ann',
    })
  },
)

const cyclic: Record<string, unknown> = {}
cyclic.self = { cyclic }

test.each([
  ['a function', { greet: () => 'hello' }],
  ['a function deep inside', { names: [{ first: () => 'Ann' }] }],
  ['a symbol', { id: Symbol('ann') }],
  ['a bigint', { id: 42n }],
  ['itself', cyclic],
])('a profile that holds %s cannot go to the pages: refused at a sign-in, left out of a refresh', (_title, profile) => {
  expect(() => toTokenSet({ accessToken: 'access', profile }, now)).toThrow(
    expect.objectContaining({ code: 'sign_in_failed' }),
  )
  expect(toTokenSet({ accessToken: 'access', profile }, now, previous).profile).toEqual({ name: 'Ann' })
})

test('a profile may be deep, and hold every kind of JSON', () => {
  const profile = { name: 'Ann', age: 42, isAdmin: false, nothing: null, roles: [{ of: ['orders'] }] }
  expect(toTokenSet({ accessToken: 'access', profile }, now).profile).toEqual(profile)
})

test('an unknown field does not get into the token set', () => {
  expect(toTokenSet({ accessToken: 'access', idToken: 'secret' }, now)).not.toHaveProperty('idToken')
})

test('a field that a refresh leaves out keeps its previous value', () => {
  expect(toTokenSet({ accessToken: 'new-access' }, now, previous)).toEqual({
    accessToken: 'new-access',
    tokenType: 'DPoP',
    receivedAt: now,
    refreshToken: 'old-refresh',
    scope: 'orders',
    subject: 'ann',
    profile: { name: 'Ann' },
    key: { of: 'these tokens' },
  })
})

test('a value of a refresh replaces the previous value', () => {
  const received = {
    accessToken: 'new-access',
    tokenType: 'Bearer',
    refreshToken: 'new-refresh',
    scope: 'nothing',
    subject: 'bob',
    profile: {},
    key: { of: 'new tokens' },
  }
  expect(toTokenSet(received, now, previous)).toEqual({ ...received, receivedAt: now })
})

test('the previous expiry is never taken over: it belongs to the previous token', () => {
  expect(toTokenSet({ accessToken: 'new-access' }, now, previous)).not.toHaveProperty('expiresAt')
})

test.each([
  ['an hour', 3_600_000, 60_000],
  ['five minutes', 300_000, 60_000],
  ['a minute', 60_000, 12_000],
  ['a second', 1000, 200],
])('a token that lives %s is refreshed min(60 s, 20 %%) before it expires', (_title, life, margin) => {
  expect(refreshTime({ ...previous, receivedAt: now, expiresAt: now + life })).toBe(now + life - margin)
})

test('a configured margin replaces the 60 s, but not the 20 %', () => {
  expect(refreshTime({ ...previous, receivedAt: now, expiresAt: now + 1_000_000 }, 120_000)).toBe(now + 880_000)
  expect(refreshTime({ ...previous, receivedAt: now, expiresAt: now + 100_000 }, 120_000)).toBe(now + 80_000)
  expect(refreshTime({ ...previous, receivedAt: now, expiresAt: now + 100_000 }, 0)).toBe(now + 100_000)
})

test('a token has expired from its expiry on', () => {
  expect(isExpired({ ...previous, expiresAt: now }, now - 1)).toBe(false)
  expect(isExpired({ ...previous, expiresAt: now }, now)).toBe(true)
})

test('two token sets without a subject are not known to be the same user', () => {
  expect(isSameUser({}, {})).toBe(false)
  expect(isSameUser({ subject: 'ann' }, {})).toBe(false)
  expect(isSameUser({ subject: 'ann' }, { subject: 'bob' })).toBe(false)
  expect(isSameUser({ subject: 'ann' }, { subject: 'ann' })).toBe(true)
})

test('a stored session is read back as it was saved', () => {
  expect(readStoredSession(structuredClone(stored))).toEqual(stored)
})

test('a stored session may lack every optional field', () => {
  const { accessToken, tokenType, receivedAt } = previous
  const bare = { ...stored, tokens: { accessToken, tokenType, receivedAt } }
  expect(readStoredSession(bare)).toEqual(bare)
})

test.each([
  ['nothing', undefined],
  ['null', null],
  ['a string', 'session'],
  ['an array', [stored]],
  ['a later format', { ...stored, format: 3 }],
  ['no sessionId', { ...stored, sessionId: undefined }],
  ['an marker that is none', { ...stored, marker: { id: 'one' } }],
  ['no format', { ...stored, format: undefined }],
  ['no tokens', { ...stored, tokens: undefined }],
  ['tokens that are an array', { ...stored, tokens: [previous] }],
  ['a generation that is a string', { ...stored, generation: '3' }],
  ['a generation that can no longer rise', { ...stored, generation: 2 ** 60 }],
  ['a negative version', { ...stored, version: -1 }],
  ['a version of NaN', { ...stored, version: Number.NaN }],
  ['no signedInAt', { ...stored, signedInAt: undefined }],
  ['no accessToken', withTokens({ accessToken: undefined })],
  ['an accessToken with a line break', withTokens({ accessToken: 'a\nb' })],
  ['no tokenType', withTokens({ tokenType: undefined })],
  ['no receivedAt', withTokens({ receivedAt: undefined })],
  ['an expiresAt that is a string', withTokens({ expiresAt: '1800000000000' })],
  ['an expiresAt of NaN', withTokens({ expiresAt: Number.NaN })],
  ['a refreshToken that is an object', withTokens({ refreshToken: {} })],
  ['a subject that is a number', withTokens({ subject: 42 })],
  ['a scope that is a number', withTokens({ scope: 42 })],
  ['a profile that is a string', withTokens({ profile: 'Ann' })],
])('a stored record with %s is ignored', (_title, record) => {
  expect(readStoredSession(record)).toBeUndefined()
})

test.each<[unknown, string]>([
  ['access', 'it is not an object'],
  [{}, 'it has no accessToken'],
  [{ accessToken: 'access', refreshToken: 5 }, 'its refreshToken is not a string'],
  [{ accessToken: 'access', tokenType: 5 }, 'its tokenType is not a string'],
  [{ accessToken: 'access', subject: 5 }, 'its subject is not a string'],
  [{ accessToken: 'access', profile: { id: 42n } }, 'its profile is not plain data'],
])('the error about an unusable token set says what is wrong with it (case %#)', (received, why) => {
  expect(() => toTokenSet(received, now)).toThrow(`The grant returned no token set: ${why}.`)
})

function deep(levels: number): Record<string, unknown> {
  return levels === 1 ? {} : { part: deep(levels - 1) }
}

test('a profile may have twenty levels and no more, so that one without an end is noticed', () => {
  const profile = deep(20)
  expect(toTokenSet({ accessToken: 'access', profile }, now).profile).toBe(profile)
  expect(() => toTokenSet({ accessToken: 'access', profile: deep(21) }, now)).toThrow('not plain data')
})

const marker = { id: 'a.1', owner: 'a', isOver: false, until: now, pause: 10_000, failures: 0, outcomeLost: false }

test('a stored session may name the refresh that is under way', () => {
  expect(readStoredSession({ ...stored, marker })).toEqual({ ...stored, marker })
})

test.each<[string, unknown]>([
  ['null', null],
  ['a string', 'a.1'],
  ['without an id', { ...marker, id: undefined }],
  ['whose id is empty', { ...marker, id: '' }],
  ['without an owner', { ...marker, owner: undefined }],
  ['whose end is not a time', { ...marker, until: Number.NaN }],
  ['whose end is before 1970', { ...marker, until: -1 }],
  ['whose pause is not a time', { ...marker, pause: '10000' }],
  ['whose failures are not a count', { ...marker, failures: 0.5 }],
  ['that may be over or not', { ...marker, isOver: undefined }],
  ['whose answer may be lost or not', { ...marker, outcomeLost: 'no' }],
])('a stored record whose marker is one %s is ignored', (_title, unusable) => {
  expect(readStoredSession({ ...stored, marker: unusable })).toBeUndefined()
})

test.each(['signedInAt', 'receivedAt', 'expiresAt'])('a stored record with a %s before 1970 is ignored', (name) => {
  const record = name === 'signedInAt' ? { ...stored, signedInAt: -1 } : withTokens({ [name]: -1 })
  expect(readStoredSession(record)).toBeUndefined()
})
