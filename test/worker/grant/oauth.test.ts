import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from '../../../servers/provider/authorization-server.ts'
import type { AuthorizeInput } from '../../../src/protocol/methods.ts'
import type {
  Grant,
  GrantIO,
  GrantRequest,
  ReceivedTokens,
  TokenSet,
  Transaction,
} from '../../../worker/core/adapter.ts'
import { createBroker, type SessionBroker } from '../../../worker/core/broker/broker.ts'
import type { SessionRules } from '../../../worker/core/session/events.ts'
import { toTokenSet } from '../../../worker/core/token-set.ts'
import { type OAuthOptions, oauth } from '../../../worker/grant/oauth.ts'
import { memoryTransactions } from '../../../worker/store/transactions.ts'
import { createVirtualPlatform } from '../../../worker/testing/virtual-platform.ts'
import { sendGrantRequest } from '../../../worker/transport/fetch.ts'
import { createScriptedStore, storedSession, tokenSet } from '../../fixtures/broker-harness.ts'
import { appOrigin, callbackUrl, signInAtProvider, tokensOf } from '../../fixtures/provider.ts'
import {
  discoveryPath,
  type ScriptedAnswer,
  type ScriptedServer,
  startScriptedServer,
} from '../../fixtures/scripted-server.ts'

const scope = 'openid profile email'

let provider: AuthorizationServer
const scripted: ScriptedServer[] = []

beforeAll(async () => {
  provider = await startAuthorizationServer({
    redirectUris: [callbackUrl],
    postLogoutRedirectUris: [`${appOrigin}/`],
    accessTokenSeconds: 600,
  })
}, 60_000)
afterAll(() => provider.close())
afterEach(async () => {
  provider.clearFaults()
  provider.setTokenResponse(undefined)
  await Promise.all(scripted.splice(0).map((server) => server.close()))
})

async function startScripted(metadata: Record<string, unknown> = {}): Promise<ScriptedServer> {
  const server = await startScriptedServer(metadata)
  scripted.push(server)
  return server
}

/** The transport that workers use, with a record of its requests. */
function createIO(signal: AbortSignal = new AbortController().signal): GrantIO & { readonly sent: GrantRequest[] } {
  const sent: GrantRequest[] = []
  return {
    sent,
    signal,
    origin: appOrigin,
    send(request) {
      sent.push(request)
      return sendGrantRequest(fetch, request, signal)
    },
  }
}

type OAuthGrant = Required<Grant<AuthorizeInput>>

function createGrant({ issuer }: { readonly issuer: string }, changes: Partial<OAuthOptions> = {}): OAuthGrant {
  return oauth({ issuer, clientId: 'web', ...changes }) as OAuthGrant
}

const viaRedirect = { via: 'redirect' } as const

async function authorize(server: { readonly issuer: string }, changes: Partial<OAuthOptions> = {}) {
  const { url, transaction } = await createGrant(server, changes).authorize(viaRedirect, createIO())
  return { url: new URL(url), parameters: new URL(url).searchParams, transaction }
}

/** As {@link signInAtProvider}, but the user presses Cancel. */
async function cancelAtProvider(url: string): Promise<string> {
  const form = await fetch(url, { redirect: 'manual' })
  const headers = {
    cookie: form.headers
      .getSetCookie()
      .map((cookie) => cookie.split(';')[0])
      .join('; '),
  }
  const press = await fetch(new URL(form.headers.get('location') ?? '', url), {
    redirect: 'manual',
    method: 'POST',
    headers,
    body: new URLSearchParams({ action: 'cancel' }),
  })
  const done = await fetch(new URL(press.headers.get('location') ?? '', url), { redirect: 'manual', headers })
  return done.headers.get('location') ?? ''
}

interface SignInChanges {
  readonly options?: Partial<OAuthOptions>
  /** Changes the callback URL. */
  callback?(url: URL): void
  readonly transaction?: Partial<Transaction>
}

/** A complete sign-in at the real provider. */
async function signIn({ options, callback, transaction }: SignInChanges = {}): Promise<ReceivedTokens> {
  const grant = createGrant(provider, { scope, ...options })
  const begun = await grant.authorize(viaRedirect, createIO())
  const url = new URL(await signInAtProvider(begun.url))
  callback?.(url)
  return grant.callback(url.href, { ...begun.transaction, ...transaction } as Transaction, createIO())
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

const seconds = () => Math.floor(Date.now() / 1000)

function idToken({ issuer }: { readonly issuer: string }, claims: Record<string, unknown> = {}): string {
  const content = `${encode({ alg: 'ES256' })}.${encode({
    iss: issuer,
    sub: 'ann',
    aud: 'web',
    iat: seconds(),
    exp: seconds() + 300,
    ...claims,
  })}`
  const signature = sign('sha256', Buffer.from(content), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${content}.${signature.toString('base64url')}`
}

const html = { 'content-type': 'text/html' }
const secretAccess = 'secret-access-token'
const secretRefresh = 'secret-refresh-token'
const goodTokens = { access_token: secretAccess, token_type: 'Bearer', expires_in: 900, refresh_token: secretRefresh }

/** A sign-in at a scripted server. Its token response may depend on the nonce of the request. */
async function signInAt(
  server: ScriptedServer,
  answer: (request: { readonly nonce?: string }) => ScriptedAnswer,
  options: Partial<OAuthOptions> = {},
): Promise<ReceivedTokens> {
  const grant = createGrant(server, options)
  const { url, transaction } = await grant.authorize(viaRedirect, createIO())
  const nonce = new URL(url).searchParams.get('nonce')
  server.answer('/token', answer(nonce === null ? {} : { nonce }))
  return grant.callback(`${callbackUrl}?code=c&state=${transaction.state}`, transaction, createIO())
}

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${JSON.stringify(value)}`)
    },
    (error: unknown) => error as Error,
  )

function expectNoToken(value: unknown): void {
  // Includes causes, stacks and fields that are not enumerable.
  const text = inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true })
  for (const token of [secretAccess, secretRefresh, ...provider.issuedTokens]) expect(text).not.toContain(token)
}

interface BrokerChanges {
  readonly tokens?: Partial<TokenSet>
  readonly options?: Partial<OAuthOptions>
  readonly rules?: SessionRules
}

/** A broker with an expired token, after a call for a token: it refreshes. Its time passes only by `advance`. */
async function startRefresh(server: { readonly issuer: string }, { tokens, options, rules = {} }: BrokerChanges = {}) {
  const platform = createVirtualPlatform()
  const stored = storedSession()
  const store = createScriptedStore({
    ...stored,
    tokens: tokenSet({ refreshToken: secretRefresh, expiresAt: 1, ...tokens }),
  })
  const broker = createBroker({
    platform,
    createId: () => crypto.randomUUID(),
    store,
    rules,
    grant: createGrant(server, options) as Grant,
    origin: appOrigin,
    transactions: memoryTransactions(),
    send: (request, signal) => sendGrantRequest(fetch, request, signal),
  })
  let calls = 0
  const ask = async () => broker.authorize(await broker.openCall(`call-${++calls}`, new AbortController().signal))
  // The call may end by its deadline. These tests check the session.
  ask().catch(() => {})
  return { platform, store, broker, ask }
}

/** How a refresh ended, counted from 1. */
async function refreshOutcome(broker: SessionBroker, count = 1) {
  return vi.waitFor(
    () => {
      const ends = broker
        .explain()
        .filter((entry) => entry.event === 'refresh-ended' || entry.event === 'refresh-succeeded')
      expect(ends.length).toBeGreaterThanOrEqual(count)
      const end = ends[count - 1]
      return {
        event: end?.event,
        ...(end?.event === 'refresh-ended'
          ? { verdict: end.verdict, reason: end.reason, delay: end.delay ?? Number.NaN }
          : { verdict: undefined, reason: undefined, delay: Number.NaN }),
      }
    },
    { timeout: 5000, interval: 5 },
  )
}

test('the authorization URL is a code request of this client to the discovered endpoint', async () => {
  const { url, parameters } = await authorize(provider)
  expect(url.origin + url.pathname).toBe(`${provider.issuer}/auth`)
  expect(parameters.get('response_type')).toBe('code')
  expect(parameters.get('client_id')).toBe('web')
})

