import { LingpaiError } from './errors.ts'
import { isRecord } from './records.ts'

/**
 * How an API wraps its answers: the field names and codes of a body like `{code, message, data}`. `envelope()` of
 * `lingpai/envelope` creates it.
 */
export interface Envelope {
  /** Name of the field that holds the API's code. */
  readonly code: string
  readonly message: string
  /** Name of the field that holds the payload. */
  readonly data: string
  /** Values of the code field that mean success. */
  readonly success: readonly (string | number)[]
  /** Values of the code field that mean that the access token has expired, whatever the HTTP status. */
  readonly expired: readonly (string | number)[]
  /** Values of the code field that mean that the user must sign in. */
  readonly signInRequired: readonly (string | number)[]
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
  readonly apiCode?: string | number
  readonly apiMessage?: string
}

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
  const fields = envelope && isRecord(body) ? body : undefined
  const apiCode = envelope && asCode(fields?.[envelope.code])
  const apiMessage = envelope && asText(fields?.[envelope.message])
  return {
    summary: {
      status,
      isReadable: body !== NOT_JSON,
      ...(apiCode !== undefined && { apiCode }),
      ...(apiMessage !== undefined && { apiMessage }),
    },
    payload: envelope === undefined ? body : fields?.[envelope.data],
  }
}

/** Judges an answer by its summary. */
export function judgeAnswer(
  envelope: Envelope | undefined,
  { status, isReadable, apiCode, apiMessage }: AnswerSummary,
): Exclude<AnswerMeaning, { kind: 'payload' }> | { readonly kind: 'success' } {
  const error = () => {
    const code = apiCode === undefined ? '' : ` and code ${JSON.stringify(apiCode)}`
    const said = code + (apiMessage ? `, ${JSON.stringify(apiMessage)}` : '')
    return new LingpaiError('api_error', `The API answered with status ${status}${said}.`, {
      status,
      ...(apiCode !== undefined && { apiCode }),
      ...(apiMessage !== undefined && { apiMessage }),
    })
  }
  if (apiCode !== undefined && envelope?.signInRequired.includes(apiCode)) return { kind: 'signInRequired' }
  if (status === 401 || (apiCode !== undefined && envelope?.expired.includes(apiCode)))
    return { kind: 'expired', error: error() }
  if (status < 200 || status >= 300) return { kind: 'error', error: error() }
  if (!isReadable) return { kind: 'error', error: unreadable(status, 'is not JSON') }
  if (envelope === undefined) return { kind: 'success' }
  if (apiCode === undefined) return { kind: 'error', error: unreadable(status, `has no field "${envelope.code}"`) }
  return envelope.success.includes(apiCode) ? { kind: 'success' } : { kind: 'error', error: error() }
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

function unreadable(status: number, why: string): LingpaiError {
  return new LingpaiError(
    'api_error',
    `The API answered with status ${status} and a body that ${why}. Check the URL, or use session.fetch for answers that are not JSON.`,
    { status },
  )
}

function asCode(value: unknown): string | number | undefined {
  return typeof value === 'string' || typeof value === 'number' ? value : undefined
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
