import type { AuthorizeInput } from '../../src/protocol/methods.ts'
import type { Grant } from '../core/adapter.ts'
import { checkOptions, type OAuthOptions } from './oauth/options.ts'
import { createProvider } from './oauth/provider.ts'
import { refreshTokens } from './oauth/refresh.ts'
import { createAuthorizationUrl, exchangeCode } from './oauth/sign-in.ts'
import { signOut } from './oauth/sign-out.ts'

export type { OAuthOptions }

/**
 * OAuth 2.0 for a public client: authorization code with PKCE (RFC 7636), `state`, `nonce` and `iss` (RFC 9207), refresh
 * with and without rotation, revocation (RFC 7009), and the provider's own sign-out (OpenID Connect RP-Initiated Logout).
 *
 * If the configuration is wrong, every call of a page rejects with `invalid_config`: an error of the worker itself would
 * only be in the worker's console.
 */
export function oauth(options: OAuthOptions): Grant<AuthorizeInput> {
  const provider = createProvider(options)
  return {
    name: `${options?.issuer} ${options?.clientId}`,
    validate: () => checkOptions(options),
    authorize: (_input, io) => createAuthorizationUrl(provider, io),
    callback: (url, transaction, io) => exchangeCode(provider, url, transaction, io),
    refresh: (tokens, io) => refreshTokens(provider, tokens, io),
    signOut: (tokens, io) => signOut(provider, tokens, io),
    ...(options?.dpop && { prove: options.dpop.prove }),
  }
}
