import type { Envelope } from '../../src/protocol/envelope.ts'
import { isLingpaiError, LingpaiError } from '../../src/protocol/errors.ts'
import { isRecord } from '../../src/protocol/records.ts'
import type { Grant, GrantIO, ReceivedTokens, TokenSet } from '../core/adapter.ts'
import { failed, RefreshVerdict, refused, rejected } from '../core/verdict.ts'
import { type EnvelopeCall, prepareCall } from './envelope/call.ts'
import { checkOptions, type EnvelopeGrantOptions } from './envelope/options.ts'
import {
  type EnvelopeResult,
  type Failure,
  readEnvelope,
  TOO_MANY_REQUESTS,
  toReason,
  toVerdict,
} from './envelope/response.ts'
import { readTokens, type TokenFields } from './envelope/token-fields.ts'
import { envelope as createEnvelope } from './envelope.ts'

export type { EnvelopeGrantOptions }

/**
 * A grant for an API's own sign-in and refresh calls, which take JSON and answer `{code, message, data}`.
 *
 * `session.signIn(input)` sends the input. `session.signIn({via: 'wx.login', ...rest})` sends `{...rest, code}` with a fresh
 * code of `wx.login`, in WeChat only. If the API rejects a sign-in, the call rejects with `sign_in_failed` (`status`,
 * `apiCode`, `apiMessage`).
 *
 * If the configuration is wrong, every call of a page rejects with `invalid_config`: an error of the worker itself would
 * only be in the worker's console.
 */
