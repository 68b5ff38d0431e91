import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context, Provider } from 'oidc-provider'
import { createFaultGate, type Fault } from '../http/faults.ts'
import type { Hold } from '../http/hold.ts'
import { startHttpServer } from '../http/http-server.ts'
import { isJsonObject } from '../http/json.ts'
import { replayRequest } from '../http/replay-request.ts'
import { readBody } from '../http/request-body.ts'
import { createRequestLog, type LoggedRequest } from '../http/request-log.ts'
import { createInteractionHandler } from './interactions.ts'
import { loadOidcProvider } from './load-oidc-provider.ts'
import { createMemoryStorage } from './memory-adapter.ts'
import { interactionPath, providerConfiguration, revocationPath, tokenPath } from './provider-configuration.ts'
import { createRefreshLog, type LoggedRefresh, type RefreshEntry } from './refresh-log.ts'

export interface AuthorizationServerOptions {
  readonly port?: number
  /** Default `localhost`. */
  readonly hostname?: string
  /** Default `web`. */
  readonly clientId?: string
  readonly redirectUris: readonly string[]
  readonly postLogoutRedirectUris?: readonly string[]
  /** Default 10. */
  readonly accessTokenSeconds?: number
  /** Every refresh returns a new refresh token and invalidates the old one. Default true. */
  readonly rotation?: boolean
  /** The grace period after the first use, in which a used refresh token is rotated again. Default 0. */
  readonly reuseGraceSeconds?: number
  /** The `Cross-Origin-Opener-Policy` of the pages. Default: none. */
  readonly openerPolicy?: string
  /** Shows a consent page. Default false: every request is granted. */
  readonly confirmConsent?: boolean
  /** Issues only tokens that are bound to a key, and accepts only proofs with its nonce (RFC 9449). Default false. */
  readonly dpop?: boolean
}

export interface AuthorizationServerCounters {
  /** Requests at their arrival, with any outcome. */
  readonly tokenRequests: { readonly authorization_code: number; readonly refresh_token: number }
  /** Reuses of refresh tokens. */
  readonly reuseDetections: number
  readonly revocations: number
  /** Sign-ins with a correct password. A sign-in by an existing session of the provider does not count. */
  readonly signIns: number
  /** The provider's own sessions that ended, also by a sign-in of another user. */
  readonly endSessions: number
}

/** Settings that can change while the server runs. */
export interface AuthorizationServerSettings {
  /** The lifetime of new access tokens in seconds, also for `expires_in`. A whole number from 1. */
  readonly accessTokenSeconds: number
  /** The delay before every refresh request is processed, unless its client has aborted it by then. */
  readonly refreshDelayMilliseconds: number
  /** Every refresh returns a new refresh token and invalidates the old one. */
  readonly rotation: boolean
  /** The grace period after the first use, in which a used refresh token is rotated again. */
  readonly reuseGraceSeconds: number
}

/** Returns the body that replaces the provider's. */
type TokenResponseChange = (body: Record<string, unknown>) => Record<string, unknown>

export interface AuthorizationServer {
  readonly issuer: string
  readonly counters: AuthorizationServerCounters
  /** Every access, refresh and ID token that was issued. */
  readonly issuedTokens: readonly string[]
  readonly requests: readonly LoggedRequest[]
  /** Every refresh request, in the order of arrival. */
  readonly refreshes: readonly LoggedRefresh[]
  readonly settings: AuthorizationServerSettings
  setAccessTokenSeconds(seconds: number): void
  setRefreshDelay(milliseconds: number): void
  setRotation(isOn: boolean): void
  setReuseGrace(seconds: number): void
  /** Rewrites successful token responses, until it is called with undefined. */
  setTokenResponse(change: TokenResponseChange | undefined): void
  /** Each of the next refresh requests takes one fault. */
  failRefreshes(...faults: readonly Fault[]): void
  /** Holds refresh requests before they are processed. If the client has gone before the release, the request is dropped. */
  holdRefreshes(): Hold
  /** Destroys every connection, and each new one until it is restored. */
  cutConnections(): { restore(): void }
  /** Drops queued faults, and releases requests that are held, delayed or hanging. */
  clearFaults(): void
  /** Drops queued faults. Hanging requests keep hanging. */
  stopFaults(): void
  /** Expires every access token issued so far. Refresh tokens stay valid. */
  expireAccessTokens(): void
  /** Revokes every token issued so far. Refreshes get `invalid_grant`. */
  revokeEverything(): Promise<void>
  verifyAccessToken(token: string): Promise<{ subject: string; thumbprint?: string | undefined } | undefined>
  close(): Promise<void>
}

