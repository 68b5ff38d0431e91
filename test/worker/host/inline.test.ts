import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type Servers, startServers } from '../../../servers/index.ts'
import { type LegacyApi, startLegacyApi } from '../../../servers/legacy/legacy-api.ts'
import { openConnection } from '../../../src/connect/connection.ts'
import { connect, type HistoryEntry, isLingpaiError, type Session } from '../../../src/index.ts'
import type { SignableRequest } from '../../../worker/core/adapter.ts'
import { envelope } from '../../../worker/grant/envelope.ts'
import { oauth } from '../../../worker/grant/oauth.ts'
import { serveInline } from '../../../worker/host/inline.ts'
import type { ApiOptions, ServeOptions } from '../../../worker/host/options.ts'
import { memoryStore } from '../../../worker/store/memory.ts'
import { header } from '../../../worker/transport/attach.ts'
import { type Credentials, legacyGrant } from '../../fixtures/legacy-grant.ts'
import { appOrigin, callbackUrl, signInAtProvider, tokensOf } from '../../fixtures/provider.ts'
import { createPeer, never } from '../../fixtures/scripted-peer.ts'

const alice: Credentials = { account: 'alice', password: 'lingpai' }

let servers: Servers
let legacy: LegacyApi
let other: LegacyApi
const sessions: Session[] = []

