import { LingpaiError } from '../../src/protocol/errors.ts'
import { isRecord } from '../../src/protocol/records.ts'
import type { StoredSession, TokenSet } from './adapter.ts'
import { optional } from './optional-fields.ts'

/** The layout of the records that this build writes. */
export const FORMAT = 1

const MAX_LIFE = 30 * 24 * 3_600_000
const MAX_MARGIN = 60_000
const MAX_PROFILE = 20

/**
 * Checks what a grant returned and works out the expiry: time of receipt plus `expiresIn`, on the local clock.
 * What a refresh leaves out keeps its previous value (RFC 6749 §6).
 */
export function toTokenSet(received: unknown, now: number, previous?: TokenSet): TokenSet {
  const { accessToken, expiresIn, scope, profile, ...rest } = asRecord(received)
  if (!isToken(accessToken)) throw unusable('it has no accessToken')
  // At a sign-in the app's author sees what is wrong. A refresh must not fail for it: the token that it sent may be spent.
  const isStrict = previous === undefined
  const read = (name: string, isUsable: (value: unknown) => value is string): string | undefined => {
    // Servers write null for what they leave out, and some an empty string.
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
    }),
  }
}

/**
 * Who a user is, by a text or a number. JSON.parse rounds a number above 2^53, and so makes one user of two: such a number
 * is not a subject (I6).
 */
export function toSubject(value: unknown): string | undefined {
  if (Number.isSafeInteger(value)) return String(value)
  return isText(value) ? value : undefined
}

/** Life of a token in milliseconds, or undefined where the server did not say anything usable. */
function readLife(expiresIn: unknown): number | undefined {
  // Servers send "900" too (RFC 6749 §5.1 wants a number).
  const seconds = typeof expiresIn === 'string' ? Number(expiresIn) : expiresIn
  // A token that claims to be dead on arrival is used until an API refuses it: refreshing it at once would never end.
  // So is one whose life is an empty string, which as a number is 0.
  if (typeof seconds !== 'number' || !(seconds > 0)) return undefined
  return Math.min(seconds * 1000, MAX_LIFE)
}

/** The time from which a token is refreshed before it is used. */
export function refreshTime(tokens: TokenSet, margin?: number): number {
  if (tokens.expiresAt === undefined) return Number.POSITIVE_INFINITY
  const life = tokens.expiresAt - tokens.receivedAt
  return tokens.expiresAt - Math.min(margin ?? MAX_MARGIN, life * 0.2)
}

/** Whether a token has expired by the local clock. Where that was set back since, an API's 401 tells. */
export function isExpired(tokens: TokenSet, now: number): boolean {
  return tokens.expiresAt !== undefined && now >= tokens.expiresAt
}

/** Whether both token sets are known to be the same user's. */
export function isSameUser(one: { readonly subject?: string | undefined }, other: typeof one): boolean {
  return one.subject !== undefined && one.subject === other.subject
}

/** Whether a later build has written this record, which is then not ours to read or to replace. */
export function isOfLaterFormat(value: unknown): boolean {
  return isRecord(value) && isCount(value.format) && value.format > FORMAT
}

/** Checks what came out of a store, which an older build or another hand may have written. */
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

// A line break or a control character in a token could not be sent in a header, and would fail at every call (RFC 6750 §2.1).
function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x20-\x7e]+$/.test(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** Whether a value can go to every page, over a channel that carries JSON only too: no function in it, and no cycle. */
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