test('the code challenge is the S256 of the verifier, which stays in the transaction (RFC 7636 §4.2)', async () => {
  const { url, parameters, transaction } = await authorize(provider)
  const verifier = String(transaction.verifier)
  expect(verifier).toMatch(/^[\w.~-]{43,128}$/)
  expect(parameters.get('code_challenge')).toBe(createHash('sha256').update(verifier).digest('base64url'))
  expect(parameters.get('code_challenge_method')).toBe('S256')
  expect(url.href).not.toContain(verifier)
})

test('state and nonce come from the transaction and are new at every sign-in', async () => {
  const first = await authorize(provider)
  const second = await authorize(provider)
  for (const name of ['state', 'nonce']) {
    expect(first.parameters.get(name)).toBe(first.transaction[name])
    expect(first.parameters.get(name)).toMatch(/^[\w-]{22,}$/)
    expect(second.parameters.get(name)).not.toBe(first.parameters.get(name))
  }
  expect(second.transaction.verifier).not.toBe(first.transaction.verifier)
})

test.each([
  [undefined, `${appOrigin}/callback`],
  ['/app/done', `${appOrigin}/app/done`],
  ['https://elsewhere.example/done', 'https://elsewhere.example/done'],
])('the redirect URI %s is resolved against the origin of the app', async (redirectUri, expected) => {
  const { parameters, transaction } = await authorize(provider, redirectUri === undefined ? {} : { redirectUri })
  expect(parameters.get('redirect_uri')).toBe(expected)
  expect(transaction.redirectUri).toBe(expected)
})

test('the scope is openid unless another is given', async () => {
  expect((await authorize(provider)).parameters.get('scope')).toBe('openid')
  expect((await authorize(provider, { scope })).parameters.get('scope')).toBe(scope)
})

test('further parameters are sent too', async () => {
  const { parameters } = await authorize(provider, { parameters: { audience: 'https://api.example', prompt: 'login' } })
  expect(parameters.get('audience')).toBe('https://api.example')
  expect(parameters.get('prompt')).toBe('login')
})

test('a further parameter never replaces a parameter of the sign-in', async () => {
  const names = [
    'response_type',
    'client_id',
    'redirect_uri',
    'scope',
    'state',
    'nonce',
    'code_challenge',
    'code_challenge_method',
  ]
  const { parameters } = await authorize(provider, {
    parameters: Object.fromEntries(names.map((name) => [name, 'forged'])),
  })
  for (const name of names) {
    expect(parameters.getAll(name)).toHaveLength(1)
    expect(parameters.get(name)).not.toBe('forged')
  }
})

test('the query of the authorization endpoint’s own URL is kept', async () => {
  const server = await startScripted()
  server.metadata.authorization_endpoint = `${server.issuer}/auth?tenant=one`
  expect((await authorize(server)).parameters.get('tenant')).toBe('one')
})

test('an issuer without an authorization endpoint is sign_in_failed, and the message names the issuer', async () => {
  const server = await startScripted({ authorization_endpoint: undefined })
  const error = await errorOf(authorize(server))
  expect(error).toMatchObject({ code: 'sign_in_failed' })
  expect(error.message).toContain(server.issuer)
})

const endpointNames = [
  'authorization_endpoint',
  'token_endpoint',
  'revocation_endpoint',
  'end_session_endpoint',
  'userinfo_endpoint',
  'pushed_authorization_request_endpoint',
  'device_authorization_endpoint',
  'introspection_endpoint',
  'registration_endpoint',
  'backchannel_authentication_endpoint',
]

/** URLs that no endpoint may have, and what the error says about each. It must not quote the rest of the URL. */
const unsafeUrls: [string, unknown, string][] = [
  ['javascript:', 'javascript:alert("secret")', 'javascript:'],
  ['javascript: after spaces and line breaks', ' \n java\nscript:alert("secret")', 'javascript:'],
  ['JAVASCRIPT: in capitals', 'JAVASCRIPT:alert("secret")', 'javascript:'],
  ['data:', 'data:text/html,secret', 'data:'],
  ['blob:', 'blob:https://app.example.com/secret', 'blob:'],
  ['file:', 'file:///secret', 'file:'],
  ['the scheme of an app', 'com.example.app:/secret', 'com.example.app:'],
  ['http on another host', 'http://id.example.com/secret', 'http:'],
  ['http on a host whose name only begins with localhost', 'http://localhost.example/secret', 'http:'],
  ['ws on this machine', 'ws://localhost/secret', 'ws:'],
  ['a path without a host', '/secret', 'not an absolute URL'],
  ['a host without a scheme', '//id.example.com/secret', 'not an absolute URL'],
  ['a number', 7, 'not an absolute URL'],
  ['an object', { href: 'https://id.example.com/secret' }, 'not an absolute URL'],
]

test.each(endpointNames)('a sign-in is refused if the %s of the metadata is a javascript: URL', async (name) => {
  const server = await startScripted({ [name]: 'javascript:alert("secret")' })
  const error = await errorOf(authorize(server))
  expect(error).toMatchObject({ code: 'sign_in_failed' })
  for (const part of [server.issuer, name, 'javascript:', 'https']) expect(error.message).toContain(part)
  expect(error.message).not.toContain('secret')
})

test.each(unsafeUrls)('an authorization endpoint with %s is refused', async (_what, url, problem) => {
  const error = await errorOf(authorize(await startScripted({ authorization_endpoint: url })))
  expect(error).toMatchObject({ code: 'sign_in_failed' })
  for (const part of ['authorization_endpoint', problem]) expect(error.message).toContain(part)
  expect(error.message).not.toContain('secret')
})

test.each(unsafeUrls)('an end_session_endpoint with %s is never given to a page', async (_what, url) => {
  const server = await startScripted({ end_session_endpoint: url })
  const error = await errorOf(createGrant(server).signOut(tokenSet(), { ...createIO(), everywhere: true }) as never)
  expect(error.message).toContain('end_session_endpoint')
  expect(error.message).not.toContain('secret')
  expect(server.requestsTo('/revoke')).toHaveLength(1)
})

test.each(unsafeUrls)('a revocation endpoint with %s gets no token, and the sign-out says so', async (_what, url) => {
  const server = await startScripted({ revocation_endpoint: url })
  const io = createIO()
  const error = await errorOf(createGrant(server).signOut(tokenSet(), { ...io, everywhere: false }) as never)
  expect(error.message).toContain('revocation_endpoint')
  expect(io.sent.map((request) => request.url)).toEqual([server.issuer + discoveryPath])
})

test('a sign-out everywhere works although the revocation endpoint is unsafe', async () => {
  const server = await startScripted({ revocation_endpoint: 'http://id.example.com/revoke' })
  const { url } = (await createGrant(server).signOut(tokenSet(), { ...createIO(), everywhere: true })) ?? {}
  expect(url).toContain(`${server.issuer}/end?`)
})

test.each(unsafeUrls)(
  'a token endpoint with %s gets no refresh token, and the session works again with good metadata (I4, I7, I12)',
  async (_what, url) => {
    const server = await startScripted({ token_endpoint: url })
    server.answer('/token', { body: goodTokens })
    const { broker, platform } = await startRefresh(server, { rules: { onUnknownOutcome: 'sign-in' } })
    const outcome = await refreshOutcome(broker)
    expect(outcome).toMatchObject({ verdict: 'refused', reason: 'discovery_failed' })
    expect(broker.snapshot().status).toBe('signed-in')
    server.metadata.token_endpoint = `${server.issuer}/token`
    await platform.advance(outcome.delay)
    expect(await refreshOutcome(broker, 2)).toMatchObject({ event: 'refresh-succeeded' })
  },
)

test('if the metadata name unsafe endpoints, the user can sign out, and nothing else is lost', async () => {
  const server = await startScripted({ end_session_endpoint: 'javascript:alert(1)' })
  server.answer('/token', { body: goodTokens })
  const { broker, ask } = await startRefresh(server)
  await ask()
  const begun = broker.beginSignIn(viaRedirect, new AbortController().signal)
  expect((await errorOf(begun)).message).toContain('end_session_endpoint')
  expect(broker.snapshot()).toMatchObject({ status: 'signed-in', user: { subject: 'ann' } })
  expect(await errorOf(broker.signOut(true))).toMatchObject({ code: 'network_error' })
  expect(broker.snapshot().status).toBe('signed-out')
  expect(server.requestsTo('/revoke')).toHaveLength(1)
})

