import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../../../servers/api/api-server.ts'
import { createDpopCheck, type DpopCheck } from '../../../servers/api/dpop-check.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../../../servers/provider/authorization-server.ts'
import { openConnection } from '../../../src/connect/connection.ts'
import type { Grant, GrantIO, StoredSession, TokenSet } from '../../../worker/core/adapter.ts'
import { type DpopOptions, dpop } from '../../../worker/grant/oauth/dpop.ts'
import { oauth } from '../../../worker/grant/oauth.ts'
import { serveInline } from '../../../worker/host/inline.ts'
import { memoryStore } from '../../../worker/store/memory.ts'
import { sendGrantRequest } from '../../../worker/transport/fetch.ts'
import { appOrigin, callbackUrl, signInAtProvider } from '../../fixtures/provider.ts'
import { type ScriptedServer, startScriptedServer } from '../../fixtures/scripted-server.ts'

const scope = 'openid profile offline_access'
const minutes = 60_000

let provider: AuthorizationServer
const closing: { close(): Promise<void> }[] = []

beforeAll(async () => {
  provider = await startAuthorizationServer({ redirectUris: [callbackUrl], accessTokenSeconds: 600, dpop: true })
}, 60_000)
afterAll(() => provider.close())
afterEach(async () => {
  provider.setTokenResponse(undefined)
  await Promise.all(closing.splice(0).map((server) => server.close()))
})

interface App {
  readonly check: DpopCheck
  readonly api: ApiServer
  /** The record that the store holds. */
  kept(): StoredSession | undefined
  /** Resolves with the status, or the error's code. */
  call(path?: string, headers?: [string, string][], init?: object): Promise<number | string>
  /** Requests to the token endpoint since the sign-in. */
  tokenRequests(): number
}

/** Signs in at a provider that requires DPoP, with an API that requires it. */
async function openApp({
  check = createDpopCheck(),
  origin,
}: {
  readonly check?: DpopCheck
  readonly origin?: string
} = {}): Promise<App> {
  const api = await startApiServer({ verify: provider.verifyAccessToken, dpop: check })
  closing.push(api)
  const store = memoryStore()
  const apiOrigin = origin ?? api.origin
  const connection = openConnection(
    serveInline(
      {
        grant: oauth({ issuer: provider.issuer, clientId: 'web', scope, dpop: dpop({ required: true }) }),
        apis: [{ origin: apiOrigin }],
        store,
      },
      { origin: appOrigin },
    ),
    () => {},
    () => {},
  )
  await connection.hello()
  const { url } = await connection.call('authorize', [{ via: 'redirect' }])
  await connection.call('callback', [await signInAtProvider(url)])
  const before = provider.counters.tokenRequests.refresh_token
  return {
    check,
    api,
    kept: () => store.load() as StoredSession | undefined,
    tokenRequests: () => provider.counters.tokenRequests.refresh_token - before,
    call: (path = '/orders', headers = [], init = {}) =>
      connection.call('fetch', [{ url: apiOrigin + path, method: 'GET', headers, ...init }]).then(
        ({ status }) => status,
        ({ code }) => code,
      ),
  }
}

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

test('a session with DPoP calls an API that requires it, on a provider that requires it', async () => {
  const { call, kept } = await openApp()
  expect(await call()).toBe(200)
  expect(kept()?.tokens.tokenType).toBe('DPoP')
})

test('each attempt of an API request has a proof of its own, for its method and its URL without query and fragment', async () => {
  const { call, check, api } = await openApp()
  await call('/echo?a=1#b', [], { method: 'POST', body: 'x' })
  await call('/echo?a=1', [], { method: 'post', body: 'x' })
  expect(check.proofs.map(({ htm, htu }) => ({ htm, htu }))).toEqual(
    [1, 2, 3].map(() => ({ htm: 'POST', htu: `${api.origin}/echo` })),
  )
  expect(new Set(check.proofs.map(({ jti }) => jti)).size).toBe(3)
})

