import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { startHttpServer } from '../../../servers/http/http-server.ts'
import { readBody } from '../../../servers/http/request-body.ts'
import { type LegacyApi, startLegacyApi } from '../../../servers/legacy/legacy-api.ts'
import { createVerifier } from '../../../servers/legacy/signature-check.ts'
import { connect, type Session } from '../../../src/index.ts'
import type { Grant, GrantIO, GrantRequest, GrantResponse, TokenSet } from '../../../worker/core/adapter.ts'
import type { RefreshVerdict } from '../../../worker/core/verdict.ts'
import { type EnvelopeGrantOptions, envelope, envelopeGrant, sortedParams } from '../../../worker/envelope.ts'
import { serveInline } from '../../../worker/host/inline.ts'
import { header, type ServeOptions } from '../../../worker/index.ts'
import { memoryStore } from '../../../worker/store/memory.ts'

interface Credentials {
  readonly account: string
  readonly password: string
}

const alice: Credentials = { account: 'alice', password: 'lingpai' }

const signInUrl = 'https://api.example/login'
const refreshUrl = 'https://api.example/refresh'
const held: TokenSet = { accessToken: 'old', refreshToken: 'spent', tokenType: 'Bearer', receivedAt: 0 }
const newTokens = { accessToken: 'new', refreshToken: 'next' }

type Script = Partial<GrantResponse> & { readonly json?: unknown }
const ok = (data: unknown): Script => ({ json: { code: 0, message: '', data } })
const refusal = (code: unknown, status = 200): Script => ({ status, json: { code, message: 'no', data: null } })
const html: Script = { body: '<html>busy</html>' }

/** A host that answers each request with the next entry of the script, and records the requests. */
function scripted(...script: (Script | Error)[]) {
  const sent: (GrantRequest & { readonly data: unknown })[] = []
  let codes = 0
  const io: GrantIO = {
    signal: new AbortController().signal,
    origin: 'https://app.example',
    async send(request) {
      sent.push({ ...request, data: JSON.parse(request.body as string) })
      const next = script.shift()
      if (next === undefined) throw new Error('the script is at its end')
      if (next instanceof Error) throw next
      return { status: next.status ?? 200, headers: {}, body: next.body ?? JSON.stringify(next.json) }
    },
  }
  const login = vi.fn(async () => `code-${++codes}`)
  return { io, sent, login, wechat: { ...io, login } }
}

function makeGrant(changes: Partial<EnvelopeGrantOptions<object>> = {}): Required<Grant<object>> {
  return envelopeGrant<object>({
    signIn: { url: signInUrl },
    refresh: { url: refreshUrl },
    ...changes,
  }) as Required<Grant<object>>
}

