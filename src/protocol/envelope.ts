import { LingpaiError } from './errors.ts'
import { getOwn, isObject, isRecord } from './records.ts'

/** A value of the field that says how the call has ended: a number or text, or a boolean such as `success: true`. */
export type Code = string | number | boolean

/** What an answer means that neither its HTTP status nor its code can say. */
export type StatedMeaning = 'expired' | 'sign-in-required'

/**
 * How an API wraps its answers: the places and codes of a body like `{code, message, data}`. `envelope()` of
 * `lingpai/envelope` creates it. A place is a path, such as `error.code`.
 */
export interface Envelope {
  /** Path of the API's code; empty if the HTTP status alone decides. */
  readonly code: string
  /** Paths of the API's message. The first one that holds a text counts. */
  readonly message: readonly string[]
  /** Path of the payload; an empty path is the whole body. */
  readonly data: string | ((body: unknown) => unknown)
  /** Codes that mean success, or a test. */
  readonly success: readonly Code[] | ((code: Code) => boolean)
  /** Codes that mean that the access token has expired, whatever the HTTP status. */
  readonly expired: readonly Code[]
  /** Codes that mean that the user must sign in. */
  readonly signInRequired: readonly Code[]
  /** Decides before the codes do. */
  readonly meaning?: (status: number, body: unknown) => StatedMeaning | undefined
}

/** What an API's answer to `session.request` means. */
export type AnswerMeaning =
  | { readonly kind: 'payload'; readonly payload: unknown }
  /** The access token has expired: refresh it and send the request again. */
  | { readonly kind: 'expired'; readonly error: LingpaiError }
  | { readonly kind: 'signInRequired' }
  | { readonly kind: 'error'; readonly error: LingpaiError }

/** The part of an answer that decides what it means, without the payload. JSON-safe: in mini programs it crosses a thread. */
export interface AnswerSummary {
  readonly status: number
  /** Whether the body is JSON, or empty. */
  readonly isReadable: boolean
  readonly apiCode?: Code
  readonly apiMessage?: string
  readonly meaning?: StatedMeaning
}

/** The usual places of the message in an answer without an envelope. */
export const USUAL_MESSAGES: readonly string[] = ['message', 'error.message', 'detail', 'error_description', 'error']

/**
 * Reads an API's answer with its envelope. Without an envelope, the body of any 2xx is the payload: JSON, or nothing.
 */
export function readAnswer(envelope: Envelope | undefined, status: number, text: string): AnswerMeaning {
  const { summary, payload } = openEnvelope(envelope, status, text)
  const meaning = judgeAnswer(envelope, summary)
  return meaning.kind === 'success' ? { kind: 'payload', payload } : meaning
}

/** Splits an answer into the summary to judge and the payload. */
export function openEnvelope(
  envelope: Envelope | undefined,
  status: number,
  text: string,
): { readonly summary: AnswerSummary; readonly payload: unknown } {
  const body = parseJson(text)
  const isReadable = body !== NOT_JSON
  const apiCode = envelope?.code ? asCode(readPath(body, envelope.code)) : undefined
  const apiMessage = findText(body, envelope?.message ?? USUAL_MESSAGES)
  const meaning = isReadable ? envelope?.meaning?.(status, body) : undefined
  return {
    summary: {
      status,
      isReadable,
      ...(apiCode !== undefined && { apiCode }),
      ...(apiMessage !== undefined && { apiMessage }),
      ...(meaning !== undefined && { meaning }),
    },
    payload: envelope === undefined ? body : readPayload(envelope, body),
  }
}

/** Judges an answer by its summary. */
export function judgeAnswer(
  envelope: Envelope | undefined,
  { status, isReadable, apiCode, apiMessage, meaning }: AnswerSummary,
): Exclude<AnswerMeaning, { kind: 'payload' }> | { readonly kind: 'success' } {
  const error = () => {
    const code = apiCode === undefined ? '' : ` and code ${JSON.stringify(apiCode)}`
    const said = code + (apiMessage ? `, ${JSON.stringify(apiMessage)}` : '')
    return new LingpaiError('api_error', `The API answered with status ${status}${said}.`, {
      status,
      ...(apiCode !== undefined && typeof apiCode !== 'boolean' && { apiCode }),
      ...(apiMessage !== undefined && { apiMessage }),
    })
  }
  if (meaning === 'sign-in-required' || isListed(envelope?.signInRequired, apiCode)) return { kind: 'signInRequired' }
  if (meaning === 'expired' || status === 401 || isListed(envelope?.expired, apiCode))
    return { kind: 'expired', error: error() }
  if (status < 200 || status >= 300) return { kind: 'error', error: error() }
  if (!isReadable) return { kind: 'error', error: unreadable(status, 'is not JSON') }
  if (!envelope?.code || status === 204 || status === 205) return { kind: 'success' }
  if (apiCode === undefined)
    return { kind: 'error', error: unreadable(status, `has no code (a text, number or boolean) at "${envelope.code}"`) }
  return isSuccess(envelope, apiCode) ? { kind: 'success' } : { kind: 'error', error: error() }
}

/** Whether an API's code means success. */
export function isSuccess({ success }: Envelope, code: Code): boolean {
  return typeof success === 'function' ? success(code) : isListed(success, code)
}

/** Whether a list has the code. Servers send `401` and `"401"` for the same. */
export function isListed(list: readonly Code[] | undefined, code: Code | undefined): boolean {
  return code !== undefined && list?.some((listed) => String(listed) === String(code)) === true
}

/** Whether a value comes from `envelope()`. */
export function isEnvelope(value: unknown): value is Envelope {
  const { code, success, expired } = (value ?? {}) as Partial<Envelope>
  return typeof code === 'string' && Array.isArray(expired) && (Array.isArray(success) || typeof success === 'function')
}

/** Reads a path such as `error.code` from own fields; an empty path is the whole value. */
export function readPath(data: unknown, path: string): unknown {
  if (path === '') return data
  let value = data
  for (const name of path.split('.')) value = isObject(value) ? getOwn(value, name) : undefined
  return value
}

const NOT_JSON = Symbol('not JSON')

function parseJson(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return NOT_JSON
  }
}

/** Many APIs put the payload beside the code for some calls: `{code, msg, rows, total}`. */
function readPayload({ code, message, data }: Envelope, body: unknown): unknown {
  if (typeof data === 'function') return body === NOT_JSON ? undefined : data(body)
  const payload = readPath(body, data)
  if (payload !== undefined || !isRecord(body)) return payload
  const rest = { ...body }
  for (const name of [code, ...message]) delete rest[name]
  return Object.keys(rest).length === 0 ? undefined : rest
}

function findText(body: unknown, paths: readonly string[]): string | undefined {
  for (const path of paths) {
    const text = readPath(body, path)
    if (typeof text === 'string') return text
  }
  return undefined
}

function unreadable(status: number, why: string): LingpaiError {
  return new LingpaiError(
    'api_error',
    `The API answered with status ${status} and a body that ${why}. Check the URL and the envelope. On the web, session.fetch reads any body.`,
    { status },
  )
}

function asCode(value: unknown): Code | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined
}