beforeAll(async () => {
  servers = await startServers({ redirectUris: [callbackUrl], accessTokenSeconds: 600 })
  legacy = await startLegacyApi({ accessTokenSeconds: 600 })
  other = await startLegacyApi()
}, 60_000)
afterAll(async () => {
  await Promise.all([servers.close(), legacy.close(), other.close()])
})
beforeEach(() => {
  servers.authorizationServer.clearFaults()
  legacy.clearFaults()
})
afterEach(() => {
  for (const session of sessions.splice(0)) session.close()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

function legacyApi(changes: Partial<ApiOptions> = {}): ApiOptions {
  return {
    origin: legacy.origin,
    attach: header('X-TOKEN'),
    envelope: envelope({ success: 'SUCCESS', expired: 40101 }),
    signInRequired: [403],
    ...changes,
  }
}

function open<Input = Credentials>(changes: Partial<ServeOptions<Input>> = {}): Session {
  const options = { grant: legacyGrant(legacy.origin), apis: [legacyApi()], store: memoryStore(), ...changes }
  const session = connect({ inline: () => serveInline(options as ServeOptions<Input>, { origin: appOrigin }) })
  sessions.push(session as Session)
  return session as Session
}

async function openSignedIn(changes: Partial<ServeOptions<Credentials>> = {}): Promise<Session> {
  const session = open(changes)
  await session.signIn(alice)
  return session
}

/** A session that has adopted tokens of the OAuth provider. */
async function openAtProvider(changes: Partial<ServeOptions<never>> = {}): Promise<Session> {
  const { issuer } = servers.authorizationServer
  const session = open<never>({
    grant: oauth({ issuer, clientId: 'web' }) as never,
    apis: [{ origin: servers.api.origin }],
    adopt: true,
    ...changes,
  })
  await session.adopt(await tokensOf(servers.authorizationServer))
  return session
}

function post(session: Session, path: string, data: object = {}): Promise<unknown> {
  return session.request({ url: legacy.origin + path, method: 'POST', data })
}

const redirectTo = (url: string) => `${servers.api.origin}/redirect?status=307&to=${encodeURIComponent(url)}`

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${JSON.stringify(value)}`)
    },
    (error: unknown) => error,
  )

/** The requests that an action caused, without preflights. */
async function requestsDuring(api: { readonly requests: LegacyApi['requests'] }, action: () => Promise<unknown>) {
  const start = api.requests.length
  await action()
  return api.requests.slice(start)
}

test('signIn with the right password signs in, and the snapshot shows the user', async () => {
  const session = await openSignedIn()
  expect(session.getSnapshot()).toEqual({
    status: 'signed-in',
    tokenServer: 'ok',
    user: { subject: 'alice', profile: { name: 'Alice Liddell' } },
    mode: 'inline',
  })
})

test("signIn with a wrong password rejects with sign_in_failed and the API's code", async () => {
  const session = open()
  const error = await errorOf(session.signIn({ account: 'alice', password: 'wrong' }))
  expect(error).toMatchObject({ code: 'sign_in_failed', apiCode: 100401 })
  expect(isLingpaiError(error)).toBe(true)
  expect(session.getSnapshot().status).toBe('signed-out')
})

test('signIn rejects with network_error if the server cannot be reached', async () => {
  const session = open({ grant: legacyGrant('http://localhost:1') })
  expect(await errorOf(session.signIn(alice))).toMatchObject({ code: 'network_error' })
})

test('a request without a session rejects at once, and is not sent', async () => {
  const session = open()
  const requests = await requestsDuring(legacy, async () => {
    expect(await errorOf(post(session, '/list'))).toMatchObject({ code: 'sign_in_required' })
    const error = await errorOf(session.fetch(`${legacy.origin}/list`, { method: 'POST' }))
    expect(error).toBeInstanceOf(TypeError)
    expect(error).toMatchObject({ code: 'sign_in_required' })
  })
  expect(requests).toEqual([])
})

test('session.request resolves with the payload of the envelope, and sends the token in the configured header', async () => {
  const session = await openSignedIn()
  const [request] = await requestsDuring(legacy, async () => {
    expect(await post(session, '/list', { page: 1 })).toEqual({ items: ['tea', 'ink'], subject: 'alice' })
  })
  expect(request?.headers['x-token']).toMatch(/^access\./)
  expect(request?.headers.authorization).toBeUndefined()
  expect(request?.headers['content-type']).toBe('application/json')
})

test('six requests at once with an expired token cause one refresh, and each one gets its response (I1)', async () => {
  const session = await openSignedIn()
  legacy.expireAccessTokens()
  const before = { ...legacy.counters }
  const answers = await Promise.all(Array.from({ length: 6 }, () => post(session, '/list')))
  expect(answers).toEqual(Array.from({ length: 6 }, () => ({ items: ['tea', 'ink'], subject: 'alice' })))
  expect(legacy.counters).toEqual({ ...before, refreshes: before.refreshes + 1 })
})

test.each([
  ['expired', () => legacy.expireRefreshTokens(), 'code_900211'],
  ['unknown', () => legacy.failRefreshes({ kind: 'answer', status: 200, body: '{"code":900212}' }), 'code_900212'],
])(
  'a refresh token that is %s ends the session: every waiting call rejects with sign_in_required (I7)',
  async (_what, breakIt, verdict) => {
    const session = await openSignedIn()
    legacy.expireAccessTokens()
    breakIt()
    const before = legacy.counters.refreshes
    const outcomes = await Promise.all([1, 2, 3].map(() => errorOf(post(session, '/list'))))
    expect(outcomes.map((error) => (error as { code: string }).code)).toEqual(new Array(3).fill('sign_in_required'))
    expect(legacy.counters.refreshes).toBe(before + 1)
    expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', reason: 'refresh_rejected' })
    expect(await session.explain()).toContainEqual(expect.objectContaining({ event: 'refresh-ended', reason: verdict }))
  },
)

test("a code that does not mean success is api_error, with the API's status, code and message", async () => {
  const session = await openSignedIn()
  expect(await errorOf(post(session, '/fail'))).toMatchObject({
    code: 'api_error',
    status: 200,
    apiCode: 42,
    apiMessage: 'out of stock',
  })
})

test('data that is null is the payload null', async () => {
  expect(await post(await openSignedIn(), '/null')).toBeNull()
})

test.each([
  ['an outage', { kind: 'drop' }, { code: 'refresh_unavailable' }],
  [
    'a token server that hangs',
    { kind: 'hang' },
    { code: 'timeout', message: expect.stringContaining('token server') },
  ],
] as const)(
  'in %s, the error of session.request at its deadline names what it waited for (I3)',
  async (_what, fault, error) => {
    const session = await openSignedIn()
    legacy.expireAccessTokens()
    legacy.failRefreshes(...Array.from({ length: 10 }, () => fault))
    expect(
      await errorOf(session.request({ url: `${legacy.origin}/list`, method: 'POST', data: {}, timeout: 1500 })),
    ).toMatchObject(error)
  },
)

test("HTTP 200 with the envelope's code for an expired token leads to a refresh and a replay", async () => {
  const session = await openSignedIn()
  legacy.expireAccessTokens()
  const before = legacy.counters.refreshes
  const requests = await requestsDuring(legacy, async () => {
    expect(await post(session, '/expired-code')).toEqual({ subject: 'alice' })
  })
  expect(requests.map(({ path }) => path)).toEqual(['/expired-code', '/refresh', '/expired-code'])
  expect(legacy.counters.refreshes).toBe(before + 1)
})

test('HTTP 403 is sign_in_required if it is configured, and does not cause a refresh', async () => {
  const session = await openSignedIn()
  const requests = await requestsDuring(legacy, async () => {
    expect(await errorOf(post(session, '/forbidden'))).toMatchObject({ code: 'sign_in_required', status: 403 })
    expect(await errorOf(session.fetch(`${legacy.origin}/forbidden`, { method: 'POST', body: '{}' }))).toMatchObject({
      code: 'sign_in_required',
      status: 403,
    })
  })
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-in', reason: 'sign_in_required' })
  expect(requests.map(({ path }) => path)).toEqual(['/forbidden', '/forbidden'])
})

test('HTTP 403 is an ordinary response if it is not configured', async () => {
  const session = await openSignedIn({ apis: [legacyApi({ signInRequired: [] })] })
  expect(await errorOf(post(session, '/forbidden'))).toMatchObject({ code: 'api_error', status: 403, apiCode: 40301 })
  expect((await session.fetch(`${legacy.origin}/forbidden`, { method: 'POST', body: '{}' })).status).toBe(403)
})

test("the envelope's code for sign-in is sign_in_required", async () => {
  const session = await openSignedIn({
    apis: [legacyApi({ envelope: envelope({ success: 'SUCCESS', signInRequired: [42] }) })],
  })
  expect(await errorOf(post(session, '/fail'))).toMatchObject({ code: 'sign_in_required' })
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-in', reason: 'sign_in_required' })
})

test.each(['/html', '/truncated'])(
  'a body of %s is api_error with the status, with and without an envelope',
  async (path) => {
    const { origin } = servers.api
    for (const wrapped of [{}, { envelope: envelope() }]) {
      const session = await openAtProvider({ apis: [{ origin, ...wrapped }] })
      expect(await errorOf(session.request({ url: origin + path }))).toMatchObject({ code: 'api_error', status: 200 })
    }
  },
)

test('JSON without the code field is api_error, and the message names the field', async () => {
  const { origin } = servers.api
  const session = await openAtProvider({ apis: [{ origin, envelope: envelope({ code: 'errcode' }) }] })
  const error = await errorOf(session.request({ url: `${origin}/orders` }))
  expect(error).toMatchObject({ code: 'api_error', status: 200 })
  expect((error as Error).message).toContain('"errcode"')
})

test('without an envelope, the JSON body is the payload, and 204 is undefined', async () => {
  const { origin } = servers.api
  const session = await openAtProvider()
  expect(await session.request({ url: `${origin}/orders` })).toMatchObject({ subject: 'alice' })
  expect(await session.request({ url: `${origin}/empty` })).toBeUndefined()
  expect(await errorOf(session.request({ url: `${origin}/status/500` }))).toMatchObject({
    code: 'api_error',
    status: 500,
  })
})

test('session.fetch at an API that always answers 401 resolves with the 401 after one refresh and one replay (I10)', async () => {
  const session = await openAtProvider()
  const before = servers.authorizationServer.counters.tokenRequests.refresh_token
  const requests = await requestsDuring(servers.api, async () => {
    const response = await session.fetch(`${servers.api.origin}/always-401`)
    expect(response.status).toBe(401)
    expect(await response.json()).toEqual({ error: 'invalid_token' })
  })
  expect(requests.map(({ path }) => path)).toEqual(['/always-401', '/always-401'])
  expect(new Set(requests.map(({ headers }) => headers.authorization)).size).toBe(2)
  expect(servers.authorizationServer.counters.tokenRequests.refresh_token).toBe(before + 1)
  expect(session.getSnapshot().status).toBe('signed-in')
})

test('session.request at an API that always answers 401 rejects with api_error 401 after one refresh and one replay (I10)', async () => {
  const session = await openAtProvider()
  const before = servers.authorizationServer.counters.tokenRequests.refresh_token
  const requests = await requestsDuring(servers.api, async () => {
    expect(await errorOf(session.request({ url: `${servers.api.origin}/always-401` }))).toMatchObject({
      code: 'api_error',
      status: 401,
    })
  })
  expect(requests).toHaveLength(2)
  expect(servers.authorizationServer.counters.tokenRequests.refresh_token).toBe(before + 1)
})

test.each(['fetch', 'request'] as const)(
  'if one path of an API always answers 401 and another 200, calls of session.%s in turns do not refresh each time (I10)',
  async (method) => {
    const session = await openAtProvider()
    const call = (url: string): Promise<unknown> => (method === 'fetch' ? session.fetch(url) : session.request({ url }))
    const { tokenRequests } = servers.authorizationServer.counters
    const before = tokenRequests.refresh_token
    for (let turn = 0; turn < 20; turn++) {
      await call(`${servers.api.origin}/always-401`).catch(() => {})
      await call(`${servers.api.origin}/orders`)
    }
    expect(tokenRequests.refresh_token - before).toBeLessThan(10)
  },
)

test('a token in a custom header does not follow a redirect (I4)', async () => {
  const session = await openSignedIn()
  const to = `${other.origin}/list`
  const elsewhere = await requestsDuring(other, async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      expect(await errorOf(post(session, '/redirect', { to, status }))).toMatchObject({ code: 'redirect_refused' })
      const error = await errorOf(
        session.fetch(`${legacy.origin}/redirect`, { method: 'POST', body: JSON.stringify({ to, status }) }),
      )
      expect(error).toBeInstanceOf(TypeError)
      expect(error).toMatchObject({ code: 'redirect_refused' })
    }
  })
  expect(elsewhere).toEqual([])
})

test('with redirect: manual, the caller gets the redirect, and it is not followed (I4)', async () => {
  const session = await openSignedIn()
  const elsewhere = await requestsDuring(other, async () => {
    const body = JSON.stringify({ to: `${other.origin}/list`, status: 307 })
    const response = await session.fetch(`${legacy.origin}/redirect`, { method: 'POST', body, redirect: 'manual' })
    expect(response.status).toBe(307)
  })
  expect(elsewhere).toEqual([])
})

test('a bearer token does not follow a redirect to another origin (I4)', async () => {
  const session = await openAtProvider()
  const elsewhere = await requestsDuring(other, async () => {
    await session.fetch(redirectTo(`${other.origin}/list`), { method: 'POST', body: '{}' })
  })
  expect(elsewhere.map(({ path }) => path)).toContain('/list')
  for (const token of servers.authorizationServer.issuedTokens) expect(JSON.stringify(elsewhere)).not.toContain(token)
})

test('a 401 after a redirect to another origin does not cause a refresh or a replay', async () => {
  const session = await openAtProvider()
  const before = servers.authorizationServer.counters.tokenRequests.refresh_token
  const elsewhere = await requestsDuring(other, async () => {
    const response = await session.fetch(redirectTo(`${other.origin}/list`), { method: 'POST', body: '{}' })
    expect(response).toMatchObject({ status: 401, redirected: true, url: `${other.origin}/list` })
  })
  expect(elsewhere).toHaveLength(1)
  expect(servers.authorizationServer.counters.tokenRequests.refresh_token).toBe(before)
})

test('a 401 after a redirect within the origin causes one refresh and one replay', async () => {
  const session = await openAtProvider()
  servers.authorizationServer.expireAccessTokens()
  const before = servers.authorizationServer.counters.tokenRequests.refresh_token
  // This redirect needs no token: only the endpoint behind it rejects the token.
  const url = redirectTo(`${servers.api.origin}/orders`).replace('/redirect', '/redirect-public')
  expect(await session.fetch(url)).toMatchObject({ status: 200, redirected: true })
  expect(servers.authorizationServer.counters.tokenRequests.refresh_token).toBe(before + 1)
})

/** The options of each call of the global `fetch` with a URL. */
function initsOf(url: string): RequestInit[] {
  return vi.mocked(globalThis.fetch).mock.calls.flatMap(([input, init]) => (input === url && init ? [init] : []))
}

test('a request of the grant does not follow redirects, and carries no cookie (I4)', async () => {
  vi.spyOn(globalThis, 'fetch')
  await openSignedIn()
  expect(initsOf(`${legacy.origin}/login`)).toMatchObject([
    { method: 'POST', redirect: 'manual', credentials: 'omit', cache: 'no-store' },
  ])
})

test('a request of the grant is a GET unless it has a body or names a method', async () => {
  vi.spyOn(globalThis, 'fetch')
  const url = `${legacy.origin}/list`
  const session = open({
    grant: {
      ...legacyGrant(legacy.origin),
      async signIn(_credentials, io) {
        for (const more of [{}, { body: '{}' }, { method: 'PUT', body: '{}' }]) await io.send({ url, ...more })
        return { accessToken: 'made-up' }
      },
    },
  })
  await session.signIn(alice)
  expect(initsOf(url).map(({ method }) => method)).toEqual(['GET', 'POST', 'PUT'])
})

test('a redirected request of the grant rejects with redirect_refused, and the grant does not see its status', async () => {
  const session = open({
    grant: {
      ...legacyGrant(legacy.origin),
      async signIn(_credentials, io) {
        const { status } = await io.send({
          url: redirectTo(`${other.origin}/list`).replace('/redirect', '/redirect-public'),
        })
        return { accessToken: `status ${status}` }
      },
    },
  })
  expect(await errorOf(session.signIn(alice))).toMatchObject({ code: 'redirect_refused' })
})

test.each([
  ['bearer', 'Bearer made-up'],
  ['BEARER', 'Bearer made-up'],
  ['MAC', 'MAC made-up'],
])('a token of type %j is sent as "%s"', async (tokenType, authorization) => {
  const session = open({ adopt: true, apis: [{ origin: legacy.origin }] })
  await session.adopt({ accessToken: 'made-up', tokenType } as never)
  const [request] = await requestsDuring(legacy, () =>
    session.request({ url: `${legacy.origin}/list`, method: 'POST', data: {} }).catch(() => {}),
  )
  expect(request?.headers.authorization).toBe(authorization)
})

test("the token replaces the page's own header of that name", async () => {
  const session = await openSignedIn()
  const [request] = await requestsDuring(legacy, () =>
    session.fetch(`${legacy.origin}/list`, { method: 'POST', body: '{}', headers: { 'X-TOKEN': 'forged' } }),
  )
  expect(request?.headers['x-token']).toBe(legacy.issuedTokens.at(-2))
})

test("redirect: 'error' is kept with a token in a custom header", async () => {
  vi.spyOn(globalThis, 'fetch')
  const session = await openSignedIn()
  const url = `${legacy.origin}/redirect`
  const body = JSON.stringify({ to: `${other.origin}/list`, status: 307 })
  const error = await errorOf(session.fetch(url, { method: 'POST', body, redirect: 'error' }))
  expect(error).toBeInstanceOf(TypeError)
  expect(isLingpaiError(error)).toBe(false)
  expect(initsOf(url)).toMatchObject([{ redirect: 'error' }])
})

test.each<[string, (session: Session) => typeof fetch]>([
  ['session.fetch', (session) => session.fetch],
  ['a function that calls session.fetch', (session) => (input, init) => session.fetch(input, init)],
])('an app may assign %s to the global fetch, and it does not call itself', async (_what, toFetch) => {
  let requests = 0
  vi.stubGlobal(
    'Request',
    class extends Request {
      constructor(...given: ConstructorParameters<typeof Request>) {
        if (++requests > 20) throw new Error('session.fetch calls itself')
        super(...given)
      }
    },
  )
  const session = await openSignedIn()
  vi.stubGlobal('fetch', toFetch(session))
  const listed = await requestsDuring(legacy, () => fetch(`${legacy.origin}/list`, { method: 'POST', body: '{}' }))
  expect(listed).toMatchObject([{ headers: { 'x-token': legacy.issuedTokens.at(-2) } }])
  const elsewhere = await requestsDuring(other, async () => {
    await fetch(`${other.origin}/list`, { method: 'POST', body: '{}' })
    await session.fetch(`${other.origin}/list`, { method: 'POST', body: '{}', auth: false })
  })
  expect(elsewhere.map(({ headers }) => headers['x-token'])).toEqual([undefined, undefined])
})

test('a redirect of a refresh is not followed, so the refresh token does not reach the other server (I4)', async () => {
  const session = await openSignedIn()
  legacy.expireAccessTokens()
  legacy.failRefreshes({ kind: 'answer', status: 307, headers: { Location: `${other.origin}/refresh` } })
  const elsewhere = await requestsDuring(other, async () => {
    const request = { url: `${legacy.origin}/list`, method: 'POST', data: {}, timeout: 500 }
    expect(await errorOf(session.request(request))).toMatchObject({ code: 'refresh_unavailable' })
  })
  expect(elsewhere).toEqual([])
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-in', tokenServer: 'unreachable' })
})

test('with auth: false, a call is sent without a token, and does not wait for a refresh', async () => {
  const session = await openSignedIn()
  legacy.expireAccessTokens()
  const hold = legacy.holdRefreshes()
  const waiting = post(session, '/list')
  await hold.arrived
  const [plain] = await requestsDuring(legacy, () =>
    session.fetch(`${legacy.origin}/list`, { method: 'POST', auth: false }),
  )
  expect(plain?.headers['x-token']).toBeUndefined()
  const [withEnvelope] = await requestsDuring(legacy, async () => {
    const request = { url: `${legacy.origin}/expired-code`, method: 'POST', data: {}, auth: false }
    expect(await errorOf(session.request(request))).toMatchObject({ code: 'api_error', apiCode: 40101 })
  })
  expect(withEnvelope?.headers['x-token']).toBeUndefined()
  hold.release()
  expect(await waiting).toMatchObject({ subject: 'alice' })
})

test('with auth: false, session.fetch does not need the worker', async () => {
  const session = connect({ inline: () => createPeer({ hello: never }).endpoint })
  sessions.push(session as Session)
  const response = await session.fetch(`${legacy.origin}/list`, { method: 'POST', body: '{}', auth: false })
  expect(response.status).toBe(401)
})

test("with auth: false, session.request still reads the API's envelope", async () => {
  const session = open()
  const login = { url: `${legacy.origin}/login`, method: 'POST', auth: false }
  expect(await session.request({ ...login, data: alice })).toMatchObject({ user: { id: 'alice' } })
  expect(await errorOf(session.request({ ...login, data: { account: 'x' } }))).toMatchObject({
    code: 'api_error',
    apiCode: 100401,
  })
})

test('an unlisted origin does not get a token (I4)', async () => {
  const session = await openSignedIn()
  const requests = await requestsDuring(other, async () => {
    expect((await session.fetch(`${other.origin}/list`, { method: 'POST', body: '{}' })).status).toBe(401)
    expect(await errorOf(session.request({ url: `${other.origin}/list`, method: 'POST', data: {} }))).toMatchObject({
      code: 'api_error',
      status: 401,
    })
  })
  expect(requests).toHaveLength(2)
  for (const token of legacy.issuedTokens) expect(JSON.stringify(requests)).not.toContain(token)
})

test('auth: true at an unlisted origin rejects with origin_not_allowed, and the call is not sent', async () => {
  const session = await openSignedIn()
  const requests = await requestsDuring(other, async () => {
    const error = await errorOf(session.fetch(`${other.origin}/list`, { auth: true }))
    expect(error).toBeInstanceOf(TypeError)
    expect(error).toMatchObject({ code: 'origin_not_allowed' })
    expect(await errorOf(session.request({ url: `${other.origin}/list`, auth: true }))).toMatchObject({
      code: 'origin_not_allowed',
    })
  })
  expect(requests).toEqual([])
})

test('a path outside the prefix does not get a token (I4)', async () => {
  const session = await openSignedIn({ apis: [legacyApi({ pathPrefix: '/list' })] })
  const requests = await requestsDuring(legacy, async () => {
    await session.fetch(`${legacy.origin}/list`, { method: 'POST', body: '{}' })
    await session.fetch(`${legacy.origin}/list/1`, { method: 'POST', body: '{}' })
    await session.fetch(`${legacy.origin}/lists`, { method: 'POST', body: '{}' })
    await session.fetch(`${legacy.origin}/list/../null`, { method: 'POST', body: '{}' })
  })
  expect(requests.map(({ path, headers }) => [path, headers['x-token'] !== undefined])).toEqual([
    ['/list', true],
    ['/list/1', true],
    ['/lists', false],
    ['/null', false],
  ])
})

test.each([undefined, true])(
  'a path that hides a way out of the prefix is refused, with auth %s (I4)',
  async (auth) => {
    const session = await openSignedIn({ apis: [legacyApi({ pathPrefix: '/list' })] })
    const options = auth === undefined ? {} : { auth }
    const requests = await requestsDuring(legacy, async () => {
      for (const path of ['/list/..%2fnull', '/list/..;/null', '/list/%252e%252e/null']) {
        const url = legacy.origin + path
        const error = await errorOf(session.fetch(url, options))
        expect(error).toBeInstanceOf(TypeError)
        expect(error).toMatchObject({ code: 'origin_not_allowed' })
        expect(await errorOf(session.request({ url, ...options }))).toMatchObject({ code: 'origin_not_allowed' })
      }
    })
    expect(requests).toEqual([])
  },
)

test('a request rejects with timeout at its timeout', async () => {
  const session = await openAtProvider()
  const started = Date.now()
  expect(await errorOf(session.request({ url: `${servers.api.origin}/delay/5000`, timeout: 200 }))).toMatchObject({
    code: 'timeout',
  })
  expect(Date.now() - started).toBeLessThan(2000)
})

test.each([Number.POSITIVE_INFINITY, 2 ** 31, 2 ** 40])(
  'a timeout of %d milliseconds does not fire at once',
  async (timeout) => {
    const session = await openAtProvider()
    expect(await session.request({ url: `${servers.api.origin}/delay/100`, timeout })).toEqual({ milliseconds: 100 })
  },
)

test('an abort rejects session.request with aborted, and the reason is the cause', async () => {
  const session = await openAtProvider()
  const controller = new AbortController()
  const outcome = errorOf(session.request({ url: `${servers.api.origin}/delay/5000`, signal: controller.signal }))
  const reason = new Error('the user left')
  setTimeout(() => controller.abort(reason), 100)
  expect(await outcome).toMatchObject({ code: 'aborted', cause: reason })
})

test('a call whose signal has aborted already is not sent', async () => {
  const session = await openAtProvider()
  const requests = await requestsDuring(servers.api, async () => {
    const url = `${servers.api.origin}/orders`
    expect(await errorOf(session.request({ url, signal: AbortSignal.abort() }))).toMatchObject({ code: 'aborted' })
    const reason = { exactly: 'this' }
    expect(await errorOf(session.fetch(url, { signal: AbortSignal.abort(reason) }))).toBe(reason)
  })
  expect(requests).toEqual([])
})

test("an abort rejects session.fetch with the signal's reason, also while the call waits for a refresh", async () => {
  const session = await openSignedIn()
  legacy.expireAccessTokens()
  const hold = legacy.holdRefreshes()
  const controller = new AbortController()
  const outcome = errorOf(
    session.fetch(`${legacy.origin}/list`, { method: 'POST', body: '{}', signal: controller.signal }),
  )
  const waiting = post(session, '/list')
  await hold.arrived
  const reason = { exactly: 'this' }
  controller.abort(reason)
  expect(await outcome).toBe(reason)
  hold.release()
  expect(await waiting).toMatchObject({ subject: 'alice' })
})

test('a call rejects with network_error if no server listens, or if the server drops the connection', async () => {
  const { origin } = servers.api
  const session = await openAtProvider({ apis: [{ origin }, { origin: 'http://localhost:1' }] })
  expect(await errorOf(session.request({ url: 'http://localhost:1/' }))).toMatchObject({ code: 'network_error' })
  expect(await errorOf(session.request({ url: `${origin}/drop` }))).toMatchObject({ code: 'network_error' })
  const error = await errorOf(session.fetch('http://localhost:1/'))
  expect(error).toBeInstanceOf(TypeError)
  expect(isLingpaiError(error)).toBe(false)
})

test('sign is called for the first request and for its replay, with fresh values', async () => {
  const nonces: string[] = []
  let count = 0
  const sign = (request: SignableRequest): SignableRequest => {
    count += 1
    return { ...request, data: { ...(request.data as object), nonce: `n${count}`, signature: `s${count}` } }
  }
  const signing = await startLegacyApi({
    accessTokenSeconds: 600,
    verifySignature: ({ nonce }, path) => {
      if (path === '/list') nonces.push(String(nonce))
      return true
    },
  })
  try {
    const session = await openSignedIn({
      grant: legacyGrant(signing.origin),
      apis: [legacyApi({ origin: signing.origin, sign })],
    })
    signing.expireAccessTokens()
    expect(await session.request({ url: `${signing.origin}/list`, method: 'POST', data: { page: 1 } })).toMatchObject({
      subject: 'alice',
    })
    expect(nonces).toEqual(['n1', 'n2'])
  } finally {
    await signing.close()
  }
})

test('a signer may add headers and query parameters to session.fetch, and does not see the token', async () => {
  const signed: SignableRequest[] = []
  const session = await openSignedIn({
    apis: [
      legacyApi({
        sign(request) {
          signed.push(request)
          return { ...request, url: `${request.url}?time=1`, headers: { ...request.headers, 'x-signature': 's' } }
        },
      }),
    ],
  })
  const [request] = await requestsDuring(legacy, () =>
    session.fetch(`${legacy.origin}/list`, { method: 'POST', body: '{}' }),
  )
  expect(request).toMatchObject({ query: '?time=1', headers: { 'x-signature': 's', 'x-token': expect.any(String) } })
  expect(JSON.stringify(signed)).not.toContain('access.')
})

test('a signer does not change the body of session.fetch', async () => {
  vi.spyOn(globalThis, 'fetch')
  const session = await openSignedIn({ apis: [legacyApi({ sign: (request) => request })] })
  await session.fetch(`${legacy.origin}/list`, { method: 'POST', body: '{"page":1}' })
  expect(initsOf(`${legacy.origin}/list`)).toMatchObject([{ method: 'POST', body: '{"page":1}' }])
})

test('if a signer gives data to a GET, the call rejects with invalid_config, and is not sent', async () => {
  const session = await openSignedIn({ apis: [legacyApi({ sign: (request) => ({ ...request, data: { nonce: 1 } }) })] })
  const requests = await requestsDuring(legacy, async () => {
    expect(await errorOf(session.request({ url: `${legacy.origin}/list` }))).toMatchObject({ code: 'invalid_config' })
  })
  expect(requests).toEqual([])
})

test.each<[string, (request: SignableRequest) => SignableRequest, string]>([
  [
    'moves the request to another origin',
    (request) => ({ ...request, url: 'https://evil.example/' }),
    'origin_not_allowed',
  ],
  [
    'moves the request out of its path prefix',
    (request) => ({ ...request, url: `${legacy.origin}/null` }),
    'origin_not_allowed',
  ],
  [
    'moves the request out of its path prefix by an escaped dot segment',
    (request) => ({ ...request, url: `${legacy.origin}/list/..%2fnull` }),
    'origin_not_allowed',
  ],
  ['returns nothing', () => undefined as never, 'invalid_config'],
])('if a signer %s, the call rejects, and is not sent (I4)', async (_what, sign, code) => {
  const session = await openSignedIn({ apis: [legacyApi({ sign, pathPrefix: '/list' })] })
  const requests = await requestsDuring(legacy, async () => {
    expect(await errorOf(post(session, '/list'))).toMatchObject({ code })
  })
  expect(requests).toEqual([])
})

test('if a signer throws, the call rejects with invalid_config, not network_error', async () => {
  const session = await openSignedIn({
    apis: [
      legacyApi({
        sign() {
          throw new Error('no key')
        },
      }),
    ],
  })
  const error = await errorOf(post(session, '/list'))
  expect(error).toMatchObject({ code: 'invalid_config' })
  expect((error as Error).message).toContain('no key')
})

test('getAccessToken rejects by default (I11)', async () => {
  expect(await errorOf((await openSignedIn()).getAccessToken())).toMatchObject({ code: 'token_not_exposed' })
})

test('with exposeAccessToken, getAccessToken resolves with the current token', async () => {
  const session = await openSignedIn({ exposeAccessToken: true })
  expect(await session.getAccessToken()).toBe(legacy.issuedTokens.at(-2))
})

test('adopt rejects by default', async () => {
  const error = await errorOf(open().adopt({ accessToken: 'a' }))
  expect(error).toMatchObject({ code: 'invalid_call' })
  expect((error as Error).message).toContain('adopt: true')
})

test('adopted tokens are sent, and the grant refreshes them', async () => {
  const session = await openAtProvider()
  servers.authorizationServer.expireAccessTokens()
  expect(await (await session.fetch(`${servers.api.origin}/orders`)).json()).toMatchObject({ subject: 'alice' })
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-in', user: { subject: 'alice' } })
})

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['a string', 'token'],
  ['no access token', {}],
  ['an access token with a line break', { accessToken: 'a\nb' }],
  ['an empty access token', { accessToken: '' }],
  ['a refresh token that is a number', { accessToken: 'a', refreshToken: 1 }],
])('adopting %s rejects, and changes nothing', async (_what, tokens) => {
  const session = open({ adopt: true })
  expect(isLingpaiError(await errorOf(session.adopt(tokens as never)))).toBe(true)
  expect(session.getSnapshot().status).toBe('signed-out')
})

test('after close, every call rejects with closed', async () => {
  const session = await openSignedIn()
  session.close()
  expect(await errorOf(post(session, '/list'))).toMatchObject({ code: 'closed' })
  expect(await errorOf(session.signIn(alice))).toMatchObject({ code: 'closed' })
  const error = await errorOf(session.fetch(`${legacy.origin}/list`))
  expect(error).toBeInstanceOf(TypeError)
  expect(error).toMatchObject({ code: 'closed' })
})

test('a call that was made just before close rejects with closed (I3)', {
  timeout: 5000,
}, async () => {
  const session = await openSignedIn()
  const calls = [session.explain(), post(session, '/list'), session.fetch(`${legacy.origin}/list`, { method: 'POST' })]
  session.close()
  const errors = await Promise.all(calls.map((call) => errorOf(call)))
  expect(errors.map((error) => (error as { code: string }).code)).toEqual(['closed', 'closed', 'closed'])
})

test('explain lists the events, newest last, and contains no token (I11)', async () => {
  const session = await openSignedIn()
  legacy.expireAccessTokens()
  await post(session, '/list')
  const history = await session.explain()
  expect(history.map(({ event }) => event)).toEqual(
    expect.arrayContaining(['sign-in-started', 'signed-in', 'refresh-started', 'refresh-succeeded', 'call-replayed']),
  )
  expect(history.map(({ at }) => at)).toEqual(history.map(({ at }) => at).sort((one, two) => one - two))
  for (const token of legacy.issuedTokens) expect(JSON.stringify(history)).not.toContain(token)
})

/** The steps of the last call in a history. */
function stepsOf(history: readonly HistoryEntry[]): unknown[] {
  const calls = history.filter((entry) => 'call' in entry)
  const last = calls.at(-1)?.call
  return calls.filter(({ call }) => call === last).map(({ event }) => event)
}

test('explain lists the steps of a call: received, sent, answered with its status', async () => {
  const session = await openSignedIn()
  await post(session, '/list?secret=canary')
  const history = await session.explain()
  expect(stepsOf(history)).toEqual(['call-received', 'call-sent', 'call-answered'])
  expect(history.findLast(({ event }) => event === 'call-received')).toMatchObject({
    method: 'POST',
    api: `${legacy.origin}/`,
    page: 1,
    own: true,
  })
  expect(history.at(-1)).toMatchObject({ event: 'call-answered', status: 200 })
})

test('explain shows that a call waited for a refresh and was replayed', async () => {
  const session = await openSignedIn()
  legacy.expireAccessTokens()
  await post(session, '/list')
  expect(stepsOf(await session.explain())).toEqual([
    'call-received',
    'call-sent',
    'call-waiting',
    'call-replayed',
    'call-answered',
  ])
})

test('explain shows the error code of a failed call', async () => {
  const session = open()
  await errorOf(post(session, '/list'))
  const history = await session.explain()
  expect(stepsOf(history)).toEqual(['call-received', 'call-failed'])
  expect(history.at(-1)).toMatchObject({ code: 'sign_in_required' })
})

test('explain lists calls without a token, and calls to another server without its address', async () => {
  const session = await openSignedIn()
  await errorOf(session.request({ url: `${legacy.origin}/list`, data: {}, auth: false }))
  expect(stepsOf(await session.explain())).toEqual(['call-received', 'call-sent', 'call-failed'])
  await errorOf(session.request({ url: `${other.origin}/list`, data: {}, headers: {} }))
  const history = await session.explain()
  expect(stepsOf(history)).toEqual(['call-received', 'call-sent', 'call-failed'])
  expect(JSON.stringify(history)).not.toContain(other.origin)
})

test('explain shows that the page aborted a call', async () => {
  const fetch = vi.spyOn(globalThis, 'fetch')
  const session = await openSignedIn()
  fetch.mockClear()
  fetch.mockImplementation(
    (_input, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
      }),
  )
  const controller = new AbortController()
  const outcome = errorOf(session.fetch(`${legacy.origin}/list`, { signal: controller.signal }))
  await vi.waitFor(() => expect(fetch).toHaveBeenCalled())
  controller.abort()
  await outcome
  await vi.waitFor(async () => {
    expect((await session.explain()).at(-1)).toMatchObject({ event: 'call-failed', code: 'aborted' })
  })
})

test('explain does not show the path or the query of a request, which may hold secrets (I11)', async () => {
  const session = await openSignedIn()
  await errorOf(post(session, '/canary-path/list?code=canary-query#canary-hash'))
  const history = JSON.stringify(await session.explain())
  expect(history).toContain('call-received')
  expect(history).not.toContain('canary')
})

test('explain shows at most 32 characters of the method that page code chose', async () => {
  const session = await openSignedIn()
  await session.fetch(`${legacy.origin}/list`, { method: 'X'.repeat(100) })
  const history = JSON.stringify(await session.explain())
  expect(history).toContain('X'.repeat(32))
  expect(history).not.toContain('X'.repeat(33))
})

test('explain with `after` returns the newer entries, each one once and with its worker', async () => {
  const session = await openSignedIn()
  const first = await session.explain()
  await post(session, '/list')
  const next = await session.explain({ after: first.at(-1)?.number ?? 0 })
  expect(next.map(({ event }) => event)).toEqual(['call-received', 'call-sent', 'call-answered'])
  const numbers = [...first, ...next].map(({ number }) => number)
  expect(numbers).toEqual(numbers.map((_number, index) => index + 1))
  expect(new Set([...first, ...next].map(({ instance }) => instance)).size).toBe(1)
})

test.each([{ after: '5' }, { after: -1 }, { after: 0.5 }, { after: Number.NaN }, 5, null])(
  'explain(%j) rejects with invalid_call',
  async (given) => {
    const session = await openSignedIn()
    expect(await errorOf(session.explain(given as never))).toMatchObject({ code: 'invalid_call' })
  },
)

test('a sign-in at a provider by authorize and callback returns returnTo, and its code works once', async () => {
  const { issuer } = servers.authorizationServer
  const endpoint = serveInline(
    {
      grant: oauth({ issuer, clientId: 'web', scope: 'openid profile offline_access' }),
      apis: [{ origin: servers.api.origin }],
      store: memoryStore(),
    },
    { origin: appOrigin },
  )
  const connection = openConnection(
    endpoint,
    () => {},
    () => {},
  )
  await connection.hello()
  const { url } = await connection.call('authorize', [{ via: 'redirect', returnTo: '/orders?page=2' }])
  const parameters = new URL(url).searchParams
  expect(parameters.get('redirect_uri')).toBe(callbackUrl)
  expect(parameters.get('code_challenge_method')).toBe('S256')
  const callback = await signInAtProvider(url)
  expect(await connection.call('callback', [callback])).toEqual({ returnTo: '/orders?page=2' })
  const response = await connection.call('fetch', [{ url: `${servers.api.origin}/orders`, method: 'GET', headers: [] }])
  expect(response.status).toBe(200)
  expect(await errorOf(connection.call('callback', [callback]))).toMatchObject({ code: 'state_used' })
  expect(await errorOf(connection.call('callback', [`${callbackUrl}?code=x&state=y`]))).toMatchObject({
    code: 'state_mismatch',
  })
  expect(await errorOf(connection.call('callback', [callbackUrl]))).toMatchObject({ code: 'state_missing' })
})

const options: ServeOptions<never> = {
  grant: { refresh: async () => ({ accessToken: 'a' }) },
  apis: [{ origin: 'https://api.example' }],
  store: memoryStore(),
}
const api = (changes: object) => ({ ...options, apis: [{ origin: 'https://api.example', ...changes }] })
const provider = (changes: object) => ({
  ...options,
  grant: oauth({ issuer: 'https://id.example', clientId: 'web', ...changes } as never),
})

test.each<[string, unknown, string]>([
  ['no options', undefined, 'grant'],
  ['no grant', { ...options, grant: undefined }, 'grant'],
  ['a grant without refresh and signIn', { ...options, grant: { signOut() {} } }, 'refresh'],
  ['a refresh that is not a function', { ...options, grant: { refresh: 'often' } }, 'grant.refresh'],
  ['no store', { ...options, store: undefined }, 'store'],
  ['a store without save', { ...options, store: { load() {}, clear() {} } }, 'save'],
  ['no apis', { ...options, apis: undefined }, 'apis'],
  ['apis that are not a list', { ...options, apis: { origin: 'https://api.example' } }, 'apis'],
  ['an empty list of apis', { ...options, apis: [] }, 'apis'],
  ['an api that is a string', { ...options, apis: ['https://api.example'] }, 'apis[0]'],
  ['an api without origin', { ...options, apis: [{}] }, 'apis[0].origin'],
  ['a second api without origin', { ...options, apis: [{ origin: 'https://a.example' }, {}] }, 'apis[1].origin'],
  ['an origin that is relative', api({ origin: '/api' }), 'apis[0].origin'],
  ['an origin with a path', api({ origin: 'https://api.example/v1' }), 'apis[0].origin'],
  ['an origin with credentials', api({ origin: 'https://user:pass@api.example' }), 'apis[0].origin'],
  ['an origin with a wildcard', api({ origin: 'https://*.example' }), 'apis[0].origin'],
  ['an http origin', api({ origin: 'http://api.example' }), 'apis[0].origin'],
  ['an http origin that only looks local', api({ origin: 'http://localhost.example' }), 'apis[0].origin'],
  ['an ftp origin', api({ origin: 'ftp://api.example' }), 'apis[0].origin'],
  ['a file origin', api({ origin: 'file:///' }), 'apis[0].origin'],
  ['a path prefix without a slash', api({ pathPrefix: 'v1' }), 'apis[0].pathPrefix'],
  ['a path prefix that is not a string', api({ pathPrefix: 1 }), 'apis[0].pathPrefix'],
  ['attach as a string', api({ attach: 'X-TOKEN' }), 'apis[0].attach'],
  ['attach as the function itself', api({ attach: header }), 'apis[0].attach'],
  ['an attach header without a name', api({ attach: { kind: 'header' } }), 'apis[0].attach'],
  ['an envelope as options', api({ envelope: { code: 'code', success: 0 } }), 'apis[0].envelope'],
  ['an envelope with too few fields', api({ envelope: { success: [0] } }), 'apis[0].envelope'],
  ['a sign that is not a function', api({ sign: 'md5' }), 'apis[0].sign'],
  ['signInRequired as a number', api({ signInRequired: 403 }), 'apis[0].signInRequired'],
  ['signInRequired of strings', api({ signInRequired: ['403'] }), 'apis[0].signInRequired'],
  ['an unknown option', { ...options, exposeToken: true }, 'exposeToken is not an option; the options are grant, apis'],
  ['an option of mini programs', { ...options, ownDispatcher: true }, 'ownDispatcher is not an option'],
  ['an option of the prototype of all objects', { ...options, constructor: 1 }, 'constructor is not an option'],
  // Without the prefix, the token would go to the whole origin.
  ['a misspelt pathPrefix', api({ pathprefix: '/v1' }), 'apis[0].pathprefix is not an option; the options are origin,'],
  ['a misspelt margin', { ...options, refresh: { margins: 1 } }, 'refresh.margins is not an option'],
  ['oauth with a misspelt scope', provider({ scopes: 'openid' }), 'scopes is not an option; the options are issuer,'],
  ['refresh as a string', { ...options, refresh: 'fast' }, 'refresh'],
  ['a margin that is negative', { ...options, refresh: { margin: -1 } }, 'refresh.margin'],
  ['a margin that is not a number', { ...options, refresh: { margin: '60' } }, 'refresh.margin'],
  ['a margin that is NaN', { ...options, refresh: { margin: Number.NaN } }, 'refresh.margin'],
  ['a refresh timeout that is negative', { ...options, refresh: { timeout: -1 } }, 'refresh.timeout'],
  ['a retry that is not a number', { ...options, refresh: { retry: null } }, 'refresh.retry'],
  ['an unknown onUnknownOutcome', { ...options, refresh: { onUnknownOutcome: 'ask' } }, 'refresh.onUnknownOutcome'],
  ['a maxSessionAge that is not a number', { ...options, maxSessionAge: '1d' }, 'maxSessionAge'],
  ['exposeAccessToken as a string', { ...options, exposeAccessToken: 'true' }, 'exposeAccessToken'],
  ['an unknown redirectTransactions', { ...options, redirectTransactions: 'session' }, 'redirectTransactions'],
  ['redirectTransactions as null', { ...options, redirectTransactions: null }, 'redirectTransactions'],
  ['adopt as a string', { ...options, adopt: 'true' }, 'adopt'],
  ['oauth without options', { ...options, grant: oauth(undefined as never) }, 'issuer'],
  ['oauth without clientId', provider({ clientId: undefined }), 'clientId'],
  ['oauth with client_secret', provider({ client_secret: 's' }), 'client_secret'],
  ['oauth with clientSecret', provider({ clientSecret: 's' }), 'client_secret'],
  ['oauth with a relative issuer', provider({ issuer: 'id.example' }), 'issuer'],
  ['oauth with an http issuer', provider({ issuer: 'http://id.example' }), 'issuer'],
  ['oauth with a scope list', provider({ scope: ['openid'] }), 'scope'],
  [
    'oauth with a redirectUri that is not a string',
    provider({ redirectUri: new URL('https://a.example') }),
    'redirectUri',
  ],
  [
    'oauth with a postLogoutRedirectUri that is not a string',
    provider({ postLogoutRedirectUri: 1 }),
    'postLogoutRedirectUri',
  ],
])('with %s, every call rejects with invalid_config, and the message names the field', async (_what, config, field) => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
  const session = connect({ inline: () => serveInline(config as never, { origin: appOrigin }) })
  sessions.push(session as Session)
  const error = await errorOf(session.explain())
  expect(error).toMatchObject({ code: 'invalid_config' })
  expect((error as Error).message).toContain(field)
  expect(await errorOf(session.signIn({}))).toMatchObject({ code: 'invalid_config' })
  expect(session.getSnapshot()).toMatchObject({ status: 'connecting', reason: 'invalid_config' })
})

test.each([
  'http://localhost:3000',
  'http://127.0.0.1:8080',
  'http://app.localhost',
  'http://[::1]:1',
  'https://api.example/',
])('the origin %s is accepted', async (origin) => {
  const session = connect({ inline: () => serveInline(api({ origin })) })
  sessions.push(session as Session)
  expect(await session.explain()).toBeInstanceOf(Array)
})

test.each<[string, () => unknown, string]>([
  ['a header name with a space', () => header('X TOKEN'), 'X TOKEN'],
  ['a header name with a colon', () => header('X-TOKEN:'), 'X-TOKEN:'],
  ['an empty header name', () => header(''), 'header()'],
  ['a header name that is not a string', () => header(1 as never), 'header()'],
  ['an envelope whose code field is empty', () => envelope({ code: '' }), 'code'],
  ['an envelope whose message field is not a string', () => envelope({ message: 1 as never }), 'message'],
  ['an envelope whose success is an object', () => envelope({ success: {} as never }), 'success'],
  ['an envelope with expired codes that are objects', () => envelope({ expired: [{} as never] }), 'expired'],
  ['an envelope with signInRequired null', () => envelope({ signInRequired: null as never }), 'signInRequired'],
])('%s throws invalid_config, and the message names it', (_what, make, name) => {
  expect(make).toThrow(expect.objectContaining({ code: 'invalid_config', message: expect.stringContaining(name) }))
})

test.each<[string, (session: Session) => Promise<unknown>]>([
  ['request without options', ({ request }) => request(undefined as never)],
  ['request with null', ({ request }) => request(null as never)],
  ['request without url', ({ request }) => request({} as never)],
  ['request with a URL object', ({ request }) => request({ url: new URL('https://a.example') as never })],
  ['request with a relative url outside a page', ({ request }) => request({ url: '/orders' })],
  ['request with data of a GET that is text', ({ request }) => request({ url: legacy.origin, data: 'x' })],
  [
    'request with data that has a cycle',
    ({ request }) => request({ url: legacy.origin, method: 'POST', data: cyclic() }),
  ],
  ['request with data that is a BigInt', ({ request }) => request({ url: legacy.origin, method: 'POST', data: 1n })],
  [
    'request with data that is a function',
    ({ request }) => request({ url: legacy.origin, method: 'POST', data: () => {} }),
  ],
  [
    'request with a malformed header',
    ({ request }) => request({ url: `${legacy.origin}/list`, headers: { 'a b': 'c' } }),
  ],
  [
    'request with headers that are null',
    ({ request }) => request({ url: `${legacy.origin}/list`, headers: null as never }),
  ],
  ['request with a malformed method', ({ request }) => request({ url: `${legacy.origin}/list`, method: 'GE T' })],
  [
    'request with a timeout that is text',
    ({ request }) => request({ url: `${legacy.origin}/list`, timeout: 'soon' as never }),
  ],
  ['request with a timeout that is negative', ({ request }) => request({ url: `${legacy.origin}/list`, timeout: -1 })],
  ['signIn with a function', ({ signIn }) => signIn(() => {})],
  ['signIn with a class instance', ({ signIn }) => signIn(new Map())],
  ['completeSignIn with nonsense', ({ completeSignIn }) => completeSignIn('nonsense')],
  ['completeSignIn with nothing', ({ completeSignIn }) => completeSignIn(undefined as never)],
])('%s rejects with invalid_call', async (_what, call) => {
  const session = await openSignedIn()
  expect(await errorOf(call(session))).toMatchObject({ code: 'invalid_call' })
  expect(session.getSnapshot().status).toBe('signed-in')
})

test.each<[string, unknown[]]>([
  ['no arguments', []],
  ['a malformed URL', ['http://']],
  ['a body with GET', [`https://api.example/`, { body: 'x' }]],
  ['a malformed header', [`https://api.example/`, { headers: { 'a b': 'c' } }]],
  ['a forbidden method', [`https://api.example/`, { method: 'TRACE' }]],
])('session.fetch with %s rejects with a TypeError, like fetch', async (_what, given) => {
  const session = await openSignedIn({ apis: [{ origin: 'https://api.example' }] })
  const error = await errorOf(session.fetch(...(given as [string])))
  expect(error).toBeInstanceOf(TypeError)
})

