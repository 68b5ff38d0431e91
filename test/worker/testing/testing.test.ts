import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { envelope } from '../../../worker/grant/envelope.ts'
import { envelopeGrant } from '../../../worker/grant/envelope-grant.ts'
import { oauth } from '../../../worker/grant/oauth.ts'
import { startTestSession, type TestSession, type TestSessionOptions } from '../../../worker/testing/index.ts'
import { createTokenRegister } from '../../../worker/testing/token-register.ts'
import { header } from '../../../worker/transport/attach.ts'

const origin = 'https://api.example.com'
const url = `${origin}/orders`

function start<Input = unknown>(options: Partial<TestSessionOptions<Input>> = {}): TestSession<Input> {
  const test = startTestSession<Input>({ apis: [{ origin }], ...options })
  onTestFinished(test.close)
  return test
}

/** Alice's session with an expired access token. */
async function startExpired<Input = unknown>(
  options: Partial<TestSessionOptions<Input>> = {},
): Promise<TestSession<Input>> {
  const test = start(options)
  await test.signIn('alice')
  await test.clock.advance('1h')
  return test
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'resolved',
    (error) => error.code ?? error.name,
  )

const outcomesOf = ({ authorizationServer }: Pick<TestSession, 'authorizationServer'>) =>
  authorizationServer.refreshes.map(({ token, outcome }) => [token, outcome])

afterEach(() => {
  vi.useRealTimers()
})

describe('a session without faults', () => {
  it('is signed in by the real OAuth code, at the issuer of its grant', async () => {
    const test = start({ grant: oauth({ issuer: 'https://id.example.com/realms/shop', clientId: 'shop' }) as never })
    expect(test.session.getSnapshot()).toMatchObject({ status: 'connecting', mode: 'inline' })
    await test.signIn('bob', { profile: { name: 'Bob Baker' } })
    expect(test.session.getSnapshot()).toMatchObject({
      status: 'signed-in',
      user: { subject: 'bob', profile: { name: 'Bob Baker' } },
    })
    expect(test.log.map(({ kind, method, url, outcome }) => [kind, method, url, outcome])).toEqual([
      ['discovery', 'GET', 'https://id.example.com/realms/shop/.well-known/openid-configuration', 200],
      ['authorization', 'GET', 'https://id.example.com/realms/shop/oauth2/authorize', 302],
      ['signIn', 'POST', 'https://id.example.com/realms/shop/oauth2/token', 200],
    ])
  })

  it('can share its grant with later sessions, and the grant discovers once', async () => {
    const grant = oauth({ issuer: 'https://id.example.com', clientId: 'shop' }) as never
    for (const discoveries of [1, 0]) {
      const test = await startExpired({ grant })
      expect((await test.session.fetch(url)).status).toBe(200)
      expect(test.log.filter(({ kind }) => kind === 'discovery')).toHaveLength(discoveries)
    }
  })

  it('gets an echo from an API for a request with a good token', async () => {
    const test = start()
    await test.signIn('alice')
    const response = await test.session.fetch(`${url}?page=2`, { method: 'POST', body: 'tea' })
    expect(response.url).toBe(`${url}?page=2`)
    expect(await response.json()).toEqual({ method: 'POST', path: '/orders', user: 'alice', body: 'tea' })
    expect(test.api.requests).toMatchObject([{ user: 'alice', token: 'access-1', body: 'tea', outcome: 200 }])
  })

  it('refreshes once for three calls with an expired token (I1)', async () => {
    const test = await startExpired()
    const responses = await Promise.all([1, 2, 3].map(() => test.session.fetch(url)))
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(outcomesOf(test)).toEqual([['refresh-1', 200]])
  })

  it('gets a new refresh token at every refresh, and never sends a used one (I2)', async () => {
    const test = await startExpired()
    for (let hour = 0; hour < 3; hour++) {
      expect((await test.session.fetch(url)).status).toBe(200)
      await test.clock.advance('1h')
    }
    expect(outcomesOf(test)).toEqual([
      ['refresh-1', 200],
      ['refresh-2', 200],
      ['refresh-3', 200],
    ])
    expect(test.authorizationServer.reuseDetections).toEqual([])
  })

  it('keeps its refresh token if the server does not rotate', async () => {
    const test = await startExpired({ authorizationServer: { rotation: false, accessTokenLife: '5min' } })
    for (let call = 0; call < 2; call++) {
      expect((await test.session.fetch(url)).status).toBe(200)
      await test.clock.advance('6min')
    }
    expect(outcomesOf(test)).toEqual([
      ['refresh-1', 200],
      ['refresh-1', 200],
    ])
  })

  it('ends at sign-out, and its tokens are revoked at the server', async () => {
    const test = start()
    await test.signIn('alice')
    await test.session.signOut()
    expect(test.session.getSnapshot()).toMatchObject({ status: 'signed-out' })
    expect(test.authorizationServer.requests.at(-1)).toMatchObject({ kind: 'revocation', token: 'refresh-1' })
  })

  it('is the same session in all tabs', async () => {
    const test = await startExpired()
    const other = test.openTab()
    const responses = await Promise.all([test.session.fetch(url), other.fetch(url)])
    expect(responses.map(({ status }) => status)).toEqual([200, 200])
    expect(test.authorizationServer.refreshes).toHaveLength(1)
    await test.session.signOut()
    expect(other.getSnapshot()).toMatchObject({ status: 'signed-out' })
  })

  it('has an explanation and a log without tokens', async () => {
    const test = await startExpired()
    await test.session.fetch(url)
    const told = JSON.stringify([await test.session.explain(), test.log]) + test.story()
    expect(told).toContain('refresh-started')
    expect(told).not.toMatch(/(access|refresh)-\d+\.|code\./)
  })
})

