import { createHash, randomBytes } from 'node:crypto'
import { decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { downloadBytes } from '../../servers/http/download-bytes.ts'
import { type Servers, type ServersOptions, startServers } from '../../servers/index.ts'

const callback = 'http://localhost:1/callback'
const signedOut = 'http://localhost:1/signed-out'
const options: ServersOptions = {
  redirectUris: [callback],
  postLogoutRedirectUris: [signedOut],
  accessTokenSeconds: 60,
  control: true,
}

let shared: Servers
let extra: Servers | undefined

beforeAll(async () => {
  shared = await startServers(options)
})
afterAll(() => shared.close())
beforeEach(() => {
  shared.authorizationServer.clearFaults()
  shared.authorizationServer.setTokenResponse(undefined)
  shared.authorizationServer.setAccessTokenSeconds(60)
  shared.legacy.clearFaults()
})
afterEach(async () => {
  await extra?.close()
  extra = undefined
})

async function startExtra(changes: Partial<ServersOptions>): Promise<Servers> {
  extra = await startServers({ ...options, ...changes })
  return extra
}

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly id_token: string
  readonly expires_in: unknown
  readonly scope: string
}

interface Page {
  readonly url: string
  readonly status: number
  readonly html: string
}

/** The parts of a browser that a sign-in needs: it keeps cookies, and follows redirects until they leave the provider. */
class Browser {
  readonly #cookies = new Map<string, string>()

  async open(url: string, form?: Record<string, string>): Promise<Page> {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: {
        cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        accept: 'text/html',
      },
      ...(form ? { method: 'POST', body: new URLSearchParams(form) } : {}),
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (value === '') this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    const html = await response.text()
    const location = response.headers.get('location')
    if (location === null) return { url, status: response.status, html }
    const next = new URL(location, url)
    if (next.origin !== new URL(url).origin) return { url: next.href, status: response.status, html: '' }
    return this.open(next.href)
  }
}

const verifier = randomBytes(32).toString('base64url')

function authorizationUrl(issuer: string, changes: Record<string, string> = {}): string {
  const parameters = new URLSearchParams({
    client_id: 'web',
    response_type: 'code',
    redirect_uri: callback,
    scope: 'openid profile email offline_access',
    state: 'the-state',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...changes,
  })
  return `${issuer}/auth?${parameters}`
}

function callToken(issuer: string, form: Record<string, string>, init: RequestInit = {}): Promise<Response> {
  return fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: 'web', ...form }),
    ...init,
  })
}

async function redeem(issuer: string, callbackUrl: string): Promise<Tokens> {
  const code = new URL(callbackUrl).searchParams.get('code') ?? ''
  const form = { grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: verifier }
  const response = await callToken(issuer, form)
  expect(response.status).toBe(200)
  return (await response.json()) as Tokens
}

async function signIn({ authorizationServer: { issuer } }: Servers, browser = new Browser()): Promise<Tokens> {
  const form = await browser.open(authorizationUrl(issuer))
  const done = await browser.open(form.url, { action: 'sign-in', account: 'alice', password: 'lingpai' })
  return redeem(issuer, done.url)
}

function refresh(servers: Servers, refreshToken: string, init?: RequestInit): Promise<Response> {
  const form = { grant_type: 'refresh_token', refresh_token: refreshToken }
  return callToken(servers.authorizationServer.issuer, form, init)
}

async function refreshed(servers: Servers, refreshToken: string): Promise<Tokens> {
  const response = await refresh(servers, refreshToken)
  expect(response.status).toBe(200)
  return (await response.json()) as Tokens
}

async function problemOf(response: Response): Promise<unknown> {
  return ((await response.json()) as { error: unknown }).error
}

function callApi(servers: Servers, path: string, token?: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers)
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
  return fetch(`${servers.api.origin}${path}`, { ...init, headers })
}

async function statusOf(response: Promise<Response>): Promise<number> {
  return (await response).status
}

test('a user signs in with a password, and the app gets tokens for the code', async () => {
  const { authorizationServer } = shared
  const before = authorizationServer.counters.signIns
  const browser = new Browser()
  const form = await browser.open(authorizationUrl(authorizationServer.issuer, { login_hint: 'bob', nonce: 'n' }))
  expect(form.html).toContain('value="bob"')
  for (const id of ['account', 'password', 'sign-in', 'cancel']) expect(form.html).toContain(`id="${id}"`)

  const done = await browser.open(form.url, { action: 'sign-in', account: 'bob', password: 'lingpai' })
  const answer = new URL(done.url)
  expect(answer.origin + answer.pathname).toBe(callback)
  expect(answer.searchParams.get('state')).toBe('the-state')
  expect(answer.searchParams.get('iss')).toBe(authorizationServer.issuer)

  const tokens = await redeem(authorizationServer.issuer, done.url)
  expect(tokens.expires_in).toBe(60)
  expect(decodeJwt(tokens.id_token)).toMatchObject({
    iss: authorizationServer.issuer,
    aud: 'web',
    sub: 'bob',
    nonce: 'n',
    name: 'Bob Dobalina',
    email: 'bob@example.com',
    preferred_username: 'bob',
  })
  expect(authorizationServer.issuedTokens).toEqual(
    expect.arrayContaining([tokens.access_token, tokens.refresh_token, tokens.id_token]),
  )
  expect(await authorizationServer.verifyAccessToken(tokens.access_token)).toEqual({ subject: 'bob' })
  expect(authorizationServer.counters.signIns).toBe(before + 1)
})