export function envelopeGrant<Input = Record<string, unknown>>(options: EnvelopeGrantOptions<Input>): Grant<Input> {
  const { signIn, refresh, signOut, tokens: fields = {}, sign } = options ?? {}
  const envelope = options?.envelope === false ? undefined : (options?.envelope ?? createEnvelope())
  const silentSignIn = options?.silentSignIn ? signIn : undefined
  /** A silent sign-in that failed because of the network is retried without the token that the server rejected (I2). */
  let rejectedToken: string | undefined

  async function sendSignIn(call: EnvelopeCall<Input>, input: unknown, io: GrantIO): Promise<EnvelopeResult> {
    const request = await prepareCall('signIn', call, input as Input, (given) => given as object, sign)
    return readEnvelope(envelope, await io.send(request))
  }

  function readSignedIn(result: EnvelopeResult): ReceivedTokens {
    if ('failure' in result) throw toSignInError(result.failure, envelope)
    const received = readTokens(result.payload, fields)
    if (received !== undefined) return received
    throw new LingpaiError(
      'sign_in_failed',
      `The sign-in succeeded, but its response has no access token at "${toPlace(envelope, fields)}". Check tokens of envelopeGrant().`,
    )
  }

  function readRefreshed(payload: unknown): ReceivedTokens {
    // A response without a user must not cost its tokens, even if the app's own function throws for it.
    const received = readTokens(payload, { ...fields, profile: toleratingAbsence(fields.profile) })
    if (received !== undefined) return received
    throw failed(`no_access_token_at_${fields.accessToken ?? 'accessToken'}`)
  }

  /**
   * Replaces the session that the server has just rejected with a new one. An obstacle is `refused` and not `unknown`: the
   * next attempt gets a code of its own, so no code is sent twice, and `onUnknownOutcome` must not end the session.
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
      // A retry cannot help: the app's signer made a request that cannot be sent.
      if (isLingpaiError(error) && error.code === 'invalid_config') throw error
      throw refused({ reason: 'sign_in_not_answered' })
    })
    const result = readEnvelope(envelope, response)
    if ('payload' in result) return readRefreshed(result.payload)
    const { status, apiCode } = result.failure
    const isJudged = apiCode !== undefined || [400, 401, 403].includes(status)
    if (isJudged && status < 500 && status !== TOO_MANY_REQUESTS) {
      throw rejected(apiCode === undefined ? `sign_in_http_${status}` : `sign_in_${toReason(apiCode)}`)
    }
    throw refused({ reason: `sign_in_http_${status}` })
  }

  async function renew(tokens: TokenSet, io: GrantIO): Promise<ReceivedTokens> {
    if (refresh === undefined) return renewSilently(rejected('token_expired'), io)
    const { refreshToken } = tokens
    // A cookie is not in the token set: then only the server knows whether there is one.
    const isHeld = refreshToken !== undefined || refresh.credentials === 'include'
    if (!isHeld) return renewSilently(rejected('no_refresh_token'), io)
    if (refreshToken !== undefined && refreshToken === rejectedToken) return renewSilently(rejected(), io)
    const request = await prepareCall('refresh', refresh, tokens, toRefreshData, sign).catch(notPrepared)
    const result = readEnvelope(envelope, await io.send(request))
    if ('payload' in result) return readRefreshed(result.payload)
    const verdict = toVerdict(result.failure, envelope, options.rejected)
    if (verdict.verdict !== 'rejected') throw verdict
    rejectedToken = refreshToken
    return renewSilently(verdict, io)
  }

  return {
    validate: () => checkOptions(options),
    methods: [signIn, refresh, signOut].flatMap((call) => call?.method ?? []),

    ...(signIn && {
      async signIn(input, io) {
        return readSignedIn(await sendSignIn(signIn, await toSignInData(input, io), io))
      },
    }),

    ...((refresh || silentSignIn) && { refresh: renew }),
    ...(signOut && {
      async signOut(tokens, io) {
        if (tokens === undefined) return
        const result = readEnvelope(
          envelope,
          await io.send(await prepareCall('signOut', signOut, tokens, toRefreshData, sign)),
        )
        if ('failure' in result) throw new Error(`The sign-out was answered with status ${result.failure.status}.`)
      },
    }),
  }
}

/** The app's own function threw, and nothing was sent. Its message may quote the token (I11). */
function notPrepared(): never {
  throw failed('request_not_prepared')
}

function toRefreshData({ refreshToken }: TokenSet): object {
  return { refreshToken }
}

async function toSignInData(input: unknown, io: GrantIO): Promise<unknown> {
  if (!isRecord(input)) throw new LingpaiError('invalid_call', 'session.signIn() takes an object, such as a form.')
  if (input.via !== 'wx.login') return input
  if (io.login === undefined) {
    throw new LingpaiError(
      'invalid_call',
      'This host has no wx.login: session.signIn({via: "wx.login"}) works in WeChat mini programs only.',
    )
  }
  const { via: _via, ...rest } = input
  // A code expires after five minutes and works once, so it is never kept.
  return { ...rest, code: await io.login() }
}

/** The path at which the access token of a sign-in was expected. */
function toPlace(envelope: Envelope | undefined, { accessToken = 'accessToken' }: TokenFields): string {
  const data = typeof envelope?.data === 'string' ? envelope.data : ''
  return data === '' ? accessToken : `${data}.${accessToken}`
}

function toSignInError({ meaning: _meaning, ...failure }: Failure, envelope: Envelope | undefined): LingpaiError {
  const { status, apiCode, apiMessage } = failure
  const said = apiMessage === undefined ? '' : ` and ${JSON.stringify(apiMessage)}`
  const { code = '', success = [] } = envelope ?? {}
  let text = `The API rejected the sign-in with status ${status}${said || (apiCode === undefined ? '' : ` and ${JSON.stringify(apiCode)}`)}`
  if (code !== '' && apiCode === undefined && apiMessage === undefined) {
    text = `The sign-in was answered with status ${status}, but not with JSON that has a code at "${code}". Check signIn.url and envelope of envelopeGrant()`
  } else if (apiCode !== undefined) {
    const listed = typeof success === 'function' ? '' : ` (${success.map((each) => JSON.stringify(each)).join(', ')})`
    text += `: its code ${JSON.stringify(apiCode)} is not a success${listed}`
  }
  return new LingpaiError('sign_in_failed', `${text}.`, failure as ConstructorParameters<typeof LingpaiError>[2])
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
