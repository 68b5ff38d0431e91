import { type Envelope, readAnswer } from '../../../src/protocol/envelope.ts'
import type { GrantResponse } from '../../core/adapter.ts'
import { failed, outcomeUnknown, type RefreshVerdict, refused, rejected } from '../../core/verdict.ts'
import type { Code } from '../envelope.ts'
import { type EnvelopeGrantOptions, toList } from './options.ts'

export const TOO_MANY_REQUESTS = 429
const UNAVAILABLE = 503

/** A response that is not a success. */
export interface Failure {
  readonly status: number
  readonly apiCode?: Code
  readonly apiMessage?: string
}

export type EnvelopeResult = { readonly payload: unknown } | { readonly failure: Failure }

export function readEnvelope(envelope: Envelope, { status, body }: GrantResponse): EnvelopeResult {
  const meaning = readAnswer({ ...envelope, expired: [], signInRequired: [] }, status, body)
  if (meaning.kind === 'payload') return { payload: meaning.payload }
  if (meaning.kind === 'signInRequired') return { failure: { status } }
  const { apiCode, apiMessage } = meaning.error
  return {
    failure: { status, ...(apiCode !== undefined && { apiCode }), ...(apiMessage !== undefined && { apiMessage }) },
  }
}

/** Judges a failed refresh by its code and HTTP status. */
export function toVerdict(
  { status, apiCode }: Failure,
  { signInRequired }: Envelope,
  listed: EnvelopeGrantOptions['rejected'] = [],
): RefreshVerdict {
  const isHttpRejection = status === 400 || status === 401
  if (apiCode !== undefined && (signInRequired.includes(apiCode) || isListed(listed, apiCode, status)))
    return rejected(toReason(apiCode))
  if (isHttpRejection) return rejected(apiCode === undefined ? undefined : toReason(apiCode))
  if (status === TOO_MANY_REQUESTS || status === UNAVAILABLE) return refused({ reason: `http_${status}` })
  if (status < 200 || status > 299) return outcomeUnknown(`http_${status}`)
  // The app did not list this code. The server may have failed before or after it rotated the token.
  return outcomeUnknown(apiCode === undefined ? 'unreadable_answer' : toReason(apiCode))
}

function isListed(listed: NonNullable<EnvelopeGrantOptions['rejected']>, code: Code, status: number): boolean {
  if (typeof listed !== 'function') return toList(listed).includes(code)
  try {
    return listed(code, status)
  } catch {
    throw failed('rejected_threw')
  }
}

/** Pages see the reason, so it must be a code, and not a sentence of the server that quotes the token (I11). */
export function toReason(code: Code): string {
  return /^[\w-]{1,40}$/.test(String(code)) ? `code_${code}` : 'unlisted_code'
}