test('a wrong password shows the form again with the account and a message', async () => {
  const browser = new Browser()
  const form = await browser.open(authorizationUrl(shared.authorizationServer.issuer))
  expect(form.html).not.toContain('id="problem"')
  const again = await browser.open(form.url, { action: 'sign-in', account: 'alice"><b>', password: 'wrong' })
  expect(again.status).toBe(401)
  expect(again.html).toContain('id="problem"')
  expect(again.html).toContain('value="alice&quot;&gt;&lt;b&gt;"')
  const done = await browser.open(again.url, { action: 'sign-in', account: 'alice', password: 'lingpai' })
  expect(new URL(done.url).searchParams.has('code')).toBe(true)
})

test('Cancel sends the app access_denied', async () => {
  const browser = new Browser()
  const form = await browser.open(authorizationUrl(shared.authorizationServer.issuer))
  const done = await browser.open(form.url, { action: 'cancel' })
  expect(new URL(done.url).searchParams.get('error')).toBe('access_denied')
})

test('an existing session of the provider skips the form, except with prompt=login', async () => {
  const { issuer } = shared.authorizationServer
  const browser = new Browser()
  await signIn(shared, browser)
  for (const changes of [{}, { prompt: 'none' }]) {
    const silent = await browser.open(authorizationUrl(issuer, changes))
    expect(new URL(silent.url).searchParams.has('code')).toBe(true)
  }
  const forced = await browser.open(authorizationUrl(issuer, { prompt: 'login' }))
  expect(forced.html).toContain('id="password"')
})

test('another user can sign in over an existing session of the provider', async () => {
  const { issuer } = shared.authorizationServer
  const browser = new Browser()
  await signIn(shared, browser)
  const form = await browser.open(authorizationUrl(issuer, { prompt: 'login' }))
  const switching = await browser.open(form.url, { action: 'sign-in', account: 'bob', password: 'lingpai' })
  const done = await pressOnlyButton(browser, switching)
  expect(decodeJwt((await redeem(issuer, done.url)).id_token).sub).toBe('bob')
})

test('prompt=none without a session of the provider gives login_required', async () => {
  const answer = await new Browser().open(authorizationUrl(shared.authorizationServer.issuer, { prompt: 'none' }))
  expect(new URL(answer.url).searchParams.get('error')).toBe('login_required')
})

test('offline_access is granted without a page if OpenID Connect allows it', async () => {
  const { issuer } = shared.authorizationServer
  const browser = new Browser()
  await signIn(shared, browser)
  const done = await browser.open(authorizationUrl(issuer, { prompt: 'consent' }))
  expect((await redeem(issuer, done.url)).scope).toContain('offline_access')
})

test('a consent page appears if the options ask for it, and both its answers work', async () => {
  const servers = await startExtra({ confirmConsent: true })
  const browser = new Browser()
  const form = await browser.open(authorizationUrl(servers.authorizationServer.issuer))
  const consent = await browser.open(form.url, { action: 'sign-in', account: 'alice', password: 'lingpai' })
  expect(consent.html).toContain('id="allow"')
  const allowed = await browser.open(consent.url, { action: 'allow' })
  expect((await redeem(servers.authorizationServer.issuer, allowed.url)).refresh_token).toBeTypeOf('string')

  const other = new Browser()
  const otherForm = await other.open(authorizationUrl(servers.authorizationServer.issuer))
  const otherConsent = await other.open(otherForm.url, { action: 'sign-in', account: 'bob', password: 'lingpai' })
  const denied = await other.open(otherConsent.url, { action: 'cancel' })
  expect(new URL(denied.url).searchParams.get('error')).toBe('access_denied')
})

test('a code without its PKCE verifier is rejected', async () => {
  const { issuer } = shared.authorizationServer
  const browser = new Browser()
  const form = await browser.open(authorizationUrl(issuer))
  const done = await browser.open(form.url, { action: 'sign-in', account: 'alice', password: 'lingpai' })
  const code = new URL(done.url).searchParams.get('code') ?? ''
  const response = await callToken(issuer, { grant_type: 'authorization_code', code, redirect_uri: callback })
  expect(await problemOf(response)).toBe('invalid_grant')
})

test('a refresh rotates the refresh token, and the new one works', async () => {
  const first = await signIn(shared)
  const second = await refreshed(shared, first.refresh_token)
  expect(second.refresh_token).not.toBe(first.refresh_token)
  const third = await refreshed(shared, second.refresh_token)
  expect(await statusOf(callApi(shared, '/orders', third.access_token))).toBe(200)
})