test('an unsafe endpoint that a refresh does not need does not stop it, and the next sign-in reads the metadata anew (I12)', async () => {
  const server = await startScripted({ registration_endpoint: 'http://id.example.com/register' })
  server.answer('/token', { body: goodTokens })
  const grant = createGrant(server)
  expect(await grant.refresh(tokenSet(), createIO())).toMatchObject({ accessToken: secretAccess })
  expect((await errorOf(grant.authorize(viaRedirect, createIO()))).message).toContain('registration_endpoint')
  server.metadata.registration_endpoint = `${server.issuer}/register`
  expect((await grant.authorize(viaRedirect, createIO())).url).toContain(`${server.issuer}/auth`)
})

test.each(endpointNames.slice(2))('a %s of null or without a value counts as absent', async (name) => {
  for (const value of [null, '']) {
    const server = await startScripted({ [name]: value })
    expect((await authorize(server)).url.href).toContain(`${server.issuer}/auth`)
    const tokens = createGrant(server).signOut(tokenSet(), { ...createIO(), everywhere: true })
    await expect(tokens).resolves.toBeDefined()
  }
})

test.each(['http://127.0.0.1:1/secret', 'http://[::1]:1/x', 'http://id.localhost/x', 'HTTPS://id.example.com/x'])(
  'an endpoint may be %s',
  async (url) => {
    expect((await authorize(await startScripted({ authorization_endpoint: url }))).url.host).toBe(new URL(url).host)
  },
)

test('other URLs in the metadata may have any scheme', async () => {
  const server = await startScripted({ op_policy_uri: 'http://id.example.com/', service_documentation: 'about:blank' })
  expect((await authorize(server)).url.href).toContain(`${server.issuer}/auth`)
})

test('the endpoints of the real provider are all accepted', async () => {
  const metadata = await (await fetch(provider.issuer + discoveryPath)).json()
  expect(Object.keys(metadata).filter((name) => name.endsWith('_endpoint')).length).toBeGreaterThan(5)
  expect((await authorize(provider)).url.origin).toBe(provider.issuer)
})

test('the metadata are read once for all calls', async () => {
  const server = await startScripted()
  const grant = createGrant(server)
  await Promise.all([1, 2, 3].map(() => grant.authorize(viaRedirect, createIO())))
  server.answer('/token', { body: goodTokens })
  await grant.refresh(tokenSet(), createIO())
  expect(server.requestsTo(discoveryPath)).toHaveLength(1)
})

test('the next sign-in retries a discovery that failed', async () => {
  const server = await startScripted()
  const grant = createGrant(server)
  server.answer(discoveryPath, { status: 500 })
  await errorOf(grant.authorize(viaRedirect, createIO()))
  server.answer(discoveryPath, undefined)
  expect((await grant.authorize(viaRedirect, createIO())).url).toContain(`${server.issuer}/auth`)
})

test('a sign-in continues if the sign-in that began the discovery is aborted (I8)', async () => {
  const server = await startScripted()
  server.hold(discoveryPath)
  const grant = createGrant(server)
  const older = new AbortController()
  const abandoned = errorOf(grant.authorize(viaRedirect, createIO(older.signal)))
  const wanted = grant.authorize(viaRedirect, createIO())
  await vi.waitFor(() => expect(server.requests).toHaveLength(1))
  older.abort(new Error('given up'))
  await abandoned
  server.release()
  expect((await wanted).url).toContain(`${server.issuer}/auth`)
})

test('the user is the subject of the ID token, and the profile its other claims', async () => {
  expect(await signIn()).toMatchObject({
    subject: 'alice',
    profile: { name: 'Alice Liddell', preferred_username: 'alice', email: 'alice@example.com' },
  })
})

test('the tokens of the response are passed on as the provider sent them', async () => {
  const received = await signIn()
  expect(provider.issuedTokens).toContain(received.accessToken)
  expect(provider.issuedTokens).toContain(received.refreshToken)
  expect(received).toMatchObject({ tokenType: 'bearer', expiresIn: 600, scope })
})

test('the profile of the real provider contains only claims about the user, and no token (I11)', async () => {
  const { profile } = await signIn()
  expect(Object.keys(profile ?? {}).sort()).toEqual(['email', 'name', 'preferred_username'])
  expectNoToken(profile)
})

test('the profile leaves out claims about the ID token itself (RFC 7519 §4.1, OpenID Connect Core §2)', async () => {
  const server = await startScripted()
  const { profile } = await signInAt(server, ({ nonce }) => ({
    body: {
      ...goodTokens,
      id_token: idToken(server, {
        nonce,
        nbf: seconds(),
        jti: 'j',
        auth_time: seconds(),
        acr: '1',
        amr: ['pwd'],
        azp: 'web',
        at_hash: 'h',
        c_hash: 'h',
        s_hash: 'h',
        sid: 's',
        name: 'Ann',
        locale: 'zh-CN',
      }),
    },
  }))
  expect(profile).toEqual({ name: 'Ann', locale: 'zh-CN' })
})

test.each([
  ['another state', (url: URL) => url.searchParams.set('state', 'forged')],
  ['no state', (url: URL) => url.searchParams.delete('state')],
  ['another issuer', (url: URL) => url.searchParams.set('iss', 'https://forged.example')],
  ['no issuer, though the provider announces one (RFC 9207 §2.4)', (url: URL) => url.searchParams.delete('iss')],
  ['no code', (url: URL) => url.searchParams.delete('code')],
  ['two codes', (url: URL) => url.searchParams.append('code', 'second')],
])('a callback with %s is sign_in_failed, and the code is not sent', async (_what, callback) => {
  const before = provider.counters.tokenRequests.authorization_code
  expect(await errorOf(signIn({ callback }))).toMatchObject({ code: 'sign_in_failed' })
  expect(provider.counters.tokenRequests.authorization_code).toBe(before)
})

test('a user who cancels at the provider gets sign_in_cancelled', async () => {
  const grant = createGrant(provider)
  const { url, transaction } = await grant.authorize(viaRedirect, createIO())
  const callback = await cancelAtProvider(url)
  expect(new URL(callback).searchParams.get('error')).toBe('access_denied')
  expect(await errorOf(grant.callback(callback, transaction, createIO()))).toMatchObject({ code: 'sign_in_cancelled' })
})

test('a cancellation with a forged state is not a cancellation', async () => {
  const grant = createGrant(provider)
  const { url, transaction } = await grant.authorize(viaRedirect, createIO())
  const callback = new URL(await cancelAtProvider(url))
  callback.searchParams.set('state', 'forged')
  expect(await errorOf(grant.callback(callback.href, transaction, createIO()))).toMatchObject({
    code: 'sign_in_failed',
  })
})

test('another error of the provider is sign_in_failed with its code and description', async () => {
  const error = await errorOf(signIn({ options: { parameters: { prompt: 'none' } } }))
  expect(error).toMatchObject({ code: 'sign_in_failed', apiCode: 'login_required' })
  expect((error as { apiMessage?: string }).apiMessage).toMatch(/authentication is required/i)
})

test('a code works once: its second use is sign_in_failed with invalid_grant', async () => {
  const grant = createGrant(provider)
  const { url, transaction } = await grant.authorize(viaRedirect, createIO())
  const callback = await signInAtProvider(url)
  await grant.callback(callback, transaction, createIO())
  expect(await errorOf(grant.callback(callback, transaction, createIO()))).toMatchObject({
    code: 'sign_in_failed',
    apiCode: 'invalid_grant',
  })
})

test('a verifier that does not match the challenge is sign_in_failed with invalid_grant', async () => {
  expect(await errorOf(signIn({ transaction: { verifier: 'v'.repeat(43) } }))).toMatchObject({
    code: 'sign_in_failed',
    apiCode: 'invalid_grant',
  })
})

test('an ID token with the nonce of another sign-in is sign_in_failed', async () => {
  const error = await errorOf(signIn({ transaction: { nonce: 'another' } }))
  expect(error).toMatchObject({ code: 'sign_in_failed' })
  expectNoToken(error)
})