describe('the register of tokens', () => {
  const rules = { rotation: true, reuseDetection: true, grace: 0, accessTokenLife: 60_000, refreshTokenLife: 600_000 }

  it('ends only the family of a refresh token that is used again (RFC 9700 §4.14.2)', () => {
    const register = createTokenRegister(
      rules,
      () => 5,
      () => 0.5,
    )
    const [first, other] = [register.signIn('alice'), register.signIn('bob')]
    const second = register.refresh(first.refreshToken ?? '')
    expect(register.verify(second?.accessToken)).toBe('alice')
    expect(register.refresh(first.refreshToken ?? '')).toBeUndefined()
    expect(register.reuseDetections).toEqual([{ at: 5, token: 'refresh-1', user: 'alice' }])
    expect(register.verify(second?.accessToken)).toBeUndefined()
    expect(register.refresh(second?.refreshToken ?? '')).toBeUndefined()
    expect(register.reuseDetections).toHaveLength(1)
    expect(register.verify(other.accessToken)).toBe('bob')
  })
})

describe('a fault of the authorization server', () => {
  it('reject: three waiting calls must sign in, after one refresh (I7)', async () => {
    const test = await startExpired()
    const changes: string[] = []
    test.session.subscribe(() => changes.push(test.session.getSnapshot().status))
    test.authorizationServer.next.refresh({ reject: 'invalid_grant', delay: '2s' })
    const calls = [1, 2, 3].map(() => test.session.fetch(url))
    await test.clock.advance(1999)
    expect(test.authorizationServer.refreshes).toMatchObject([{ outcome: 'pending' }])
    expect(changes).toEqual([])
    await test.clock.advance(1)
    expect(await Promise.all(calls.map(codeOf))).toEqual(Array(3).fill('sign_in_required'))
    expect(changes).toEqual(['signed-out'])
    expect(test.authorizationServer.refreshes).toMatchObject([{ outcome: 400, error: 'invalid_grant' }])
    expect(test.api.requests).toEqual([])
  })

  it('429 with Retry-After: the session waits for that time and not less', async () => {
    const test = await startExpired()
    test.authorizationServer.next.refresh({ status: 429, retryAfter: '20s' })
    const call = test.session.fetch(url)
    await test.clock.advance('19s')
    expect(outcomesOf(test)).toEqual([['refresh-1', 429]])
    await test.clock.advance('10s')
    expect((await call).status).toBe(200)
    expect(outcomesOf(test)).toEqual([
      ['refresh-1', 429],
      ['refresh-1', 200],
    ])
  })

  it('503 until the server recovers: the user stays signed in, and calls fail by their deadline until then (I7, I12)', async () => {
    const test = await startExpired()
    test.authorizationServer.every.refresh({ status: 503 })
    const call = test.session.fetch(url)
    await test.clock.advance('31s')
    expect(await codeOf(call)).toBe('refresh_unavailable')
    expect(test.session.getSnapshot()).toMatchObject({ status: 'signed-in', tokenServer: 'unreachable' })
    test.authorizationServer.recover()
    const later = test.session.fetch(url)
    await test.clock.advance('1min')
    expect((await later).status).toBe(200)
    expect(test.session.getSnapshot()).toMatchObject({ status: 'signed-in', tokenServer: 'ok' })
  })

  it.each([
    ['a lost request', { lose: 'request' }, 'lost'],
    ['a page of HTML', { html: '<h1>Welcome to our Wi-Fi</h1>' }, 200],
    ['a 500', { status: 500, body: { error: 'oops' } }, 500],
    ['a redirect', { status: 302, headers: { location: 'https://evil.example' } }, 302],
  ] as const)('%s: the same token is sent again, and the call is answered', async (_name, fault, outcome) => {
    const test = await startExpired()
    test.authorizationServer.next.refresh(fault)
    const response = await test.clock.advanceUntil(test.session.fetch(url))
    expect(response.status).toBe(200)
    expect(outcomesOf(test)).toEqual([
      ['refresh-1', outcome],
      ['refresh-1', 200],
    ])
  })

  it('a response lost after the rotation: within the grace the session continues (I9)', async () => {
    const test = await startExpired({ authorizationServer: { grace: '1min' } })
    test.authorizationServer.next.refresh({ lose: 'answer' })
    const response = await test.clock.advanceUntil(test.session.fetch(url))
    expect(response.status).toBe(200)
    expect(test.authorizationServer.reuseDetections).toEqual([])
    await test.clock.advance('1h')
    await test.session.fetch(url)
    expect(outcomesOf(test)).toEqual([
      ['refresh-1', 'lost'],
      ['refresh-1', 200],
      ['refresh-3', 200],
    ])
  })

  it('a response lost after the rotation, without a grace: the reuse is detected, and the loss is reported (I9)', async () => {
    const test = await startExpired()
    test.authorizationServer.next.refresh({ lose: 'answer', status: 502 })
    const call = test.session.fetch(url)
    expect(await codeOf(test.clock.advanceUntil(call))).toBe('sign_in_required')
    expect(test.authorizationServer.reuseDetections).toMatchObject([{ token: 'refresh-1', user: 'alice' }])
    expect(test.session.getSnapshot()).toMatchObject({ status: 'signed-out', reason: 'refresh_answer_lost' })
  })

  it('no reuse is detected if the server does not detect it: the session stays valid at the server', async () => {
    const test = await startExpired({ authorizationServer: { reuseDetection: false } })
    test.authorizationServer.next.refresh({ lose: 'answer' })
    expect(await codeOf(test.clock.advanceUntil(test.session.fetch(url)))).toBe('sign_in_required')
    expect(test.authorizationServer.reuseDetections).toEqual([])
  })

  it('a refresh that hangs is aborted after the refresh timeout and retried', async () => {
    const test = await startExpired({ refresh: { timeout: 4000 } })
    test.authorizationServer.next.refresh({ hang: true })
    const call = test.session.fetch(url)
    await test.clock.advance(3999)
    expect(outcomesOf(test)).toEqual([['refresh-1', 'pending']])
    await test.clock.advance(1)
    expect(outcomesOf(test)).toEqual([['refresh-1', 'aborted']])
    await test.clock.advance('10s')
    expect((await call).status).toBe(200)
  })

  it('a server that acts but never answers has rotated', async () => {
    const test = await startExpired({ refresh: { timeout: 4000 } })
    test.authorizationServer.next.refresh({ hang: true, lose: 'answer' })
    expect(await codeOf(test.clock.advanceUntil(test.session.fetch(url)))).toBe('sign_in_required')
    expect(test.authorizationServer.reuseDetections).toHaveLength(1)
  })

  it('tokens of another user are never used (I6)', async () => {
    const test = await startExpired()
    test.authorizationServer.next.refresh({ user: 'bob' })
    expect(await codeOf(test.session.fetch(url))).toBe('sign_in_required')
    expect(test.session.getSnapshot()).toMatchObject({ status: 'signed-out', reason: 'subject_changed' })
    expect(test.api.requests).toEqual([])
    const revocations = test.authorizationServer.requests.filter(({ kind }) => kind === 'revocation')
    expect(revocations).toMatchObject([{ user: 'bob' }])
  })

  it('an expires_in that is too long: a 401 of the API starts the refresh', async () => {
    const test = await startExpired()
    test.authorizationServer.next.refresh({ expiresIn: 86_400 })
    await test.session.fetch(url)
    await test.clock.advance('1h')
    expect((await test.session.fetch(url)).status).toBe(200)
    expect(test.api.requests.map(({ token, outcome }) => [token, outcome])).toEqual([
      ['access-2', 200],
      ['access-2', 401],
      ['access-3', 200],
    ])
  })

  it('invalid_client: the app is misconfigured, so the session stays and the worker does not retry', async () => {
    const test = await startExpired()
    test.authorizationServer.every.refresh({ reject: 'invalid_client' })
    expect(await codeOf(test.session.fetch(url))).toBe('refresh_unavailable')
    await test.clock.advance('10min')
    expect(test.authorizationServer.refreshes).toHaveLength(1)
    expect(test.session.getSnapshot()).toMatchObject({ status: 'signed-in' })
  })

  it('a sign-in is cancelled if the user refuses it, and fails if the server rejects it', async () => {
    const test = start()
    test.authorizationServer.next.authorization({ reject: 'access_denied' })
    expect(await codeOf(test.signIn('alice'))).toBe('sign_in_cancelled')
    test.authorizationServer.next.signIn({ reject: 'invalid_grant' })
    expect(await codeOf(test.signIn('alice'))).toBe('sign_in_failed')
    test.authorizationServer.next.signIn({ lose: 'answer' })
    expect(await codeOf(test.signIn('alice'))).toBe('network_error')
    await test.signIn('alice')
    expect(test.session.getSnapshot()).toMatchObject({ status: 'signed-in' })
  })

  it('a failed discovery prevents a sign-in, but a failed revocation does not prevent a sign-out', async () => {
    const test = start()
    test.authorizationServer.next.discovery({ status: 503 })
    expect(await codeOf(test.signIn('alice'))).toBe('sign_in_failed')
    await test.signIn('alice')
    test.authorizationServer.next.revocation({ lose: 'request' })
    await test.session.signOut()
    expect(await test.session.explain()).toContainEqual(expect.objectContaining({ event: 'revocation-failed' }))
  })

  it('revokeEverything ends the session at the next refresh', async () => {
    const test = start()
    await test.signIn('alice')
    test.authorizationServer.revokeEverything()
    expect(await codeOf(test.session.fetch(url))).toBe('sign_in_required')
    expect(test.log.slice(-2).map(({ to, outcome }) => [to, outcome])).toEqual([
      ['API', 401],
      ['authorization server', 400],
    ])
  })

  it('expireAccessTokens makes the API reject a token before its expiry', async () => {
    const test = start()
    await test.signIn('alice')
    test.authorizationServer.expireAccessTokens()
    expect((await test.session.fetch(url)).status).toBe(200)
    expect(test.api.requests.map(({ outcome }) => outcome)).toEqual([401, 200])
  })

  it('a refresh token that is too old is rejected', async () => {
    const test = await startExpired({ authorizationServer: { refreshTokenLife: '30min' } })
    expect(await codeOf(test.session.fetch(url))).toBe('sign_in_required')
  })

  it.each(['1h', '-1h', '1d', '-1d'] as const)(
    'a clock that jumps by %s does not end the session (I7)',
    async (jump) => {
      const test = start()
      await test.signIn('alice')
      const before = test.clock.now()
      test.clock.jump(jump)
      expect(test.clock.now()).not.toBe(before)
      expect(test.clock.elapsed()).toBe(0)
      expect((await test.clock.advanceUntil(test.session.fetch(url))).status).toBe(200)
      await test.clock.advance('2h')
      expect((await test.clock.advanceUntil(test.session.fetch(url))).status).toBe(200)
    },
  )
})

