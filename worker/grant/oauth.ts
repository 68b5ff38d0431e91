import {
  AuthorizationResponseError,
  type AuthorizationServer,
  allowInsecureRequests,
  authorizationCodeGrantRequest,
  type Client,
  calculatePKCECodeChallenge,
  clockTolerance,
  customFetch,
  discoveryRequest,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  getValidatedIdTokenClaims,
  None,
  processAuthorizationCodeResponse,
  processDiscoveryResponse,
  processRefreshTokenResponse,
  ResponseBodyError,
  refreshTokenGrantRequest,
  revocationRequest,
  type TokenEndpointResponse,
  validateAuthResponse,
} from 'oauth4webapi'
import { invalidConfigOf, LingpaiError } from '../../src/protocol/errors.ts'
import { NULL_BODY_STATUSES } from '../../src/protocol/http.ts'
import type { AuthorizeInput } from '../../src/protocol/methods.ts'
import type { Grant, GrantIO, ReceivedTokens, Transaction } from '../core/adapter.ts'
import { isLoopbackHost } from '../core/loopback.ts'
import { failed, outcomeUnknown, refused, rejected } from '../core/verdict.ts'

const invalid = /* @__PURE__ */ invalidConfigOf('oauth()')

/** Options of {@link oauth}. */
export interface OAuthOptions {
  /** The authorization server's issuer identifier; its metadata are discovered (OpenID Connect Discovery §4). */
  readonly issuer: string
  /** `client_id` of a public client (RFC 6749 §2.1). */
  readonly clientId: string
  /** The callback page, registered at the server; resolved against the app's origin. Default `/callback`. */
  readonly redirectUri?: string
  /** Default `openid`. Servers that give refresh tokens on request want `offline_access` too. */
  readonly scope?: string
  /** Further parameters of the authorization request, such as `audience`, `prompt` or `resource` (RFC 8707). */
  readonly parameters?: Readonly<Record<string, string>>
  /** Where the provider sends the user after `signOut({everywhere: true})`; resolved against the app's origin. Default `/`. */
  readonly postLogoutRedirectUri?: string
}

interface OAuthTransaction extends Transaction {
  readonly nonce: string
  readonly verifier: string
  readonly redirectUri: string
}

// What a server says where the app's registration or request is wrong, as opposed to its refresh token (RFC 6749 §5.2).
const MISCONFIGURED = [
  'invalid_client',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'invalid_request',
  'invalid_target',
]

/**
 * The ID token comes straight from the token endpoint over TLS, and its nonce was made minutes ago by us: a phone whose
 * clock is an hour off must not be kept from signing in by `exp` and `iat`. In seconds.
 */
const CLOCK_TOLERANCE = 24 * 3600

/**
 * OAuth 2.0 for a public client: authorization code with PKCE (RFC 7636), `state`, `nonce` and `iss` (RFC 9207), refresh
 * with and without rotation, revocation (RFC 7009), and the provider's own sign-out (OpenID Connect RP-Initiated Logout).
 *
 * A wrong configuration is reported as `invalid_config` by every call of the pages, so that it is seen where it can be read.
 */