test('the key can be used, but not exported', async () => {
  const { kept } = await openApp()
  const key = kept()?.tokens.key as CryptoKeyPair
  const { privateKey } = key
  expect(privateKey.extractable).toBe(false)
  await expect(crypto.subtle.exportKey('jwk', privateKey)).rejects.toThrow()
})

test('a refresh proves the same key, and its tokens are bound to it', async () => {
  const { call, tokenRequests, kept } = await openApp()
  await call()
  const before = kept()?.tokens
  provider.expireAccessTokens()
  expect(await call()).toBe(200)
  expect(tokenRequests()).toBe(1)
  expect(kept()?.tokens.accessToken).not.toBe(before?.accessToken)
  expect(kept()?.tokens.key).toBe(before?.key)
})

test('a new nonce of the API costs one more request and no refresh', async () => {
  const { call, check, api, tokenRequests } = await openApp()
  await call()
  check.rotateNonce()
  const before = api.requests.length
  expect(await call()).toBe(200)
  expect(await call()).toBe(200)
  expect([api.requests.length - before, tokenRequests()]).toEqual([3, 0])
})

test('the repeat for a nonce does not count as the replay after a refresh', async () => {
  const { call, check, tokenRequests } = await openApp()
  await call()
  provider.expireAccessTokens()
  check.rotateNonce()
  expect(await call()).toBe(200)
  expect(tokenRequests()).toBe(1)
})

test('a nonce on an answer with any status is used for the next request to that origin, and to no other', async () => {
  const { prove } = dpop()
  const { key } = (await openScripted()).tokens
  const nonces: unknown[] = []
  const send = (url: string, nonce: string) =>
    prove({ accessToken: 'a', key }, { url, method: 'GET' }, async (proof) => {
      nonces.push(payloadOf(proof?.[1]).nonce)
      return new Response('', { headers: { 'DPoP-Nonce': nonce } })
    })
  await send('https://one.example/a', 'n1')
  await send('https://other.example/a', 'n2')
  await send('https://one.example/b', 'n3')
  await send('https://one.example/c', 'n4')
  expect(nonces).toEqual([undefined, undefined, 'n1', 'n3'])
})