test('reuse of a refresh token is counted and ends the whole grant', async () => {
  const { counters } = shared.authorizationServer
  const first = await signIn(shared)
  const second = await refreshed(shared, first.refresh_token)
  const before = counters.reuseDetections
  expect(await problemOf(await refresh(shared, first.refresh_token))).toBe('invalid_grant')
  expect(counters.reuseDetections).toBe(before + 1)
  expect(await problemOf(await refresh(shared, second.refresh_token))).toBe('invalid_grant')
  expect(counters.reuseDetections).toBe(before + 1)
  expect(await statusOf(callApi(shared, '/orders', second.access_token))).toBe(401)
})

test('one of two simultaneous refreshes with one token is a reuse', async () => {
  const { counters } = shared.authorizationServer
  const { refresh_token } = await signIn(shared)
  const before = counters.reuseDetections
  const answers = await Promise.all([refresh(shared, refresh_token), refresh(shared, refresh_token)])
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400])
  expect(counters.reuseDetections).toBe(before + 1)
})

test('during the grace period, a used refresh token is rotated again', async () => {
  const servers = await startExtra({ reuseGraceSeconds: 30 })
  const first = await signIn(servers)
  await refreshed(servers, first.refresh_token)
  const again = await refreshed(servers, first.refresh_token)
  await refreshed(servers, again.refresh_token)
  expect(servers.authorizationServer.counters.reuseDetections).toBe(0)
})

test('without rotation the same refresh token works again and again', async () => {
  const servers = await startExtra({ rotation: false })
  const first = await signIn(servers)
  expect((await refreshed(servers, first.refresh_token)).refresh_token).toBe(first.refresh_token)
  expect((await refreshed(servers, first.refresh_token)).refresh_token).toBe(first.refresh_token)
})

test('access tokens expire after expires_in', async () => {
  shared.authorizationServer.setAccessTokenSeconds(1)
  const { access_token, expires_in } = await signIn(shared)
  expect(expires_in).toBe(1)
  expect(await statusOf(callApi(shared, '/orders', access_token))).toBe(200)
  await new Promise((resolve) => setTimeout(resolve, 1100))
  expect(await statusOf(callApi(shared, '/orders', access_token))).toBe(401)
})

test('a lifetime that is not a whole number of seconds is rejected', () => {
  expect(() => shared.authorizationServer.setAccessTokenSeconds(0.5)).toThrow(RangeError)
})

test('the token response can be rewritten', async () => {
  const { refresh_token } = await signIn(shared)
  shared.authorizationServer.setTokenResponse(({ expires_in: _dropped, ...body }) => ({ ...body, extra: '10' }))
  const body = await refreshed(shared, refresh_token)
  expect(body).not.toHaveProperty('expires_in')
  expect(body).toMatchObject({ extra: '10' })
})

test('a response fault applies once, without processing, and other origins can read it', async () => {
  const { refresh_token } = await signIn(shared)
  const fault = { kind: 'answer', status: 503, headers: { 'Retry-After': '3' }, body: '{"error":"busy"}' } as const
  shared.authorizationServer.failRefreshes(fault)
  const response = await refresh(shared, refresh_token, { headers: { origin: 'https://app.example' } })
  expect(response.status).toBe(503)
  expect(response.headers.get('retry-after')).toBe('3')
  expect(response.headers.get('access-control-allow-origin')).toBe('https://app.example')
  expect(await problemOf(response)).toBe('busy')
  await refreshed(shared, refresh_token)
})

test('a delay fault answers late', async () => {
  const { refresh_token } = await signIn(shared)
  shared.authorizationServer.failRefreshes({ kind: 'delay', milliseconds: 150 })
  const start = performance.now()
  await refreshed(shared, refresh_token)
  expect(performance.now() - start).toBeGreaterThan(140)
})

test('a lost refresh was processed: its token is used, and the log has its successor', async () => {
  const { counters, issuedTokens, requests } = shared.authorizationServer
  const { refresh_token } = await signIn(shared)
  const issued = issuedTokens.length
  shared.authorizationServer.failRefreshes({ kind: 'lose' })
  await expect(refresh(shared, refresh_token)).rejects.toThrow(TypeError)
  expect(issuedTokens.length).toBe(issued + 3)
  expect(requests.at(-1)).not.toHaveProperty('status')
  const before = counters.reuseDetections
  expect(await problemOf(await refresh(shared, refresh_token))).toBe('invalid_grant')
  expect(counters.reuseDetections).toBe(before + 1)
})

test('a response that is lost midway has begun, and the token is used too', async () => {
  const { refresh_token } = await signIn(shared)
  shared.authorizationServer.failRefreshes({ kind: 'lose', midway: true })
  const response = await refresh(shared, refresh_token)
  expect(response.status).toBe(200)
  await expect(response.text()).rejects.toThrow(TypeError)
  expect(await problemOf(await refresh(shared, refresh_token))).toBe('invalid_grant')
})

