import type { Envelope } from '../../src/protocol/envelope.ts'
import { readAnswer } from '../../src/protocol/envelope.ts'
import { isLingpaiError, LingpaiError } from '../../src/protocol/errors.ts'
import { checkOptionNames } from '../../src/protocol/option-names.ts'
import { isRecord } from '../../src/protocol/records.ts'
import type { Grant, GrantIO, GrantResponse, ReceivedTokens, Signer, TokenSet } from '../core/adapter.ts'
import { failed, outcomeUnknown, RefreshVerdict, refused, rejected } from '../core/verdict.ts'
import { type Code, envelope as createEnvelope } from './envelope.ts'
import { checkCall, type EnvelopeCall, invalid, prepareCall } from './envelope-call.ts'
import { fieldNames, readTokens, type TokenFields } from './token-fields.ts'

/** Options of {@link envelopeGrant}. */
export interface EnvelopeGrantOptions<Input = Record<string, unknown>> {
  /**
   * The call that signs in. Its data are what the page passed to `session.signIn`, unless `data` makes them from that.
   * Without it, a session begins by `session.adopt` only.
   */
  readonly signIn?: EnvelopeCall<Input>
  /** The call that gets new tokens. Default data: `{refreshToken}`. */
  readonly refresh: EnvelopeCall<TokenSet>
  /** The call that ends the session at the server. Default data: `{refreshToken}`. Without it, the server is not told. */
  readonly signOut?: EnvelopeCall<TokenSet>
  /** How these calls wrap their answers. Default `envelope()`: `{code, message, data}`, and code 0 is success. */
  readonly envelope?: Envelope
  /** Where the payload holds the tokens. Default: `accessToken`, `refreshToken`, `expiresIn` … at its top. */
  readonly tokens?: TokenFields
  /**
   * Codes of the refresh's answer that end the session, or a test such as `(code) => Number(code) > 100000`. HTTP 400 and
   * 401, and the codes that the envelope lists as `signInRequired`, end it in any case.
   */
  readonly rejected?: Code | readonly Code[] | ((code: Code, status: number) => boolean)
  /** Signs each of these calls, anew for every attempt. */
  readonly sign?: Signer
  /**
   * WeChat only, for apps whose users sign in by `wx.login` and nothing else: where a refresh is rejected, signs in again
   * with a fresh code, `{code}`, and nobody sees a login page. Default false.
   */
  readonly silentSignIn?: boolean
}

const OPTION_NAMES = 'signIn refresh signOut envelope tokens rejected sign silentSignIn'.split(' ')
const TOO_MANY_REQUESTS = 429
const UNAVAILABLE = 503

interface Refusal {
  readonly status: number
  readonly apiCode?: Code
  readonly apiMessage?: string
}

type Answer = { readonly payload: unknown } | { readonly refusal: Refusal }

/**
 * A grant for an API's own sign-in and refresh calls, which take JSON and answer `{code, message, data}`.
 *
 * `session.signIn(input)` sends the input. `session.signIn({via: 'wx.login', ...rest})` sends `{...rest, code}` with a fresh
 * code of `wx.login`, in WeChat only. A sign-in that the API refuses rejects with `sign_in_failed` (`status`, `apiCode`,
 * `apiMessage`).
 *
 * A wrong configuration is reported as `invalid_config` by every call of the pages, so that it is seen where it can be read.
 */
