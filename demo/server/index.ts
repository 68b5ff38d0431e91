import type { ApiRoute } from './api-routes.ts'
import { type ApiServer, startApiServer } from './api-server.ts'
import {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  startAuthorizationServer,
} from './authorization-server.ts'
import { handleControl } from './control.ts'
import { type LegacyApi, startLegacyApi } from './legacy-api.ts'

export interface ServersOptions extends Omit<AuthorizationServerOptions, 'port'> {
  /** Free ports unless given. */
  readonly ports?: { readonly authorizationServer?: number; readonly api?: number; readonly legacy?: number }
  /** The API's header whose whole value is the token; default is `Authorization: Bearer`. */
  readonly tokenHeader?: string
  /** More routes of the API, behind its check of the token. */
  readonly routes?: Readonly<Record<string, ApiRoute>>
  /** Mounts /control/* on the API server; default false. */
  readonly control?: boolean
}

export interface Servers {
  readonly authorizationServer: AuthorizationServer
  readonly api: ApiServer
  readonly legacy: LegacyApi
  close(): Promise<void>
}

/** An OpenID provider, an API that accepts its tokens, and an API with a sign-in of its own. */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { ports = {}, hostname, accessTokenSeconds, tokenHeader, routes, control = false } = options
  const started: { close(): Promise<void> }[] = []
  const close = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.close()))
  }
  const shared = hostname === undefined ? {} : { hostname }

  try {
    const authorizationServer = await startAuthorizationServer({ ...options, ...portOf(ports.authorizationServer) })
    started.push(authorizationServer)
    const api: ApiServer = await startApiServer({
      ...shared,
      ...portOf(ports.api),
      ...(tokenHeader === undefined ? {} : { tokenHeader }),
      ...(routes === undefined ? {} : { routes }),
      ...(control
        ? { control: (request, response) => handleControl(request, response, { authorizationServer, api }) }
        : {}),
      verify: authorizationServer.verifyAccessToken,
    })
    started.push(api)
    const legacy = await startLegacyApi({
      ...shared,
      ...portOf(ports.legacy),
      ...(accessTokenSeconds === undefined ? {} : { accessTokenSeconds }),
    })
    started.push(legacy)
    return { authorizationServer, api, legacy, close }
  } catch (error) {
    await close()
    throw error
  }
}

function portOf(port: number | undefined): { readonly port?: number } {
  return port === undefined ? {} : { port }
}
