/**
 * The codes of lingpai's errors. The list may grow in a minor version, so keep a `default` branch.
 *
 * `docs/errors.md` explains the causes and remedies of each.
 */
export type LingpaiErrorCode =
  | 'sign_in_required'
  | 'sign_in_failed'
  | 'sign_in_cancelled'
  | 'popup_blocked'
  | 'state_missing'
  | 'state_mismatch'
  | 'state_used'
  | 'api_error'
  | 'network_error'
  | 'timeout'
  | 'aborted'
  | 'origin_not_allowed'
  | 'redirect_refused'
  | 'token_not_exposed'
  | 'token_reflected'
  | 'refresh_unavailable'
  | 'worker_lost'
  | 'protocol_mismatch'
  | 'store_failed'
  | 'busy'
  | 'closed'
  | 'invalid_config'
  | 'invalid_call'

/** The fields of an error besides its code and message. None of them ever holds a token. */
export interface LingpaiErrorFields {
  /** HTTP status of the API's answer. */
  readonly status?: number
  /** The API's own code, from its envelope or its OAuth error response (RFC 6749 §5.2). */
  readonly apiCode?: string | number
  /** The API's own message. */
  readonly apiMessage?: string
  /** The error that the page's own code threw, or its abort reason. Never crosses a thread. */
  readonly cause?: unknown
}

// Registered with Symbol.for, so that an error is recognised across bundles and realms. `instanceof` fails there.
const brand: unique symbol = Symbol.for('lingpai.error') as never

/** The fields that cross a port. Absent fields are omitted, since JSON has no `undefined`. */
const fieldNames = ['status', 'apiCode', 'apiMessage'] as const

/** The one error class of lingpai. Test for it with {@link isLingpaiError}, and `switch` on `code`. */
export class LingpaiError extends Error {
  override readonly name: string = 'LingpaiError'
  declare readonly code: LingpaiErrorCode
  declare readonly status?: number
  declare readonly apiCode?: string | number
  declare readonly apiMessage?: string

  constructor(code: LingpaiErrorCode, message: string, fields: LingpaiErrorFields = {}) {
    super(withLink(code, message), fields)
    brandError(this, code, fields)
  }
}

export function tokenServerUnreachable(): LingpaiError {
  return new LingpaiError(
    'refresh_unavailable',
    'The token server could not be reached or its response not read. The user is still signed in: try again later, or see session.explain().',
  )
}

/** Returns what creates the errors of one configuring function: `invalidConfigOf('oauth()')('clientId is missing')`. */
export function invalidConfigOf(what: string): (why: string) => LingpaiError {
  return (why) => new LingpaiError('invalid_config', `${what}: ${why}.`)
}

/** An error of lingpai: a {@link LingpaiError}, or from `session.fetch` a `TypeError` with the same fields. */
export type LingpaiErrorLike = Error & { readonly code: LingpaiErrorCode } & LingpaiErrorFields

/** Whether a value is an error of lingpai, from any realm or bundle. */
export function isLingpaiError(value: unknown): value is LingpaiErrorLike {
  return typeof value === 'object' && value !== null && (value as { [brand]?: unknown })[brand] === true
}

/** Copies an error of lingpai into the `TypeError` that a caller of `fetch` expects. Keeps its code and fields (Fetch §5.6). */
export function toFetchError(error: LingpaiErrorLike): LingpaiErrorLike {
  return brandError(new TypeError(error.message, error), error.code, error)
}

function brandError<E extends Error>(
  error: E,
  code: LingpaiErrorCode,
  fields: LingpaiErrorFields,
): E & LingpaiErrorLike {
  Object.defineProperty(error, brand, { value: true })
  return Object.assign(error, { code }, presentFields(fields))
}

function presentFields(fields: LingpaiErrorFields): Record<string, unknown> {
  return Object.fromEntries(fieldNames.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])))
}

/** Ends a message with a link to its explanation. A message that has crossed a port already has the link. */
function withLink(code: LingpaiErrorCode, message: string): string {
  const link = ` (lingpai/docs/errors.md#${code})`
  return message.endsWith(link) ? message : message + link
}

/** An error as it crosses a port: JSON-safe. The stack stays in the thread that created the error. */
export interface WireError {
  readonly name: string
  readonly message: string
  readonly code?: LingpaiErrorCode
  readonly status?: number
  readonly apiCode?: string | number
  readonly apiMessage?: string
}

/** Converts an error for {@link decodeError} on the other side of a port. */
export function encodeError(error: unknown): WireError {
  if (isLingpaiError(error))
    return { name: error.name, message: error.message, code: error.code, ...presentFields(error) }
  if (error instanceof Error) return { name: error.name, message: error.message }
  return { name: 'Error', message: 'The worker threw a value that is not an Error.' }
}

/** The inverse of {@link encodeError}. */
export function decodeError(wire: WireError): Error {
  if (wire.code !== undefined) return new LingpaiError(wire.code, wire.message, wire)
  const error = wire.name === 'TypeError' ? new TypeError(wire.message) : new Error(wire.message)
  error.name = wire.name
  return error
}
