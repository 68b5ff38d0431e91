import { invalidConfigOf } from '../../../src/protocol/errors.ts'
import { checkOptionNames } from '../../../src/protocol/option-names.ts'
import { isSecure } from '../../core/loopback.ts'
import type { Dpop } from './dpop.ts'

const invalid = /* @__PURE__ */ invalidConfigOf('oauth()')

/** Options of {@link oauth}. */
export interface OAuthOptions {
  /** The authorization server's issuer identifier. Its metadata are discovered (OpenID Connect Discovery §4). */
  readonly issuer: string
  /** `client_id` of a public client (RFC 6749 §2.1). */
  readonly clientId: string
  /** The callback page, registered at the server; resolved against the app's origin. Default `/callback`. */
  readonly redirectUri?: string
  /** Default `openid`. Some servers issue refresh tokens only with `offline_access`. */
  readonly scope?: string
  /** Further parameters of the authorization request, such as `audience`, `prompt` or `resource` (RFC 8707). */
  readonly parameters?: Readonly<Record<string, string>>
  /** The page that the user returns to after `signOut({everywhere: true})`; resolved against the app's origin. Default `/`. */
  readonly postLogoutRedirectUri?: string
  /** Binds the tokens to a key of the worker (RFC 9449): `dpop()` of `lingpai/oauth/dpop`. Default: Bearer tokens. */
  readonly dpop?: Dpop
}

/** @throws LingpaiError `invalid_config` */
export function checkOptions(options: OAuthOptions): void {
  const given = options as (OAuthOptions & Record<string, unknown>) | undefined
  if (typeof given !== 'object' || given === null) throw invalid('pass {issuer, clientId}')
  if ('clientSecret' in given || 'client_secret' in given) {
    throw invalid(
      'a browser app cannot keep a secret. Remove client_secret, and register a public client (RFC 6749 §2.1)',
    )
  }
  checkOptionNames(given, 'issuer clientId redirectUri scope parameters postLogoutRedirectUri dpop', invalid)
  if (typeof given.clientId !== 'string' || given.clientId === '') throw invalid('clientId is missing')
  if (given.dpop !== undefined && typeof given.dpop?.begin !== 'function') throw invalid('dpop must be dpop()')
  let issuer: URL
  try {
    issuer = new URL(given.issuer)
  } catch {
    throw invalid(`issuer must be an absolute URL, such as "https://id.example.com"`)
  }
  if (!isSecure(issuer)) throw invalid('issuer must be https, except on localhost')
  for (const name of ['redirectUri', 'scope', 'postLogoutRedirectUri']) {
    if (given[name] !== undefined && typeof given[name] !== 'string') throw invalid(`${name} must be a string`)
  }
}