test('the log of refreshes shows which response was lost and which request was a reuse', async () => {
  const { refresh_token } = await signIn(shared)
  const { refreshes } = shared.authorizationServer
  const before = refreshes.length
  shared.authorizationServer.failRefreshes({ kind: 'answer', status: 503 }, { kind: 'lose' })
  await refresh(shared, refresh_token)
  await expect(refresh(shared, refresh_token)).rejects.toThrow(TypeError)
  await refresh(shared, refresh_token)
  const [refused, lost, reused] = refreshes.slice(before)
  expect(refused).toMatchObject({ token: refresh_token, isReuse: false, status: 503 })
  expect(refused).not.toHaveProperty('issued')
  expect(lost).toMatchObject({ isReuse: false, issued: expect.any(String), endedAt: expect.any(Number) })
  expect(lost).not.toHaveProperty('status')
  expect(reused).toMatchObject({ isReuse: true, status: 400 })
})

test('a server that was cut off accepts no connection until it is restored', async () => {
  const { origin } = shared.api
  const cut = shared.api.cutConnections()
  await expect(fetch(`${origin}/public`)).rejects.toThrow(TypeError)
  cut.restore()
  cut.restore()
  expect((await fetch(`${origin}/public`)).status).toBe(200)
})

test('a dropped refresh was not processed', async () => {
  const { refresh_token } = await signIn(shared)
  shared.authorizationServer.failRefreshes({ kind: 'drop' })
  await expect(refresh(shared, refresh_token)).rejects.toThrow(TypeError)
  await refreshed(shared, refresh_token)
})

test('a hanging refresh is processed when faults are cleared', async () => {
  const { refresh_token } = await signIn(shared)
  shared.authorizationServer.failRefreshes({ kind: 'hang' })
  const answer = refresh(shared, refresh_token)
  const early = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 100, 'still hanging'))])
  expect(early).toBe('still hanging')
  shared.authorizationServer.clearFaults()
  expect(await statusOf(answer)).toBe(200)
})

test('a hanging refresh is not processed if its client has aborted it', async () => {
  const { counters, failRefreshes, clearFaults } = shared.authorizationServer
  const { refresh_token } = await signIn(shared)
  const before = counters.reuseDetections
  failRefreshes({ kind: 'hang' })
  await expect(refresh(shared, refresh_token, { signal: AbortSignal.timeout(100) })).rejects.toThrow()
  await new Promise((resolve) => setTimeout(resolve, 50))
  clearFaults()
  await refreshed(shared, refresh_token)
  expect(counters.reuseDetections).toBe(before)
})

test('requests take queued faults one by one, and clearing drops the rest', async () => {
  const { failRefreshes, clearFaults } = shared.authorizationServer
  const { refresh_token } = await signIn(shared)
  const fault = (status: number) => ({ kind: 'answer', status }) as const
  failRefreshes(fault(500), fault(502), fault(503))
  expect(await statusOf(refresh(shared, refresh_token))).toBe(500)
  expect(await statusOf(refresh(shared, refresh_token))).toBe(502)
  clearFaults()
  await refreshed(shared, refresh_token)
})

test('faults do not affect the authorization code grant', async () => {
  shared.authorizationServer.failRefreshes({ kind: 'drop' })
  await signIn(shared)
})

test('held refreshes wait for their release', async () => {
  const { refresh_token } = await signIn(shared)
  const hold = shared.authorizationServer.holdRefreshes()
  const answer = refresh(shared, refresh_token)
  await hold.arrived
  hold.release()
  expect(await statusOf(answer)).toBe(200)
})

test('clearing faults releases held refreshes', async () => {
  const { refresh_token } = await signIn(shared)
  const hold = shared.authorizationServer.holdRefreshes()
  const answer = refresh(shared, refresh_token)
  await hold.arrived
  shared.authorizationServer.clearFaults()
  expect(await statusOf(answer)).toBe(200)
})

test('expired access tokens get a 401 from the API while the refresh token stays valid', async () => {
  const { access_token, refresh_token } = await signIn(shared)
  expect(await statusOf(callApi(shared, '/orders', access_token))).toBe(200)
  shared.authorizationServer.expireAccessTokens()
  const refused = await callApi(shared, '/orders', access_token)
  expect(refused.status).toBe(401)
  expect(refused.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
  const fresh = await refreshed(shared, refresh_token)
  expect(await (await callApi(shared, '/orders', fresh.access_token)).json()).toMatchObject({ subject: 'alice' })
})

test('revoking everything ends refresh and access tokens, and a new sign-in works', async () => {
  const browser = new Browser()
  const { access_token, refresh_token } = await signIn(shared, browser)
  await shared.authorizationServer.revokeEverything()
  expect(await problemOf(await refresh(shared, refresh_token))).toBe('invalid_grant')
  expect(await statusOf(callApi(shared, '/orders', access_token))).toBe(401)
  const { issuer } = shared.authorizationServer
  const again = await browser.open(authorizationUrl(issuer))
  await refreshed(shared, (await redeem(issuer, again.url)).refresh_token)
})

test('a revoked refresh token is rejected', async () => {
  const { issuer, counters } = shared.authorizationServer
  const before = counters.revocations
  const { access_token, refresh_token } = await signIn(shared)
  const response = await fetch(`${issuer}/token/revocation`, {
    method: 'POST',
    headers: { origin: 'https://app.example' },
    body: new URLSearchParams({ token: refresh_token, client_id: 'web' }),
  })
  expect(response.status).toBe(200)
  expect(response.headers.get('access-control-allow-origin')).toBe('https://app.example')
  expect(counters.revocations).toBe(before + 1)
  expect(await problemOf(await refresh(shared, refresh_token))).toBe('invalid_grant')
  expect(await statusOf(callApi(shared, '/orders', access_token))).toBe(401)
})

/** Submits a form of the provider with hidden fields and one button, as the page's script does. */
async function pressOnlyButton(browser: Browser, page: Page): Promise<Page> {
  const action = /action="([^"]+)"/.exec(page.html)?.[1] ?? ''
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(page.html)?.[1] ?? ''
  return browser.open(action, { xsrf, logout: 'yes' })
}

