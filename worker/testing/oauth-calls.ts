import { LingpaiError } from '../../src/protocol/errors.ts'
import type { Answer, TestRequest } from './network.ts'
import type { IssuedTokens } from './token-register.ts'

const DISCOVERY = '/.well-known/openid-configuration'
const AUTHORIZE = '/oauth2/authorize'
const TOKEN = '/oauth2/token'
const REVOKE = '/oauth2/revoke'
/** The year 9999: oauth4webapi checks the expiry with the real clock. */
const NEVER = 253_402_300_799

/** A request to an authorization server, after it was read. */
export type TokenCall =
  | { readonly kind: 'discovery' }
  | { readonly kind: 'signIn'; readonly user: string | undefined; readonly nonce?: string | undefined }
  | { readonly kind: 'refresh'; readonly refreshToken: string }
  | { readonly kind: 'revocation'; readonly token: string }

/** The protocol of a server: how it reads requests and writes responses. */
export interface TokenCalls {
  read(request: TestRequest): TokenCall | undefined | Promise<TokenCall | undefined>
  accept(tokens: IssuedTokens, call: TokenCall, request: TestRequest): Answer
  refuse(error: string): Answer
}

interface Code {
  readonly user: string
  readonly nonce: string | null
  readonly challenge: string | null
  readonly redirectUri: string
}

/** The issuer of an endpoint URL, or undefined if the URL has another path. */
function issuerOf({ origin, pathname }: URL, path: string): string | undefined {
  const href = origin + pathname
  return href.endsWith(path) ? href.slice(0, -path.length) : undefined
}

/**
 * OAuth 2.0 with OpenID Connect, for any issuer that the app's configuration names. The issuer is read from each URL, since
 * a grant that several tests share reads the metadata only in the first test.
 */
export function createOAuthCalls(profileOf: (user: string) => object, random: () => number) {
  const codes = new Map<string, Code>()

  /** Takes a code if it may be exchanged: once, with the verifier of its challenge (RFC 7636 §4.6). */
  async function takeCode(form: URLSearchParams): Promise<Code | undefined> {
    const name = form.get('code') ?? ''
    const code = codes.get(name)
    codes.delete(name)
    if (code === undefined || code.redirectUri !== form.get('redirect_uri')) return undefined
    const verifier = new TextEncoder().encode(form.get('code_verifier') ?? '')
    const digest = await crypto.subtle.digest('SHA-256', verifier)
    return toBase64Url(new Uint8Array(digest)) === code.challenge ? code : undefined
  }

  function createIdToken(iss: string, user: string, aud: string | null, nonce: string | undefined): string {
    const claims = { ...profileOf(user), iss, sub: user, aud, iat: 0, exp: NEVER, nonce }
    // The client need not check the signature: the token comes over TLS (OpenID Connect Core §3.1.3.7).
    return [{ alg: 'RS256', typ: 'JWT' }, claims, 'unsigned'].map((part) => encodeJson(part)).join('.')
  }

  const calls: TokenCalls = {
    async read({ url, method, body }) {
      if (method === 'GET') return issuerOf(url, DISCOVERY) === undefined ? undefined : { kind: 'discovery' }
      const form = new URLSearchParams(body)
      if (issuerOf(url, REVOKE) !== undefined) return { kind: 'revocation', token: form.get('token') ?? '' }
      if (issuerOf(url, TOKEN) === undefined) return undefined
      const refreshToken = form.get('refresh_token')
      if (refreshToken !== null) return { kind: 'refresh', refreshToken }
      const code = await takeCode(form)
      return { kind: 'signIn', user: code?.user, nonce: code?.nonce ?? undefined }
    },

    accept({ user, accessToken, refreshToken, expiresIn }, call, { url, body }) {
      const issuer = issuerOf(url, TOKEN) ?? ''
      const clientId = new URLSearchParams(body).get('client_id')
      return toJson(200, {
        access_token: accessToken,
        token_type: 'Bearer',
        expires_in: expiresIn,
        ...(refreshToken !== undefined && { refresh_token: refreshToken }),
        id_token: createIdToken(issuer, user, clientId, call.kind === 'signIn' ? call.nonce : undefined),
      })
    },

    refuse: (error) => ({ ...toJson(400, { error }), error }),
  }

  return {
    ...calls,
    describe({ url }: TestRequest): Answer {
      const issuer = issuerOf(url, DISCOVERY) ?? ''
      return toJson(200, {
        issuer,
        authorization_endpoint: issuer + AUTHORIZE,
        token_endpoint: issuer + TOKEN,
        revocation_endpoint: issuer + REVOKE,
        end_session_endpoint: `${issuer}/oauth2/end-session`,
        authorization_response_iss_parameter_supported: true,
        id_token_signing_alg_values_supported: ['RS256'],
      })
    },

    /** Signs a user in at the authorization endpoint. Returns the URL of the callback (RFC 6749 §4.1.2). */
    authorize(href: string, user: string, error: string | undefined): string {
      const url = new URL(href)
      const query = url.searchParams
      const issuer = issuerOf(url, AUTHORIZE)
      if (issuer === undefined || query.get('response_type') !== 'code') {
        throw new LingpaiError(
          'invalid_call',
          'lingpai/testing: this URL is not an authorization request to the scripted server.',
        )
      }
      const redirectUri = query.get('redirect_uri') ?? ''
      const callback = new URL(redirectUri)
      callback.searchParams.set('state', query.get('state') ?? '')
      callback.searchParams.set('iss', issuer)
      if (error !== undefined) {
        callback.searchParams.set('error', error)
        return callback.href
      }
      const code = `code.${Math.floor(random() * 2 ** 52).toString(36)}`
      codes.set(code, { user, nonce: query.get('nonce'), challenge: query.get('code_challenge'), redirectUri })
      callback.searchParams.set('code', code)
      return callback.href
    },
  }
}

export function toJson(status: number, body: unknown): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

function encodeJson(value: unknown): string {
  return toBase64Url(new TextEncoder().encode(JSON.stringify(value)))
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')
}
