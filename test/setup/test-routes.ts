import type { ApiRoute } from '../../servers/api/api-route.ts'
import { apiRoutes, findApiRoute } from '../../servers/api/api-routes.ts'
import { answerJson } from '../../servers/http/json.ts'
import { readBody } from '../../servers/http/request-body.ts'

const denied = new Set<string>()

/** What the tests ask of an API, besides what the demo's has. */
export const testRoutes: Readonly<Record<string, ApiRoute>> = {
  /** Keeps a cookie of the name, with the attributes that it is given. */
  '/set-cookie': {
    anyMethod: true,
    answer({ response, url }) {
      const { name, attributes = 'Path=/' } = Object.fromEntries(url.searchParams)
      response.setHeader('Set-Cookie', `${name}=1; ${attributes}`)
      answerJson(response, 200, {})
    },
  },
  /** Refuses its first request, and answers the second one as another route would. */
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