test('signing out at the provider ends its session and returns to the app', async () => {
  const { issuer, counters } = shared.authorizationServer
  const before = counters.endSessions
  const browser = new Browser()
  await signIn(shared, browser)
  const parameters = new URLSearchParams({ client_id: 'web', post_logout_redirect_uri: signedOut, state: 's' })
  const page = await browser.open(`${issuer}/session/end?${parameters}`)
  expect(page.html).toContain("getElementById('sign-out').click()")
  const done = await pressOnlyButton(browser, page)
  expect(done.url).toBe(`${signedOut}?state=s`)
  expect(counters.endSessions).toBe(before + 1)
  const silent = await browser.open(authorizationUrl(issuer, { prompt: 'none' }))
  expect(new URL(silent.url).searchParams.get('error')).toBe('login_required')
})

test('userinfo answers for an access token', async () => {
  const { access_token } = await signIn(shared)
  const headers = { authorization: `Bearer ${access_token}` }
  const response = await fetch(`${shared.authorizationServer.issuer}/me`, { headers })
  expect(await response.json()).toMatchObject({ sub: 'alice', name: 'Alice Liddell', email: 'alice@example.com' })
})

test('the API checks a held request at its arrival, even if the token expires later', async () => {
  const { access_token } = await signIn(shared)
  const hold = shared.api.holdRequests('/orders')
  const good = callApi(shared, '/orders', access_token)
  await hold.arrived
  shared.authorizationServer.expireAccessTokens()
  const late = callApi(shared, '/orders', access_token)
  await new Promise((resolve) => setTimeout(resolve, 50))
  hold.release()
  expect(await statusOf(good)).toBe(200)
  expect(await statusOf(late)).toBe(401)
})

test('the API can check a held request at its release', async () => {
  const { access_token } = await signIn(shared)
  const hold = shared.api.holdRequests('/orders', { judgeAt: 'release' })
  const answer = callApi(shared, '/orders', access_token)
  await hold.arrived
  shared.authorizationServer.expireAccessTokens()
  hold.release()
  expect(await statusOf(answer)).toBe(401)
})

test('the API requires a token except on its public routes', async () => {
  for (const path of ['/orders', '/echo', '/bytes', '/redirect?to=http://localhost:1/', '/html', '/headers']) {
    expect(await statusOf(callApi(shared, path))).toBe(401)
  }
  expect(await (await callApi(shared, '/public')).json()).toEqual({ public: true, authorization: null })
  expect(await statusOf(callApi(shared, '/nowhere'))).toBe(404)
})

test('the API echoes requests, returns bodies and generates bytes', async () => {
  const { access_token } = await signIn(shared)
  const body = Buffer.from([0, 1, 2, 253, 254, 255])
  const echo = await callApi(shared, '/echo?a=1', access_token, { method: 'PUT', body })
  expect(await echo.json()).toMatchObject({
    method: 'PUT',
    path: '/echo',
    query: { a: '1' },
    subject: 'alice',
    bodyBase64Length: 8,
    bodySha256: createHash('sha256').update(body).digest('hex'),
  })
  const headers = { 'content-type': 'application/x-thing' }
  const bytes = await callApi(shared, '/bytes', access_token, { method: 'POST', body, headers })
  expect(bytes.headers.get('content-type')).toBe('application/x-thing')
  expect(Buffer.from(await bytes.arrayBuffer())).toEqual(body)
  const size = 200_000
  const download = await callApi(shared, `/download?size=${size}`, access_token)
  expect(Buffer.from(await download.arrayBuffer()).equals(downloadBytes(0, size))).toBe(true)
})

