import { createHash, randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { ApiRoute } from '../../servers/api/api-route.ts'
import { apiRoutes, findApiRoute } from '../../servers/api/api-routes.ts'
import { answerJson } from '../../servers/http/json.ts'
import { readBody } from '../../servers/http/request-body.ts'

const denied = new Set<string>()

/** The routes of the API for tests, in addition to those of the demo. */
export const testRoutes: Readonly<Record<string, ApiRoute>> = {
  // A backend whose refresh token is a cookie that scripts cannot read. Each is good for one use.
  '/cookie-sign-in': { public: true, anyMethod: true, answer: ({ response }) => answerWithCookie(response) },
  '/cookie-refresh': {
    public: true,
    anyMethod: true,
    answer({ request, response }) {
      const cookie = /(?:^|; )refresh=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1]
      if (cookie !== undefined && refreshCookies.delete(cookie)) answerWithCookie(response)
      else answerJson(response, 401, { message: cookie === undefined ? 'no cookie' : 'used cookie' })
    },
  },
  /** May be cached for all users, and differs by user: a mistake of a server. */
  '/vary-by-user': {
    answer({ request, response, credentials = '' }) {
      const tag = `"${createHash('sha256').update(credentials).digest('hex').slice(0, 8)}"`
      const isKnown = request.headers['if-none-match'] === tag
      const headers = { ETag: tag, 'Cache-Control': 'max-age=600', 'Content-Type': 'text/plain', Vary: '' }
      response.writeHead(isKnown ? 304 : 200, headers).end(isKnown ? undefined : `${tag} ${Math.random()}`)
    },
  },
  /** Sets a cookie with the given name and attributes. */
  '/set-cookie': {
    anyMethod: true,
    answer({ response, url }) {
      const { name, attributes = 'Path=/' } = Object.fromEntries(url.searchParams)
      response.setHeader('Set-Cookie', `${name}=1; ${attributes}`)
      answerJson(response, 200, {})
    },
  },
  /** Answers the first request with 401, and the second one like another route. */
  '/after-401': {
    anyMethod: true,
    async answer(exchange) {
      const { id = '', then = '' } = Object.fromEntries(exchange.url.searchParams)
      if (!denied.has(id)) {
        denied.add(id)
        await readBody(exchange.request)
        exchange.response.setHeader('Set-Cookie', `refused-${id}=1; Path=/`)
        return answerJson(exchange.response, 401, { error: 'invalid_token' })
      }
      const url = new URL(then, 'http://localhost')
      const found = findApiRoute(apiRoutes, url.pathname)
      if (!found) return answerJson(exchange.response, 404, { error: 'not_found' })
      return found.route.answer({ ...exchange, url, argument: found.argument })
    },
  },
}

const refreshCookies = new Set<string>()

function answerWithCookie(response: ServerResponse): void {
  const cookie = randomUUID()
  refreshCookies.add(cookie)
  response.setHeader('Set-Cookie', `refresh=${cookie}; Path=/cookie-refresh; HttpOnly; SameSite=Strict`)
  answerJson(response, 200, { accessToken: `access-${cookie}`, expiresIn: 600, user: { id: 'alice' } })
}