describe('the APIs', () => {
  it('answer what the test sets for a path', async () => {
    const test = start()
    await test.signIn('alice')
    test.api.answer('/orders', [{ id: 1 }])
    test.api.answer('/me', ({ user, method }: { user: string; method: string }) => ({ user, method }))
    expect(await test.session.request({ url })).toEqual([{ id: 1 }])
    expect(await test.session.request({ url: `${origin}/me` })).toEqual({ user: 'alice', method: 'GET' })
  })

  it('reject a user who is not signed in, except on public paths', async () => {
    const test = start()
    test.api.answer('/news', ['tea is back'], { public: true })
    expect((await test.session.fetch(url, { auth: false })).status).toBe(401)
    expect(await (await test.session.fetch(`${origin}/news`, { auth: false })).json()).toEqual(['tea is back'])
  })

  it.each([401, 403, 500])('answer a scripted %i', async (status) => {
    const test = start()
    await test.signIn('alice')
    test.api.every({ status })
    expect((await test.session.fetch(url)).status).toBe(status)
    expect(test.authorizationServer.refreshes).toHaveLength(status === 401 ? 1 : 0)
    expect(test.api.requests).toHaveLength(status === 401 ? 2 : 1)
    test.api.recover()
    expect((await test.session.fetch(url)).status).toBe(200)
  })

  it('reject a token: one refresh, one retry (I10)', async () => {
    const test = start()
    await test.signIn('alice')
    test.api.next({ status: 401 })
    expect((await test.session.fetch(url)).status).toBe(200)
    expect(test.api.requests.map(({ token }) => token)).toEqual(['access-1', 'access-2'])
  })

  it('may be late, and calls end by their deadline', async () => {
    const test = start({ latency: 300 })
    const signingIn = test.signIn('alice')
    await test.clock.advanceUntil(signingIn)
    test.api.next({ delay: '5s' })
    const call = test.session.request({ url, timeout: 2000 })
    const patient = test.session.fetch(url)
    await test.clock.advance('2s')
    expect(await codeOf(call)).toBe('timeout')
    await test.clock.advance('4s')
    expect((await patient).status).toBe(200)
    expect(test.api.requests.map(({ at, endedAt = 0 }) => endedAt - at)).toEqual([2000, 300])
  })

  it('may hang, and an abort ends their request', async () => {
    const test = start()
    await test.signIn('alice')
    test.api.next({ hang: true })
    const controller = new AbortController()
    const call = test.session.fetch(url, { signal: controller.signal })
    await test.clock.advance('1h')
    expect(test.api.requests).toMatchObject([{ outcome: 'pending' }])
    controller.abort()
    await expect(call).rejects.toHaveProperty('name', 'AbortError')
    await test.settle()
    expect(test.api.requests).toMatchObject([{ outcome: 'aborted' }])
  })

  it('may be out of reach: a TypeError, as with fetch', async () => {
    const test = start()
    await test.signIn('alice')
    test.api.next({ lose: 'request' })
    await expect(test.session.fetch(url)).rejects.toBeInstanceOf(TypeError)
    test.api.next({ lose: 'answer' })
    expect(await codeOf(test.session.request({ url }))).toBe('network_error')
  })

  it('read the token from the configured header, and use the configured envelope', async () => {
    const test = start({
      apis: [
        { origin, pathPrefix: '/v1', attach: header('X-TOKEN'), envelope: envelope({ success: 'OK', expired: 9 }) },
      ],
    })
    await test.signIn('alice')
    test.authorizationServer.expireAccessTokens()
    test.api.answer('/v1/orders', ['tea'])
    expect(await test.session.request({ url: `${origin}/v1/orders` })).toEqual(['tea'])
    expect(await (await test.session.fetch(`${origin}/v1/orders`)).json()).toEqual({
      code: 'OK',
      message: '',
      data: ['tea'],
    })
  })

  it('stream long bodies, and bodies that an abort can end, without real time', async () => {
    const test = start()
    await test.signIn('alice')
    const long = 'tea '.repeat(1_000_000)
    test.api.answer('/long', () => long)
    const bodies: unknown[] = []
    test.session.fetch(`${origin}/long`).then(async (response) => bodies.push(await response.json()))
    const { signal } = new AbortController()
    test.session.fetch(url, { signal }).then(async (response) => bodies.push((await response.json()).path))
    await test.settle()
    expect(bodies).toHaveLength(2)
    expect(bodies).toContain(long)
  })
})