export function oauth(options: OAuthOptions): Grant<AuthorizeInput> {
  const client: Client = { client_id: options?.clientId, [clockTolerance]: CLOCK_TOLERANCE }
  const isOpenId = String(options?.scope ?? 'openid')
    .split(' ')
    .includes('openid')
  let discovered: Promise<AuthorizationServer> | undefined

  function isLoopback(): boolean {
    return new URL(options.issuer).protocol === 'http:'
  }

  function http(io: GrantIO, isReadOnly = false) {
    return {
      [allowInsecureRequests]: isLoopback(),
      [customFetch]: async (
        url: string,
        { method, headers, body }: { method: string; headers: Record<string, string>; body?: unknown },
      ) => {
        const response = await io.send({
          url,
          method,
          headers,
          isReadOnly,
          ...(body !== undefined && { body: String(body) }),
        })
        // Where there is a challenge, oauth4webapi looks at nothing else, and the error in the body would be lost.
        const { 'www-authenticate': _challenge, ...readable } = response.headers
        return new Response(NULL_BODY_STATUSES.includes(response.status) ? null : response.body, {
          status: response.status,
          headers: readable,
        })
      },
    }
  }

  /** The metadata are read once. Whoever waits for another caller's attempt does not fail with it, but tries by itself (I8). */
  async function discover(io: GrantIO): Promise<AuthorizationServer> {
    const shared = discovered
    if (shared !== undefined) {
      const server = await shared.catch(() => undefined)
      if (server !== undefined) return server
    }
    if (discovered === shared) discovered = fetchMetadata(io)
    return discovered as Promise<AuthorizationServer>
  }

  async function fetchMetadata(io: GrantIO): Promise<AuthorizationServer> {
    const issuer = new URL(options.issuer)
    const server = await processDiscoveryResponse(issuer, await discoveryRequest(issuer, http(io, true)))
    // Kept, it would make every refresh fail until the worker ends (I12).
    if (typeof server.token_endpoint === 'string') return server
    throw new LingpaiError('sign_in_failed', `${options.issuer} has no token endpoint.`)
  }

  return {
    validate: () => validateOptions(options),

    async authorize(_input, io) {
      const server = await discover(io)
      if (server.authorization_endpoint === undefined)
        throw new LingpaiError('sign_in_failed', `${options.issuer} has no authorization endpoint.`)
      const transaction: OAuthTransaction = {
        state: generateRandomState(),
        nonce: generateRandomNonce(),
        verifier: generateRandomCodeVerifier(),
        redirectUri: new URL(options.redirectUri ?? '/callback', io.origin).href,
      }
      const url = new URL(server.authorization_endpoint)
      const { nonce: _nonce, ...further } = options.parameters ?? {}
      const parameters = {
        ...further,
        response_type: 'code',
        client_id: options.clientId,
        redirect_uri: transaction.redirectUri,
        scope: options.scope ?? 'openid',
        state: transaction.state,
        // OpenID providers refuse it without the scope.
        ...(isOpenId && { nonce: transaction.nonce }),
        code_challenge: await calculatePKCECodeChallenge(transaction.verifier),
        code_challenge_method: 'S256',
      }
      for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
      return { url: url.href, transaction }
    },

    async callback(href, transaction, io) {
      const { state, nonce, verifier, redirectUri } = transaction as OAuthTransaction
      const server = await discover(io)
      try {
        const parameters = validateAuthResponse(server, client, new URL(href), state)
        const response = await authorizationCodeGrantRequest(
          server,
          client,
          None(),
          parameters,
          redirectUri,
          verifier,
          http(io),
        )
        return toReceivedTokens(
          await processAuthorizationCodeResponse(
            server,
            client,
            await toReadable(response),
            isOpenId ? { expectedNonce: nonce, requireIdToken: true } : {},
          ),
        )
      } catch (error) {
        throw toSignInError(error)
      }
    },

    async refresh(tokens, io) {
      if (tokens.refreshToken === undefined) throw rejected('no_refresh_token')
      // Nothing has been sent yet, whatever the server's metadata document is up to.
      const server = await discover(io).catch(() => Promise.reject(refused({ reason: 'discovery_failed' })))
      const response = await refreshTokenGrantRequest(server, client, None(), tokens.refreshToken, http(io))
      // The broker reads these by their status and Retry-After.
      if (response.status === 429 || response.status === 503) throw new Error('refused')
      try {
        const read = async (withoutIdToken: boolean) =>
          toReceivedTokens(
            await processRefreshTokenResponse(server, client, await toReadable(response, withoutIdToken)),
          )
        // The sign-in has said who the user is. An ID token that cannot be validated must not cost the tokens beside it.
        const received = await read(false).catch(() => read(true))
        // The ID token of a refresh need not say everything again (OpenID Connect Core §12.2).
        return { ...received, ...(received.profile && { profile: { ...tokens.profile, ...received.profile } }) }
      } catch (error) {
        throw toRefreshError(error)
      }
    },

    async signOut(tokens, { everywhere, ...io }) {
      const server = await discover(io)
      // Revoking the refresh token ends its access tokens too, where the server can (RFC 7009 §2.1).
      if (server.revocation_endpoint !== undefined && tokens !== undefined) {
        await revocationRequest(server, client, None(), tokens.refreshToken ?? tokens.accessToken, http(io))
          .then(({ ok, status }) => {
            if (!ok) throw new Error(`The revocation endpoint answered ${status}.`)
          })
          .catch((error) => {
            if (!everywhere) throw error
          })
      }
      if (!everywhere || server.end_session_endpoint === undefined) return {}
      // By client_id: an id_token_hint would carry the raw ID token through the page.
      const url = new URL(server.end_session_endpoint)
      url.searchParams.set('client_id', options.clientId)
      url.searchParams.set('post_logout_redirect_uri', new URL(options.postLogoutRedirectUri ?? '/', io.origin).href)
      return { url: url.href }
    },
  }
}