test('a request whose body is a stream is not repeated for a nonce', async () => {
  const { prove } = dpop()
  const { key } = (await openScripted()).tokens
  let sent = 0
  const request = { url: 'https://one.example/a', method: 'POST', body: new ReadableStream() }
  const headers = { 'DPoP-Nonce': 'n1', 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"' }
  const error = await errorOf(
    prove({ accessToken: 'a', key }, request, async () => {
      sent += 1
      return new Response('', { status: 401, headers })
    }),
  )
  expect(error).toMatchObject({ code: 'api_error', status: 401, apiCode: 'use_dpop_nonce' })
  expect(sent).toBe(1)
})

test('a nonce that is refused again and again is repeated once', async () => {
  const { prove } = dpop()
  const { key } = (await openScripted()).tokens
  let sent = 0
  const error = await errorOf(
    prove({ accessToken: 'a', key }, { url: 'https://one.example/a', method: 'GET' }, async () => {
      sent += 1
      const headers = { 'DPoP-Nonce': `n${sent}`, 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"' }
      return new Response('', { status: 401, headers })
    }),
  )
  expect(error).toMatchObject({ code: 'api_error', apiCode: 'use_dpop_nonce' })
  expect(sent).toBe(2)
})

test.each([10 * minutes, -10 * minutes])(
  'an API whose clock is %d ms ahead gets one repeat, by its own clock, and no refresh',
  async (ahead) => {
    const check = createDpopCheck({ requireNonce: false })
    const { call, tokenRequests } = await openApp({ check, origin: await startApiByOtherClock(check, ahead) })
    expect(await call()).toBe(200)
    expect(await call()).toBe(200)
    expect(tokenRequests()).toBe(0)
    expect(check.proofs).toHaveLength(3)
  },
)

test('a proof that is refused twice fails the call: no refresh, and the user stays signed in', async () => {
  const check = createDpopCheck({ requireNonce: false })
  // Its header Date says the time of this device.
  check.clockOffset = 10 * minutes
  const { call, tokenRequests, kept } = await openApp({ check })
  expect(await call()).toBe('api_error')
  expect(check.proofs).toHaveLength(2)
  expect(tokenRequests()).toBe(0)
  expect(kept()).toBeDefined()
})

test('a redirect of the API is refused: it would carry the proof on', async () => {
  const { call, api } = await openApp()
  expect(await call(`/redirect?to=${encodeURIComponent(`${api.origin}/orders`)}`)).toBe('redirect_refused')
})

test('a header DPoP of the page is replaced', async () => {
  const { call } = await openApp()
  expect(await call('/orders', [['dpop', 'forged']])).toBe(200)
})

test('with required, a sign-in that brings a Bearer token fails, and says why', async () => {
  const server = await startScripted()
  const { grant, callback, transaction } = await begin(server, { required: true })
  server.answer('/token', { body: { access_token: 'a', token_type: 'Bearer', refresh_token: 'r' } })
  expect(await errorOf(grant.callback(callback, transaction, createIO()))).toMatchObject({
    code: 'sign_in_failed',
    message: expect.stringContaining('Turn on DPoP'),
  })
})

test('without required, a provider without DPoP gives a session of Bearer tokens', async () => {
  const server = await startScripted()
  const { grant, callback, transaction } = await begin(server, {})
  server.answer('/token', { body: { access_token: 'a', token_type: 'Bearer', refresh_token: 'r' } })
  const received = await grant.callback(callback, transaction, createIO())
  expect(received).toMatchObject({ tokenType: 'bearer' })
  expect(received).not.toHaveProperty('key')
})

test('a session that began with DPoP does not accept a Bearer token later', async () => {
  const { server, grant, tokens } = await openScripted()
  server.answer('/token', { body: { access_token: 'b', token_type: 'Bearer', refresh_token: 'r2' } })
  expect(await errorOf(grant.refresh(tokens, createIO()))).toMatchObject({
    verdict: 'failed',
    message: 'token_type_changed',
  })
})

test('a refresh response that names no token type keeps the type DPoP', async () => {
  const { server, grant, tokens } = await openScripted()
  server.answer('/token', { body: { access_token: 'b' } })
  expect(await grant.refresh(tokens, createIO())).toMatchObject({ accessToken: 'b', tokenType: 'DPoP' })
})

test('a stored session of Bearer tokens ends at its refresh if DPoP is required now', async () => {
  const { grant, tokens, server } = await openScripted()
  const { key: _none, ...rest } = tokens
  const bearer = { ...rest, tokenType: 'Bearer' }
  expect(await errorOf(grant.refresh(bearer, createIO()))).toMatchObject({ verdict: 'rejected' })
  expect(server.requestsTo('/token')).toHaveLength(1)
})

test.each([
  ['is gone', () => undefined],
  ['is not a key', () => ({ privateKey: {}, publicKey: {} })],
  ['can be exported', () => crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])],
])('a session whose key %s ends at its refresh, and the refresh token is not sent', async (_what, createKey) => {
  const { grant, tokens, server } = await openScripted()
  const { key: _none, ...rest } = tokens
  const key = await createKey()
  expect(await errorOf(grant.refresh({ ...rest, ...(key && { key }) }, createIO()))).toMatchObject({
    verdict: 'rejected',
    message: 'dpop_key_lost',
  })
  expect(server.requestsTo('/token')).toHaveLength(1)
})

