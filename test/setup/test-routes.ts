import type { ApiRoute } from '../../servers/api/api-route.ts'
import { apiRoutes, findApiRoute } from '../../servers/api/api-routes.ts'
import { answerJson } from '../../servers/http/json.ts'
import { readBody } from '../../servers/http/request-body.ts'

const denied = new Set<string>()

/** The routes of the API for tests, in addition to those of the demo. */
export const testRoutes: Readonly<Record<string, ApiRoute>> = {
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