test('the API has a route for each unusual response', async () => {
  const { access_token } = await signIn(shared)
  const call = (path: string, init?: RequestInit) => callApi(shared, path, access_token, init)
  expect(await statusOf(call('/status/418'))).toBe(418)
  expect(await statusOf(call('/status/304'))).toBe(304)
  expect(await statusOf(call('/status/99'))).toBe(400)
  expect(await statusOf(call('/empty'))).toBe(204)
  expect(await statusOf(call('/delay/10'))).toBe(200)
  expect(await statusOf(call('/always-401'))).toBe(401)
  expect(await statusOf(call('/always-403'))).toBe(403)
  expect(await statusOf(call('/orders', { method: 'DELETE' }))).toBe(405)
  expect(await statusOf(call('/orders', { method: 'HEAD' }))).toBe(200)
  expect(await statusOf(call('/download?size=10', { method: 'HEAD' }))).toBe(200)
  expect((await call('/html')).headers.get('content-type')).toContain('text/html')
  await expect((await call('/truncated')).json()).rejects.toThrow(SyntaxError)
  await expect(call('/drop')).rejects.toThrow(TypeError)
  const redirect = await call('/redirect?status=307&to=https://other.example/x', { redirect: 'manual' })
  expect([redirect.status, redirect.headers.get('location')]).toEqual([307, 'https://other.example/x'])
  expect(await statusOf(callApi(shared, '/redirect-public?to=nowhere'))).toBe(400)
})

test('the API counts its responses and logs requests in order', async () => {
  const { counters, requests } = shared.api
  const before = { ...counters }
  await callApi(shared, '/orders?page=2', 'no-such-token', { headers: { origin: 'https://app.example' } })
  expect(counters).toEqual({
    received: before.received + 1,
    answered: before.answered + 1,
    unauthorized: before.unauthorized + 1,
  })
  expect(requests.at(-1)).toMatchObject({
    method: 'GET',
    path: '/orders',
    query: '?page=2',
    origin: 'https://app.example',
    status: 401,
    headers: { authorization: 'Bearer no-such-token' },
  })
})

test('the API reads its token from another header if the options name one', async () => {
  const servers = await startExtra({ tokenHeader: 'X-TOKEN' })
  const { access_token } = await signIn(servers)
  expect(await statusOf(callApi(servers, '/orders', undefined, { headers: { 'X-TOKEN': access_token } }))).toBe(200)
  expect(await statusOf(callApi(servers, '/orders', access_token))).toBe(401)
})

test('every origin may send a preflight and read responses', async () => {
  const origin = 'https://app.example'
  for (const url of [`${shared.api.origin}/orders`, `${shared.legacy.origin}/list`]) {
    const preflight = await fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'PATCH',
        'access-control-request-headers': 'authorization, x-token',
      },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-origin')).toBe(origin)
    expect(preflight.headers.get('access-control-allow-methods')).toBe('PATCH')
    expect(preflight.headers.get('access-control-allow-headers')).toBe('authorization, x-token')
    expect(preflight.headers.get('access-control-max-age')).toBe('600')
  }
  const answer = await callApi(shared, '/orders', undefined, { headers: { origin } })
  expect(answer.headers.get('access-control-allow-origin')).toBe(origin)
  expect(answer.headers.get('access-control-expose-headers')).toContain('WWW-Authenticate')
  const discovery = `${shared.authorizationServer.issuer}/.well-known/openid-configuration`
  expect((await fetch(discovery, { headers: { origin } })).headers.get('access-control-allow-origin')).toBe(origin)
})

test('a page can control the servers over HTTP', async () => {
  const { access_token, refresh_token } = await signIn(shared)
  const control = (name: string, input?: unknown) =>
    fetch(`${shared.api.origin}/control/${name}`, {
      ...(input === undefined ? { method: 'POST' } : { method: 'POST', body: JSON.stringify(input) }),
    })
  await control('expire-access-tokens')
  expect(await statusOf(callApi(shared, '/orders', access_token))).toBe(401)
  await control('access-token-seconds', { seconds: 7 })
  const fresh = await refreshed(shared, refresh_token)
  expect(fresh.expires_in).toBe(7)
  await control('fail-refreshes', [{ kind: 'answer', status: 502 }, { kind: 'drop' }])
  expect(await statusOf(refresh(shared, fresh.refresh_token))).toBe(502)
  await control('clear-faults')
  const last = await refreshed(shared, fresh.refresh_token)
  await control('revoke-everything')
  expect(await problemOf(await refresh(shared, last.refresh_token))).toBe('invalid_grant')
  const counters = await fetch(`${shared.api.origin}/control/counters`)
  expect(await counters.json()).toEqual({
    authorizationServer: shared.authorizationServer.counters,
    api: shared.api.counters,
  })
})

