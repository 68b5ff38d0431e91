import { LingpaiError } from '../../src/protocol/errors.ts'
import { isRecord } from '../../src/protocol/records.ts'
import type { StoredSession, TokenSet } from './adapter.ts'
import { optional } from './optional-fields.ts'

/** The version of the record's layout that this build writes. */
export const FORMAT = 1

const MAX_LIFE = 30 * 24 * 3_600_000
const MAX_MARGIN = 60_000
const MAX_PROFILE = 20

/**
 * Checks the result of a grant and computes the expiry: time of receipt plus `expiresIn`, on the local clock. A field that
 * is absent after a refresh keeps its previous value (RFC 6749 §6).
 */
export function toTokenSet(received: unknown, now: number, previous?: TokenSet): TokenSet {
  const { accessToken, expiresIn, scope, profile, ...rest } = asRecord(received)
  if (!isToken(accessToken)) throw unusable('it has no accessToken')
  // At a sign-in, an error shows the app's author what is wrong. A refresh must not fail: its old token may be used up.
  const isStrict = previous === undefined
  const read = (name: string, isUsable: (value: unknown) => value is string): string | undefined => {
    // For a field without a value, some servers send null, and some an empty string.
    const value = rest[name] === '' ? undefined : (rest[name] ?? undefined)
    if (value === undefined || isUsable(value)) return value
    if (isStrict) throw unusable(`its ${name} is not a string`)
    return undefined
  }
  const refreshToken = read('refreshToken', isToken)
  const tokenType = read('tokenType', isToken)
  const subject = isStrict ? read('subject', isText) : toSubject(rest.subject)
  if (isStrict && isRecord(profile) && !isData(profile)) throw unusable('its profile is not plain data')
  const life = readLife(expiresIn)
  return {
    accessToken,
    tokenType: tokenType ?? previous?.tokenType ?? 'Bearer',
    receivedAt: now,
    ...optional({
      expiresAt: life && now + life,
      refreshToken: refreshToken ?? previous?.refreshToken,
      scope: isText(scope) ? scope : previous?.scope,
      subject: subject ?? previous?.subject,
      profile: isRecord(profile) && isData(profile) ? profile : previous?.profile,
      key: isRecord(rest.key) ? rest.key : previous?.key,
    }),
  }
}

/**
 * The user's id, from a text or a number. JSON.parse rounds numbers above 2^53, so that two users could get the same id:
 * such a number is not a subject (I6).
 */
export function toSubject(value: unknown): string | undefined {
  if (Number.isSafeInteger(value)) return String(value)
  return isText(value) ? value : undefined
}

/** Life of a token in milliseconds. Undefined if the server sent no usable value. */
function readLife(expiresIn: unknown): number | undefined {
  // Some servers send "900", although RFC 6749 §5.1 requires a number.
  const seconds = typeof expiresIn === 'string' ? Number(expiresIn) : expiresIn
  // A token that is already expired when it arrives is used until an API refuses it: to refresh it at once would never end.
  // The same holds for an empty string, which as a number is 0.
  if (typeof seconds !== 'number' || !(seconds > 0)) return undefined
  return Math.min(seconds * 1000, MAX_LIFE)
}

/** From this time on, a token is refreshed before it is used. */
export function refreshTime(tokens: TokenSet, margin?: number): number {
  if (tokens.expiresAt === undefined) return Number.POSITIVE_INFINITY
  const life = tokens.expiresAt - tokens.receivedAt
  return tokens.expiresAt - Math.min(margin ?? MAX_MARGIN, life * 0.2)
}

/** Whether a token has expired by the local clock. If the clock was set back, only an API's 401 shows it. */
export function isExpired(tokens: TokenSet, now: number): boolean {
  return tokens.expiresAt !== undefined && now >= tokens.expiresAt
}

/** Whether both are known to belong to the same user. */
export function isSameUser(one: { readonly subject?: string | undefined }, other: typeof one): boolean {
  return one.subject !== undefined && one.subject === other.subject
}

/** Whether a later build wrote this record: this build must not read or replace it. */
export function isOfLaterFormat(value: unknown): boolean {
  return isRecord(value) && isCount(value.format) && value.format > FORMAT
}

/** Checks a record from a store: an older build, or another script, may have written it. */
export function readStoredSession(value: unknown): StoredSession | undefined {
  if (!isRecord(value) || !isRecord(value.tokens)) return undefined
  const { format, sessionId, generation, version, signedInAt, marker } = value
  const { accessToken, tokenType, receivedAt, expiresAt, refreshToken, scope, subject, profile } = value.tokens
  const isUsable =
    format === FORMAT &&
    isToken(sessionId) &&
    (marker === undefined || isMarker(marker)) &&
    isCount(generation) &&
    isCount(version) &&
    isTime(signedInAt) &&
    isToken(accessToken) &&
    isToken(tokenType) &&
    isTime(receivedAt) &&
    (expiresAt === undefined || isTime(expiresAt)) &&
    (refreshToken === undefined || isToken(refreshToken)) &&
    (scope === undefined || typeof scope === 'string') &&
    (subject === undefined || typeof subject === 'string') &&
    (profile === undefined || isRecord(profile))
  return isUsable ? (value as unknown as StoredSession) : undefined
}

function isMarker(value: unknown): boolean {
  if (!isRecord(value)) return false
  const { id, owner, isOver, until, pause, failures, outcomeLost } = value
  const isNamed = isToken(id) && isToken(owner)
  return (
    isNamed &&
    isTime(until) &&
    isTime(pause) &&
    isCount(failures) &&
    [isOver, outcomeLost].every((is) => typeof is === 'boolean')
  )
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isTime(value: unknown): value is number {
  return Number.isFinite(value) && (value as number) >= 0
}

// A header cannot hold a line break or a control character: with such a token, every call would fail (RFC 6750 §2.1).
function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x20-\x7e]+$/.test(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** Whether a value can be sent to every page, also over a channel for JSON: it holds no function and no cycle. */
function isData(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return !['function', 'symbol', 'bigint'].includes(typeof value)
  return depth < MAX_PROFILE && Object.values(value).every((part) => isData(part, depth + 1))
}

function asRecord(value: unknown): Record<string, unknown> {
  if (!isRecord(value)) throw unusable('it is not an object')
  return value
}

function unusable(why: string): LingpaiError {
  return new LingpaiError('sign_in_failed', `The grant returned no token set: ${why}.`)
}