test('an inline broker answers after postMessage has returned, and not after its port is closed', async () => {
  const endpoint = serveInline(options)
  const received = vi.fn()
  endpoint.addEventListener('message', received)
  endpoint.postMessage({ id: 'one', type: 'GET', path: [] } as never)
  expect(received).not.toHaveBeenCalled()
  await Promise.resolve()
  await Promise.resolve()
  expect(received).toHaveBeenCalledOnce()
  endpoint.postMessage({ id: 'two', type: 'GET', path: [] } as never)
  endpoint.close?.()
  await new Promise((resolve) => setTimeout(resolve, 0))
  expect(received).toHaveBeenCalledOnce()
})

test('a session object is frozen', () => {
  expect(Object.isFrozen(open())).toBe(true)
})

test('an origin with a slash at its end gets the token', async () => {
  const session = await openSignedIn({ apis: [legacyApi({ origin: `${legacy.origin}/` })] })
  expect(await post(session, '/list')).toMatchObject({ subject: 'alice' })
})

test('a session ends at its configured maximum age (I7)', async () => {
  const session = await openSignedIn({ maxSessionAge: 100 })
  await vi.waitFor(() => expect(session.getSnapshot().status).toBe('signed-out'), { timeout: 5000 })
})

test('with an infinite maximum age, a session does not end', async () => {
  const session = await openSignedIn({ maxSessionAge: Number.POSITIVE_INFINITY })
  expect(await post(session, '/list')).toMatchObject({ subject: 'alice' })
})

