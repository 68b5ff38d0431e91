import { LingpaiError } from '../../src/protocol/errors.ts'
import { type Duration, toMilliseconds } from './duration.ts'
import { createScript, type ParsedFault, type TokenFault } from './faults.ts'
import type { Log, TestLogEntry } from './log.ts'
import type { Answer, Exchange, TestRequest } from './network.ts'
import { createOAuthCalls, type TokenCall, type TokenCalls } from './oauth-calls.ts'
import { createOwnCalls, type OwnCalls } from './own-calls.ts'
import { createTokenRegister, type IssuedTokens, type ReuseDetection } from './token-register.ts'
import type { VirtualPlatform } from './virtual-platform.ts'

/** How the scripted authorization server behaves while nothing is scripted. */
export interface AuthorizationServerOptions {
  /** Whether a refresh replaces the refresh token. Default true. */
  readonly rotation?: boolean
  /** Whether a used refresh token that comes again ends the whole session (RFC 9700 §4.14.2). Default true. */
  readonly reuseDetection?: boolean
  /** How long a used refresh token may come again without harm. Default 0. */
  readonly grace?: Duration
  /** Default 15 minutes. */
  readonly accessTokenLife?: Duration
  /** Default 30 days. */
  readonly refreshTokenLife?: Duration
  /** The calls of an API's own, where the grant is not `oauth()`. Default OAuth 2.0, as the issuer that the grant names. */
  readonly calls?: OwnCalls
}

const KINDS = ['discovery', 'authorization', 'signIn', 'refresh', 'revocation'] as const
export type TokenCallKind = (typeof KINDS)[number]
type Faults = Readonly<Record<TokenCallKind, (fault: TokenFault) => void>>

/** An authorization server that does as it should, but where a test says otherwise. */
export interface TestAuthorizationServer {
  /** What goes wrong with the next request of a kind. Called again, it is the one after that. */
  readonly next: Faults
  /** What goes wrong with every request of a kind, those apart that `next` has something for. Until `recover()`. */
  readonly every: Faults
  /** Everything is well again. What hangs already goes on hanging. */
  recover(): void
  /** Its requests, in the order in which they came. */
  readonly requests: readonly TestLogEntry[]
  /** Those of them that were refreshes. */
  readonly refreshes: readonly TestLogEntry[]
  /** Used refresh tokens that came again: each has ended a session. */
  readonly reuseDetections: readonly ReuseDetection[]
  /** From now on APIs refuse every access token that was issued so far, though nobody could know from its expiry. */
  expireAccessTokens(): void
  /** Ends all sessions at the server: their access tokens are refused, their refresh tokens are `invalid_grant`. */
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

  /** The server's own answer, faults in it included. What `lose` and delays make of it is the network's business. */
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
    other: string | undefined,
  ): IssuedTokens | undefined {
    if (other !== undefined) return register.signIn(other)
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

    /** What pages may show of a user, from now on. */
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

    /** A sign-in without any request, for a grant whose sign-in takes nobody knows what. */
    mint(user: string) {
      if (script.isScripted('signIn')) {
        throw new LingpaiError(
          'invalid_call',
          'lingpai/testing: test.signIn() sends no request with this grant, so what is scripted for signIn cannot happen. Call test.session.signIn() with what the grant takes.',
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