test.each<[string, Record<string, unknown>]>([
  ['no nonce', { nonce: undefined }],
  ['another audience', { aud: 'another' }],
  ['an audience of several and another authorized party', { aud: ['web', 'another'], azp: 'another' }],
  ['another issuer', { iss: 'https://forged.example' }],
  ['an audience of several and no authorized party', { aud: ['web', 'another'] }],
  ['an authorized party that is another client', { azp: 'another' }],
  ['an audience in a list and another authorized party', { aud: ['web'], azp: 'another' }],
  ['an authorized party that is not a string', { azp: ['web'] }],
  ['no subject', { sub: undefined }],
  ['an empty subject', { sub: '' }],
  ['a subject of null', { sub: null }],
  ['a subject that is a number', { sub: 7 }],
  ['no expiry', { exp: undefined }],
  ['an expiry of a day ago', { iat: seconds() - 86_700, exp: seconds() - 86_400 }],
  ['an expiry of half a day ago', { iat: seconds() - 43_600, exp: seconds() - 43_300 }],
  ['a beginning in a day', { nbf: seconds() + 86_400, exp: seconds() + 90_000 }],
  ['an expiry of days ago', { iat: seconds() - 259_200, exp: seconds() - 172_800 }],
])('an ID token with %s is sign_in_failed, and the error contains no token', async (_what, claims) => {
  const server = await startScripted()
  const error = await errorOf(
    signInAt(server, ({ nonce }) => ({
      body: { ...goodTokens, id_token: idToken(server, { nonce, ...claims }) },
    })),
  )
  expect(error).toMatchObject({ code: 'sign_in_failed' })
  expectNoToken(error)
})

test.each<[string, Record<string, unknown>]>([
  ['this client as authorized party', { azp: 'web' }],
  ['an authorized party of null', { azp: null }],
  ['an audience of several and this client as authorized party', { aud: ['another', 'web'], azp: 'web' }],
  ['an audience in a list of one', { aud: ['web'] }],
])('an ID token with %s signs in (OpenID Connect Core §3.1.3.7)', async (_what, claims) => {
  const server = await startScripted()
  const received = await signInAt(server, ({ nonce }) => ({
    body: { ...goodTokens, id_token: idToken(server, { nonce, ...claims }) },
  }))
  expect(received.subject).toBe('ann')
})

test('without the scope openid, too, an ID token for another client is sign_in_failed', async () => {
  const server = await startScripted()
  const answer = () => ({ body: { ...goodTokens, id_token: idToken(server, { azp: 'another' }) } })
  expect(await errorOf(signInAt(server, answer, { scope: 'orders' }))).toMatchObject({ code: 'sign_in_failed' })
})

test('a response without the ID token that the scope requires is sign_in_failed', async () => {
  provider.setTokenResponse(({ id_token: _, ...body }) => body)
  expect(await errorOf(signIn())).toMatchObject({ code: 'sign_in_failed' })
})

test('without the scope openid an ID token is not required, and the session has no user', async () => {
  const received = await signIn({ options: { scope: 'profile' } })
  expect(provider.issuedTokens).toContain(received.accessToken)
  expect(received).not.toHaveProperty('subject')
  expect(received).not.toHaveProperty('profile')
})

test('without the scope openid no nonce is sent, since OpenID providers reject it', async () => {
  expect((await authorize(provider, { scope: 'orders' })).parameters.has('nonce')).toBe(false)
})

test('without the scope openid an unexpected ID token does no harm', async () => {
  const server = await startScripted()
  const received = await signInAt(
    server,
    ({ nonce }) => ({ body: { ...goodTokens, id_token: idToken(server, { nonce }) } }),
    { scope: 'orders' },
  )
  expect(received.accessToken).toBe(secretAccess)
})

test.each([
  ['an hour ahead', -3600],
  ['an hour behind', 3600],
  // The user has set the time of Beijing by hand, and the device counts it as UTC, or the other way round.
  ['eight hours ahead', -28_800],
  ['eight hours behind', 28_800],
])('a user whose clock is %s can sign in', async (_what, offset) => {
  const server = await startScripted()
  const received = await signInAt(server, ({ nonce }) => ({
    body: {
      ...goodTokens,
      id_token: idToken(server, {
        nonce,
        iat: seconds() + offset,
        nbf: seconds() + offset,
        exp: seconds() + offset + 60,
      }),
    },
  }))
  expect(received.subject).toBe('ann')
})

test.each<[string, ScriptedAnswer]>([
  ['HTML', { headers: { 'content-type': 'text/html' }, body: `<p>${secretAccess} ${secretRefresh}</p>` }],
  ['truncated JSON', { body: JSON.stringify(goodTokens).slice(0, -3) }],
  ['a list', { body: `["${secretAccess}"]` }],
  ['nothing at all', { status: 204 }],
  ['no access token', { body: { ...goodTokens, access_token: undefined } }],
  ['the token type mac', { body: { ...goodTokens, token_type: 'mac' } }],
  // Each request would need a proof, which the worker cannot make (RFC 9449 §7.1).
  ['the token type DPoP', { body: { ...goodTokens, token_type: 'DPoP' } }],
  ['an ID token that is malformed', { body: { ...goodTokens, id_token: secretAccess } }],
  ['a 500 with tokens in it', { status: 500, body: goodTokens }],
  ['a 400 without an OAuth error', { status: 400, body: goodTokens }],
])('a token response of %s is sign_in_failed, and the error contains no token', async (_what, answer) => {
  const error = await errorOf(signInAt(await startScripted(), () => answer, { scope: 'orders' }))
  expect(error).toMatchObject({ code: 'sign_in_failed' })
  expectNoToken(error)
})

test('a sign-in whose token endpoint cannot be reached is network_error', async () => {
  expect(await errorOf(signInAt(await startScripted(), () => 'drop'))).toMatchObject({ code: 'network_error' })
})

test('a redirect does not carry the code and its verifier along (I4)', async () => {
  const other = await startScripted()
  const headers = { location: `${other.issuer}/token` }
  const error = await errorOf(signInAt(await startScripted(), () => ({ status: 307, headers })))
  expect(error).toMatchObject({ code: 'redirect_refused' })
  expect(other.requests).toEqual([])
})

test('a provider with rotation issues a new refresh token, and the old one is spent', async () => {
  const { refreshToken } = await tokensOf(provider)
  const grant = createGrant(provider)
  const received = await grant.refresh(tokenSet({ refreshToken }), createIO())
  expect(received.refreshToken).not.toBe(refreshToken)
  expect(provider.issuedTokens).toContain(received.refreshToken)
  expect(received).toMatchObject({ tokenType: 'bearer', expiresIn: 600, scope: expect.stringContaining('openid') })
  expect(await errorOf(grant.refresh(tokenSet({ refreshToken }), createIO()))).toMatchObject({ verdict: 'rejected' })
})

test('a broker uses each new refresh token if the provider rotates them', async () => {
  const { refreshToken } = await tokensOf(provider)
  const { broker, store, platform, ask } = await startRefresh(provider, { tokens: { refreshToken, subject: 'alice' } })
  await refreshOutcome(broker)
  platform.jumpClock(601_000)
  await ask()
  expect(await refreshOutcome(broker, 2)).toMatchObject({ event: 'refresh-succeeded' })
  expect(provider.issuedTokens.at(-2)).toBe(store.kept?.tokens.refreshToken)
})

test.each([
  ['sends the same one again', undefined],
  ['leaves it out', ({ refresh_token: _, ...body }: Record<string, unknown>) => body],
])('a broker keeps its refresh token if a provider without rotation %s', async (_what, change) => {
  const steady = await startAuthorizationServer({
    redirectUris: [callbackUrl],
    accessTokenSeconds: 600,
    rotation: false,
  })
  try {
    const { refreshToken } = await tokensOf(steady)
    steady.setTokenResponse(change)
    const { broker, store, platform, ask } = await startRefresh(steady, { tokens: { refreshToken, subject: 'alice' } })
    const { tokens } = await ask()
    expect(store.kept?.tokens).toMatchObject({ refreshToken, accessToken: tokens.accessToken })
    platform.jumpClock(601_000)
    expect((await ask()).tokens.accessToken).not.toBe(tokens.accessToken)
    expect(await refreshOutcome(broker, 2)).toMatchObject({ event: 'refresh-succeeded' })
    expect(store.kept?.tokens.refreshToken).toBe(refreshToken)
  } finally {
    await steady.close()
  }
})

test('a refresh without a scope keeps the scope, and one with a narrower scope changes it (RFC 6749 §6)', async () => {
  const server = await startScripted()
  const grant = createGrant(server)
  const previous = tokenSet({ scope: 'openid orders' })
  server.answer('/token', { body: goodTokens })
  expect(toTokenSet(await grant.refresh(previous, createIO()), 0, previous).scope).toBe('openid orders')
  server.answer('/token', { body: { ...goodTokens, scope: 'orders' } })
  expect(toTokenSet(await grant.refresh(previous, createIO()), 0, previous).scope).toBe('orders')
})

