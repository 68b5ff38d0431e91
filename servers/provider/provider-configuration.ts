import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { Account, Context, Grant } from 'oidc-provider'
import { findProfile } from './accounts.ts'
import type { MemoryStorage } from './memory-adapter.ts'
import { messagePage } from './page-layout.ts'
import { signOutPage } from './sign-out-page.ts'

export const interactionPath = '/interaction'
export const tokenPath = '/token'
export const revocationPath = '/token/revocation'

export interface ProviderSettings {
  readonly issuer: string
  readonly storage: MemoryStorage
  readonly clientId: string
  readonly redirectUris: readonly string[]
  readonly postLogoutRedirectUris: readonly string[]
  readonly confirmConsent: boolean
  readonly dpop: boolean
  rotation(): boolean
  accessTokenSeconds(): number
}

const twoWeeks = 14 * 24 * 60 * 60
const oneHour = 60 * 60

export function providerConfiguration(settings: ProviderSettings): Readonly<Record<string, unknown>> {
  const { issuer, storage, clientId, redirectUris, postLogoutRedirectUris, rotation, confirmConsent, dpop } = settings
  return {
    adapter: (model: string) => storage.adapter(model),
    clients: [
      {
        client_id: clientId,
        token_endpoint_auth_method: 'none',
        // Not `native`: for such a client, the provider asks for consent each time, so silent sign-in fails.
        application_type: 'web',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        redirect_uris: redirectUris,
        post_logout_redirect_uris: postLogoutRedirectUris,
        id_token_signed_response_alg: 'ES256',
        dpop_bound_access_tokens: dpop,
      },
    ],
    responseTypes: ['code'],
    scopes: ['openid', 'offline_access'],
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username'],
      email: ['email'],
    },
    conformIdTokenClaims: false,
    findAccount,
    loadExistingGrant: (context: Context) => loadGrant(context, confirmConsent),
    issueRefreshToken: () => true,
    expiresWithSession: () => false,
    rotateRefreshToken: rotation,
    pkce: { required: () => true },
    clientBasedCORS: () => true,
    // With the usual tolerance, a token of a few seconds would live too long for a test.
    clockTolerance: 0,
    cookies: {
      // Cookies do not distinguish ports: two servers on one host would overwrite each other's.
      names: cookieNames(new URL(issuer).port),
      keys: [randomBytes(32).toString('base64url')],
    },
    jwks: { keys: [signingKey()] },
    ttl: {
      AccessToken: settings.accessTokenSeconds,
      AuthorizationCode: 60,
      Grant: twoWeeks,
      IdToken: oneHour,
      Interaction: oneHour,
      RefreshToken: twoWeeks,
      Session: twoWeeks,
    },
    routes: { token: tokenPath, revocation: revocationPath },
    interactions: { url: (_context: Context, interaction: { uid: string }) => `${interactionPath}/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      ...(dpop && { dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true } }),
      revocation: { enabled: true, allowedPolicy: () => true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (context: Context, form: string) => answerWithPage(context, signOutPage(form)),
        postLogoutSuccessSource: (context: Context) =>
          answerWithPage(context, messagePage('Signed out', 'You can close this page.')),
      },
    },
    renderError: (context: Context, problem: Readonly<Record<string, string>>) =>
      answerWithPage(
        context,
        messagePage('This did not work', [problem.error, problem.error_description].filter(Boolean).join(': ')),
      ),
  }
}

function findAccount(_context: unknown, subject: string): Account | undefined {
  const profile = findProfile(subject)
  if (!profile) return undefined
  const { name, email } = profile
  return { accountId: subject, claims: () => ({ sub: subject, name, email, preferred_username: subject }) }
}

async function loadGrant(context: Context, confirmConsent: boolean): Promise<Grant | undefined> {
  const { provider, client, session, result, requestParamOIDCScopes } = context.oidc
  const grantId = result?.consent?.grantId ?? session.grantIdFor(client.clientId)
  const existing = grantId === undefined ? undefined : await provider.Grant.find(grantId)
  if (confirmConsent || session.accountId === undefined) return existing
  const grant = existing ?? new provider.Grant({ accountId: session.accountId, clientId: client.clientId })
  grant.addOIDCScope([...requestParamOIDCScopes].join(' '))
  await grant.save()
  return grant
}

function answerWithPage(context: Context, html: string): void {
  context.type = 'html'
  context.body = html
}

function cookieNames(port: string): Readonly<Record<'session' | 'interaction' | 'resume', string>> {
  return {
    session: `session_${port}`,
    interaction: `interaction_${port}`,
    resume: `resume_${port}`,
  }
}

function signingKey(): object {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' }
}