const longestDelay = 600_000

export async function startAuthorizationServer(options: AuthorizationServerOptions): Promise<AuthorizationServer> {
  const { clientId = 'web', redirectUris, postLogoutRedirectUris = [], confirmConsent = false, dpop = false } = options
  const { Provider: OidcProvider, errors } = await loadOidcProvider()
  const settings: { -readonly [Key in keyof AuthorizationServerSettings]: AuthorizationServerSettings[Key] } = {
    accessTokenSeconds: checkAccessTokenSeconds(options.accessTokenSeconds ?? 10),
    refreshDelayMilliseconds: 0,
    rotation: options.rotation ?? true,
    reuseGraceSeconds: checkReuseGrace(options.reuseGraceSeconds ?? 0),
  }
  const storage = createMemoryStorage(() => settings.reuseGraceSeconds)
  const log = createRequestLog()
  const refreshLog = createRefreshLog()
  const faults = createFaultGate(() => settings.refreshDelayMilliseconds)
  const answersToLose = new WeakMap<ServerResponse, { readonly midway: boolean }>()
  const refreshEntries = new WeakMap<ServerResponse, RefreshEntry>()
  const issuedTokens: string[] = []
  const counters = {
    tokenRequests: { authorization_code: 0, refresh_token: 0 },
    reuseDetections: 0,
    revocations: 0,
    signIns: 0,
    endSessions: 0,
  }
  let changeTokenResponse: TokenResponseChange | undefined
  let lastRefresh: Promise<void> = Promise.resolve()

  const finishTokenAnswer = (context: Context): void => {
    if (context.status === 200 && isJsonObject(context.body)) {
      const { access_token, refresh_token, id_token } = context.body
      for (const token of [access_token, refresh_token, id_token]) {
        if (typeof token === 'string' && !issuedTokens.includes(token)) issuedTokens.push(token)
      }
      if (typeof refresh_token === 'string') refreshEntries.get(context.res)?.issue(refresh_token)
      if (changeTokenResponse) context.body = changeTokenResponse({ ...context.body })
    }
    const loss = answersToLose.get(context.res)
    if (loss) {
      const { res } = context
      context.respond = false
      refreshEntries.get(res)?.destroy()
      if (loss.midway) res.writeHead(200, { 'Content-Length': 1000 }).write('{', () => res.destroy())
      else res.destroy()
    }
  }

  const createProvider = (issuer: string): Provider => {
    const provider = new OidcProvider(
      issuer,
      providerConfiguration({
        issuer,
        storage,
        clientId,
        redirectUris,
        postLogoutRedirectUris,
        confirmConsent,
        dpop,
        rotation: () => settings.rotation,
        accessTokenSeconds: () => settings.accessTokenSeconds,
      }),
    )
    provider.on('server_error', (_context, error) => console.error(error))
    provider.on('end_session.success', () => {
      counters.endSessions += 1
    })
    return provider.use(async (context, next) => {
      await next()
      if (context.method !== 'POST') return
      if (context.path === tokenPath) finishTokenAnswer(context)
      if (context.path === revocationPath && context.status === 200) counters.revocations += 1
    })
  }

  let provider: Provider | undefined

  const server = await startHttpServer(options, async (issuer) => {
    const created = createProvider(issuer)
    provider = created
    const process = created.callback()
    const interact = createInteractionHandler({
      provider: created,
      SessionNotFound: errors.SessionNotFound,
      confirmConsent,
      onSignIn: () => {
        counters.signIns += 1
      },
    })

    const processRefresh = (request: IncomingMessage, response: ServerResponse, token: string): Promise<void> => {
      // One after the other: the provider checks and invalidates a token in two steps. Two simultaneous requests could both
      // succeed, and hide a race of the client.
      const turn = lastRefresh.then(() => {
        const isReuse = storage.isSpent(token)
        if (isReuse) counters.reuseDetections += 1
        refreshEntries.get(response)?.process(isReuse)
        return process(request, response)
      })
      lastRefresh = turn.catch(() => {})
      return turn
    }

    const handleToken = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const body = await readBody(request)
      const parameters = new URLSearchParams(body.toString())
      const grantType = parameters.get('grant_type')
      const replay = replayRequest(request, body)
      if (grantType === 'authorization_code') counters.tokenRequests.authorization_code += 1
      if (grantType !== 'refresh_token') return process(replay, response)

      counters.tokenRequests.refresh_token += 1
      const token = parameters.get('refresh_token') ?? ''
      refreshEntries.set(response, refreshLog.record(token, response))
      const admission = await faults.admit(request, response)
      if (admission === 'handled') return
      if (admission !== 'process') answersToLose.set(response, { midway: admission === 'process-and-lose-midway' })
      await processRefresh(replay, response, token)
    }

    return async (request, response) => {
      log.record(request, response)
      if (options.openerPolicy) response.setHeader('Cross-Origin-Opener-Policy', options.openerPolicy)
      const { pathname } = new URL(request.url ?? '/', issuer)
      if (pathname.startsWith(`${interactionPath}/`)) await interact(request, response)
      else if (pathname === tokenPath && request.method === 'POST') await handleToken(request, response)
      else await process(request, response)
    }
  })

  return {
    issuer: server.origin,
    counters,
    issuedTokens,
    requests: log.requests,
    refreshes: refreshLog.refreshes,
    settings,
    setAccessTokenSeconds(seconds) {
      settings.accessTokenSeconds = checkAccessTokenSeconds(seconds)
    },
    setRefreshDelay(milliseconds) {
      if (!(milliseconds >= 0 && milliseconds <= longestDelay)) {
        throw new RangeError(`A refresh waits from 0 to ${longestDelay} milliseconds, not ${milliseconds}.`)
      }
      settings.refreshDelayMilliseconds = milliseconds
    },
    setRotation(isOn) {
      settings.rotation = isOn
    },
    setReuseGrace(seconds) {
      settings.reuseGraceSeconds = checkReuseGrace(seconds)
    },
    setTokenResponse(change) {
      changeTokenResponse = change
    },
    failRefreshes: faults.fail,
    holdRefreshes: faults.hold,
    cutConnections: server.cutConnections,
    clearFaults: faults.clear,
    stopFaults: faults.stop,
    expireAccessTokens() {
      storage.forget('AccessToken')
    },
    async revokeEverything() {
      // Otherwise a refresh in progress would issue tokens after this.
      await lastRefresh
      storage.forget('AccessToken', 'RefreshToken', 'AuthorizationCode', 'Grant')
    },
    async verifyAccessToken(token) {
      // The provider counts whole seconds and may expire a token up to one second early; the storage expires it on time.
      const found = await provider?.AccessToken.find(token, { ignoreExpiration: true })
      return found && { subject: found.accountId, thumbprint: found.jkt }
    },
    async close() {
      await server.close()
      faults.clear()
    },
  }
}

function checkAccessTokenSeconds(seconds: number): number {
  if (Number.isSafeInteger(seconds) && seconds > 0) return seconds
  throw new RangeError(`An access token lives a whole number of seconds from 1, not ${seconds}.`)
}

function checkReuseGrace(seconds: number): number {
  if (Number.isFinite(seconds) && seconds >= 0) return seconds
  throw new RangeError(`A grace is a number of seconds that is not negative, not ${seconds}.`)
}
