import type { ApiRules } from '../../src/protocol/apis.ts'
import { type Envelope, isEnvelope } from '../../src/protocol/envelope.ts'
import { invalidConfigOf, isLingpaiError } from '../../src/protocol/errors.ts'
import { checkOptionNames } from '../../src/protocol/option-names.ts'
import { isObject, isRecord } from '../../src/protocol/records.ts'
import type { Grant, RefreshOptions, Signer, Store } from '../core/adapter.ts'
import { isSecure } from '../core/loopback.ts'
import type { SessionRules } from '../core/session/events.ts'
import { type Attach, bearer } from '../transport/attach.ts'
import type { CacheRule } from '../transport/cache-mode.ts'

export const invalidOption = /* @__PURE__ */ invalidConfigOf('serve()')

/** An API that tokens may go to. */
export interface ApiOptions {
  /** Scheme, host and port, compared exactly. Must be https, except on a loopback host (RFC 6750 §5.3). */
  readonly origin: string
  /** Only requests below this path get the token. Default `/`. */
  readonly pathPrefix?: string
  /** How a request carries the token. Default `bearer()`. */
  readonly attach?: Attach
  /** How the API wraps its responses, for `session.request`. Default: the JSON body is the payload. */
  readonly envelope?: Envelope
  /** Signs a request. The worker calls it before each send, so that timestamp and nonce are fresh. */
  readonly sign?: Signer
  /**
   * How the browser's HTTP cache may be used for requests with a token: `no-store`, `revalidate` or `default`. A script of the
   * page can read what is stored. Default `no-store`.
   */
  readonly cache?: CacheRule
  /** If the API answers with one of these HTTP statuses, the call rejects with `sign_in_required`. Default none. */
  readonly signInRequired?: readonly number[]
}

/** The options of `serve` and `serveInline`. */
export interface ServeOptions<SignInInput = unknown> {
  /** Signs in, refreshes and signs out: `oauth()`, `envelopeGrant()` or your own. */
  readonly grant: Grant<SignInInput>
  /** The only servers that get a token. */
  readonly apis: readonly ApiOptions[]
  /** The store that keeps the session: `memoryStore()`, `indexedDBStore()` or your own. */
  readonly store: Store
  readonly refresh?: RefreshOptions
  /** The session ends this long after its sign-in, in milliseconds. Default: never. */
  readonly maxSessionAge?: number
  /** Lets pages read the access token with `session.getAccessToken()`. Default false: no token leaves the worker. */
  readonly exposeAccessToken?: boolean
  /** Lets pages bring their own tokens with `session.adopt()`. Default false. */
  readonly adopt?: boolean
  /**
   * The place in which a SharedWorker keeps the verifier and the nonce of a sign-in by redirect. `stored` (the default): encrypted in
   * IndexedDB, which a script of the origin can read. `memory`: in the worker only. If the worker ends while the user is at
   * the provider, the sign-in then starts anew, once.
   */
  readonly redirectTransactions?: 'stored' | 'memory'
}

/** The checked form of {@link ApiOptions}. */
export interface Api extends ApiRules {
  readonly attach: Attach
  readonly envelope?: Envelope
  readonly sign?: Signer | undefined
  readonly signInRequired: readonly number[]
  readonly cache: CacheRule
}

/** The checked form of {@link ServeOptions}. */
export interface ParsedOptions {
  readonly grant: Grant
  readonly store: Store
  readonly apis: readonly Api[]
  readonly rules: SessionRules
  readonly exposeAccessToken: boolean
  readonly adopt: boolean
  readonly redirectTransactions: 'stored' | 'memory'
}

/**
 * Checks what the app passed to `serve`. `furtherName`, with a space before it, is an option of one host.
 *
 * @throws LingpaiError `invalid_config`
 */