test.each<[unknown, number | undefined]>([
  [undefined, undefined],
  [900, 900_000],
  ['900', 900_000],
  [0, undefined],
  [-1, undefined],
  ['soon', undefined],
  [null, undefined],
  [1e12, 30 * 24 * 3_600_000],
])('expires_in %j does not cost the tokens of a refresh: they live %s ms', async (expiresIn, life) => {
  const { refreshToken } = await tokensOf(provider)
  provider.setTokenResponse((body) => ({ ...body, expires_in: expiresIn }))
  const previous = tokenSet({ refreshToken })
  const received = await createGrant(provider).refresh(previous, createIO())
  expect(toTokenSet(received, 5, previous).expiresAt).toBe(life === undefined ? undefined : 5 + life)
})

/** Odd members beside an access token, and the refresh token that the next refresh sends. */
const oddAnswers: [string, Record<string, unknown>, string?][] = [
  ['an empty refresh_token', { refresh_token: '' }, secretRefresh],
  ['a refresh_token of null', { refresh_token: null }, secretRefresh],
  ['a refresh_token that is a number', { refresh_token: 7 }, secretRefresh],
  ['a refresh_token that cannot be in a header', { refresh_token: '令牌' }, secretRefresh],
  ['an empty id_token', { id_token: '' }],
  ['an id_token of null', { id_token: null }],
  ['an empty scope', { scope: '' }],
  ['a scope of null', { scope: null }],
  ['a list of scopes', { scope: ['openid', 'orders'] }],
  ['an empty list of scopes', { scope: [] }],
  ['a scope that is an object', { scope: { orders: true } }],
  ['no token_type', { token_type: undefined }],
  ['an empty token_type', { token_type: '' }],
  ['a token_type of null', { token_type: null }],
  ['a token_type that is a list', { token_type: ['Bearer'] }],
  ['the token_type BEARER', { token_type: 'BEARER' }],
  ['an expires_in with a unit', { expires_in: '900s' }],
  ['every odd member at once', { refresh_token: null, id_token: null, scope: null, token_type: null }, secretRefresh],
]

test.each(oddAnswers)(
  'the tokens of a refresh answered with %s are kept and used (I2, I9)',
  async (_what, odd, next = 'next-refresh-token') => {
    const server = await startScripted()
    server.answer('/token', { body: { ...goodTokens, refresh_token: 'next-refresh-token', ...odd } })
    const { broker, platform, store, ask } = await startRefresh(server)
    expect(await refreshOutcome(broker)).toMatchObject({ event: 'refresh-succeeded' })
    expect((await ask()).tokens).toEqual({ accessToken: secretAccess, tokenType: 'bearer', subject: 'ann' })
    expect(store.kept?.tokens.refreshToken).toBe(next)
    platform.jumpClock(901_000)
    await ask()
    const sent = server.requestsTo('/token').map(({ body }) => new URLSearchParams(body).get('refresh_token'))
    expect(sent).toEqual([secretRefresh, next])
  },
)

// RFC 6749 §5.1 says 200. Some frameworks answer every POST with 201.
test.each([201, 202, 203])('the tokens of a refresh answered with %s are kept (I2, I9)', async (status) => {
  const server = await startScripted()
  server.answer('/token', { status, body: { ...goodTokens, refresh_token: 'next-refresh-token' } })
  const { broker, store } = await startRefresh(server)
  expect(await refreshOutcome(broker)).toMatchObject({ event: 'refresh-succeeded' })
  expect(store.kept?.tokens).toMatchObject({ accessToken: secretAccess, refreshToken: 'next-refresh-token' })
  expect(server.requestsTo('/token')).toHaveLength(1)
})

test('a sign-in answered with 201 succeeds', async () => {
  const server = await startScripted()
  const answer = ({ nonce }: { readonly nonce?: string }) => ({
    status: 201,
    body: { ...goodTokens, id_token: idToken(server, { nonce }) },
  })
  expect(await signInAt(server, answer)).toMatchObject({ accessToken: secretAccess, subject: 'ann' })
})

test('a list of scopes is read as a string of scopes', async () => {
  const server = await startScripted()
  server.answer('/token', { body: { ...goodTokens, scope: ['openid', 'orders'] } })
  expect(await createGrant(server).refresh(tokenSet(), createIO())).toMatchObject({ scope: 'openid orders' })
})

test.each<[string, unknown]>([
  ['null', null],
  ['an empty string', ''],
  ['an empty list', []],
  ['a list with a number in it', ['orders', 7]],
  ['an object', {}],
])('a scope of %s does not change the scope', async (_what, unusable) => {
  const server = await startScripted()
  server.answer('/token', { body: { ...goodTokens, scope: unusable } })
  const previous = tokenSet({ scope: 'openid orders' })
  expect(toTokenSet(await createGrant(server).refresh(previous, createIO()), 0, previous).scope).toBe('openid orders')
})

test('an expires_in beyond every number does not cost the tokens of a refresh', async () => {
  const server = await startScripted()
  server.answer('/token', { body: JSON.stringify({ ...goodTokens, expires_in: 'x' }).replace('"x"', '1e400') })
  expect(await createGrant(server).refresh(tokenSet(), createIO())).toMatchObject({ accessToken: secretAccess })
})

test.each<[string, (server: ScriptedServer) => unknown]>([
  ['is encrypted', () => 'a.b.c.d.e'],
  ['is encrypted with the key itself', () => 'a..c.d.e'],
  ['has no signature', (server) => idToken(server, { name: 'Ann Lee' }).split('.', 2).join('.')],
  ['is malformed', () => 'not an ID token'],
  ['is an object', () => ({ sub: 'bob' })],
  ['is of another issuer', () => idToken({ issuer: 'https://elsewhere.example' }, { name: 'Ann Lee' })],
  ['is for another client', (server) => idToken(server, { aud: 'another', name: 'Ann Lee' })],
  ['names another client as authorized party', (server) => idToken(server, { azp: 'another', name: 'Ann Lee' })],
  ['has no expiry', (server) => idToken(server, { exp: undefined, name: 'Ann Lee' })],
  ['has an empty subject', (server) => idToken(server, { sub: '', name: 'Ann Lee' })],
  ['has no subject', (server) => idToken(server, { sub: undefined, name: 'Ann Lee' })],
  ['has an auth_time of null', (server) => idToken(server, { auth_time: null, name: 'Ann Lee' })],
  [
    'has several audiences and no authorized party',
    (server) => idToken(server, { aud: ['web', 'api'], name: 'Ann Lee' }),
  ],
  ['has a subject that is a number', (server) => idToken(server, { sub: 7 })],
  ['expired days ago', (server) => idToken(server, { exp: seconds() - 172_800, name: 'Ann Lee' })],
])('if the ID token of a refresh %s, the tokens are used, and the user stays', async (_what, createToken) => {
  const server = await startScripted()
  server.answer('/token', {
    body: { ...goodTokens, refresh_token: 'next-refresh-token', id_token: createToken(server) },
  })
  const { broker, store } = await startRefresh(server, { tokens: { profile: { name: 'Ann' } } })
  expect(await refreshOutcome(broker)).toMatchObject({ event: 'refresh-succeeded' })
  expect(broker.snapshot().user).toEqual({ subject: 'ann', profile: { name: 'Ann' } })
  expect(store.kept?.tokens).toMatchObject({ accessToken: secretAccess, refreshToken: 'next-refresh-token' })
  expect(server.requestsTo('/token')).toHaveLength(1)
})

test.each<[string, Record<string, unknown>]>([
  ['is valid', {}],
  ['is of another issuer', { iss: 'https://elsewhere.example' }],
  ['is for another client', { aud: 'another' }],
  ['names another client as authorized party', { azp: 'another' }],
  ['has several audiences and no authorized party', { aud: ['web', 'api'] }],
  ['has an auth_time of null', { auth_time: null }],
  ['expired days ago', { exp: seconds() - 172_800 }],
  ['has no expiry', { exp: undefined }],
  ['has a name that is not ASCII', { name: '鲍勃', iss: 'https://elsewhere.example' }],
])(
  'if the ID token of a refresh names another user, and %s, the session ends, and the tokens are revoked (I6)',
  async (_what, claims) => {
    const server = await startScripted()
    const id_token = idToken(server, { ...claims, sub: 'bob' })
    server.answer('/token', { body: { ...goodTokens, refresh_token: 'of-bob', id_token } })
    const { broker, store } = await startRefresh(server)
    expect(await refreshOutcome(broker)).toMatchObject({ verdict: 'rejected', reason: 'subject_changed' })
    expect(broker.snapshot()).toMatchObject({ status: 'signed-out', reason: 'subject_changed' })
    expect(store.kept).toBeUndefined()
    await vi.waitFor(() => expect(server.requestsTo('/revoke')).toHaveLength(1))
    expect(new URLSearchParams(server.requestsTo('/revoke')[0]?.body).get('token')).toBe('of-bob')
  },
)