const silentGrant = (changes: Partial<EnvelopeGrantOptions<object>> = {}) =>
  makeGrant({ silentSignIn: true, rejected: [900211, 900212], ...changes })

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${JSON.stringify(value)}`)
    },
    (error: unknown) => error,
  )

const verdictOf = async (promise: Promise<unknown>) => {
  const { verdict, message } = (await errorOf(promise)) as RefreshVerdict
  return [verdict, message]
}

test('signIn posts the page’s input as JSON, and returns the tokens of the payload', async () => {
  const { io, sent } = scripted(ok({ ...newTokens, expiresIn: 900, scope: 'all', subject: 7, profile: { name: 'A' } }))
  expect(await makeGrant().signIn(alice, io)).toEqual({
    ...newTokens,
    expiresIn: 900,
    scope: 'all',
    subject: '7',
    profile: { name: 'A' },
  })
  expect(sent).toEqual([
    {
      url: signInUrl,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(alice),
      data: alice,
    },
  ])
})

test('tokens are read by their paths in the payload, and a function makes the profile', async () => {
  const { io } = scripted(ok({ token: { at: 'new', rt: 'next', life: '60' }, users: [{ id: 'u' }] }))
  const grant = makeGrant({
    tokens: {
      accessToken: 'token.at',
      refreshToken: 'token.rt',
      expiresIn: 'token.life',
      subject: 'users.0.id',
      profile: (data) => ({ from: Object.keys(data) }),
    },
  })
  expect(await grant.signIn({}, io)).toEqual({
    ...newTokens,
    expiresIn: '60',
    subject: 'u',
    profile: { from: ['token', 'users'] },
  })
})

test('a path that is not in the payload is an absent field', async () => {
  const { io } = scripted(ok({ ...newTokens }))
  const grant = makeGrant({ tokens: { subject: 'user.id', scope: 'accessToken.length', profile: 'toString' } })
  expect(await grant.signIn({}, io)).toEqual(newTokens)
})

test('a field that is null or of a wrong type is left out', async () => {
  const { io } = scripted(ok({ accessToken: 'new', refreshToken: null, expiresIn: null, subject: {}, profile: 'A' }))
  expect(await makeGrant().signIn({}, io)).toEqual({ accessToken: 'new' })
})

test.each<[string, string, string | undefined]>([
  ['a string', '"1790011223344556673"', '1790011223344556673'],
  ['a number', '7', '7'],
  ['0', '0', '0'],
  ['the last safe integer', '9007199254740991', '9007199254740991'],
  ['the first integer beyond', '9007199254740992', undefined],
  ['a snowflake id', '1790011223344556673', undefined],
  ['a negative id beyond the safe integers', '-9007199254740993', undefined],
  ['a fraction', '7.5', undefined],
  ['a number that JSON cannot hold', '1e400', undefined],
  ['an empty string', '""', undefined],
  ['true', 'true', undefined],
])('a subject of %s is exact, or is left out (I6)', async (_what, json, subject) => {
  const script = () => scripted({ body: `{"code":0,"data":{"accessToken":"new","subject":${json}}}` }).io
  expect((await makeGrant().signIn({}, script())).subject).toBe(subject)
  expect((await makeGrant().refresh(held, script())).subject).toBe(subject)
})

test('a call has the configured data, headers and method, with header names in lower case', async () => {
  const { io, sent } = scripted(ok(newTokens))
  const grant = makeGrant({
    refresh: {
      url: refreshUrl,
      method: 'PUT',
      headers: ({ accessToken }) => ({ 'X-TOKEN': accessToken, 'Content-Type': 'application/json; charset=utf-8' }),
      data: ({ refreshToken }) => ({ token: { refreshToken } }),
    },
  })
  expect(await grant.refresh(held, io)).toEqual(newTokens)
  expect(sent[0]).toMatchObject({
    method: 'PUT',
    headers: { 'x-token': 'old', 'content-type': 'application/json; charset=utf-8' },
    data: { token: { refreshToken: 'spent' } },
  })
  expect(Object.keys(sent[0]?.headers ?? {})).toHaveLength(2)
})

test('a sign-in that the API rejects is sign_in_failed with its code, message and status', async () => {
  const { io } = scripted({ status: 403, json: { code: 'LOCKED', message: '账号已锁定' } })
  expect(await errorOf(makeGrant().signIn({}, io))).toMatchObject({
    code: 'sign_in_failed',
    status: 403,
    apiCode: 'LOCKED',
    apiMessage: '账号已锁定',
    message: expect.stringContaining('账号已锁定'),
  })
})

test.each<[string, Script]>([
  ['an HTML page', { body: '<html>secret-token</html>' }],
  ['an HTML page with status 502', { status: 502, body: '<html>secret-token</html>' }],
  ['JSON without a code', { json: { accessToken: 'secret-token' } }],
  ['an array', { json: ['secret-token'] }],
  ['nothing', { body: '' }],
])(
  'a sign-in that is answered with %s is sign_in_failed, and the message does not quote it (I11)',
  async (_what, answer) => {
    const { io } = scripted(answer)
    const error = (await errorOf(makeGrant().signIn({}, io))) as Error
    expect(error).toMatchObject({ code: 'sign_in_failed', message: expect.stringContaining('a code at "code"') })
    expect(error.message).not.toContain('secret-token')
  },
)

test('a sign-in without an access token names the missing path, and does not quote the response (I11)', async () => {
  const { io } = scripted(ok({ token: { access_token: 'secret-token' } }))
  const grant = makeGrant({ tokens: { accessToken: 'token.accessToken' } })
  const error = (await errorOf(grant.signIn({}, io))) as Error
  expect(error).toMatchObject({ code: 'sign_in_failed', message: expect.stringContaining('"data.token.accessToken"') })
  expect(error.message).not.toContain('secret-token')
})

test('a sign-in without a response rejects with the error of the transport', async () => {
  const { io } = scripted(new TypeError('offline'))
  expect(await errorOf(makeGrant().signIn({}, io))).toMatchObject({ message: 'offline' })
})

test.each([[undefined], ['alice'], [[alice]], [null]])('signIn with %j is invalid_call', async (input) => {
  const { io, sent } = scripted()
  expect(await errorOf(makeGrant().signIn(input as never, io))).toMatchObject({ code: 'invalid_call' })
  expect(sent).toEqual([])
})

test('without the option signIn, the grant has no signIn', () => {
  expect(envelopeGrant({ refresh: { url: refreshUrl } }).signIn).toBeUndefined()
})

test('signIn by wx.login sends a fresh code each time, with the other fields of the page’s input', async () => {
  const { wechat, sent } = scripted(ok(newTokens), ok(newTokens))
  const input = { via: 'wx.login', invite: 'x', code: 'old' }
  await makeGrant().signIn(input, wechat)
  await makeGrant({ signIn: { url: signInUrl, data: (given) => ({ given }) } }).signIn(input, wechat)
  expect(sent.map(({ data }) => data)).toEqual([
    { invite: 'x', code: 'code-1' },
    { given: { invite: 'x', code: 'code-2' } },
  ])
})

test('signIn by wx.login on another host is invalid_call, and the message names WeChat', async () => {
  const { io, sent } = scripted()
  const error = await errorOf(makeGrant().signIn({ via: 'wx.login' }, io))
  expect(error).toMatchObject({ code: 'invalid_call', message: expect.stringContaining('WeChat') })
  expect(sent).toEqual([])
})

test.each<[string, Script, Partial<EnvelopeGrantOptions<object>>, readonly [string, string]]>([
  ['a listed code', refusal(900211), { rejected: [900211, 900212] }, ['rejected', 'code_900211']],
  ['the only listed code', refusal('EXPIRED'), { rejected: 'EXPIRED' }, ['rejected', 'code_EXPIRED']],
  ['a listed code with status 500', refusal(900211, 500), { rejected: 900211 }, ['rejected', 'code_900211']],
  [
    'a code that the test accepts',
    refusal(100001),
    { rejected: (code) => Number(code) > 100000 },
    ['rejected', 'code_100001'],
  ],
  [
    'a code that the test does not accept',
    refusal(100000),
    { rejected: (code) => Number(code) > 100000 },
    ['unknown', 'code_100000'],
  ],
  [
    'a status that the test accepts',
    refusal(1, 403),
    { rejected: (_code, status) => status === 403 },
    ['rejected', 'code_1'],
  ],
  [
    'a code of signInRequired',
    refusal(40301),
    { envelope: envelope({ signInRequired: 40301 }) },
    ['rejected', 'code_40301'],
  ],
  ['status 400', refusal(4000, 400), {}, ['rejected', 'code_4000']],
  ['status 401 and HTML', { ...html, status: 401 }, {}, ['rejected', 'refresh_rejected']],
  ['status 401 and the code of success', { ...ok(newTokens), status: 401 }, {}, ['rejected', 'code_0']],
  ['a code that is not listed', refusal(42), {}, ['unknown', 'code_42']],
  ['a listed code of another type', refusal('900211'), { rejected: 900211 }, ['rejected', 'code_900211']],
  ['a code that may quote a token', refusal('token spent is bad'), {}, ['unknown', 'unlisted_code']],
  ['a code that is too long', refusal('x'.repeat(41)), {}, ['unknown', 'unlisted_code']],
  ['status 429', refusal(1, 429), {}, ['refused', 'http_429']],
  ['status 503 and HTML', { ...html, status: 503 }, {}, ['refused', 'http_503']],
  ['status 500', refusal(1, 500), {}, ['unknown', 'http_500']],
  ['status 500 and the code of success', { ...ok(newTokens), status: 500 }, {}, ['unknown', 'http_500']],
  ['status 403', refusal(1, 403), {}, ['unknown', 'http_403']],
  ['an HTML page', html, {}, ['unknown', 'unreadable_answer']],
  ['JSON without a code', { json: newTokens }, {}, ['unknown', 'unreadable_answer']],
  ['success without data', ok(null), {}, ['failed', 'no_access_token_at_accessToken']],
  ['an empty access token', ok({ accessToken: '' }), {}, ['failed', 'no_access_token_at_accessToken']],
  [
    'success with the tokens at another path',
    ok(newTokens),
    { tokens: { accessToken: 'token.accessToken' } },
    ['failed', 'no_access_token_at_token.accessToken'],
  ],
  [
    'a code for which the test throws',
    refusal(1),
    {
      rejected: () => {
        throw new Error('spent')
      },
    },
    ['failed', 'rejected_threw'],
  ],
])('the verdict of a refresh that is answered with %s', async (_what, answer, changes, verdict) => {
  const { io, sent } = scripted(answer)
  expect(await verdictOf(makeGrant(changes).refresh(held, io))).toEqual(verdict)
  expect(sent.map(({ data }) => data)).toEqual([{ refreshToken: 'spent' }])
})

test('a refresh without a response leaves its verdict to the broker', async () => {
  const lost = new TypeError('offline')
  expect(await errorOf(makeGrant().refresh(held, scripted(lost).io))).toBe(lost)
})

test('a refresh without a refresh token sends nothing', async () => {
  const { refreshToken: _refreshToken, ...without } = held
  const { io, sent } = scripted()
  expect(await verdictOf(makeGrant().refresh(without, io))).toEqual(['rejected', 'no_refresh_token'])
  expect(sent).toEqual([])
})

test('a profile function that throws because the user is absent does not cost the tokens of a refresh', async () => {
  const { io } = scripted(ok(newTokens))
  const grant = makeGrant({ tokens: { profile: (data) => ({ name: (data.user as { name: string }).name }) } })
  expect(await grant.refresh(held, io)).toEqual(newTokens)
})

test.each<[string, Partial<EnvelopeGrantOptions<object>>]>([
  ['a data function that throws', { refresh: { url: refreshUrl, data: () => JSON.parse('spent') } }],
  ['data that are not an object', { refresh: { url: refreshUrl, data: () => 'spent' as never } }],
  ['a signer that throws', { sign: () => Promise.reject(new Error('spent')) }],
  ['a signer that returns nothing', { sign: () => undefined as never }],
  ['a signer that changes the origin', { sign: (request) => ({ ...request, url: 'https://evil.example/refresh' }) }],
  ['a signer that changes the path', { sign: (request) => ({ ...request, url: 'https://api.example/log' }) }],
])(
  'a refresh with %s sends nothing and is failed, and the error does not contain the token (I4, I11)',
  async (_what, changes) => {
    const { io, sent } = scripted()
    expect(await verdictOf(makeGrant(changes).refresh(held, io))).toEqual(['failed', 'request_not_prepared'])
    const { refresh, ...rest } = changes
    const signingIn = makeGrant({
      ...rest,
      ...(refresh && { signIn: { url: signInUrl, data: refresh.data as never } }),
    })
    expect(await errorOf(signingIn.signIn({}, io))).toMatchObject({ code: 'invalid_config' })
    expect(sent).toEqual([])
  },
)

test('each attempt is signed anew, from the original', async () => {
  const { io, sent } = scripted(refusal(42), ok(newTokens), ok(newTokens))
  let count = 0
  const grant = makeGrant({
    sign: (request) => ({
      ...request,
      url: `${request.url}?n=${++count}`,
      headers: { ...request.headers, sig: `s${count}` },
      data: { ...(request.data as object), count },
    }),
  })
  await errorOf(grant.refresh(held, io))
  await grant.refresh(held, io)
  await grant.signIn({ a: 1 }, io)
  expect(sent.map(({ url, headers, data }) => [url, headers?.sig, data])).toEqual([
    [`${refreshUrl}?n=1`, 's1', { refreshToken: 'spent', count: 1 }],
    [`${refreshUrl}?n=2`, 's2', { refreshToken: 'spent', count: 2 }],
    [`${signInUrl}?n=3`, 's3', { a: 1, count: 3 }],
  ])
})

test('signOut sends the refresh token, and throws if the server rejects it', async () => {
  const { io, sent } = scripted(ok(null), refusal(1))
  const grant = makeGrant({ signOut: { url: 'https://api.example/logout' } })
  await grant.signOut(held, { ...io, everywhere: false })
  expect(sent).toMatchObject([{ url: 'https://api.example/logout', data: { refreshToken: 'spent' } }])
  expect(await errorOf(Promise.resolve(grant.signOut(held, { ...io, everywhere: false })))).toBeInstanceOf(Error)
  await grant.signOut(undefined, { ...io, everywhere: true })
  expect(sent).toHaveLength(2)
})

test('a rejected refresh signs in silently with a fresh code, in the same attempt', async () => {
  const { wechat, sent, login } = scripted(refusal(900211), ok(newTokens))
  expect(await silentGrant().refresh(held, wechat)).toEqual(newTokens)
  expect(sent.map(({ url, data }) => [url, data])).toEqual([
    [refreshUrl, { refreshToken: 'spent' }],
    [signInUrl, { code: 'code-1' }],
  ])
  expect(login).toHaveBeenCalledOnce()
})

test('a session without a refresh token is renewed by a silent sign-in', async () => {
  const { wechat, sent } = scripted(ok(newTokens))
  const { refreshToken: _refreshToken, ...without } = held
  expect(await silentGrant().refresh(without, wechat)).toEqual(newTokens)
  expect(sent.map(({ url }) => url)).toEqual([signInUrl])
})

test.each<[string, Partial<EnvelopeGrantOptions<object>>, boolean]>([
  ['it is not configured', { silentSignIn: false }, true],
  ['the host has no wx.login', {}, false],
])('a rejected refresh ends the session if %s', async (_what, changes, isWechat) => {
  const { wechat, io, sent, login } = scripted(refusal(900212))
  expect(await verdictOf(silentGrant(changes).refresh(held, isWechat ? wechat : io))).toEqual([
    'rejected',
    'code_900212',
  ])
  expect(sent).toHaveLength(1)
  expect(login).not.toHaveBeenCalled()
})

test.each<[string, Script]>([
  ['unknown', refusal(42)],
  ['refused', refusal(42, 503)],
  ['failed', ok({})],
])('a refresh that is %s does not sign in', async (verdict, answer) => {
  const { wechat, sent, login } = scripted(answer)
  expect((await verdictOf(silentGrant().refresh(held, wechat)))[0]).toBe(verdict)
  expect(sent).toHaveLength(1)
  expect(login).not.toHaveBeenCalled()
})

test.each<[string, Script | Error, readonly [string, string]]>([
  ['no answer', new TypeError('offline'), ['refused', 'sign_in_not_answered']],
  ['status 429', refusal(1, 429), ['refused', 'sign_in_http_429']],
  ['status 500', refusal(1, 500), ['refused', 'sign_in_http_500']],
  ['status 502 and HTML', { ...html, status: 502 }, ['refused', 'sign_in_http_502']],
  ['status 503', { ...html, status: 503 }, ['refused', 'sign_in_http_503']],
  ['an HTML page', html, ['refused', 'sign_in_http_200']],
])('a silent sign-in with %s is retried, and the rejected token is not sent again (I2, I7)', async (...row) => {
  const [_what, answer, verdict] = row
  const { wechat, sent } = scripted(refusal(900211), answer, answer, ok(newTokens))
  const grant = silentGrant()
  expect(await verdictOf(grant.refresh(held, wechat))).toEqual(verdict)
  expect(await verdictOf(grant.refresh(held, wechat))).toEqual(verdict)
  expect(await grant.refresh(held, wechat)).toEqual(newTokens)
  expect(sent.map(({ data }) => data)).toEqual([
    { refreshToken: 'spent' },
    { code: 'code-1' },
    { code: 'code-2' },
    { code: 'code-3' },
  ])
})

test('a silent sign-in without a code from wx.login sends nothing and is retried (I2)', async () => {
  const { wechat, sent, login } = scripted(refusal(900211), ok(newTokens))
  const grant = silentGrant()
  login.mockRejectedValueOnce(new Error('login:fail'))
  expect(await verdictOf(grant.refresh(held, wechat))).toEqual(['refused', 'no_login_code'])
  expect(await grant.refresh(held, wechat)).toEqual(newTokens)
  expect(sent.map(({ url }) => url)).toEqual([refreshUrl, signInUrl])
})

test.each<[string, Script, readonly [string, string]]>([
  ['a code', refusal(40029), ['rejected', 'sign_in_code_40029']],
  ['a code and status 401', refusal(40029, 401), ['rejected', 'sign_in_code_40029']],
  ['status 403 and HTML', { ...html, status: 403 }, ['rejected', 'sign_in_http_403']],
  ['no token', ok({}), ['failed', 'no_access_token_at_accessToken']],
])('a silent sign-in that is answered with %s is not retried', async (_what, answer, verdict) => {
  const { wechat } = scripted(refusal(900211), answer)
  expect(await verdictOf(silentGrant().refresh(held, wechat))).toEqual(verdict)
})

test('the refresh token of a new session is sent although an older one was rejected', async () => {
  const { wechat, sent } = scripted(refusal(900211), ok(newTokens), ok({ accessToken: 'newer' }))
  const grant = silentGrant()
  const renewed = await grant.refresh(held, wechat)
  await grant.refresh({ ...held, ...renewed } as TokenSet, wechat)
  expect(sent.at(-1)).toMatchObject({ url: refreshUrl, data: { refreshToken: 'next' } })
})

const valid = { signIn: { url: signInUrl }, refresh: { url: refreshUrl } }
test.each<[string, unknown, string]>([
  ['no options', undefined, 'refresh'],
  ['neither refresh nor signIn', { signOut: { url: refreshUrl } }, 'refresh'],
  ['a misspelt option of a call', { refresh: { url: refreshUrl, metod: 'PUT' } }, 'refresh.metod'],
  ['credentials that are a boolean', { refresh: { url: refreshUrl, credentials: true } }, 'refresh.credentials'],
  ['a refresh that is a URL', { refresh: refreshUrl }, 'refresh'],
  ['a refresh without url', { refresh: {} }, 'refresh.url'],
  ['a relative url', { refresh: { url: '/refresh' } }, 'refresh.url'],
  ['an http url', { refresh: { url: 'http://api.example/refresh' } }, 'refresh.url'],
  ['an ftp url', { ...valid, signIn: { url: 'ftp://api.example' } }, 'signIn.url'],
  ['a method without a body', { refresh: { url: refreshUrl, method: 'GET' } }, 'refresh.method'],
  ['a method that is malformed', { refresh: { url: refreshUrl, method: 'PO ST' } }, 'refresh.method'],
  ['headers that are a list', { refresh: { url: refreshUrl, headers: ['a'] } }, 'refresh.headers'],
  ['headers that are not strings', { refresh: { url: refreshUrl, headers: { a: 1 } } }, 'refresh.headers'],
  ['data that are an object', { refresh: { url: refreshUrl, data: {} } }, 'refresh.data'],
  ['a signIn that is null', { ...valid, signIn: null }, 'signIn'],
  ['a signOut without url', { ...valid, signOut: {} }, 'signOut.url'],
  ['an envelope as options', { ...valid, envelope: { success: 'SUCCESS' } }, 'envelope'],
  ['tokens as a path', { ...valid, tokens: 'data.token' }, 'tokens'],
  ['an unknown token field', { ...valid, tokens: { access_token: 'a' } }, 'tokens.access_token'],
  ['an empty path', { ...valid, tokens: { accessToken: '' } }, 'tokens.accessToken'],
  ['a subject that is a function', { ...valid, tokens: { subject: () => 'x' } }, 'tokens.subject'],
  ['rejected as an object', { ...valid, rejected: {} }, 'rejected'],
  ['rejected codes that are objects', { ...valid, rejected: [{}] }, 'rejected'],
  ['sign as a string', { ...valid, sign: 'md5' }, 'sign'],
  ['silentSignIn as a string', { ...valid, silentSignIn: 'yes' }, 'silentSignIn'],
  ['silentSignIn without signIn', { refresh: valid.refresh, silentSignIn: true }, 'silentSignIn'],
])('%s is invalid_config, and the message names the option', (_what, options, name) => {
  expect(() => envelopeGrant(options as never).validate?.()).toThrow(
    expect.objectContaining({ code: 'invalid_config', message: expect.stringContaining(name) }),
  )
})

test('the valid options of these tests are accepted', () => {
  expect(makeGrant().validate()).toBeUndefined()
  expect(silentGrant({ tokens: { profile: 'user' }, rejected: () => true }).validate()).toBeUndefined()
})

// The tests below use a real server that speaks the protocol and verifies every signature.

const signature = { algorithm: 'md5', secret: '秘密' } as const
const sessions: Session[] = []
let api: LegacyApi

beforeAll(async () => {
  const verify = createVerifier(signature)
  api = await startLegacyApi({
    accessTokenSeconds: 600,
    verifySignature: (parameters) => parameters.appId === 'wx1' && verify(parameters),
  })
}, 60_000)
afterAll(() => api.close())
beforeEach(() => api.clearFaults())
afterEach(() => {
  for (const session of sessions.splice(0)) session.close()
})

const sign = sortedParams({ ...signature, extra: { appId: 'wx1' } })

function legacyGrant(changes: Partial<EnvelopeGrantOptions<Credentials>> = {}): Grant<Credentials> {
  return envelopeGrant<Credentials>({
    signIn: { url: `${api.origin}/login` },
    refresh: { url: `${api.origin}/refresh` },
    envelope: envelope({ success: 'SUCCESS' }),
    tokens: {
      accessToken: 'token.accessToken',
      refreshToken: 'token.refreshToken',
      subject: 'user.id',
      profile: 'user',
    },
    rejected: (code) => Number(code) > 100_000,
    sign,
    ...changes,
  })
}

/** A host with `wx.login`, whose codes are names of accounts. */
function withLogin(grant: Grant<Credentials>, login: () => Promise<string>): Grant<Credentials> {
  const { signIn } = grant
  return {
    ...grant,
    ...(signIn && { signIn: (input, io) => signIn(input, { ...io, login }) }),
    refresh: (tokens, io) => (grant as Required<Grant<Credentials>>).refresh(tokens, { ...io, login }),
  }
}

async function open(changes: Partial<ServeOptions<Credentials>> = {}): Promise<Session> {
  const options = {
    grant: legacyGrant(),
    apis: [{ origin: api.origin, attach: header('X-TOKEN'), envelope: envelope({ success: 'SUCCESS' }), sign }],
    store: memoryStore(),
    ...changes,
  }
  const session = connect({ inline: () => serveInline(options, { origin: 'https://app.example' }) }) as Session
  sessions.push(session)
  await session.signIn(alice)
  return session
}

const list = (session: Session) =>
  session.request({ url: `${api.origin}/list`, method: 'POST', data: { page: 1, filter: { name: '茶' } } })

test('a real API signs in, and the page sees its user', async () => {
  const session = await open()
  expect(session.getSnapshot()).toMatchObject({
    status: 'signed-in',
    user: { subject: 'alice', profile: { id: 'alice', name: 'Alice Liddell' } },
  })
  expect(await list(session)).toMatchObject({ subject: 'alice' })
})

test('a wrong password is sign_in_failed with the code and message of the API', async () => {
  const session = await open()
  expect(await errorOf(session.signIn({ ...alice, password: 'wrong' }))).toMatchObject({
    code: 'sign_in_failed',
    status: 200,
    apiCode: 100401,
    apiMessage: 'account or password is wrong',
  })
})

test('the server rejects a wrong secret', async () => {
  const wrong = sortedParams({ ...signature, secret: 'other', extra: { appId: 'wx1' } })
  expect(await errorOf(open({ grant: legacyGrant({ sign: wrong }) }))).toMatchObject({
    code: 'sign_in_failed',
    apiCode: 4000,
  })
})

test('six calls with an expired token cost one signed refresh, and the user stays (I1)', async () => {
  const session = await open()
  api.expireAccessTokens()
  const before = { ...api.counters }
  const answers = await Promise.all(Array.from({ length: 6 }, () => list(session)))
  expect(answers).toEqual(Array.from({ length: 6 }, () => ({ items: ['tea', 'ink'], subject: 'alice' })))
  expect(api.counters).toEqual({ ...before, refreshes: before.refreshes + 1 })
  expect(session.getSnapshot().user).toEqual({ subject: 'alice', profile: { id: 'alice', name: 'Alice Liddell' } })
})

test.each([
  [900211, () => api.expireRefreshTokens()],
  [900212, () => api.failRefreshes({ kind: 'answer', status: 200, body: '{"code":900212,"message":"invalid"}' })],
  [100001, () => api.failRefreshes({ kind: 'answer', status: 200, body: '{"code":100001,"message":"gone"}' })],
])('refresh code %i ends the session: six sign_in_required after one refresh (I3, I7)', async (code, breakIt) => {
  const session = await open()
  api.expireAccessTokens()
  breakIt()
  const before = api.counters.refreshes
  const errors = await Promise.all(Array.from({ length: 6 }, () => errorOf(list(session))))
  expect(errors.map((error) => (error as { code: string }).code)).toEqual(new Array(6).fill('sign_in_required'))
  expect(api.counters.refreshes).toBe(before + 1)
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', reason: 'refresh_rejected' })
  expect(await session.explain()).toContainEqual(
    expect.objectContaining({ event: 'refresh-ended', verdict: 'rejected', reason: `code_${code}` }),
  )
})

test.each<[string, () => void, string]>([
  [
    'a business code that is not listed',
    () => api.failRefreshes({ kind: 'answer', status: 200, body: '{"code":42,"message":"busy"}' }),
    'code_42',
  ],
  ['an HTML page', () => api.failRefreshes({ kind: 'answer', status: 200, body: '<html>' }), 'unreadable_answer'],
  ['status 502', () => api.failRefreshes({ kind: 'answer', status: 502, body: '<html>' }), 'http_502'],
  ['status 503', () => api.failRefreshes({ kind: 'answer', status: 503 }), 'http_503'],
  ['a lost connection', () => api.failRefreshes({ kind: 'drop' }), 'no_answer'],
])(
  '%s does not sign out: the refresh is retried, and the calls get their responses (I7, I12)',
  async (_what, breakIt, reason) => {
    const session = await open()
    api.expireAccessTokens()
    breakIt()
    expect(await Promise.all([list(session), list(session)])).toMatchObject([
      { subject: 'alice' },
      { subject: 'alice' },
    ])
    expect(await session.explain()).toContainEqual(expect.objectContaining({ event: 'refresh-ended', reason }))
  },
)

test('a response that was lost after the rotation is reported as lost (I9)', async () => {
  const session = await open()
  api.expireAccessTokens()
  api.failRefreshes({ kind: 'lose' })
  expect(await errorOf(list(session))).toMatchObject({ code: 'sign_in_required' })
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', reason: 'refresh_answer_lost' })
})

function silentLegacyGrant(login: () => Promise<string>): Grant<Credentials> {
  const signIn = {
    url: `${api.origin}/login`,
    data: (given: Credentials & { code?: string }) =>
      given.code === undefined ? given : { account: given.code, password: 'lingpai' },
  }
  return withLogin(legacyGrant({ signIn, silentSignIn: true }), login)
}

test('after a rejected refresh, one silent sign-in answers six calls in the same session', async () => {
  const login = vi.fn(async () => 'alice')
  const session = await open({ grant: silentLegacyGrant(login) })
  api.expireAccessTokens()
  api.expireRefreshTokens()
  const before = { ...api.counters }
  const answers = await Promise.all(Array.from({ length: 6 }, () => list(session)))
  expect(answers).toMatchObject(new Array(6).fill({ subject: 'alice' }))
  expect(login).toHaveBeenCalledOnce()
  expect(api.counters).toEqual({ ...before, logins: before.logins + 1, refreshes: before.refreshes + 1 })
  expect(session.getSnapshot().status).toBe('signed-in')
})

test('a silent sign-in that gets no code at first sends the rejected token once (I2)', async () => {
  const login = vi.fn(async () => 'alice').mockRejectedValueOnce(new Error('login:fail'))
  const session = await open({ grant: silentLegacyGrant(login) })
  api.expireAccessTokens()
  api.expireRefreshTokens()
  const before = api.counters.refreshes
  expect(await list(session)).toMatchObject({ subject: 'alice' })
  expect(login).toHaveBeenCalledTimes(2)
  expect(api.counters.refreshes).toBe(before + 1)
})

test('if the API rejects a silent sign-in, all waiting calls are sign_in_required', async () => {
  const session = await open({ grant: silentLegacyGrant(async () => 'nobody') })
  api.expireAccessTokens()
  api.expireRefreshTokens()
  const errors = await Promise.all([1, 2, 3].map(() => errorOf(list(session))))
  expect(errors).toMatchObject(new Array(3).fill({ code: 'sign_in_required' }))
  expect(session.getSnapshot().status).toBe('signed-out')
})

test('after a silent sign-in as another user, no call gets that user’s token (I6)', async () => {
  const session = await open({ grant: silentLegacyGrant(async () => 'bob') })
  api.expireAccessTokens()
  api.expireRefreshTokens()
  expect(await errorOf(list(session))).toMatchObject({
    code: 'sign_in_required',
    message: expect.stringContaining('subject_changed'),
  })
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', reason: 'subject_changed' })
})

/** An API whose ids are JSON numbers. A sign-in with an id returns its token. A DELETE without that token waits and is 401. */
async function startApiWithNumbers(goodToken: string) {
  const deletes: (string | undefined)[] = []
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const server = await startHttpServer({}, async () => async (request, response) => {
    if (request.method === 'DELETE') {
      const token = request.headers['x-token'] as string | undefined
      deletes.push(token)
      if (token !== goodToken) await released
      response.writeHead(token === goodToken ? 200 : 401).end()
      return
    }
    const { id } = JSON.parse((await readBody(request)).toString())
    response.end(`{"code":0,"data":{"accessToken":"token-of-${id}","id":${id}}}`)
  })
  return { ...server, deletes, release: () => release() }
}

test('a DELETE of one user is not retried as another user whose id differs only beyond 2^53 (I6)', async () => {
  const numbers = await startApiWithNumbers('token-of-1790011223344556674')
  try {
    const grant = envelopeGrant<{ id: string }>({
      signIn: { url: `${numbers.origin}/login` },
      refresh: { url: `${numbers.origin}/refresh` },
      tokens: { subject: 'id' },
    })
    const options = { grant, apis: [{ origin: numbers.origin, attach: header('X-TOKEN') }], store: memoryStore() }
    const session = connect({ inline: () => serveInline(options, { origin: 'https://app.example' }) }) as Session
    sessions.push(session)
    await session.signIn({ id: '1790011223344556673' })
    const pending = session.fetch(`${numbers.origin}/account`, { method: 'DELETE' })
    await vi.waitFor(() => expect(numbers.deletes).toHaveLength(1))
    await session.signIn({ id: '1790011223344556674' })
    numbers.release()
    expect((await pending).status).toBe(401)
    expect(numbers.deletes).toEqual(['token-of-1790011223344556673'])
  } finally {
    await numbers.close()
  }
})

test('without the option signOut, a sign-out ends the session locally', async () => {
  const session = await open()
  await session.signOut()
  expect(session.getSnapshot().status).toBe('signed-out')
})

test('with a wrong configuration, every call is invalid_config', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
  const grant = envelopeGrant<Credentials>({ refresh: { url: '/refresh' } })
  expect(await errorOf(open({ grant }))).toMatchObject({ code: 'invalid_config' })
  vi.restoreAllMocks()
})

const plain = (changes: Partial<EnvelopeGrantOptions<object>> = {}) => makeGrant({ envelope: false, ...changes })

test('with envelope: false, any 2xx is a success and its whole body is the payload', async () => {
  const { io } = scripted(
    { status: 201, json: { accessToken: 'new', refreshToken: 'next', user: { id: 7 } } },
    { json: { accessToken: 'newer' } },
  )
  const grant = plain({ tokens: { subject: 'user.id' } })
  expect(await grant.signIn(alice, io)).toEqual({ accessToken: 'new', refreshToken: 'next', subject: '7' })
  expect(await grant.refresh(held, io)).toEqual({ accessToken: 'newer' })
})

test.each<[string, Script, object]>([
  ['a message', { status: 401, json: { message: 'wrong password' } }, { status: 401, apiMessage: 'wrong password' }],
  [
    'error.message',
    { status: 422, json: { error: { message: 'too short' } } },
    { status: 422, apiMessage: 'too short' },
  ],
  ['a detail', { status: 400, json: { detail: 'no such user' } }, { status: 400, apiMessage: 'no such user' }],
  ['a page of HTML', { status: 502, ...html }, { status: 502 }],
])('with envelope: false, a sign-in that is refused with %s is sign_in_failed', async (_what, script, fields) => {
  const error = await plain()
    .signIn(alice, scripted(script).io)
    .catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'sign_in_failed', ...fields })
  expect(String(error)).not.toContain('busy')
})

test.each<[string, Script, string]>([
  ['401', { status: 401, json: { message: 'expired' } }, 'rejected'],
  ['400', { status: 400, json: {} }, 'rejected'],
  ['429', { status: 429, json: {} }, 'refused'],
  ['500', { status: 500, json: { message: 'oops' } }, 'unknown'],
  ['a page of HTML', html, 'unknown'],
])('with envelope: false, the verdict of a refresh that is answered with %s', async (_what, script, verdict) => {
  expect(
    await plain()
      .refresh(held, scripted(script).io)
      .catch((thrown: RefreshVerdict) => thrown.verdict),
  ).toBe(verdict)
})

test('a meaning that asks for a sign-in rejects the refresh token', async () => {
  const dead = envelope({
    meaning: (_status, body: { text?: string }) => (body.text === 'kicked out' ? 'sign-in-required' : undefined),
  })
  const { io } = scripted({ json: { code: 5, text: 'kicked out' } })
  const verdict = await makeGrant({ envelope: dead })
    .refresh(held, io)
    .catch((thrown: RefreshVerdict) => thrown.verdict)
  expect(verdict).toBe('rejected')
})

test('an envelope of success: true and false', async () => {
  const { io } = scripted(
    { json: { success: true, result: newTokens } },
    { json: { success: false, message: 'wrong password' } },
  )
  const grant = makeGrant({ envelope: envelope({ code: 'success', success: true, data: 'result' }) })
  expect(await grant.signIn(alice, io)).toEqual({ accessToken: 'new', refreshToken: 'next' })
  await expect(grant.signIn(alice, io)).rejects.toMatchObject({ code: 'sign_in_failed', apiMessage: 'wrong password' })
})

test('cookies are sent and kept only by the calls that ask for them', async () => {
  const { io, sent } = scripted(ok(newTokens), ok(newTokens))
  const grant = makeGrant({ refresh: { url: refreshUrl, credentials: 'include' } })
  await grant.signIn(alice, io)
  await grant.refresh({ accessToken: 'old', tokenType: 'Bearer', receivedAt: 0 }, io)
  expect(sent.map(({ credentials }) => credentials)).toEqual([undefined, 'include'])
  // The refresh token is in the cookie.
  expect(sent[1]?.data).toEqual({})
})

test('a refresh by cookie is sent again after it was rejected: the next sign-in may have set another cookie', async () => {
  const { io, sent } = scripted(refusal(1, 401), ok(newTokens))
  const grant = makeGrant({ refresh: { url: refreshUrl, credentials: 'include' } })
  const tokens: TokenSet = { accessToken: 'old', tokenType: 'Bearer', receivedAt: 0 }
  await expect(grant.refresh(tokens, io)).rejects.toMatchObject({ verdict: 'rejected' })
  expect(await grant.refresh(tokens, io)).toMatchObject({ accessToken: 'new' })
  expect(sent).toHaveLength(2)
})

test('without a refresh call, the grant has no refresh, unless it can sign in silently', async () => {
  expect(envelopeGrant({ signIn: { url: signInUrl } }).refresh).toBeUndefined()
  const { wechat } = scripted(ok(newTokens))
  const silent = envelopeGrant({ signIn: { url: signInUrl }, silentSignIn: true })
  expect(await silent.refresh?.(held, wechat)).toMatchObject({ accessToken: 'new' })
})
