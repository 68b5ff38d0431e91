import {
  type Code,
  type Envelope,
  isListed,
  judgeAnswer,
  openEnvelope,
  type StatedMeaning,
} from '../../../src/protocol/envelope.ts'
import type { GrantResponse } from '../../core/adapter.ts'
import { optional } from '../../core/optional-fields.ts'
import { failed, outcomeUnknown, type RefreshVerdict, refused, rejected } from '../../core/verdict.ts'
import { toList } from '../envelope.ts'
import type { EnvelopeGrantOptions } from './options.ts'

export const TOO_MANY_REQUESTS = 429
const UNAVAILABLE = 503

/** A response that is not a success. */
export interface Failure {
  readonly status: number
  readonly apiCode?: Code
  readonly apiMessage?: string
  readonly meaning?: StatedMeaning
}

export type EnvelopeResult = { readonly payload: unknown } | { readonly failure: Failure }

export function readEnvelope(envelope: Envelope | undefined, { status, body }: GrantResponse): EnvelopeResult {
  const { summary, payload } = openEnvelope(envelope, status, body)
  if (judgeAnswer(envelope, summary).kind === 'success') return { payload }
  const { apiCode, apiMessage, meaning } = summary
  return { failure: { status, ...optional({ apiCode, apiMessage, meaning }) } }
}

/** Judges a failed refresh by its code and HTTP status. */
export function toVerdict(
  { status, apiCode, meaning }: Failure,
  envelope: Envelope | undefined,
  listed: EnvelopeGrantOptions['rejected'] = [],
): RefreshVerdict {
  const isHttpRejection = status === 400 || status === 401
  if (apiCode !== undefined && (isListed(envelope?.signInRequired, apiCode) || isRejected(listed, apiCode, status)))
    return rejected(toReason(apiCode))
  if (isHttpRejection || meaning === 'sign-in-required')
    return rejected(apiCode === undefined ? undefined : toReason(apiCode))
  if (status === TOO_MANY_REQUESTS || status === UNAVAILABLE) return refused({ reason: `http_${status}` })
  if (status < 200 || status > 299) return outcomeUnknown(`http_${status}`)
  // The app did not list this code. The server may have failed before or after it rotated the token.
  return outcomeUnknown(apiCode === undefined ? 'unreadable_answer' : toReason(apiCode))
}

function isRejected(listed: NonNullable<EnvelopeGrantOptions['rejected']>, code: Code, status: number): boolean {
  if (typeof listed !== 'function') return isListed(toList(listed as Code), code)
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
