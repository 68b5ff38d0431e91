import type { Plugin } from 'vite'
import { apiRoutes, findApiRoute } from '../../servers/api/api-routes.ts'
import { answerJson } from '../../servers/http/json.ts'
import { testRoutes } from './test-routes.ts'

/** An API on the origin of the test pages, under `/own-api`. It accepts every token, and sends no CORS headers. */
export const ownApi: Plugin = {
  name: 'own-api',
  configureServer({ middlewares }) {
    middlewares.use('/own-api', async (request, response) => {
      for (const name of response.getHeaderNames()) response.removeHeader(name)
      const url = new URL(request.url ?? '/', 'http://localhost')
      const found = findApiRoute({ ...apiRoutes, ...testRoutes }, url.pathname)
      const credentials = request.headers.authorization
      if (!found) return answerJson(response, 404, { error: 'not_found' })
      if (!found.route.public && credentials === undefined) return answerJson(response, 401, { error: 'invalid_token' })
      await found.route.answer({ request, response, url, argument: found.argument, subject: 'alice', credentials })
    })
  },
}