describe('a request to an unknown server', () => {
  it('rejects and names its URL', async () => {
    const test = start()
    await test.signIn('alice')
    const elsewhere = 'https://cdn.example.com/a.js'
    await expect(test.session.fetch(elsewhere)).rejects.toThrow(`nothing answers GET ${elsewhere}`)
    await expect(test.session.request({ url: elsewhere })).rejects.toThrow(`nothing answers GET ${elsewhere}`)
    expect(test.log.filter(({ outcome }) => outcome === 'refused')).toHaveLength(2)
  })

  it('rejects in the grant too', async () => {
    const test = start({
      grant: {
        async signIn(_input: unknown, io) {
          await io.send({ url: 'https://typo.example.com/login', body: '{}' })
          throw new Error('never reached')
        },
        refresh: () => Promise.reject(new Error('never reached')),
      },
    })
    await expect(test.session.signIn({})).rejects.toThrow('nothing answers POST https://typo.example.com/login')
  })

  it("is sent without a token by the test's own fetch", async () => {
    const seen: [string, Headers][] = []
    const test = start({
      async fetch(input, init) {
        const request = new Request(input, init)
        seen.push([request.url, request.headers])
        return Response.json('from elsewhere')
      },
    })
    await test.signIn('alice')
    expect(await (await test.session.fetch('https://cdn.example.com/a.json')).json()).toBe('from elsewhere')
    expect(seen.map(([address, headers]) => [address, headers.has('authorization')])).toEqual([
      ['https://cdn.example.com/a.json', false],
    ])
  })

  it('cannot carry what a message to a worker cannot carry', async () => {
    const test = start()
    expect(await codeOf(test.session.signIn({ onDone: () => {} } as never))).toBe('invalid_call')
  })
})