test('control explains what is wrong with its input', async () => {
  const control = async (name: string, body: string) => {
    const response = await fetch(`${shared.api.origin}/control/${name}`, { method: 'POST', body })
    return [response.status, await problemOf(response)]
  }
  expect(await control('fail-refreshes', 'not json')).toEqual([400, 'expected a JSON array of faults'])
  expect(await control('fail-refreshes', '[{"kind":"answer","status":99}]')).toEqual([
    400,
    'fault 0: status must be an integer from 200 to 599',
  ])
  expect(await control('access-token-seconds', '{"seconds":"10"}')).toEqual([400, 'expected {"seconds": number}'])
  expect(await control('access-token-seconds', '{"seconds":0}')).toEqual([400, expect.stringContaining('not 0')])
  expect(await control('refresh-delay', '{"milliseconds":-1}')).toEqual([400, expect.stringContaining('not -1')])
  expect(await control('refresh-delay', '{"milliseconds":1e12}')).toEqual([400, expect.stringContaining('600000')])
  expect(await control('reuse-grace', '{"seconds":-1}')).toEqual([400, expect.stringContaining('not -1')])
  for (const name of ['rotation', 'api-denial', 'offline']) {
    expect(await control(name, '{"isOn":1}'), name).toEqual([400, 'expected {"isOn": boolean}'])
  }
  expect((await control('unknown', ''))[0]).toBe(404)
  expect((await control('constructor', '{}'))[0]).toBe(404)
})

test('rotation and its grace period can be changed while the server runs', async () => {
  const { authorizationServer } = await startExtra({})
  const servers = extra as Servers
  const first = await signIn(servers)
  authorizationServer.setRotation(false)
  expect((await refreshed(servers, first.refresh_token)).refresh_token).toBe(first.refresh_token)
  authorizationServer.setRotation(true)
  const second = await refreshed(servers, first.refresh_token)
  authorizationServer.setReuseGrace(30)
  await refreshed(servers, first.refresh_token)
  authorizationServer.setReuseGrace(0)
  expect(authorizationServer.counters.reuseDetections).toBe(0)
  expect(await problemOf(await refresh(servers, first.refresh_token))).toBe('invalid_grant')
  expect(await problemOf(await refresh(servers, second.refresh_token))).toBe('invalid_grant')
  expect(authorizationServer.counters.reuseDetections).toBe(1)
})

test('every refresh waits for the delay until it is reset', async () => {
  const { authorizationServer } = await startExtra({})
  const servers = extra as Servers
  const first = await signIn(servers)
  authorizationServer.setRefreshDelay(600_000)
  const waiting = refreshed(servers, first.refresh_token)
  const early = await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 100, 'still waiting'))])
  expect(early).toBe('still waiting')
  authorizationServer.clearFaults()
  const second = await waiting
  authorizationServer.setRefreshDelay(0)
  await refreshed(servers, second.refresh_token)
})

test('stopped faults no longer apply, but hanging requests keep hanging', async () => {
  const { failRefreshes, stopFaults, clearFaults } = shared.authorizationServer
  const { refresh_token } = await signIn(shared)
  failRefreshes({ kind: 'hang' }, { kind: 'answer', status: 503 })
  const hanging = refresh(shared, refresh_token)
  await expect.poll(() => shared.authorizationServer.refreshes.at(-1)?.token).toBe(refresh_token)
  stopFaults()
  const other = await signIn(shared)
  await refreshed(shared, other.refresh_token)
  const early = await Promise.race([hanging, new Promise((resolve) => setTimeout(resolve, 100, 'still hanging'))])
  expect(early).toBe('still hanging')
  clearFaults()
  expect(await statusOf(hanging)).toBe(200)
})

test('an API in denial answers 401 to valid tokens, except on public routes', async () => {
  const servers = await startExtra({})
  const { access_token } = await signIn(servers)
  servers.api.setDenial(true)
  expect(await statusOf(callApi(servers, '/orders', access_token))).toBe(401)
  expect(await statusOf(callApi(servers, '/public'))).toBe(200)
  servers.api.setDenial(false)
  expect(await statusOf(callApi(servers, '/orders', access_token))).toBe(200)
  expect(servers.api.counters).toEqual({ received: 3, answered: 3, unauthorized: 1 })
})

test('control takes both servers offline, still answers, and resets everything', async () => {
  const servers = await startExtra({ accessTokenSeconds: 60 })
  const { control, authorizationServer, api } = servers
  const atStart = control.settings
  expect(atStart).toEqual({
    accessTokenSeconds: 60,
    refreshDelayMilliseconds: 0,
    rotation: true,
    reuseGraceSeconds: 0,
    apiDenial: false,
    offline: false,
  })
  const changes: Record<string, object> = {
    'access-token-seconds': { seconds: 5 },
    'refresh-delay': { milliseconds: 3000 },
    rotation: { isOn: false },
    'reuse-grace': { seconds: 20 },
    'api-denial': { isOn: true },
    offline: { isOn: true },
  }
  for (const [name, input] of Object.entries(changes)) await control.perform(name, input)
  expect(control.settings).toEqual({
    accessTokenSeconds: 5,
    refreshDelayMilliseconds: 3000,
    rotation: false,
    reuseGraceSeconds: 20,
    apiDenial: true,
    offline: true,
  })
  await control.perform('offline', { isOn: true })
  await expect(fetch(`${api.origin}/public`)).rejects.toThrow(TypeError)
  await expect(fetch(`${authorizationServer.issuer}/jwks`)).rejects.toThrow(TypeError)
  await control.perform('reset', undefined)
  expect(control.settings).toEqual(atStart)
  const { refresh_token } = await signIn(servers)
  const { access_token } = await refreshed(servers, refresh_token)
  expect(await statusOf(callApi(servers, '/orders', access_token))).toBe(200)
})