test('a user whose id is not ASCII is the same user in an ID token that is not valid', async () => {
  const server = await startScripted()
  const id_token = idToken(server, { sub: '安娜', aud: 'another' })
  server.answer('/token', { body: { ...goodTokens, id_token } })
  const { broker } = await startRefresh(server, { tokens: { subject: '安娜' } })
  expect(await refreshOutcome(broker)).toMatchObject({ event: 'refresh-succeeded' })
})

test('an ID token that is not valid gives no user to a session without one', async () => {
  const server = await startScripted()
  server.answer('/token', { body: { ...goodTokens, id_token: idToken(server, { sub: 'bob', aud: 'another' }) } })
  const { subject: _subject, ...tokens } = tokenSet()
  expect(await createGrant(server).refresh(tokens, createIO())).not.toHaveProperty('subject')
})

test('if the real provider answers a refresh for another user, the session ends', async () => {
  const { refreshToken } = await tokensOf(provider)
  provider.setTokenResponse(({ id_token, ...body }) => {
    const [header, payload = '', signature] = String(id_token).split('.')
    const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), sub: 'bob' }
    return { ...body, id_token: [header, encode(claims), signature].join('.') }
  })
  const { broker } = await startRefresh(provider, { tokens: { refreshToken, subject: 'alice' } })
  expect(await refreshOutcome(broker)).toMatchObject({ verdict: 'rejected', reason: 'subject_changed' })
})

test.each<[string, Record<string, unknown>]>([
  ['an empty refresh_token', { refresh_token: '' }],
  ['a refresh_token of null', { refresh_token: null }],
  ['a scope of null', { scope: null }],
  ['a list of scopes', { scope: ['openid', 'orders'] }],
  ['no token_type', { token_type: undefined }],
  ['an expires_in of null', { expires_in: null }],
])('a sign-in answered with %s succeeds, and its ID token is read', async (_what, odd) => {
  const server = await startScripted()
  const received = await signInAt(server, ({ nonce }) => ({
    body: { ...goodTokens, ...odd, id_token: idToken(server, { nonce }) },
  }))
  expect(received).toMatchObject({ accessToken: secretAccess, tokenType: 'bearer', subject: 'ann' })
})

test.each([null, '', {}])('a sign-in without the scope openid succeeds with an id_token of %j', async (id_token) => {
  const received = await signInAt(await startScripted(), () => ({ body: { ...goodTokens, id_token } }), {
    scope: 'orders',
  })
  expect(received).toMatchObject({ accessToken: secretAccess, refreshToken: secretRefresh })
})

test.each<[string, unknown]>([
  ['is null', null],
  ['is empty', ''],
  ['is encrypted', 'a.b.c.d.e'],
  ['is an object', { sub: 'ann' }],
])('a sign-in whose ID token %s is sign_in_failed, since the scope asked for one', async (_what, unusable) => {
  const server = await startScripted()
  const error = await errorOf(signInAt(server, () => ({ body: { ...goodTokens, id_token: unusable } })))
  expect(error).toMatchObject({ code: 'sign_in_failed' })
})

test('an ID token with fewer claims at a refresh does not remove the profile', async () => {
  const server = await startScripted()
  server.answer('/token', { body: { ...goodTokens, id_token: idToken(server) } })
  const { broker } = await startRefresh(server, { tokens: { profile: { name: 'Ann' } } })
  await refreshOutcome(broker)
  expect(broker.snapshot().user).toEqual({ subject: 'ann', profile: { name: 'Ann' } })
})

test('an ID token with a new name at a refresh changes the profile', async () => {
  const server = await startScripted()
  server.answer('/token', { body: { ...goodTokens, id_token: idToken(server, { name: 'Ann Lee' }) } })
  const { broker } = await startRefresh(server, { tokens: { profile: { name: 'Ann' } } })
  await refreshOutcome(broker)
  expect(broker.snapshot().user).toEqual({ subject: 'ann', profile: { name: 'Ann Lee' } })
})

test('a session without a refresh token is rejected, and nothing is sent', async () => {
  const io = createIO()
  const { refreshToken: _, ...tokens } = tokenSet()
  expect(await errorOf(createGrant(provider).refresh(tokens, io))).toMatchObject({
    verdict: 'rejected',
    message: 'no_refresh_token',
  })
  expect(io.sent).toEqual([])
})

test('invalid_grant of the real provider is rejected, and ends the session', async () => {
  const { broker } = await startRefresh(provider, { tokens: { refreshToken: 'unknown' } })
  expect(await refreshOutcome(broker)).toMatchObject({ verdict: 'rejected' })
  expect(broker.snapshot()).toMatchObject({ status: 'signed-out', reason: 'refresh_rejected' })
})

test.each([400, 401, 403])('invalid_grant is rejected with the status %s too', async (status) => {
  const server = await startScripted()
  server.answer('/token', { status, body: { error: 'invalid_grant' } })
  expect(await errorOf(createGrant(server).refresh(tokenSet(), createIO()))).toMatchObject({ verdict: 'rejected' })
})

test('a client that the real provider does not know is failed: the session is kept and nothing is retried', async () => {
  const { refreshToken } = await tokensOf(provider)
  const options = { clientId: 'nobody' }
  const before = provider.counters.tokenRequests.refresh_token
  const { broker, platform } = await startRefresh(provider, { tokens: { refreshToken }, options })
  expect(await refreshOutcome(broker)).toMatchObject({ verdict: 'failed', reason: 'invalid_client' })
  await platform.advance(600_000)
  expect(provider.counters.tokenRequests.refresh_token).toBe(before + 1)
  expect(broker.snapshot()).toMatchObject({ status: 'signed-in', reason: 'refresh_failed' })
})

test.each([
  'invalid_client',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'invalid_request',
  // RFC 8707 §2: an app may send `resource` as a further parameter.
  'invalid_target',
])('%s is failed: the session is kept, and the reason names it', async (error) => {
  const server = await startScripted()
  server.answer('/token', { status: 400, body: { error } })
  const { broker } = await startRefresh(server)
  expect(await refreshOutcome(broker)).toMatchObject({ verdict: 'failed', reason: error })
  expect(broker.snapshot()).toMatchObject({ status: 'signed-in', reason: 'refresh_failed' })
})

test.each([
  ['invalid_client', 'failed'],
  ['invalid_grant', 'rejected'],
])('%s with a WWW-Authenticate header is %s (RFC 6749 §5.2)', async (error, verdict) => {
  const server = await startScripted()
  const headers = { 'content-type': 'application/json', 'www-authenticate': 'Basic realm="tokens"' }
  server.answer('/token', { status: 401, headers, body: JSON.stringify({ error }) })
  expect(await errorOf(createGrant(server).refresh(tokenSet(), createIO()))).toMatchObject({ verdict })
})

/** The time at which every virtual platform starts. */
const start = createVirtualPlatform().now()
const retryDate = new Date(start + 90_000).toUTCString()

test.each([
  [429, '7', 7000],
  [429, retryDate, 90_000],
  [503, '7', 7000],
  [503, retryDate, 90_000],
])(
  '%s with Retry-After %s is refused: the session is kept, and the refresh is retried after %s ms (I7)',
  async (status, retryAfter, delay) => {
    const server = await startScripted()
    server.answer('/token', { status, headers: { ...html, 'retry-after': retryAfter }, body: '<h1>Busy</h1>' })
    const { broker, platform } = await startRefresh(server, { rules: { onUnknownOutcome: 'sign-in' } })
    expect(await refreshOutcome(broker)).toMatchObject({ verdict: 'refused', reason: `http_${status}`, delay })
    expect(broker.snapshot()).toMatchObject({ status: 'signed-in', tokenServer: 'unreachable' })
    const attempts = () => broker.explain().filter(({ event }) => event === 'refresh-started').length
    await platform.advance(delay - 1)
    expect(attempts()).toBe(1)
    server.answer('/token', { body: goodTokens })
    await platform.advance(1)
    expect(attempts()).toBe(2)
    expect(await refreshOutcome(broker, 2)).toMatchObject({ event: 'refresh-succeeded' })
    expect(broker.snapshot().tokenServer).toBe('ok')
  },
)

