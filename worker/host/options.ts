import type { ApiRules } from '../../src/protocol/apis.ts'
import type { Envelope } from '../../src/protocol/envelope.ts'
import { isLingpaiError, LingpaiError } from '../../src/protocol/errors.ts'
import type { Grant, RefreshOptions, Signer, Store } from '../core/adapter.ts'
import { isLoopbackHost } from '../core/loopback.ts'
import type { SessionRules } from '../core/session/events.ts'
import { type Attach, bearer } from '../transport/attach.ts'

/** An API that tokens may go to. */
export interface ApiOptions {
  /** Compared whole: scheme, host and port. https, but for a server on this machine. */
  readonly origin: string
  /** Only requests below this path get the token. Default `/`. */
  readonly pathPrefix?: string
  /** How the token is put on a request. Default `bearer()`. */
  readonly attach?: Attach
  /** How the API wraps its answers, for `session.request`. */
  readonly envelope?: Envelope
  /** Signs a request. Called in the worker before every attempt, so that timestamp and nonce are fresh. */
  readonly sign?: Signer
  /** HTTP statuses that mean that the user must sign in: such calls reject with `sign_in_required`. Default none. */
  readonly signInRequired?: readonly number[]
}

/** Options of `serve`. */
export interface ServeOptions<SignInInput = unknown> {
  /** How a session begins, is refreshed, and ends. */
  readonly grant: Grant<SignInInput>
  /** Where tokens may go. Nowhere else. */
  readonly apis: readonly ApiOptions[]
  /** Where the session is kept: `memoryStore()`, `indexedDBStore()` or your own. */
  readonly store: Store
  readonly refresh?: RefreshOptions
  /** The session ends this long after its sign-in, in milliseconds. Default: never. */
  readonly maxSessionAge?: number
  /** Lets pages read the access token with `session.getAccessToken()`. Default false: no token leaves the worker. */
  readonly exposeAccessToken?: boolean
  /** Lets pages bring their own tokens with `session.adopt()`. Default false. */
  readonly adopt?: boolean
}

/** An API as the broker's host uses it. */
export interface Api extends ApiRules {
  readonly attach: Attach
  readonly envelope?: Envelope
  readonly sign?: ApiOptions['sign']
  readonly signInRequired: readonly number[]
}

export interface ParsedOptions {
  readonly grant: Grant
  readonly store: Store
  readonly apis: readonly Api[]
  readonly rules: SessionRules
  readonly exposeAccessToken: boolean
  readonly adopt: boolean
}

/** Checks what the app passed to `serve`. @throws LingpaiError `invalid_config` */
export function parseOptions(options: ServeOptions<never>): ParsedOptions {
  if (!isRecord(options)) throw invalid('pass {grant, apis, store}')
  const { grant, apis, store, refresh = {}, maxSessionAge, exposeAccessToken = false, adopt = false } = options
  if (!isRecord(grant) || typeof grant.refresh !== 'function')
    throw invalid('grant must have a function refresh, as oauth() and envelopeGrant() have')
  if (!isRecord(store)) throw invalid('store is missing: choose memoryStore(), indexedDBStore() or wechatStore()')
  for (const name of ['load', 'save', 'clear'] as const) {
    if (typeof store[name] !== 'function') throw invalid(`store must have a function ${name}`)
  }
  if (!Array.isArray(apis) || apis.length === 0) throw invalid('apis must list at least one {origin}')
  checkDurations({ maxSessionAge })
  if (!isRecord(refresh)) throw invalid('refresh must be an object')
  if (typeof exposeAccessToken !== 'boolean' || typeof adopt !== 'boolean')
    throw invalid('exposeAccessToken and adopt must be true or false')
  checkDurations({
    'refresh.margin': refresh.margin,
    'refresh.timeout': refresh.timeout,
    'refresh.retry': refresh.retry,
  })
  if (refresh.timeout === 0) throw invalid('refresh.timeout must be more than 0')
  if (refresh.onUnknownOutcome !== undefined && !['resend', 'sign-in'].includes(refresh.onUnknownOutcome)) {
    throw invalid('refresh.onUnknownOutcome must be "resend" or "sign-in"')
  }
  try {
    grant.validate?.()
  } catch (error) {
    throw isLingpaiError(error) ? error : invalid(`the grant refused its own configuration: ${String(error)}`)
  }
  return {
    grant: grant as Grant,
    store,
    apis: apis.map(parseApi),
    rules: { ...refresh, ...(maxSessionAge !== undefined && { maxSessionAge }) },
    exposeAccessToken,
    adopt,
  }
}

function parseApi(api: ApiOptions, index: number): Api {
  const at = `apis[${index}]`
  if (!isRecord(api)) throw invalid(`${at} must be an object {origin}`)
  const { origin, pathPrefix = '/', attach = bearer(), envelope, sign, signInRequired = [] } = api
  let url: URL
  try {
    url = new URL(origin)
  } catch {
    throw invalid(`${at}.origin must be an origin such as "https://api.example.com"`)
  }
  // The serialised origin is compared later; anything more than an origin would promise a check that is not made.
  if (origin !== url.origin && origin !== `${url.origin}/`) {
    throw invalid(`${at}.origin must be just ${JSON.stringify(url.origin)}; for a part of it, use pathPrefix`)
  }
  if (url.hostname.includes('*')) throw invalid(`${at}.origin must be one origin: there are no wildcards`)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) {
    throw invalid(`${at}.origin must be https, but for a server on this machine (RFC 6750 §5.3)`)
  }
  if (typeof pathPrefix !== 'string' || !pathPrefix.startsWith('/'))
    throw invalid(`${at}.pathPrefix must begin with "/"`)
  if (!isRecord(attach) || (attach.kind !== 'bearer' && (attach.kind !== 'header' || typeof attach.name !== 'string')))
    throw invalid(`${at}.attach must be bearer() or header(name)`)
  if (
    envelope !== undefined &&
    !(isRecord(envelope) && [envelope.success, envelope.expired, envelope.signInRequired].every(Array.isArray))
  )
    throw invalid(`${at}.envelope must come from envelope()`)
  if (sign !== undefined && typeof sign !== 'function') throw invalid(`${at}.sign must be a function`)
  if (!Array.isArray(signInRequired) || !signInRequired.every((status) => Number.isInteger(status))) {
    throw invalid(`${at}.signInRequired must be an array of HTTP statuses`)
  }
  return {
    origin: url.origin,
    pathPrefix,
    attach,
    signInRequired,
    ...(envelope && { envelope }),
    ...(sign && { sign }),
  }
}

function checkDurations(durations: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(durations)) {
    if (value !== undefined && !(typeof value === 'number' && value >= 0))
      throw invalid(`${name} must be a number of milliseconds`)
  }
}

function isRecord<T>(value: T): value is T & object {
  return typeof value === 'object' && value !== null
}

function invalid(why: string): LingpaiError {
  return new LingpaiError('invalid_config', `serve(): ${why}.`)
}
