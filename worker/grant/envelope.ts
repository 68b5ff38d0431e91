import type { Envelope } from '../../src/protocol/envelope.ts'
import { invalidConfigOf } from '../../src/protocol/errors.ts'

const invalid = /* @__PURE__ */ invalidConfigOf('envelope()')

export type Code = string | number

/** How an API wraps its responses. Every field has a default that fits `{code, message, data}`. */
export interface EnvelopeOptions {
  /** Name of the field with the API's code. Default `code`. */
  readonly code?: string
  /** Name of the field with the API's message. Default `message`. */
  readonly message?: string
  /** Name of the field with the payload. Default `data`. */
  readonly data?: string
  /** The code, or codes, that mean success. Default `0`. */
  readonly success?: Code | readonly Code[]
  /** Codes that mean that the access token has expired, besides HTTP 401. Default none. */
  readonly expired?: Code | readonly Code[]
  /** Codes that mean that the user must sign in. Default none. */
  readonly signInRequired?: Code | readonly Code[]
}

/**
 * Describes an API's envelope, for the `envelope` option of an API: `session.request` then resolves with the payload,
 * and rejects with `api_error` (`status`, `apiCode`, `apiMessage`) if the code does not mean success.
 *
 * @throws LingpaiError `invalid_config`
 */
export function envelope(options: EnvelopeOptions = {}): Envelope {
  const { code = 'code', message = 'message', data = 'data', success = 0, expired = [], signInRequired = [] } = options
  for (const [name, field] of Object.entries({ code, message, data })) {
    if (typeof field !== 'string' || field === '') throw invalid(`${name} must be the name of a field`)
  }
  return {
    code,
    message,
    data,
    success: toCodes('success', success),
    expired: toCodes('expired', expired),
    signInRequired: toCodes('signInRequired', signInRequired),
  }
}

function toCodes(name: string, codes: Code | readonly Code[]): readonly Code[] {
  const list = Array.isArray(codes) ? codes : [codes]
  if (!list.every((code) => typeof code === 'string' || typeof code === 'number')) {
    throw invalid(`${name} must be a string, a number, or an array of them`)
  }
  return list
}