export function envelopeGrant<Input = Record<string, unknown>>(options: EnvelopeGrantOptions<Input>): Grant<Input> {
  const { signIn, refresh, signOut, envelope = createEnvelope(), tokens: fields = {}, sign } = options ?? {}
  const silentSignIn = options?.silentSignIn ? signIn : undefined
  /** A silent sign-in that failed for the network is tried again without the token that the server has rejected (I2). */
  let rejectedToken: string | undefined

  async function sendSignIn(call: EnvelopeCall<Input>, input: unknown, io: GrantIO): Promise<Answer> {
    const request = await prepareCall('signIn', call, input as Input, (given) => given as object, sign)
    return readEnvelope(envelope, await io.send(request))
  }

  function readSignedIn(answer: Answer): ReceivedTokens {
    if ('refusal' in answer) throw signInRefused(answer.refusal, envelope)
    const received = readTokens(answer.payload, fields)
    if (received !== undefined) return received
    throw new LingpaiError(
      'sign_in_failed',
      `The sign-in succeeded, but there is no access token at "${envelope.data}.${fields.accessToken ?? 'accessToken'}" of its answer. Check tokens of envelopeGrant().`,
    )
  }

  function readRefreshed(payload: unknown): ReceivedTokens {
    // An answer without a user must not cost the tokens in it, however the app's own function takes it.
    const received = readTokens(payload, { ...fields, profile: toleratingAbsence(fields.profile) })
    if (received !== undefined) return received
    throw failed(`no_access_token_at_${fields.accessToken ?? 'accessToken'}`)
  }

  function judge({ status, apiCode }: Refusal): RefreshVerdict {
    const isHttpRejection = status === 400 || status === 401
    if (apiCode !== undefined && isRejection(apiCode, status)) return rejected(toReason(apiCode))
    if (isHttpRejection) return rejected(apiCode === undefined ? undefined : toReason(apiCode))
    if (status === TOO_MANY_REQUESTS || status === UNAVAILABLE) return refused({ reason: `http_${status}` })
    if (status < 200 || status > 299) return outcomeUnknown(`http_${status}`)
    // A code that nobody has listed: "busy" before the token was looked at, or a failure after it was rotated.
    return outcomeUnknown(apiCode === undefined ? 'unreadable_answer' : toReason(apiCode))
  }

  function isRejection(code: Code, status: number): boolean {
    if (envelope.signInRequired.includes(code)) return true
    const { rejected: listed = [] } = options
    if (typeof listed !== 'function') return toList(listed).includes(code)
    try {
      return listed(code, status)
    } catch {
      throw failed('rejected_threw')
    }
  }

  /**
   * A new session in place of the one that has just been refused. What stands in the way is refused, not unknown: the next
   * attempt has a code of its own, so none is ever sent twice, and `onUnknownOutcome` must not end the session for it.
   */
  async function renewSilently(verdict: RefreshVerdict, io: GrantIO): Promise<ReceivedTokens> {
    if (silentSignIn === undefined || io.login === undefined) throw verdict
    const code = await io.login().catch((error) => {
      throw error instanceof RefreshVerdict ? error : refused({ reason: 'no_login_code' })
    })
    const request = await prepareCall(
      'signIn',
      silentSignIn,
      { code } as Input,
      (given) => given as object,
      sign,
    ).catch(notPrepared)
    const response = await io.send(request).catch((error) => {
      // Nor could it ever be sent: what a signer has made of it is the app's mistake.
      if (isLingpaiError(error) && error.code === 'invalid_config') throw error
      throw refused({ reason: 'sign_in_not_answered' })
    })
    const answer = readEnvelope(envelope, response)
    if ('payload' in answer) return readRefreshed(answer.payload)
    const { status, apiCode } = answer.refusal
    const isJudged = apiCode !== undefined || [400, 401, 403].includes(status)
    if (isJudged && status < 500 && status !== TOO_MANY_REQUESTS) {
      throw rejected(apiCode === undefined ? `sign_in_http_${status}` : `sign_in_${toReason(apiCode)}`)
    }
    throw refused({ reason: `sign_in_http_${status}` })
  }

  return {
    validate: () => checkOptions(options),
    methods: [signIn, refresh, signOut].flatMap((call) => call?.method ?? []),

    ...(signIn && {
      async signIn(input, io) {
        return readSignedIn(await sendSignIn(signIn, await toSignInData(input, io), io))
      },
    }),

    async refresh(tokens, io) {
      const { refreshToken } = tokens
      if (refreshToken === undefined) return renewSilently(rejected('no_refresh_token'), io)
      if (refreshToken === rejectedToken) return renewSilently(rejected(), io)
      const request = await prepareCall('refresh', refresh, tokens, toRefreshData, sign).catch(notPrepared)
      const answer = readEnvelope(envelope, await io.send(request))
      if ('payload' in answer) return readRefreshed(answer.payload)
      const verdict = judge(answer.refusal)
      if (verdict.verdict !== 'rejected') throw verdict
      rejectedToken = refreshToken
      return renewSilently(verdict, io)
    },

    ...(signOut && {
      async signOut(tokens, io) {
        if (tokens === undefined) return
        const answer = readEnvelope(
          envelope,
          await io.send(await prepareCall('signOut', signOut, tokens, toRefreshData, sign)),
        )
        if ('refusal' in answer) throw new Error(`The sign-out was answered with status ${answer.refusal.status}.`)
      },
    }),
  }
}