test('a refresh whose proof is refused is repeated once by the clock of the server, and then failed', async () => {
  const { server, grant, tokens } = await openScripted()
  const date = new Date(Date.now() + 10 * minutes).toUTCString()
  server.answer('/token', { status: 400, headers: { date }, body: { error: 'invalid_dpop_proof' } })
  expect(await errorOf(grant.refresh(tokens, createIO()))).toMatchObject({ verdict: 'failed', message: 'clock' })
  const times = server.requestsTo('/token').map(({ headers }) => payloadOf(headers.dpop).iat as number)
  expect(times).toHaveLength(3)
  const [, first = 0, second = 0] = times
  expect(second - first).toBeGreaterThan(9 * 60)
})

test('a refresh whose nonce is refused is repeated once with the new nonce, and then counts as not processed', async () => {
  const { server, grant, tokens } = await openScripted()
  server.answer('/token', { status: 400, headers: { 'dpop-nonce': 'n1' }, body: { error: 'use_dpop_nonce' } })
  expect(await errorOf(grant.refresh(tokens, createIO()))).toMatchObject({ verdict: 'refused' })
  const nonces = server.requestsTo('/token').map(({ headers }) => payloadOf(headers.dpop).nonce)
  expect(nonces).toEqual([undefined, undefined, 'n1'])
})

test('a sign-in whose proof is refused names the clock', async () => {
  const server = await startScripted()
  const { grant, callback, transaction } = await begin(server, {})
  server.answer('/token', { status: 400, body: { error: 'invalid_dpop_proof' } })
  expect(await errorOf(grant.callback(callback, transaction, createIO()))).toMatchObject({
    code: 'sign_in_failed',
    message: expect.stringContaining('clock'),
  })
})

test('each sign-in makes a new key', async () => {
  const [one, other] = [await openScripted(), await openScripted()]
  expect(one.tokens.key).not.toBe(other.tokens.key)
})

test('an option dpop that is not made by dpop() is a configuration error', () => {
  const wrong = { issuer: 'https://id.example.com', clientId: 'web', dpop: { required: true } as never }
  expect(() => oauth(wrong).validate?.()).toThrow(/must be dpop\(\)/)
})

function payloadOf(proof: unknown): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(proof).split('.')[1] ?? '', 'base64url').toString())
}

function createIO(): GrantIO {
  const { signal } = new AbortController()
  return { signal, origin: appOrigin, send: (request) => sendGrantRequest(fetch, request, signal) }
}

async function startScripted(): Promise<ScriptedServer> {
  const server = await startScriptedServer()
  closing.push(server)
  return server
}

async function begin({ issuer }: ScriptedServer, options: DpopOptions) {
  const grant = oauth({ issuer, clientId: 'web', scope: 'offline_access', dpop: dpop(options) }) as Required<Grant>
  const { transaction } = await grant.authorize({ via: 'redirect' }, createIO())
  return { grant, transaction, callback: `${callbackUrl}?code=c&state=${transaction.state}` }
}

/** A session with DPoP tokens of a scripted server, after its one token request. */
async function openScripted() {
  const server = await startScripted()
  const { grant, callback, transaction } = await begin(server, { required: true })
  server.answer('/token', { body: { access_token: 'a', token_type: 'DPoP', refresh_token: 'r' } })
  const received = await grant.callback(callback, transaction, createIO())
  const tokens = { receivedAt: 0, ...received } as unknown as TokenSet
  return { server, grant, tokens }
}

/** An API whose clock and header Date are ahead. */
async function startApiByOtherClock(check: DpopCheck, ahead: number): Promise<string> {
  check.clockOffset = ahead
  const server: Server = createServer(async (request, response) => {
    response.setHeader('Date', new Date(Date.now() + ahead).toUTCString())
    const token = /^DPoP (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const { thumbprint = '' } = (await provider.verifyAccessToken(token)) ?? {}
    const error = check.judge(request, token, thumbprint)
    if (error) response.setHeader('WWW-Authenticate', `DPoP error="${error}", algs="ES256"`)
    response.writeHead(error ? 401 : 200).end()
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  closing.push({
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  })
  return `http://localhost:${(server.address() as AddressInfo).port}`
}
