import { type Envelope, isEnvelope } from '../../../src/protocol/envelope.ts'
import { checkOptionNames } from '../../../src/protocol/option-names.ts'
import { isRecord } from '../../../src/protocol/records.ts'
import type { Signer, TokenSet } from '../../core/adapter.ts'
import { type Code, toList } from '../envelope.ts'
import { checkCall, type EnvelopeCall, invalid } from './call.ts'
import { fieldNames, type TokenFields } from './token-fields.ts'

/** Options of {@link envelopeGrant}. */
export interface EnvelopeGrantOptions<Input = Record<string, unknown>> {
  /**
   * The call that signs in. Default data: what the page passed to `session.signIn`. Without this call, a session begins
   * by `session.adopt` only.
   */
  readonly signIn?: EnvelopeCall<Input>
  /**
   * The call that gets new tokens. Default data: `{refreshToken}`. With `credentials: 'include'`, the refresh token may be a
   * cookie that only the server reads. Without this call, the session ends when its token expires.
   */
  readonly refresh?: EnvelopeCall<TokenSet>
  /** The call that ends the session at the server. Default data: `{refreshToken}`. Without it, a sign-out sends nothing. */
  readonly signOut?: EnvelopeCall<TokenSet>
  /**
   * The envelope of these calls' responses. Default `envelope()`: `{code, message, data}`, and code 0 is success. With false,
   * any 2xx is a success, and its whole body is the payload.
   */
  readonly envelope?: Envelope | false
  /** Paths of the tokens in the payload. Default: `accessToken`, `refreshToken`, `expiresIn` … at its top. */
  readonly tokens?: TokenFields
  /**
   * Codes of a refresh response that end the session, or a test such as `(code) => Number(code) > 100000`. HTTP 400 and
   * 401, and the envelope's `signInRequired` codes, always end it.
   */
  readonly rejected?: Code | readonly Code[] | ((code: Code, status: number) => boolean)
  /** Signs each of these calls, anew for every attempt. */
  readonly sign?: Signer
  /**
   * WeChat only, for apps whose users sign in by `wx.login` and nothing else: if a refresh is rejected, the worker signs
   * in again with a fresh code, `{code}`, and the user sees no sign-in page. Default false.
   */
  readonly silentSignIn?: boolean
}

/** @throws LingpaiError `invalid_config` */
export function checkOptions<Input>(options: EnvelopeGrantOptions<Input>): void {
  if (!isRecord(options)) throw invalid('pass {signIn, refresh}')
  checkOptionNames(options, 'signIn refresh signOut envelope tokens rejected sign silentSignIn', invalid)
  const { signIn, refresh, signOut, envelope, tokens = {}, sign, silentSignIn, rejected = [] } = options
  if (refresh === undefined && signIn === undefined) throw invalid('pass {signIn, refresh}')
  if (refresh !== undefined) checkCall('refresh', refresh)
  if (signIn !== undefined) checkCall('signIn', signIn)
  if (signOut !== undefined) checkCall('signOut', signOut)
  if (envelope !== undefined && envelope !== false && !isEnvelope(envelope))
    throw invalid('envelope must come from envelope(), or be false')
  if (!isRecord(tokens)) throw invalid('tokens must be an object of paths')
  for (const [name, path] of Object.entries(tokens)) {
    if (!(fieldNames as readonly string[]).includes(name))
      throw invalid(`tokens.${name} is not one of ${fieldNames.join(', ')}`)
    const isFunction = name === 'profile' && typeof path === 'function'
    if (!isFunction && !(typeof path === 'string' && path !== ''))
      throw invalid(`tokens.${name} must be a path, such as "token.${name}"`)
  }
  if (typeof rejected !== 'function' && !toList(rejected as Code).every(isCode))
    throw invalid('rejected must be a code, an array of codes, or a function')
  if (sign !== undefined && typeof sign !== 'function')
    throw invalid('sign must be a function, such as sortedParams() returns')
  if (silentSignIn !== undefined && typeof silentSignIn !== 'boolean')
    throw invalid('silentSignIn must be true or false')
  if (silentSignIn && signIn === undefined) throw invalid('silentSignIn needs signIn, the call that takes the code')
}

function isCode(value: unknown): value is Code {
  return ['string', 'number', 'boolean'].includes(typeof value)
}
