import type { Code, Envelope, StatedMeaning } from '../../src/protocol/envelope.ts'
import { invalidConfigOf } from '../../src/protocol/errors.ts'
import { checkOptionNames } from '../../src/protocol/option-names.ts'

const invalid = /* @__PURE__ */ invalidConfigOf('envelope()')

export type { Code }

/**
 * How an API wraps its responses. Every option has a default that fits `{code, message, data}`. A place in the body is a
 * path, such as `error.code`. In a mini program, `data`, `success` and `meaning` cannot be functions: the body stays on the
 * app thread.
 */
export interface EnvelopeOptions {
  /** Path of the API's code: a text, a number or a boolean. Default `code`. With false, the HTTP status alone decides. */
  readonly code?: string | false
  /** Path of the API's message, or several: the first that holds a text counts. Default `message`. */
  readonly message?: string | readonly string[]
  /**
   * Path of the payload, or a function of the body. An empty path is the whole body. Default `data`. If the body has nothing
   * there, the payload is what stands beside code and message: `{code, msg, rows, total}` gives `{rows, total}`.
   */
  readonly data?: string | ((body: never) => unknown)
  /** The code, or codes, that mean success, or a test of the code. Default `0`. `200` and `"200"` are alike. */
  readonly success?: Code | readonly Code[] | ((code: Code) => boolean)
  /** Codes that mean that the access token has expired, besides HTTP 401. Default none. */
  readonly expired?: Code | readonly Code[]
  /** Codes that mean that the user must sign in. Default none. */
  readonly signInRequired?: Code | readonly Code[]
  /** Says what codes cannot say, such as a status 500 whose text means an expired token. Undefined leaves it to the codes. */
  readonly meaning?: (status: number, body: never) => StatedMeaning | undefined
}

const OPTION_NAMES = 'code message data success expired signInRequired meaning'

/**
 * Describes an API's envelope, for the `envelope` option of an API: `session.request` then resolves with the payload,
 * and rejects with `api_error` (`status`, `apiCode`, `apiMessage`) if the code does not mean success.
 *
 * @throws LingpaiError `invalid_config`
 */
export function envelope(options: EnvelopeOptions = {}): Envelope {
  checkOptionNames(options, OPTION_NAMES, invalid)
  const { code = 'code', data = 'data', success = 0, expired = [], signInRequired = [], meaning } = options
  const message = toList(options.message ?? 'message')
  if (code !== false && (typeof code !== 'string' || code === ''))
    throw invalid('code must be a path, such as "code" or "error.code", or false')
  if (!message.every((path) => typeof path === 'string' && path !== ''))
    throw invalid('message must be a path, or an array of paths')
  if (typeof data !== 'string' && typeof data !== 'function')
    throw invalid('data must be a path (an empty one is the whole body), or a function of the body')
  if (meaning !== undefined && typeof meaning !== 'function')
    throw invalid('meaning must be a function of status and body')
  return {
    code: code || '',
    message,
    data: data as Envelope['data'],
    success: typeof success === 'function' ? success : toCodes('success', success),
    expired: toCodes('expired', expired),
    signInRequired: toCodes('signInRequired', signInRequired),
    ...(meaning && { meaning: meaning as NonNullable<Envelope['meaning']> }),
  }
}

function toCodes(name: string, codes: Code | readonly Code[]): readonly Code[] {
  const list = toList(codes)
  if (!list.every((code) => ['string', 'number', 'boolean'].includes(typeof code))) {
    throw invalid(`${name} must be a text, a number, a boolean, or an array of them`)
  }
  return list
}

export function toList<Item>(items: Item | readonly Item[]): readonly Item[] {
  return Array.isArray(items) ? items : [items as Item]
}
