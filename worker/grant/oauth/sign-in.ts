import {
  AuthorizationResponseError,
  authorizationCodeGrantRequest,
  calculatePKCECodeChallenge,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  None,
  processAuthorizationCodeResponse,
  ResponseBodyError,
  validateAuthResponse,
} from 'oauth4webapi'
import { LingpaiError } from '../../../src/protocol/errors.ts'
import type { GrantIO, ReceivedTokens, Transaction } from '../../core/adapter.ts'
import { unusableMetadata } from './endpoints.ts'
import type { OAuthOptions } from './options.ts'
import type { Provider } from './provider.ts'
import { toReadable, toReceivedTokens } from './token-response.ts'

interface OAuthTransaction extends Transaction {
  readonly nonce: string
  readonly verifier: string
  readonly redirectUri: string
}

/** Makes the URL of the authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3). */
export async function createAuthorizationUrl(provider: Provider, io: GrantIO) {
  const server = await provider.discover(io)
  if (server.authorization_endpoint === undefined || server.problem !== undefined)
    throw unusableMetadata(server, 'authorization_endpoint')
  const transaction: OAuthTransaction = {
    state: generateRandomState(),
    nonce: generateRandomNonce(),
    verifier: generateRandomCodeVerifier(),
    redirectUri: new URL(provider.options.redirectUri ?? '/callback', io.origin).href,
  }
  const url = new URL(server.authorization_endpoint)
  const { nonce: _nonce, ...further } = provider.options.parameters ?? {}
  const parameters = {
    ...further,
    response_type: 'code',
    client_id: provider.options.clientId,
    redirect_uri: transaction.redirectUri,
    scope: provider.options.scope ?? 'openid',
    state: transaction.state,
    // OpenID providers reject a nonce without the scope openid.
    ...(isOpenId(provider.options) && { nonce: transaction.nonce }),
    code_challenge: await calculatePKCECodeChallenge(transaction.verifier),
    code_challenge_method: 'S256',
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return { url: url.href, transaction }
}

/** Checks the callback's URL and exchanges its code for tokens (RFC 6749 §4.1.3). */
export async function exchangeCode(
  provider: Provider,
  href: string,
  transaction: Transaction,
  io: GrantIO,
): Promise<ReceivedTokens> {
  const { state, nonce, verifier, redirectUri } = transaction as OAuthTransaction
  const server = await provider.discover(io)
  try {
    const parameters = validateAuthResponse(server, provider.client, new URL(href), state)
    const bound = await provider.options.dpop?.begin(io)
    const response = await authorizationCodeGrantRequest(
      server,
      provider.client,
      None(),
      parameters,
      redirectUri,
      verifier,
      provider.http(bound?.io ?? io),
    )
    return toReceivedTokens(
      await processAuthorizationCodeResponse(
        server,
        provider.client,
        await toReadable(response),
        isOpenId(provider.options) ? { expectedNonce: nonce, requireIdToken: true } : {},
      ),
      provider.client.client_id,
      bound?.bind,
    )
  } catch (error) {
    throw toSignInError(error)
  }
}

function isOpenId({ scope = 'openid' }: OAuthOptions): boolean {
  return scope.split(' ').includes('openid')
}

function toSignInError(error: unknown): LingpaiError {
  if (error instanceof LingpaiError) return error
  if (error instanceof AuthorizationResponseError && error.error === 'access_denied') {
    return new LingpaiError('sign_in_cancelled', 'The user cancelled the sign-in at the provider.')
  }
  if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError) {
    return new LingpaiError('sign_in_failed', `The provider rejected the sign-in: ${error.error}.`, {
      apiCode: error.error,
      ...(error.error_description !== undefined && { apiMessage: error.error_description }),
    })
  }
  return new LingpaiError(
    'sign_in_failed',
    `The provider's response is not valid: ${error instanceof Error ? error.message : 'no details'}.`,
  )
}
