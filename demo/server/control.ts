import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ApiServer } from './api-server.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { allowOrigin, answerPreflight, isPreflight } from './cors.ts'
import { parseFaults } from './faults.ts'
import { answerJson, isJsonObject, parseJson } from './json.ts'
import { readBody } from './request-body.ts'

export interface ControlledServers {
  readonly authorizationServer: AuthorizationServer
  readonly api: Pick<ApiServer, 'counters'>
}

type Command = (authorizationServer: AuthorizationServer, input: unknown) => void | Promise<void>

const prefix = '/control/'

/** Each throws a `TypeError` or a `RangeError` for input that it cannot use. */
const commands: Readonly<Record<string, Command>> = {
  'expire-access-tokens': (authorizationServer) => authorizationServer.expireAccessTokens(),
  'revoke-everything': (authorizationServer) => authorizationServer.revokeEverything(),
  'clear-faults': (authorizationServer) => authorizationServer.clearFaults(),
  'fail-refreshes': (authorizationServer, input) => authorizationServer.failRefreshes(...parseFaults(input)),
  'access-token-seconds': (authorizationServer, input) => {
    if (!isJsonObject(input) || typeof input.seconds !== 'number') {
      throw new TypeError('expected {"seconds": number}')
    }
    authorizationServer.setAccessTokenSeconds(input.seconds)
  },
}

/** Lets a page drive the servers over HTTP, from any origin; answers false for a request that is not about control. */
export async function handleControl(
  request: IncomingMessage,
  response: ServerResponse,
  servers: ControlledServers,
): Promise<boolean> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  if (!pathname.startsWith(prefix)) return false
  allowOrigin(request, response)
  if (isPreflight(request)) {
    answerPreflight(request, response)
    return true
  }
  const name = pathname.slice(prefix.length)
  const { authorizationServer, api } = servers
  const answerCounters = (): void =>
    answerJson(response, 200, { authorizationServer: authorizationServer.counters, api: api.counters })

  if (name === 'counters' && (request.method === 'GET' || request.method === 'HEAD')) {
    answerCounters()
    return true
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command || request.method !== 'POST') {
    const error = `GET ${prefix}counters, or POST ${prefix} and one of ${Object.keys(commands).join(', ')}`
    answerJson(response, 404, { error })
    return true
  }
  try {
    await command(authorizationServer, parseJson((await readBody(request)).toString()))
    answerCounters()
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error
    answerJson(response, 400, { error: error.message })
  }
  return true
}
