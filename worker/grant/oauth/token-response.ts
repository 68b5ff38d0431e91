import { getValidatedIdTokenClaims, type TokenEndpointResponse } from 'oauth4webapi'
import type { ReceivedTokens } from '../../core/adapter.ts'
import { optional } from '../../core/optional-fields.ts'
import type { BoundRequest } from './dpop.ts'

/** The claims of an ID token that describe the token and not the user (OpenID Connect Core §2). */
const PROTOCOL_CLAIMS = 'iss sub aud exp iat nbf auth_time nonce acr amr azp at_hash c_hash s_hash sid jti'.split(' ')

/**
 * A copy of a token response that oauth4webapi can read. oauth4webapi rejects the whole response for one odd member, but
 * its tokens are good, and the tokens before them may be spent. So a member that is null, empty or of a wrong type counts
 * as absent (I2, I9).
 */
export async function toReadable(response: Response, withoutIdToken = false, tokenType = 'bearer'): Promise<Response> {
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => undefined)
  if (typeof body !== 'object' || body === null) return response
  const { token_type, expires_in, refresh_token, scope, id_token, ...rest } = body as Record<string, unknown>
  const life = Number.parseFloat(String(expires_in))
  // JSON.stringify leaves out members that are undefined.
  const readable = {
    ...rest,
    token_type: toText(token_type) ?? tokenType,
    expires_in: life >= 0 && Number.isFinite(life) ? life : undefined,
    refresh_token: toText(refresh_token),
    scope: toText(Array.isArray(scope) && scope.every(toText) ? scope.join(' ') : scope),
    id_token: withoutIdToken ? undefined : toText(id_token),
  }
  // RFC 6749 §5.1 says 200. Some frameworks answer every POST with 201.
  return new Response(JSON.stringify(readable), {
    status: response.ok ? 200 : response.status,
    headers: response.headers,
  })
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The user in an ID token, even if the token is not valid. Nothing if it cannot be read, for example if it is encrypted. */
export async function readUser(response: Response): Promise<{ readonly subject?: string }> {
  try {
    const { id_token } = await response.clone().json()
    const payload = atob(id_token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))
    const { sub } = await new Response(Uint8Array.from(payload, (byte) => byte.charCodeAt(0))).json()
    return optional({ subject: toText(sub) })
  } catch {
    return {}
  }
}

export function toReceivedTokens(
  response: TokenEndpointResponse,
  clientId: string,
  bind?: BoundRequest['bind'],
): ReceivedTokens {
  // oauth4webapi also accepts DPoP tokens, but without the option dpop the worker cannot make their proofs.
  if (!bind && response.token_type !== 'bearer')
    throw new Error(`tokens of type ${response.token_type} are not supported`)
  const claims = getValidatedIdTokenClaims(response)
  // oauth4webapi accepts an empty `sub`, and checks `azp` only beside several audiences (OpenID Connect Core §3.1.3.7).
  if (claims?.sub === '' || (claims?.azp ?? clientId) !== clientId)
    throw new Error('the ID token names no user (sub), or another client (azp)')
  const received = {
    accessToken: response.access_token,
    tokenType: response.token_type,
    refreshToken: response.refresh_token,
    expiresIn: response.expires_in,
    scope: response.scope,
    subject: claims?.sub,
    profile: claims && Object.fromEntries(Object.entries(claims).filter(([name]) => !PROTOCOL_CLAIMS.includes(name))),
  }
  // Leaves out members that are undefined.
  const tokens = JSON.parse(JSON.stringify(received))
  return bind ? bind(tokens) : tokens
}
