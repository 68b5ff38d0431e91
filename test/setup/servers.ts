import type { TestProject } from 'vitest/node'
import { allowOrigin, answerPreflight, isPreflight } from '../../demo/server/cors.ts'
import { startHttpServer } from '../../demo/server/http-server.ts'
import { startServers } from '../../demo/server/index.ts'
import { answerJson } from '../../demo/server/json.ts'
import { startLegacyApi } from '../../demo/server/legacy-api.ts'
import { callbackUrl, tokensOf } from '../fixtures/provider.ts'
import { createEvents } from '../fixtures/recipe-events.ts'
import { graphqlRoute } from '../fixtures/recipe-routes.ts'

declare module 'vitest' {
  interface ProvidedContext {
    readonly apiOrigin: string
    readonly issuer: string
    readonly legacyOrigin: string
    /** GET /tokens?account=... answers tokens of the provider, for a grant that signs in without a redirect. */
    readonly mintOrigin: string
  }
}

/** Starts the real servers once for all browser tests. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await startServers({
    redirectUris: [callbackUrl],
    accessTokenSeconds: 600,
    control: true,
    routes: { ...createEvents().routes, '/graphql': graphqlRoute },
  })
  const legacy = await startLegacyApi({ accessTokenSeconds: 600 })
  const mint = await startHttpServer({}, async () => async (request, response) => {
    allowOrigin(request, response)
    if (isPreflight(request)) return answerPreflight(request, response)
    const account = new URL(request.url ?? '/', 'http://localhost').searchParams.get('account') ?? 'alice'
    answerJson(response, 200, await tokensOf(servers.authorizationServer, account))
  })
  project.provide('apiOrigin', servers.api.origin)
  project.provide('issuer', servers.authorizationServer.issuer)
  project.provide('legacyOrigin', legacy.origin)
  project.provide('mintOrigin', mint.origin)
  return async () => {
    await Promise.all([servers.close(), legacy.close(), mint.close()])
  }
}