test('control is available only if the options ask for it', async () => {
  const servers = await startExtra({ control: false })
  expect(await statusOf(fetch(`${servers.api.origin}/control/counters`))).toBe(404)
})

test('closing does not wait for connections that are held or hanging', async () => {
  const servers = await startExtra({})
  const { access_token, refresh_token } = await signIn(servers)
  const hold = servers.api.holdRequests('/orders')
  const held = callApi(servers, '/orders', access_token)
  await hold.arrived
  servers.authorizationServer.failRefreshes({ kind: 'hang' })
  const hanging = refresh(servers, refresh_token)
  const outcomes = Promise.allSettled([held, hanging])
  await new Promise((resolve) => setTimeout(resolve, 50))
  await servers.close()
  extra = undefined
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})

interface LegacyAnswer {
  readonly code: unknown
  readonly message: string
  readonly data: {
    readonly token: { readonly accessToken: string; readonly refreshToken: string }
    readonly [field: string]: unknown
  }
}

async function callLegacy(
  path: string,
  body: Record<string, unknown>,
  token?: string,
): Promise<LegacyAnswer & { readonly status: number }> {
  const response = await fetch(`${shared.legacy.origin}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { 'X-TOKEN': token }) },
    body: JSON.stringify(body),
  })
  return { status: response.status, ...((await response.json()) as LegacyAnswer) }
}

const legacyLogin = () => callLegacy('/login', { account: 'alice', password: 'lingpai' })

function legacyRefresh(refreshToken: string) {
  return callLegacy('/refresh', { refreshToken, appId: 'app', time: Date.now(), nonce: 'n', signature: 's' })
}

test('the legacy API signs in with its own envelope', async () => {
  const { data, code } = await legacyLogin()
  expect(code).toBe('SUCCESS')
  expect(data.user).toEqual({ id: 'alice', name: 'Alice Liddell' })
  expect(shared.legacy.issuedTokens).toEqual(expect.arrayContaining(Object.values(data.token)))
  expect(await callLegacy('/login', { account: 'alice', password: 'wrong' })).toMatchObject({
    status: 200,
    code: 100401,
  })
  const list = await callLegacy('/list', {}, data.token.accessToken)
  expect(list).toEqual({ status: 200, code: 'SUCCESS', message: '', data: { items: ['tea', 'ink'], subject: 'alice' } })
})

test('the legacy API rotates its refresh tokens and rejects used and expired ones', async () => {
  const { counters } = shared.legacy
  const before = { ...counters }
  const first = (await legacyLogin()).data.token
  const second = (await legacyRefresh(first.refreshToken)).data.token
  expect(second.refreshToken).not.toBe(first.refreshToken)
  expect(await legacyRefresh(first.refreshToken)).toMatchObject({ status: 200, code: 900212 })
  shared.legacy.expireRefreshTokens()
  expect(await legacyRefresh(second.refreshToken)).toMatchObject({ status: 200, code: 900211 })
  expect(counters).toEqual({
    logins: before.logins + 1,
    refreshes: before.refreshes + 3,
    reuseDetections: before.reuseDetections + 1,
  })
})

test('the legacy API answers with its codes and statuses', async () => {
  const { accessToken } = (await legacyLogin()).data.token
  expect(await callLegacy('/fail', {}, accessToken)).toMatchObject({ status: 200, code: 42, message: 'out of stock' })
  expect(await callLegacy('/null', {}, accessToken)).toMatchObject({ code: 'SUCCESS', data: null })
  expect(await callLegacy('/forbidden', {}, accessToken)).toMatchObject({ status: 403 })
  expect(await callLegacy('/expired-code', {}, accessToken)).toMatchObject({ status: 200, code: 'SUCCESS' })
  shared.legacy.expireAccessTokens()
  expect(await callLegacy('/list', {}, accessToken)).toMatchObject({ status: 401 })
  expect(await callLegacy('/expired-code', {}, accessToken)).toMatchObject({
    status: 200,
    code: 40101,
    message: 'token expired',
  })
})

test('the legacy API redirects to the given URL', async () => {
  const { accessToken } = (await legacyLogin()).data.token
  const response = await fetch(`${shared.legacy.origin}/redirect`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'X-TOKEN': accessToken },
    body: JSON.stringify({ to: 'https://other.example/', status: 307 }),
  })
  expect([response.status, response.headers.get('location')]).toEqual([307, 'https://other.example/'])
})

test('the legacy API supports the same faults', async () => {
  const { refreshToken } = (await legacyLogin()).data.token
  shared.legacy.failRefreshes({ kind: 'drop' }, { kind: 'lose' })
  await expect(legacyRefresh(refreshToken)).rejects.toThrow(TypeError)
  await expect(legacyRefresh(refreshToken)).rejects.toThrow(TypeError)
  expect(await legacyRefresh(refreshToken)).toMatchObject({ code: 900212 })
})
