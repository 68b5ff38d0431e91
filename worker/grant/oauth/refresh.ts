import { None, processRefreshTokenResponse, ResponseBodyError, refreshTokenGrantRequest } from 'oauth4webapi'
import type { GrantIO, ReceivedTokens, TokenSet } from '../../core/adapter.ts'
import { failed, outcomeUnknown, RefreshVerdict, refused, rejected } from '../../core/verdict.ts'
import type { Provider } from './provider.ts'
import { readUser, toReadable, toReceivedTokens } from './token-response.ts'

/** Errors that mean that the client or its request is wrong, and not the refresh token (RFC 6749 §5.2). */
const MISCONFIGURED =
  'invalid_client unauthorized_client unsupported_grant_type invalid_scope invalid_request invalid_target'.split(' ')

/** Exchanges the refresh token for new tokens (RFC 6749 §6). Throws a verdict, or an error that the broker judges. */
export async function refreshTokens(provider: Provider, tokens: TokenSet, io: GrantIO): Promise<ReceivedTokens> {
  const { refreshToken, subject, profile, tokenType } = tokens
  if (refreshToken === undefined) throw rejected('no_refresh_token')
  const bound = await provider.options.dpop?.begin(io, tokens)
  // If the discovery fails, the refresh token was not sent.
  const server = await provider.discover(io).catch(() => Promise.reject(refused({ reason: 'discovery_failed' })))
  const response = await refreshTokenGrantRequest(
    server,
    provider.client,
    None(),
    refreshToken,
    provider.http(bound?.io ?? io),
  )
  // The broker judges these by status and Retry-After.
  if (response.status === 429 || response.status === 503) throw new Error('refused')
  try {
    const read = async (withoutIdToken: boolean) =>
      toReceivedTokens(
        await processRefreshTokenResponse(
          server,
          provider.client,
          await toReadable(response, withoutIdToken, tokenType),
        ),
        provider.client.client_id,
        bound?.bind,
      )
    // The sign-in has identified the user. An ID token that is not valid must not cost the tokens beside it, and it gives
    // no user to a session without one. But if it names another user, the broker must know (OpenID Connect Core §12.2).
    const received = await read(false).catch(async () => ({
      ...(await read(true)),
      ...(subject !== undefined && (await readUser(response))),
    }))
    // The ID token of a refresh may leave claims out (OpenID Connect Core §12.2).
    return { ...received, ...(received.profile && { profile: { ...profile, ...received.profile } }) }
  } catch (error) {
    throw toVerdict(error)
  }
}

function toVerdict(error: unknown): unknown {
  if (error instanceof RefreshVerdict) return error
  // A 400 or 401 without an OAuth error comes from an intermediary. It says nothing about the refresh token.
  if (!(error instanceof ResponseBodyError)) return outcomeUnknown('unusable_answer')
  if (error.error === 'invalid_grant') return rejected()
  if (MISCONFIGURED.includes(error.error)) return failed(error.error)
  // Pages see the reason, so it must be a code, and not a sentence that quotes the token (I11).
  return outcomeUnknown(/^[a-z_]{1,40}$/.test(error.error) ? error.error : 'unusable_answer')
}