test.each([429, 503])(
  '%s without Retry-After is refused, even with an OAuth error in its body (I7)',
  async (status) => {
    const server = await startScripted()
    server.answer('/token', { status, body: { error: 'invalid_grant' } })
    const { broker } = await startRefresh(server)
    const outcome = await refreshOutcome(broker)
    expect(outcome.verdict).toBe('refused')
    expect(outcome.delay).toBeGreaterThanOrEqual(1000)
    expect(broker.snapshot().status).toBe('signed-in')
  },
)

test.each<[string, ScriptedAnswer]>([
  ['500', { status: 500 }],
  ['500 with a JSON error', { status: 500, body: { error: 'invalid_grant' } }],
  ['502 with HTML', { status: 502, headers: html, body: '<h1>Bad gateway</h1>' }],
  ['200 with HTML, as of a captive portal', { headers: html, body: '<h1>Accept our terms</h1>' }],
  ['200 with truncated JSON', { body: JSON.stringify(goodTokens).slice(0, -3) }],
  ['200 without a token', { body: {} }],
  ['200 with null', { body: 'null' }],
  ['200 with an access token of null', { body: { ...goodTokens, access_token: null } }],
  ['200 with an empty access token', { body: { ...goodTokens, access_token: '' } }],
  ['200 with an access token that is a number', { body: { ...goodTokens, access_token: 7 } }],
  ['200 with an error in it', { body: { error: 'invalid_grant' } }],
  ['204', { status: 204 }],
  ['400 with HTML', { status: 400, headers: html, body: '<h1>Bad request</h1>' }],
  ['400 with JSON but without an OAuth error', { status: 400, body: { code: 7 } }],
  ['400 with an unknown error', { status: 400, body: { error: 'server_is_tired' } }],
  ['401 with HTML, as of a captive portal', { status: 401, headers: html, body: '<h1>Who are you?</h1>' }],
  [
    '401 of a proxy that asks for a password',
    { status: 401, headers: { ...html, 'www-authenticate': 'Basic realm="proxy"' }, body: '<h1>No</h1>' },
  ],
  ['401 with nothing', { status: 401 }],
  ['403 with HTML', { status: 403, headers: html, body: '<h1>Blocked</h1>' }],
  ['the token type mac', { body: { ...goodTokens, token_type: 'mac' } }],
  ['the token type DPoP', { body: { ...goodTokens, token_type: 'DPoP' } }],
  ['a lost connection', 'drop'],
])('a refresh answered by %s is unknown: the session is kept and works again (I7, I12)', async (_what, answer) => {
  const server = await startScripted()
  server.answer('/token', answer)
  const { broker, platform } = await startRefresh(server)
  const outcome = await refreshOutcome(broker)
  expect(outcome.verdict).toBe('unknown')
  expect(broker.snapshot()).toMatchObject({ status: 'signed-in', tokenServer: 'unreachable' })
  expectNoToken(broker.explain())
  server.answer('/token', { body: goodTokens })
  await platform.advance(outcome.delay)
  expect(await refreshOutcome(broker, 2)).toMatchObject({ event: 'refresh-succeeded' })
})

test('an error message that echoes the refresh token does not reach the history (I11)', async () => {
  const server = await startScripted()
  server.answer('/token', {
    status: 400,
    body: { error: `bad token ${secretRefresh}`, error_description: secretRefresh },
  })
  const { broker } = await startRefresh(server)
  expect(await refreshOutcome(broker)).toMatchObject({ verdict: 'unknown' })
  expectNoToken(broker.explain())
})

test.each([301, 302, 303, 307, 308])(
  'a redirect %s of the token endpoint is not followed: no other server gets the refresh token (I4)',
  async (status) => {
    const elsewhere = await startScripted()
    elsewhere.answer('/token', { body: goodTokens })
    const server = await startScripted()
    server.answer('/token', { status, headers: { location: `${elsewhere.issuer}/token` } })
    const { broker } = await startRefresh(server)
    expect(await refreshOutcome(broker)).toMatchObject({ verdict: 'unknown' })
    expect(broker.snapshot().status).toBe('signed-in')
    expect(elsewhere.requests).toEqual([])
  },
)

test.each<[string, (server: ScriptedServer) => ScriptedAnswer, number | undefined]>([
  ['500', () => ({ status: 500 }), undefined],
  ['503 with Retry-After', () => ({ status: 503, headers: { 'retry-after': '9' } }), 9000],
  ['401 with HTML', () => ({ status: 401, headers: html, body: '<h1>Who are you?</h1>' }), undefined],
  ['200 with HTML', () => ({ headers: html, body: '<h1>Accept our terms</h1>' }), undefined],
  ['truncated JSON', () => ({ body: '{"issuer":' }), undefined],
  ['a lost connection', () => 'drop', undefined],
  [
    'a document of another issuer',
    ({ issuer }) => ({ body: { issuer: 'https://forged.example', token_endpoint: `${issuer}/token` } }),
    undefined,
  ],
  ['a document without a token endpoint', ({ issuer }) => ({ body: { issuer } }), undefined],
])(
  'a discovery answered by %s is refused: nothing was sent, and the next attempt discovers again (I7, I12)',
  async (_what, answer, delay) => {
    const server = await startScripted()
    server.answer('/token', { body: goodTokens })
    server.answer(discoveryPath, answer(server))
    // Even if an unknown outcome ends the session: a token that was not sent cannot have been rotated.
    const { broker, platform } = await startRefresh(server, { rules: { onUnknownOutcome: 'sign-in' } })
    const outcome = await refreshOutcome(broker)
    expect(outcome).toMatchObject({ verdict: 'refused', reason: 'discovery_failed' })
    if (delay !== undefined) expect(outcome.delay).toBe(delay)
    expect(broker.snapshot()).toMatchObject({ status: 'signed-in', tokenServer: 'unreachable' })
    expect(server.requestsTo('/token')).toEqual([])
    server.answer(discoveryPath, undefined)
    await platform.advance(outcome.delay)
    expect(await refreshOutcome(broker, 2)).toMatchObject({ event: 'refresh-succeeded' })
    expect(server.requestsTo('/token')).toHaveLength(1)
  },
)

test('a redirect of the discovery is not followed (I4)', async () => {
  const elsewhere = await startScripted()
  const server = await startScripted()
  server.answer(discoveryPath, { status: 302, headers: { location: `${elsewhere.issuer}/` } })
  const { broker } = await startRefresh(server)
  expect(await refreshOutcome(broker)).toMatchObject({ verdict: 'refused' })
  expect(elsewhere.requests).toEqual([])
})

test('a discovery that takes too long does not end the session, since nothing was sent (I7)', async () => {
  const server = await startScripted()
  server.hold(discoveryPath)
  const { broker, platform } = await startRefresh(server, { rules: { timeout: 1000, onUnknownOutcome: 'sign-in' } })
  await vi.waitFor(() => expect(server.requests).toHaveLength(1))
  await platform.advance(1000)
  await refreshOutcome(broker)
  expect(broker.snapshot()).toMatchObject({ status: 'signed-in', tokenServer: 'unreachable' })
})

const tokensAtProvider = async () => {
  const { accessToken, refreshToken } = await tokensOf(provider)
  return tokenSet({ accessToken, refreshToken, subject: 'alice' })
}

test('a sign-out revokes the refresh token at the real provider and, with it, the access token (RFC 7009 §2.1)', async () => {
  const tokens = await tokensAtProvider()
  const grant = createGrant(provider)
  const io = createIO()
  const before = provider.counters.revocations
  expect(await grant.signOut(tokens, { ...io, everywhere: false })).toEqual({})
  expect(provider.counters.revocations).toBe(before + 1)
  const body = new URLSearchParams(io.sent.at(-1)?.body)
  expect(body.get('token')).toBe(tokens.refreshToken)
  expect(body.get('client_id')).toBe('web')
  expect(await provider.verifyAccessToken(tokens.accessToken)).toBeUndefined()
  expect(await errorOf(grant.refresh(tokens, createIO()))).toMatchObject({ verdict: 'rejected' })
})

