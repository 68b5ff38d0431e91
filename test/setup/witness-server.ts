import type { IncomingHttpHeaders } from 'node:http'
import { allowOrigin, answerPreflight, isPreflight } from '../../servers/http/cors.ts'
import { type HttpServer, startHttpServer } from '../../servers/http/http-server.ts'
import { answerJson } from '../../servers/http/json.ts'
import { readBody } from '../../servers/http/request-body.ts'

/** The contents of one request. */
export interface Sighting {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A server that is not an API of the session. It answers every request with its contents, and `/log?of=…` with all of them. */
export async function startWitness(): Promise<HttpServer> {
  const log: Sighting[] = []
  return startHttpServer({}, async () => async (request, response) => {
    const { method = '', url = '', headers } = request
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    allowOrigin(request, response)
    if (pathname === '/log') {
      const of = searchParams.get('of') ?? ''
      return answerJson(
        response,
        200,
        log.filter((sighting) => sighting.url.includes(of)),
      )
    }
    const sighting = { method, url, headers, body: (await readBody(request)).toString() }
    log.push(sighting)
    if (isPreflight(request)) answerPreflight(request, response)
    else answerJson(response, 200, { seen: sighting })
  })
}
