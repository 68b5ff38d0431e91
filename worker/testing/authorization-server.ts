import { LingpaiError } from '../../src/protocol/errors.ts'
import { type Duration, toMilliseconds } from './duration.ts'
import { createScript, type ParsedFault, type TokenFault } from './faults.ts'
import type { Log, TestLogEntry } from './log.ts'
import type { Answer, Exchange, TestRequest } from './network.ts'
import { createOAuthCalls, type TokenCall, type TokenCalls } from './oauth-calls.ts'
import { createOwnCalls, type OwnCalls } from './own-calls.ts'
import { createTokenRegister, type IssuedTokens, type ReuseDetection } from './token-register.ts'
import type { VirtualPlatform } from './virtual-platform.ts'

/** How the scripted authorization server behaves without faults. */
export interface AuthorizationServerOptions {
  /** Whether a refresh replaces the refresh token. Default true. */
  readonly rotation?: boolean
  /** Whether the reuse of a refresh token ends the whole session (RFC 9700 §4.14.2). Default true. */
  readonly reuseDetection?: boolean
  /** How long after its first use a refresh token still works. Default 0. */
  readonly grace?: Duration
  /** Default 15 minutes. */
  readonly accessTokenLife?: Duration
  /** Default 30 days. */
  readonly refreshTokenLife?: Duration
  /** The calls of an API's own, if the grant is not `oauth()`. Default: OAuth 2.0, as the issuer of the grant. */
  readonly calls?: OwnCalls
}

const KINDS = ['discovery', 'authorization', 'signIn', 'refresh', 'revocation'] as const
export type TokenCallKind = (typeof KINDS)[number]
type Faults = Readonly<Record<TokenCallKind, (fault: TokenFault) => void>>

/** An authorization server that works as specified, except for the faults that a test sets. */
export interface TestAuthorizationServer {
  /** Makes the next request of a kind fail. A second call is for the request after that. */
  readonly next: Faults
  /** Makes every request of a kind fail until `recover()`, except those that `next` has a fault for. */
  readonly every: Faults
  /** Removes all faults. A request that hangs already still hangs. */
  recover(): void
  /** Requests to this server, in the order of arrival. */
  readonly requests: readonly TestLogEntry[]
  /** The refreshes among `requests`. */
  readonly refreshes: readonly TestLogEntry[]
  /** Refresh tokens that were used again. Each of them ended a session. */
  readonly reuseDetections: readonly ReuseDetection[]
  /** APIs reject every access token issued so far from now on, although its expiry has not come. */
  expireAccessTokens(): void
  /** Ends all sessions at the server: APIs reject their access tokens, and their refresh tokens are `invalid_grant`. */
  revokeEverything(): void
}

const OPTIONS = ['rotation', 'reuseDetection', 'grace', 'accessTokenLife', 'refreshTokenLife', 'calls']

export function createAuthorizationServer(options: AuthorizationServerOptions, platform: VirtualPlatform, log: Log) {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name))
      throw new LingpaiError(
        'invalid_config',
        `lingpai/testing: authorizationServer has no option "${name}". Its options are ${OPTIONS.join(', ')}.`,
      )
  }
  const {
    rotation = true,
    reuseDetection = true,
    grace = 0,
    accessTokenLife = '15min',
    refreshTokenLife = '30d',
  } = options
  const rules = {
    rotation,
    reuseDetection,
    grace: toMilliseconds(grace, 'authorizationServer.grace'),
    accessTokenLife: toMilliseconds(accessTokenLife, 'authorizationServer.accessTokenLife'),
    refreshTokenLife: toMilliseconds(refreshTokenLife, 'authorizationServer.refreshTokenLife'),
  }
  const register = createTokenRegister(rules, platform.elapsed, platform.random)
  const script = createScript(KINDS, true)
  const profiles = new Map<string, object>()
  const profileOf = (user: string) => profiles.get(user) ?? { name: user }
  const oauth = createOAuthCalls(profileOf, platform.random)
  const calls: TokenCalls = options.calls ? createOwnCalls(options.calls, register) : oauth

  /** The server's own response, with its faults. The network applies `lose` and `delay`. */
  function act(call: TokenCall, request: TestRequest, fault: ParsedFault | undefined): Answer {
    if (fault?.reject !== undefined) return calls.refuse(fault.reject)
    if (call.kind === 'discovery') return oauth.describe(request)
    if (call.kind === 'revocation') {
      register.revoke(call.token)
      return { status: 200, headers: {}, body: '' }
    }
    const tokens = issue(call, fault?.user)
    if (tokens === undefined) return calls.refuse('invalid_grant')
    return calls.accept(
      { ...tokens, ...(fault?.expiresIn !== undefined && { expiresIn: fault.expiresIn }) },
      call,
      request,
    )
  }

  function issue(
    call: TokenCall & { kind: 'signIn' | 'refresh' },
    otherUser: string | undefined,
  ): IssuedTokens | undefined {
    if (otherUser !== undefined) return register.signIn(otherUser)
    if (call.kind === 'refresh') return register.refresh(call.refreshToken)
    return call.user === undefined ? undefined : register.signIn(call.user)
  }

  const ownRequests = () => log.entries.filter(({ to }) => to === 'authorization server')
  const server: TestAuthorizationServer = {
    next: script.next,
    every: script.every,
    recover: script.recover,
    get requests() {
      return ownRequests()
    },
    get refreshes() {
      return ownRequests().filter(({ kind }) => kind === 'refresh')
    },
    reuseDetections: register.reuseDetections,
    expireAccessTokens: register.expireAccessTokens,
    revokeEverything: register.revokeEverything,
  }

  return {
    server,
    register,

    /** Sets what pages may show of a user. */
    setProfile(user: string, profile: object | undefined): void {
      if (profile !== undefined) profiles.set(user, profile)
    },

    async receive(request: TestRequest): Promise<Exchange | undefined> {
      const call = await calls.read(request)
      if (call === undefined) return undefined
      const fault = script.take(call.kind)
      const token = 'refreshToken' in call ? call.refreshToken : 'token' in call ? call.token : undefined
      return {
        to: 'authorization server',
        kind: call.kind,
        token: register.labelOf(token),
        user: register.userOf(token) ?? (call.kind === 'signIn' ? call.user : undefined),
        fault,
        act: () => act(call, request, fault),
      }
    },

    /** The user signs in at the authorization endpoint. Returns the callback's URL. */
    authorize(url: string, user: string): string {
      const error = script.take('authorization')?.reject
      const entry = log.add({
        to: 'authorization server',
        kind: 'authorization',
        method: 'GET',
        url: withoutQuery(url),
        user,
      })
      const callback = oauth.authorize(url, user, error)
      entry.end(302, error)
      return callback
    },

    /** Signs a user in without a request, for a grant whose sign-in input is not known. */
    issueWithoutRequest(user: string) {
      if (script.isScripted('signIn')) {
        throw new LingpaiError(
          'invalid_call',
          'lingpai/testing: test.signIn() sends no request with this grant, so a fault for signIn cannot happen. Call test.session.signIn() with the input of the grant.',
        )
      }
      const { user: subject, ...tokens } = register.signIn(user)
      return { ...tokens, subject, profile: { ...profileOf(user) } }
    },
  }
}

function withoutQuery(href: string): string {
  const { origin, pathname } = new URL(href)
  return origin + pathname
}
