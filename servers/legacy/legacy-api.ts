import type { IncomingMessage, ServerResponse } from 'node:http'
import { allowOrigin, answerPreflight, isPreflight } from '../http/cors.ts'
import { createFaultGate, type Fault } from '../http/faults.ts'
import type { Hold } from '../http/hold.ts'
import { startHttpServer } from '../http/http-server.ts'
import { isJsonObject, type JsonObject, parseJson } from '../http/json.ts'
import { answerRedirect } from '../http/redirect.ts'
import { readBody } from '../http/request-body.ts'
import { createRequestLog, type LoggedRequest } from '../http/request-log.ts'
import { type AccountProfile, checkPassword, findProfile } from '../provider/accounts.ts'
import { legacyCodes as codes, refuse, succeed } from './answers.ts'
import { createLegacyTokens } from './tokens.ts'

export interface LegacyApiOptions {
  readonly port?: number
  /** Default `localhost`. */
  readonly hostname?: string
  /** Default 10. */
  readonly accessTokenSeconds?: number
  /** Verifies every body with its signature. A rejection is HTTP 400 with code 4000. Default: no check. */
  verifySignature?(parameters: JsonObject, path: string): boolean
  /** The subject of a `wx.login` code, or undefined for an unknown code. Default: alice for every code. */
  ownerOfCode?(code: string): string | undefined
  /** Whether a code is valid more than once: for an app without an id, DevTools repeats the code. Default false. */
  readonly takesUsedCodes?: boolean
  /** Runs first, with the subject of the request's token. Returns false for a request that is not its own. */
  extension?(request: IncomingMessage, response: ServerResponse, subject: string | undefined): Promise<boolean>
}

export interface LegacyApi {
  readonly origin: string
  /** `refreshes` counts requests at their arrival; `reuseDetections` counts reuses of refresh tokens. */
  readonly counters: { readonly logins: number; readonly refreshes: number; readonly reuseDetections: number }
  readonly issuedTokens: readonly string[]
  readonly requests: readonly LoggedRequest[]
  failRefreshes(...faults: readonly Fault[]): void
  holdRefreshes(): Hold
  clearFaults(): void
  expireAccessTokens(): void
  /** Makes all later refreshes get code 900211. */
  expireRefreshTokens(): void
  close(): Promise<void>
}

interface Call {
  readonly response: ServerResponse
  readonly parameters: JsonObject
  readonly subject: string | undefined
}

const callsWithoutToken: ReadonlySet<string> = new Set(['/login', '/login-with-code', '/refresh'])

/** An API with its own sign-in and envelope: POST and JSON for all calls, `{code, message, data}` for all responses. */
export async function startLegacyApi(options: LegacyApiOptions = {}): Promise<LegacyApi> {
  const tokens = createLegacyTokens(options.accessTokenSeconds ?? 10)
  const log = createRequestLog()
  const faults = createFaultGate()
  const counters = { logins: 0, refreshes: 0, reuseDetections: 0 }
  const usedCodes = new Set<string>()

  function welcome(response: ServerResponse, { subject, name }: AccountProfile): void {
    counters.logins += 1
    succeed(response, { token: tokens.issue(subject), user: { id: subject, name } })
  }

  function welcomeByCode(response: ServerResponse, code: string): void {
    const { ownerOfCode = () => 'alice', takesUsedCodes = false } = options
    const profile = usedCodes.has(code) && !takesUsedCodes ? undefined : findProfile(ownerOfCode(code) ?? '')
    usedCodes.add(code)
    if (profile) welcome(response, profile)
    else refuse(response, codes.wrongCode, 'code is wrong or used')
  }

  const calls: Readonly<Record<string, (call: Call) => void>> = {
    '/login': ({ response, parameters }) => {
      if (parameters.code !== undefined) {
        welcomeByCode(response, String(parameters.code))
        return
      }
      const profile = checkPassword(String(parameters.account), String(parameters.password))
      if (!profile) {
        refuse(response, codes.wrongPassword, 'account or password is wrong')
        return
      }
      welcome(response, profile)
    },
    '/login-with-code': ({ response, parameters }) => welcomeByCode(response, String(parameters.code)),
    '/refresh': ({ response, parameters }) => {
      const refreshToken = String(parameters.refreshToken)
      const state = tokens.refreshState(refreshToken)
      if (state === 'used') counters.reuseDetections += 1
      if (state === 'good') succeed(response, { token: tokens.rotate(refreshToken) })
      else if (state === 'expired') refuse(response, codes.refreshExpired, 'refresh token expired')
      else refuse(response, codes.refreshInvalid, 'refresh token invalid')
    },
    '/list': ({ response, subject }) => succeed(response, { items: ['tea', 'ink'], subject }),
    '/fail': ({ response }) => refuse(response, codes.businessFailure, 'out of stock'),
    '/null': ({ response }) => succeed(response, null),
    '/forbidden': ({ response }) => refuse(response, codes.forbidden, 'sign in', 403),
    '/expired-code': ({ response, subject }) => {
      if (subject === undefined) refuse(response, codes.tokenExpired, 'token expired')
      else succeed(response, { subject })
    },
    '/redirect': ({ response, parameters }) => answerRedirect(response, parameters.to, parameters.status ?? 302),
  }

  const subjectOf = ({ headers }: IncomingMessage): string | undefined => {
    const token = headers['x-token']
    return typeof token === 'string' ? tokens.subjectOf(token) : undefined
  }

  const answer = async (request: IncomingMessage, response: ServerResponse, path: string): Promise<void> => {
    const parameters = parseJson((await readBody(request)).toString())
    if (!isJsonObject(parameters)) {
      refuse(response, codes.badRequest, 'the body must be a JSON object', 400)
      return
    }
    if (options.verifySignature?.(parameters, path) === false) {
      refuse(response, codes.badRequest, 'the signature is wrong', 400)
      return
    }
    const call = Object.hasOwn(calls, path) ? calls[path] : undefined
    if (!call) {
      refuse(response, codes.notFound, 'no such call', 404)
      return
    }
    const subject = subjectOf(request)
    if (subject === undefined && !callsWithoutToken.has(path) && path !== '/expired-code') {
      refuse(response, codes.tokenExpired, 'token expired', 401)
      return
    }
    if (path !== '/refresh') {
      call({ response, parameters, subject })
      return
    }

    counters.refreshes += 1
    const admission = await faults.admit(request, response)
    if (admission === 'handled') return
    // Destroyed first, so that the call is processed, but its response is lost.
    if (admission !== 'process') request.socket.destroy()
    call({ response, parameters, subject })
  }

  const server = await startHttpServer(options, async () => async (request, response) => {
    log.record(request, response)
    allowOrigin(request, response)
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (isPreflight(request)) answerPreflight(request, response)
    else if (await options.extension?.(request, response, subjectOf(request))) return
    else if (request.method === 'POST') await answer(request, response, pathname)
    else refuse(response, codes.badRequest, 'every call is a POST', 405)
  })

  return {
    origin: server.origin,
    counters,
    issuedTokens: tokens.issued,
    requests: log.requests,
    failRefreshes: faults.fail,
    holdRefreshes: faults.hold,
    clearFaults: faults.clear,
    expireAccessTokens: tokens.expireAccessTokens,
    expireRefreshTokens: tokens.expireRefreshTokens,
    async close() {
      await server.close()
      faults.clear()
    },
  }
}