/** The app's own functions are wrong, and nothing was sent. Their text may quote the token (I11). */
function notPrepared(): never {
  throw failed('request_not_prepared')
}

function toRefreshData({ refreshToken }: TokenSet): object {
  return { refreshToken }
}

async function toSignInData(input: unknown, io: GrantIO): Promise<unknown> {
  if (!isRecord(input)) throw new LingpaiError('invalid_call', 'session.signIn() wants an object, such as a form.')
  if (input.via !== 'wx.login') return input
  if (io.login === undefined) {
    throw new LingpaiError(
      'invalid_call',
      'This host has no wx.login: session.signIn({via: "wx.login"}) works in WeChat mini programs only.',
    )
  }
  const { via: _via, ...rest } = input
  // A code is good for one sign-in and five minutes, so it is never kept.
  return { ...rest, code: await io.login() }
}

function readEnvelope(envelope: Envelope, { status, body }: GrantResponse): Answer {
  const meaning = readAnswer({ ...envelope, expired: [], signInRequired: [] }, status, body)
  if (meaning.kind === 'payload') return { payload: meaning.payload }
  if (meaning.kind === 'signInRequired') return { refusal: { status } }
  const { apiCode, apiMessage } = meaning.error
  return {
    refusal: { status, ...(apiCode !== undefined && { apiCode }), ...(apiMessage !== undefined && { apiMessage }) },
  }
}

function signInRefused(refusal: Refusal, { code, success }: Envelope): LingpaiError {
  const { status, apiCode, apiMessage } = refusal
  const text =
    apiCode === undefined
      ? `The sign-in was answered with status ${status}, and not with JSON that has a field "${code}". Check signIn.url and envelope of envelopeGrant().`
      : `The API refused the sign-in with status ${status} and ${JSON.stringify(apiMessage || apiCode)}: its code ${JSON.stringify(apiCode)} is no success here (${success.map((listed) => JSON.stringify(listed)).join(', ')}).`
  return new LingpaiError('sign_in_failed', text, refusal)
}

function toleratingAbsence(profile: TokenFields['profile'] = 'profile'): NonNullable<TokenFields['profile']> {
  if (typeof profile !== 'function') return profile
  return (data) => {
    try {
      return profile(data)
    } catch {
      return undefined
    }
  }
}

/** Pages see the reason, so it must be a code, and no sentence of the server that quotes the token (I11). */
function toReason(code: Code): string {
  return /^[\w-]{1,40}$/.test(String(code)) ? `code_${code}` : 'unlisted_code'
}

function toList(codes: Code | readonly Code[]): readonly Code[] {
  return Array.isArray(codes) ? codes : [codes as Code]
}

function isCode(value: unknown): value is Code {
  return typeof value === 'string' || typeof value === 'number'
}

function checkOptions<Input>(options: EnvelopeGrantOptions<Input>): void {
  if (!isRecord(options)) throw invalid('pass {signIn, refresh}')
  checkOptionNames(options, OPTION_NAMES, invalid)
  const { signIn, refresh, signOut, envelope, tokens = {}, sign, silentSignIn, rejected: listed = [] } = options
  checkCall('refresh', refresh)
  if (signIn !== undefined) checkCall('signIn', signIn)
  if (signOut !== undefined) checkCall('signOut', signOut)
  if (envelope !== undefined && !(isRecord(envelope) && Array.isArray(envelope.success) && isCode(envelope.code)))
    throw invalid('envelope must come from envelope()')
  if (!isRecord(tokens)) throw invalid('tokens must be an object of paths')
  for (const [name, path] of Object.entries(tokens)) {
    if (!(fieldNames as readonly string[]).includes(name))
      throw invalid(`tokens.${name} is none of ${fieldNames.join(', ')}`)
    const isFunction = name === 'profile' && typeof path === 'function'
    if (!isFunction && !(typeof path === 'string' && path !== ''))
      throw invalid(`tokens.${name} must be a path, such as "token.${name}"`)
  }
  if (typeof listed !== 'function' && !toList(listed as Code).every(isCode))
    throw invalid('rejected must be a code, an array of codes, or a function')
  if (sign !== undefined && typeof sign !== 'function')
    throw invalid('sign must be a function, such as sortedParams() returns')
  if (silentSignIn !== undefined && typeof silentSignIn !== 'boolean')
    throw invalid('silentSignIn must be true or false')
  if (silentSignIn && signIn === undefined) throw invalid('silentSignIn needs signIn, the call that takes the code')
}