describe("a grant of the app's own", () => {
  const grant = envelopeGrant<{ account: string; password: string }>({
    signIn: { url: `${origin}/login` },
    refresh: { url: `${origin}/refresh` },
    signOut: { url: `${origin}/logout` },
    rejected: (code) => Number(code) > 100_000,
  })
  const calls = {
    signIn: { url: `${origin}/login` },
    refresh: { url: `${origin}/refresh` },
    signOut: { url: `${origin}/logout` },
    refuse: (error: string) => ({
      body: { code: error === 'invalid_grant' ? 900_212 : 1, message: error, data: null },
    }),
  }

  it('signs in with its own input, refreshes and signs out', async () => {
    const test = start({ grant, authorizationServer: { calls } })
    await test.session.signIn({ account: 'alice', password: 'secret' })
    expect(test.session.getSnapshot()).toMatchObject({ user: { subject: 'alice' } })
    await test.clock.advance('1h')
    expect((await test.session.fetch(url)).status).toBe(200)
    await test.session.signOut()
    expect(test.log.map(({ kind, token, outcome }) => [kind, token, outcome])).toEqual([
      ['signIn', undefined, 200],
      ['refresh', 'refresh-1', 200],
      ['call', 'access-2', 200],
      ['revocation', 'refresh-2', 200],
    ])
  })

  it('is signed in without its own input too, and its refresh can be rejected', async () => {
    const test = await startExpired({ grant, authorizationServer: { calls } })
    expect(test.log).toEqual([])
    test.authorizationServer.next.refresh({ reject: 'busy' })
    test.authorizationServer.next.refresh({ reject: 'invalid_grant' })
    const call = test.session.fetch(url)
    await test.settle()
    expect(test.authorizationServer.refreshes).toMatchObject([{ outcome: 200, error: 'busy' }])
    expect(await codeOf(test.clock.advanceUntil(call))).toBe('sign_in_required')
  })

  it('gets an error if a fault for signIn cannot happen in test.signIn()', async () => {
    const test = start({ grant, authorizationServer: { calls } })
    test.authorizationServer.next.signIn({ reject: 'invalid_grant' })
    await expect(test.signIn('alice')).rejects.toThrow('Call test.session.signIn()')
    expect(await codeOf(test.session.signIn({ account: 'alice', password: 'wrong' }))).toBe('sign_in_failed')
  })

  it('is waited for by settle() while it uses Web Crypto, but not while it waits for the test', async () => {
    const answers: (() => void)[] = []
    const test = start({
      grant: {
        async signIn() {
          await crypto.subtle.digest('SHA-256', new Uint8Array(30_000_000))
          return { accessToken: 'access' }
        },
        refresh: () => new Promise((resolve) => answers.push(() => resolve({ accessToken: 'access' }))),
      },
    })
    test.session.signIn({})
    await test.settle()
    expect(test.session.getSnapshot()).toMatchObject({ status: 'signed-in' })
    test.api.next({ status: 401 })
    test.session.fetch(url)
    await test.settle()
    expect(answers).toHaveLength(1)
  })
})