test('a sign-out without a refresh token revokes the access token', async () => {
  const { refreshToken: _, ...tokens } = await tokensAtProvider()
  await createGrant(provider).signOut(tokens, { ...createIO(), everywhere: false })
  expect(await provider.verifyAccessToken(tokens.accessToken)).toBeUndefined()
})

test('without a revocation endpoint no token is sent', async () => {
  const server = await startScripted({ revocation_endpoint: undefined })
  expect(await createGrant(server).signOut(tokenSet(), { ...createIO(), everywhere: true })).toHaveProperty('url')
  expect(server.requests.map(({ path }) => path)).toEqual([discoveryPath])
})

test.each<[string, ScriptedAnswer]>([
  ['a lost connection', 'drop'],
  ['500', { status: 500 }],
  ['a redirect', { status: 307, headers: { location: 'http://localhost:1/' } }],
])(
  'a sign-out everywhere returns the provider’s URL even if the revocation is answered by %s',
  async (_what, answer) => {
    const server = await startScripted()
    server.answer('/revoke', answer)
    const { url } = (await createGrant(server).signOut(tokenSet(), { ...createIO(), everywhere: true })) ?? {}
    expect(url).toContain(`${server.issuer}/end?`)
    expect(server.requestsTo('/revoke')).toHaveLength(1)
  },
)

test.each<[string, ScriptedAnswer]>([
  ['a lost connection', 'drop'],
  ['500', { status: 500 }],
])(
  'a sign-out succeeds even if the revocation is answered by %s, and the history has the failure',
  async (_what, answer) => {
    const server = await startScripted()
    server.answer('/token', { body: goodTokens })
    server.answer('/revoke', answer)
    const { broker, ask } = await startRefresh(server)
    await ask()
    expect(await broker.signOut(false)).toEqual({})
    expect(broker.snapshot().status).toBe('signed-out')
    expect(broker.explain().map(({ event }) => event)).toContain('revocation-failed')
  },
)

test('a sign-out everywhere returns the URL that ends the real provider’s session, with the client_id and without an ID token', async () => {
  const tokens = await tokensAtProvider()
  const { url = '' } = (await createGrant(provider).signOut(tokens, { ...createIO(), everywhere: true })) ?? {}
  const { origin, pathname, searchParams } = new URL(url)
  expect(origin + pathname).toBe(`${provider.issuer}/session/end`)
  expect(Object.fromEntries(searchParams)).toEqual({ client_id: 'web', post_logout_redirect_uri: `${appOrigin}/` })
  const response = await fetch(url)
  expect(response.status).toBe(200)
  expect(await response.text()).toContain(`${provider.issuer}/session/end/confirm`)
})

test('the page after a sign-out everywhere is resolved against the origin of the app', async () => {
  const server = await startScripted()
  const grant = createGrant(server, { postLogoutRedirectUri: '/bye' })
  const { url = '' } = (await grant.signOut(tokenSet(), { ...createIO(), everywhere: true })) ?? {}
  expect(new URL(url).searchParams.get('post_logout_redirect_uri')).toBe(`${appOrigin}/bye`)
})

test('a sign-out everywhere at a provider without end_session_endpoint revokes and returns no URL', async () => {
  const server = await startScripted({ end_session_endpoint: undefined })
  expect(await createGrant(server).signOut(tokenSet(), { ...createIO(), everywhere: true })).toEqual({})
  expect(server.requestsTo('/revoke')).toHaveLength(1)
})

test.each<[string, object | undefined | null, string[]]>([
  ['clientSecret', { clientSecret: 's' }, ['client_secret', 'secret', 'public client']],
  ['client_secret', { client_secret: 's' }, ['client_secret', 'secret', 'public client']],
  ['a malformed issuer', { issuer: 'id.example' }, ['issuer']],
  ['no issuer', { issuer: undefined }, ['issuer']],
  ['an http issuer that is not a loopback host', { issuer: 'http://id.example' }, ['issuer', 'https']],
  ['an http issuer whose name only begins with localhost', { issuer: 'http://localhost.example' }, ['issuer', 'https']],
  ['an issuer of another scheme', { issuer: 'ftp://localhost' }, ['issuer', 'https']],
  ['no clientId', { clientId: undefined }, ['clientId']],
  ['an empty clientId', { clientId: '' }, ['clientId']],
  ['a scope list', { scope: ['openid'] }, ['scope']],
  ['a redirectUri that is not a string', { redirectUri: 1 }, ['redirectUri']],
  ['a postLogoutRedirectUri that is not a string', { postLogoutRedirectUri: {} }, ['postLogoutRedirectUri']],
])('%s is invalid_config, and the message names the option', (_what, changes, words) => {
  const grant = oauth({ issuer: 'https://id.example', clientId: 'web', ...changes } as never) as OAuthGrant
  let error: unknown
  try {
    grant.validate()
  } catch (thrown) {
    error = thrown
  }
  expect(error).toMatchObject({ code: 'invalid_config' })
  for (const word of words) expect((error as Error).message).toContain(word)
})

test.each([undefined, null, 'https://id.example'])('options that are %j are invalid_config, not a crash', (options) => {
  const grant = oauth(options as never) as OAuthGrant
  expect(() => grant.validate()).toThrow(/issuer, clientId/)
  expect(() => grant.validate()).toThrow(expect.objectContaining({ code: 'invalid_config' }))
})

test.each([
  'https://id.example/tenant',
  'http://localhost:1',
  'http://127.0.0.1:1',
  'http://[::1]:1',
  'http://id.localhost',
])('the issuer %s is accepted', (issuer) => {
  expect(() => createGrant({ issuer }).validate()).not.toThrow()
})

test('a slash at the end of the issuer is allowed', async () => {
  const { url } = await authorize({ issuer: `${provider.issuer}/` })
  expect(url.origin).toBe(provider.issuer)
})

test('the refresh token goes only to the token and revocation endpoints of the real provider (I4)', async () => {
  const io = createIO()
  const start = provider.requests.length
  const grant = createGrant(provider, { scope })
  const { url, transaction } = await grant.authorize(viaRedirect, io)
  const first = toTokenSet(await grant.callback(await signInAtProvider(url), transaction, io), 0)
  const second = toTokenSet(await grant.refresh(first, io), 0, first)
  const third = toTokenSet(await grant.refresh(second, io), 0, second)
  const end = (await grant.signOut(third, { ...io, everywhere: true })) ?? {}
  const refreshTokens = [first, second, third].map(({ refreshToken }) => refreshToken ?? '')
  expect(new Set(refreshTokens).size).toBe(3)
  const holders = io.sent.filter((request) => refreshTokens.some((token) => JSON.stringify(request).includes(token)))
  expect(holders.map(({ url }) => url)).toEqual([
    `${provider.issuer}/token`,
    `${provider.issuer}/token`,
    `${provider.issuer}/token/revocation`,
  ])
  // In the body, never in a URL or a header, which servers write to their logs.
  const logged = JSON.stringify([provider.requests.slice(start), url, transaction, end])
  for (const token of [...refreshTokens, ...provider.issuedTokens]) expect(logged).not.toContain(token)
})

test('the refresh token goes only to the discovered endpoints, even if they are on another origin (I4)', async () => {
  const elsewhere = await startScripted()
  const server = await startScripted({
    authorization_endpoint: `${elsewhere.issuer}/auth`,
    end_session_endpoint: `${elsewhere.issuer}/end`,
    userinfo_endpoint: `${elsewhere.issuer}/userinfo`,
    jwks_uri: `${elsewhere.issuer}/jwks`,
    introspection_endpoint: `${elsewhere.issuer}/introspect`,
  })
  const grant = createGrant(server)
  const io = createIO()
  const received = await signInAt(server, ({ nonce }) => ({
    body: { ...goodTokens, id_token: idToken(server, { nonce }) },
  }))
  const tokens = toTokenSet(received, 0)
  await grant.refresh(tokens, io).catch(() => {})
  const { url = '' } = (await grant.signOut(tokens, { ...io, everywhere: true })) ?? {}
  const holders = server.requests.filter((request) => JSON.stringify(request).includes(secretRefresh))
  expect(holders.map(({ method, path }) => `${method} ${path}`)).toEqual(['POST /token', 'POST /revoke'])
  for (const { path, headers } of server.requests) expect(JSON.stringify([path, headers])).not.toContain(secretRefresh)
  expect(elsewhere.requests).toEqual([])
  expect(url).toContain(`${elsewhere.issuer}/end?`)
  expectNoToken(url)
})