export function parseOptions(options: ServeOptions<never>, furtherName = ''): ParsedOptions {
  if (!isRecord(options)) throw invalidOption('pass {grant, apis, store}')
  const names = `grant apis store refresh maxSessionAge exposeAccessToken adopt redirectTransactions${furtherName}`
  checkOptionNames(options, names, invalidOption)
  const { grant, apis, store, refresh = {}, maxSessionAge, exposeAccessToken = false, adopt = false } = options
  const { redirectTransactions = 'stored' } = options
  if (!isRecord(grant)) throw invalidOption('grant is missing: pass oauth(), envelopeGrant() or one of your own')
  for (const name of ['refresh', 'signIn', 'authorize', 'callback', 'signOut', 'validate'] as const) {
    if (grant[name] !== undefined && typeof grant[name] !== 'function')
      throw invalidOption(`grant.${name} must be a function`)
  }
  if (!grant.refresh && !grant.signIn && !grant.authorize && !adopt)
    throw invalidOption('grant must have a function refresh, signIn or authorize, as oauth() and envelopeGrant() have')
  if (!isRecord(store)) throw invalidOption('store is missing: choose memoryStore(), indexedDBStore() or wechatStore()')
  for (const name of ['load', 'save', 'clear'] as const) {
    if (typeof store[name] !== 'function') throw invalidOption(`store must have a function ${name}`)
  }
  if (!Array.isArray(apis) || apis.length === 0) throw invalidOption('apis must list at least one {origin}')
  checkDurations({ maxSessionAge })
  if (!isObject(refresh)) throw invalidOption('refresh must be an object')
  checkOptionNames(refresh, 'margin timeout retry onUnknownOutcome', invalidOption, 'refresh.')
  if (typeof exposeAccessToken !== 'boolean' || typeof adopt !== 'boolean')
    throw invalidOption('exposeAccessToken and adopt must be true or false')
  if (!['stored', 'memory'].includes(redirectTransactions))
    throw invalidOption('redirectTransactions must be "stored" or "memory"')
  checkDurations({
    'refresh.margin': refresh.margin,
    'refresh.timeout': refresh.timeout,
    'refresh.retry': refresh.retry,
  })
  if (refresh.timeout === 0) throw invalidOption('refresh.timeout must be more than 0')
  if (refresh.onUnknownOutcome !== undefined && !['resend', 'sign-in'].includes(refresh.onUnknownOutcome)) {
    throw invalidOption('refresh.onUnknownOutcome must be "resend" or "sign-in"')
  }
  try {
    ;(grant as Grant).validate?.()
  } catch (error) {
    throw isLingpaiError(error) ? error : invalidOption(`the grant rejected its configuration: ${String(error)}`)
  }
  return {
    grant: grant as Grant,
    store,
    apis: apis.map(parseApi),
    rules: {
      ...refresh,
      // Without a refresh, a token is good until it expires.
      ...(!grant.refresh && { margin: 0 }),
      ...(maxSessionAge !== undefined && { maxSessionAge }),
    },
    exposeAccessToken,
    adopt,
    redirectTransactions,
  }
}

function parseApi(api: ApiOptions, index: number): Api {
  const at = `apis[${index}]`
  if (!isRecord(api)) throw invalidOption(`${at} must be an object {origin}`)
  checkOptionNames(api, 'origin pathPrefix attach envelope sign signInRequired cache', invalidOption, `${at}.`)
  const { origin, pathPrefix = '/', attach = bearer(), envelope, sign, signInRequired = [], cache = 'no-store' } = api
  let url: URL
  try {
    url = new URL(origin)
  } catch {
    throw invalidOption(`${at}.origin must be an origin such as "https://api.example.com"`)
  }
  // Only the origin is compared later. A path here would suggest a check that does not happen.
  if (origin !== url.origin && origin !== `${url.origin}/`) {
    throw invalidOption(`${at}.origin must be just ${JSON.stringify(url.origin)}; to limit the path, use pathPrefix`)
  }
  if (url.hostname.includes('*')) throw invalidOption(`${at}.origin must be one origin: wildcards do not work`)
  if (!isSecure(url)) {
    throw invalidOption(`${at}.origin must be https, except on a loopback host`)
  }
  if (typeof pathPrefix !== 'string' || !pathPrefix.startsWith('/'))
    throw invalidOption(`${at}.pathPrefix must begin with "/"`)
  if (!isRecord(attach) || (attach.kind !== 'bearer' && (attach.kind !== 'header' || typeof attach.name !== 'string')))
    throw invalidOption(`${at}.attach must be bearer() or header(name)`)
  if (envelope !== undefined && !isEnvelope(envelope)) throw invalidOption(`${at}.envelope must come from envelope()`)
  if (sign !== undefined && typeof sign !== 'function') throw invalidOption(`${at}.sign must be a function`)
  if (!Array.isArray(signInRequired) || !signInRequired.every((status) => Number.isInteger(status))) {
    throw invalidOption(`${at}.signInRequired must be an array of HTTP statuses`)
  }
  if (!['no-store', 'revalidate', 'default'].includes(cache))
    throw invalidOption(`${at}.cache must be "no-store", "revalidate" or "default"`)
  return {
    origin: url.origin,
    pathPrefix,
    attach,
    sign,
    signInRequired,
    cache,
    ...(envelope && { envelope }),
  }
}

function checkDurations(durations: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(durations)) {
    if (value !== undefined && !(typeof value === 'number' && value >= 0))
      throw invalidOption(`${name} must be a number of milliseconds`)
  }
}