describe('a run can be repeated', () => {
  async function run(seed: number): Promise<string> {
    const test = start({ seed, authorizationServer: { grace: '1min' }, latency: 40 })
    await test.clock.advanceUntil(test.signIn('alice'))
    const other = test.openTab()
    for (let hour = 0; hour < 4; hour++) {
      await test.clock.advance('1h')
      test.authorizationServer.next.refresh({ status: 503 })
      test.authorizationServer.next.refresh({ lose: 'answer' })
      test.authorizationServer.next.refresh({ hang: true })
      const calls = [test.session, other].flatMap(({ fetch }) => [1, 2, 3].map(() => fetch(url)))
      await test.clock.advance('2min')
      await Promise.allSettled(calls)
    }
    return test.story()
  }

  it('has the same story, to the millisecond, with the same seed and script', async () => {
    const story = await run(7)
    expect(story.split('\n').length).toBeGreaterThan(15)
    expect(await run(7)).toBe(story)
    expect(await run(8)).not.toBe(story)
  })

  it('needs no real timer for a turn of the event loop, even if all were fake from the start', async () => {
    vi.useFakeTimers()
    vi.resetModules()
    const { nextTurn } = await import('../../../worker/testing/event-loop.ts')
    const { port1, port2 } = new MessageChannel()
    const arrived = vi.fn()
    port1.onmessage = arrived
    port2.postMessage(null)
    for (let turn = 0; turn < 3; turn++) await nextTurn()
    port1.close()
    expect(arrived).toHaveBeenCalledOnce()
  })

  it("continues while the runner's own fake timers stand still", async () => {
    vi.useFakeTimers()
    const test = await startExpired()
    test.authorizationServer.next.refresh({ status: 503 })
    expect((await test.clock.advanceUntil(test.session.fetch(url))).status).toBe(200)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('has a story in lines', async () => {
    const test = await startExpired()
    test.authorizationServer.next.refresh({ reject: 'invalid_grant', delay: '2s' })
    await codeOf(test.clock.advanceUntil(test.session.fetch(url)))
    expect(test.story().split('\n').slice(-2)).toEqual([
      '3600.000 s  authorization server: refresh with refresh-1 → 400 invalid_grant after 2000 ms',
      '3602.000 s  page: signed-out (refresh_rejected)',
    ])
  })
})

describe('an error is thrown for', () => {
  it.each([
    [{ rejct: 'invalid_grant' }, 'there is no "rejct". Fields are delay,'],
    [{ lose: 'both' }, 'lose must be "request" or "answer"'],
    [{ status: 99 }, 'status must be an HTTP status'],
    [{ retryAfter: '1s' }, 'retryAfter and headers go with status'],
    [{ reject: 'invalid_grant', status: 400 }, 'leave status out'],
    [{ reject: 'invalid_grant', user: 'bob' }, 'reject and user are different answers'],
    [{ hang: true, status: 503 }, 'no response would arrive'],
    [{ delay: '2 seconds' }, 'is not a duration'],
    [{ delay: -1 }, 'delay must not be negative'],
    [undefined, 'pass an object'],
  ])('a fault such as %j', (fault, message) => {
    expect(() => start().authorizationServer.next.refresh(fault as never)).toThrow(message)
  })

  it('a fault of the token server that is set for an API', () => {
    expect(() => start().api.next({ reject: 'invalid_grant' } as never)).toThrow('there is no "reject"')
  })

  it('options that do not exist', () => {
    expect(() => startTestSession({} as never)).toThrow('pass {apis: [{origin}]}')
    expect(() => start({ aipis: [] } as never)).toThrow('there is no option "aipis"')
    expect(() => start({ authorizationServer: { rotate: true } as never })).toThrow('has no option "rotate"')
  })

  it('a configuration that serve() rejects, at every call', async () => {
    const error = vi.spyOn(console, 'error').mockImplementation(() => {})
    const test = start({ apis: [{ origin: 'http://api.example.com' }] })
    expect(await codeOf(test.session.fetch(url))).toBe('invalid_config')
    error.mockRestore()
  })

  it('a path with its origin, a negative advance, two advances at once, and an endless wait', async () => {
    const test = start()
    expect(() => test.api.answer(url, [])).toThrow('takes a path such as "/orders"')
    await expect(test.clock.advance('-1h')).rejects.toThrow('use clock.jump()')
    const advancing = test.clock.advance('1h')
    await expect(test.clock.advance('1h')).rejects.toThrow('Await the earlier')
    await advancing
    await expect(test.clock.advanceUntil(new Promise(() => {}))).rejects.toThrow('no timer is left')
  })
})