test('a refresh of unknown outcome ends the session with onUnknownOutcome: sign-in (I7)', async () => {
  const session = await openSignedIn({ refresh: { onUnknownOutcome: 'sign-in' } })
  legacy.expireAccessTokens()
  legacy.failRefreshes({ kind: 'drop' })
  expect(await errorOf(post(session, '/list'))).toMatchObject({ code: 'sign_in_required' })
  expect(session.getSnapshot().status).toBe('signed-out')
})

test('every method of a session is bound', async () => {
  const { signIn, request, getSnapshot, subscribe, explain, fetch, close } = open()
  const listener = vi.fn()
  const unsubscribe = subscribe(listener)
  await signIn(alice)
  expect(getSnapshot().status).toBe('signed-in')
  expect(listener).toHaveBeenCalled()
  unsubscribe()
  expect(await request({ url: `${legacy.origin}/list`, method: 'POST', data: {} })).toMatchObject({ subject: 'alice' })
  expect((await fetch(`${legacy.origin}/list`, { method: 'POST', body: '{}' })).status).toBe(200)
  expect(await explain()).toBeInstanceOf(Array)
  close()
})

test('signOut ends the session here, even if the server cannot revoke its tokens', async () => {
  const session = await openSignedIn({
    grant: {
      ...legacyGrant(legacy.origin),
      signOut: async () => {
        throw new Error('no network')
      },
    },
  })
  await session.signOut()
  expect(session.getSnapshot()).toEqual({ status: 'signed-out', tokenServer: 'ok', mode: 'inline' })
})

function cyclic(): unknown {
  const ring: Record<string, unknown> = {}
  ring.ring = ring
  return ring
}
