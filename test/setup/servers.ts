import type { TestProject } from 'vitest/node'
import { startApiServer } from '../../servers/api/api-server.ts'
import { allowOrigin, answerPreflight, isPreflight } from '../../servers/http/cors.ts'
import { startHttpServer } from '../../servers/http/http-server.ts'
import { answerJson } from '../../servers/http/json.ts'
import { startServers } from '../../servers/index.ts'
import { startLegacyApi } from '../../servers/legacy/legacy-api.ts'
import { callbackUrl, tokensOf } from '../fixtures/provider.ts'
import { createEvents } from '../fixtures/recipe-events.ts'
import { graphqlRoute } from '../fixtures/recipe-routes.ts'
import { createCertificate } from './certificate.ts'
import { testRoutes } from './test-routes.ts'
import { startWitness } from './witness-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    readonly apiOrigin: string
    readonly issuer: string
    readonly legacyOrigin: string
    /** GET /tokens?account=... returns tokens of the provider, for a grant that signs in without a redirect. */
    readonly mintOrigin: string
    /** APIs that accept every token, so that no other test's 401 interferes: with `Authorization`, `X-Token`, HTTP/2. */
    readonly steadyOrigin: string
    readonly headerOrigin: string
    readonly secureOrigin: string
    /** The silence of a stream, in seconds: IDLE_SECONDS, or else 2. */
    readonly idleSeconds: number
    /** Not an API: it returns the requests that it received. */
    readonly witnessOrigin: string
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
  const verify = async () => ({ subject: 'alice' })
  const others = await Promise.all([
    startApiServer({ verify, routes: testRoutes }),
    startApiServer({ verify, routes: testRoutes, tokenHeader: 'X-Token' }),
    startApiServer({ verify, routes: testRoutes, tls: createCertificate(new Date()) }),
    startWitness(),
  ])
  project.provide('idleSeconds', Number(process.env.IDLE_SECONDS ?? 2))
  project.provide('steadyOrigin', others[0].origin)
  project.provide('headerOrigin', others[1].origin)
  project.provide('secureOrigin', others[2].origin)
  project.provide('witnessOrigin', others[3].origin)
  project.provide('apiOrigin', servers.api.origin)
  project.provide('issuer', servers.authorizationServer.issuer)
  project.provide('legacyOrigin', legacy.origin)
  project.provide('mintOrigin', mint.origin)
  return async () => {
    await Promise.all([servers, legacy, mint, ...others].map((server) => server.close()))
  }
}