/** The claims of a validated ID token that say how it was made, and not who the user is (OpenID Connect Core §2). */
const PROTOCOL_CLAIMS = [
  'iss',
  'sub',
  'aud',
  'exp',
  'iat',
  'nbf',
  'auth_time',
  'nonce',
  'acr',
  'amr',
  'azp',
  'at_hash',
  'c_hash',
  's_hash',
  'sid',
  'jti',
]

/**
 * A copy of a token answer that oauth4webapi can read. It refuses a whole answer for one odd member, but the tokens in it
 * are good, and those before them may be spent. So what is null, empty or of a wrong type counts as absent (I2, I9).
 */
async function toReadable(response: Response, withoutIdToken = false): Promise<Response> {
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => undefined)
  if (typeof body !== 'object' || body === null) return response
  const { token_type, expires_in, refresh_token, scope, id_token, ...rest } = body as Record<string, unknown>
  const life = Number.parseFloat(String(expires_in))
  // JSON leaves out what is undefined.
  const readable = {
    ...rest,
    token_type: toText(token_type) ?? 'bearer',
    expires_in: life >= 0 && life < Number.POSITIVE_INFINITY ? life : undefined,
    refresh_token: toText(refresh_token),
    scope: toText(Array.isArray(scope) && scope.every(toText) ? scope.join(' ') : scope),
    id_token: withoutIdToken ? undefined : toText(id_token),
  }
  return new Response(JSON.stringify(readable), response)
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function toReceivedTokens(response: TokenEndpointResponse): ReceivedTokens {
  // oauth4webapi lets DPoP pass, whose proofs we do not make.
  if (response.token_type !== 'bearer') throw new Error(`tokens of type ${response.token_type} are not supported`)
  const claims = getValidatedIdTokenClaims(response)
  return {
    accessToken: response.access_token,
    tokenType: response.token_type,
    ...(response.refresh_token !== undefined && { refreshToken: response.refresh_token }),
    ...(response.expires_in !== undefined && { expiresIn: response.expires_in }),
    ...(response.scope !== undefined && { scope: response.scope }),
    ...(claims && {
      subject: claims.sub,
      profile: Object.fromEntries(Object.entries(claims).filter(([name]) => !PROTOCOL_CLAIMS.includes(name))),
    }),
  }
}

function toRefreshError(error: unknown): unknown {
  // A 400 or 401 that is no OAuth error comes from something in between, and says nothing about the refresh token.
  if (!(error instanceof ResponseBodyError)) return outcomeUnknown('unusable_answer')
  if (error.error === 'invalid_grant') return rejected()
  if (MISCONFIGURED.includes(error.error)) return failed(error.error)
  // Pages see the reason, so it must be a code, and no sentence that quotes the token (I11).
  return outcomeUnknown(/^[a-z_]{1,40}$/.test(error.error) ? error.error : 'unusable_answer')
}

function toSignInError(error: unknown): LingpaiError {
  if (error instanceof LingpaiError) return error
  if (error instanceof AuthorizationResponseError && error.error === 'access_denied') {
    return new LingpaiError('sign_in_cancelled', 'The user cancelled the sign-in at the provider.')
  }
  if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError) {
    return new LingpaiError('sign_in_failed', `The provider refused the sign-in: ${error.error}.`, {
      apiCode: error.error,
      ...(error.error_description !== undefined && { apiMessage: error.error_description }),
    })
  }
  return new LingpaiError(
    'sign_in_failed',
    `The provider's answer cannot be used: ${error instanceof Error ? error.message : 'no details'}.`,
  )
}

function validateOptions(options: OAuthOptions): void {
  const given = options as (OAuthOptions & Record<string, unknown>) | undefined
  if (typeof given !== 'object' || given === null) throw invalid('pass {issuer, clientId}')
  if ('clientSecret' in given || 'client_secret' in given) {
    throw invalid(
      'a browser app can keep no secret. Remove client_secret, and register the app as a public client (RFC 6749 §2.1)',
    )
  }
  if (typeof given.clientId !== 'string' || given.clientId === '') throw invalid('clientId is missing')
  let issuer: URL
  try {
    issuer = new URL(given.issuer)
  } catch {
    throw invalid(`issuer must be an absolute URL, such as "https://id.example.com"`)
  }
  if (issuer.protocol !== 'https:' && !(issuer.protocol === 'http:' && isLoopbackHost(issuer.hostname))) {
    throw invalid('issuer must be https, but for a server on this machine')
  }
  for (const name of ['redirectUri', 'scope', 'postLogoutRedirectUri']) {
    if (given[name] !== undefined && typeof given[name] !== 'string') throw invalid(`${name} must be a string`)
  }
}
