import { None, revocationRequest } from 'oauth4webapi'
import type { GrantIO, TokenSet } from '../../core/adapter.ts'
import { unusableMetadata } from './endpoints.ts'
import type { Provider } from './provider.ts'

/** Revokes the tokens (RFC 7009). With `everywhere`, returns the URL that ends the provider's own session. */
export async function signOut(
  provider: Provider,
  tokens: TokenSet | undefined,
  { everywhere, ...io }: GrantIO & { readonly everywhere: boolean },
): Promise<{ readonly url?: string }> {
  const server = await provider.discover(io)
  // If the server can, it ends the access tokens of a revoked refresh token too (RFC 7009 §2.1).
  if (server.revocation_endpoint !== undefined && tokens !== undefined) {
    await revocationRequest(
      server,
      provider.client,
      None(),
      tokens.refreshToken ?? tokens.accessToken,
      provider.http(io),
    )
      .then(({ ok }) => {
        if (!ok) throw new Error('refused')
      })
      .catch((error) => {
        if (!everywhere) throw error
      })
  }
  const needed = everywhere ? 'end_session_endpoint' : 'revocation_endpoint'
  if (server[needed] === undefined && server.problem !== undefined) throw unusableMetadata(server, needed)
  if (!everywhere || server.end_session_endpoint === undefined) return {}
  // By client_id: an id_token_hint would carry the raw ID token through the page.
  const url = new URL(server.end_session_endpoint)
  url.searchParams.set('client_id', provider.options.clientId)
  url.searchParams.set(
    'post_logout_redirect_uri',
    new URL(provider.options.postLogoutRedirectUri ?? '/', io.origin).href,
  )
  return { url: url.href }
}
