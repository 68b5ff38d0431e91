import type { IncomingMessage, ServerResponse } from 'node:http'
import { allowOrigin, answerPreflight, isPreflight } from '../http/cors.ts'
import { createHoldPoint, type Hold, type HoldPoint } from '../http/hold.ts'
import { type HttpServerOptions, startHttpServer } from '../http/http-server.ts'
import { answerJson } from '../http/json.ts'
import { createRequestLog, type LoggedRequest } from '../http/request-log.ts'
import type { ApiRoute } from './api-route.ts'
import { apiRoutes, findApiRoute } from './api-routes.ts'
import type { DpopCheck } from './dpop-check.ts'

export interface ApiServerOptions {
  /** `thumbprint`: of the key that the token is bound to. */
  verify(token: string): Promise<{ subject: string; thumbprint?: string | undefined } | undefined>
  /** Checks the proofs of bound tokens. Default: the API accepts no bound token. */
  readonly dpop?: DpopCheck
  readonly port?: number
  /** Default `localhost`. */
  readonly hostname?: string
  /** Key and certificate, for HTTP/2. */
  readonly tls?: HttpServerOptions['tls']
  /** The header whose complete value is the token. Default: `Authorization: Bearer`. */
  readonly tokenHeader?: string
  /** More routes, after the same check of the token. */
  readonly routes?: Readonly<Record<string, ApiRoute>>
  /** Runs first. Returns false for a request that is not its own. */
  control?(request: IncomingMessage, response: ServerResponse): Promise<boolean>
}

interface HoldRequestsOptions {
  /** When the token of a held request is checked. Default `arrival`, which causes a late 401 for an old token. */
  readonly judgeAt?: 'arrival' | 'release'
}

export interface ApiServer {
  readonly origin: string
  /** Without those to `control`. */
  readonly requests: readonly LoggedRequest[]
  readonly counters: ApiServerCounters
  /** True while every token is rejected. */
  readonly isDenying: boolean
  /** Makes every route that needs a token answer 401 to every token. */
  setDenial(isOn: boolean): void
  /** Holds requests to one path, except preflights. */
  holdRequests(path: string, options?: HoldRequestsOptions): Hold
  /** Destroys every connection, and each new one until it is restored. */
  cutConnections(): { restore(): void }
  close(): Promise<void>
}

/** Without preflights, and without requests to `control`. */
export interface ApiServerCounters {
  /** Requests at their arrival, with any outcome. */
  readonly received: number
  readonly answered: number
  /** The responses with 401. */
  readonly unauthorized: number
}

interface HoldPoints {
  readonly beforeVerdict: HoldPoint
  readonly afterVerdict: HoldPoint
}

export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { verify, tokenHeader, control, dpop } = options
  const routes = { ...apiRoutes, ...options.routes }
  const log = createRequestLog()
  const counters = { received: 0, answered: 0, unauthorized: 0 }
  const holdPointsByPath = new Map<string, HoldPoints>()
  let isDenying = false

  const holdPointsOf = (path: string): HoldPoints => {
    const known = holdPointsByPath.get(path)
    if (known) return known
    const points = { beforeVerdict: createHoldPoint(), afterVerdict: createHoldPoint() }
    holdPointsByPath.set(path, points)
    return points
  }

  const credentialsOf = (request: IncomingMessage): string | undefined => {
    const value = request.headers[(tokenHeader ?? 'Authorization').toLowerCase()]
    return Array.isArray(value) ? value[0] : value
  }

  const judge = async (request: IncomingMessage): Promise<{ readonly subject?: string; readonly error?: string }> => {
    const credentials = credentialsOf(request)
    if (credentials === undefined) return {}
    const token = tokenHeader === undefined ? /^(?:Bearer|DPoP) +(\S+)$/i.exec(credentials)?.[1] : credentials
    const found = token === undefined ? undefined : await verify(token)
    if (token === undefined || found === undefined) return {}
    const { subject, thumbprint } = found
    const isBound = tokenHeader === undefined && credentials.startsWith('DPoP ')
    if (isBound !== (thumbprint !== undefined)) return {}
    const error = thumbprint === undefined ? undefined : dpop?.judge(request, token, thumbprint)
    return error === undefined ? { subject } : { error }
  }

  const server = await startHttpServer(options, async () => async (request, response) => {
    allowOrigin(request, response)
    if (await control?.(request, response)) return
    if (isPreflight(request)) {
      log.record(request, response)
      answerPreflight(request, response)
      return
    }
    log.record(request, response, (status) => {
      counters.answered += 1
      if (status === 401) counters.unauthorized += 1
    })
    counters.received += 1
    response.setHeader('X-Request-Id', String(counters.received))
    if (dpop?.nonce) response.setHeader('DPoP-Nonce', dpop.nonce)

    const url = new URL(request.url ?? '/', 'http://localhost')
    const holdPoints = holdPointsByPath.get(url.pathname)
    await holdPoints?.beforeVerdict.pass()
    const { subject, error = 'invalid_token' } = isDenying ? {} : await judge(request)
    await holdPoints?.afterVerdict.pass()

    const found = findApiRoute(routes, url.pathname)
    if (!found) {
      answerJson(response, 404, { error: 'not_found', paths: Object.keys(routes) })
      return
    }
    const { route, argument } = found
    if (!route.public && subject === undefined) {
      const scheme = dpop ? 'DPoP' : 'Bearer'
      answerJson(response, 401, { error }, { 'WWW-Authenticate': `${scheme} error="${error}"` })
      return
    }
    if (!route.anyMethod && request.method !== 'GET' && request.method !== 'HEAD') {
      answerJson(response, 405, { error: 'method_not_allowed' }, { Allow: 'GET, HEAD' })
      return
    }
    await route.answer({ request, response, url, argument, subject, credentials: credentialsOf(request) })
  })

  return {
    origin: server.origin,
    requests: log.requests,
    counters,
    holdRequests(path, { judgeAt = 'arrival' } = {}) {
      const { beforeVerdict, afterVerdict } = holdPointsOf(path)
      return judgeAt === 'arrival' ? afterVerdict.hold() : beforeVerdict.hold()
    },
    get isDenying() {
      return isDenying
    },
    setDenial(isOn) {
      isDenying = isOn
    },
    cutConnections: server.cutConnections,
    async close() {
      await server.close()
      for (const { beforeVerdict, afterVerdict } of holdPointsByPath.values()) {
        beforeVerdict.releaseAll()
        afterVerdict.releaseAll()
      }
    },
  }
}
