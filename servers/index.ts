import type { ApiRoute } from './api/api-route.ts'
import { type ApiServer, startApiServer } from './api/api-server.ts'
import { type Control, createControl, handleControl } from './control.ts'
import { type LegacyApi, startLegacyApi } from './legacy/legacy-api.ts'
import {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  startAuthorizationServer,
} from './provider/authorization-server.ts'

export interface ServersOptions extends Omit<AuthorizationServerOptions, 'port'> {
  /** Free ports unless given. */
  readonly ports?: { readonly authorizationServer?: number; readonly api?: number; readonly legacy?: number }
  /** The API's header whose complete value is the token. Default: `Authorization: Bearer`. */
  readonly tokenHeader?: string
  /** More routes of the API, after its check of the token. */
  readonly routes?: Readonly<Record<string, ApiRoute>>
  /** Mounts /control/* on the API server; default false. */
  readonly control?: boolean
}

export interface Servers {
  readonly authorizationServer: AuthorizationServer
  readonly api: ApiServer
  readonly legacy: LegacyApi
  /** Controls the servers in this process, so it also works while they are offline. */
  readonly control: Control
  close(): Promise<void>
}

/** An OpenID provider, an API that accepts its tokens, and an API with its own sign-in. */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { ports = {}, hostname, accessTokenSeconds, tokenHeader, routes, control: isControlMounted = false } = options
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
      ...(isControlMounted ? { control: (request, response) => handleControl(request, response, control) } : {}),
      verify: authorizationServer.verifyAccessToken,
    })
    started.push(api)
    const control = createControl({ authorizationServer, api })
    const legacy = await startLegacyApi({
      ...shared,
      ...portOf(ports.legacy),
      ...(accessTokenSeconds === undefined ? {} : { accessTokenSeconds }),
    })
    started.push(legacy)
    return { authorizationServer, api, legacy, control, close }
  } catch (error) {
    await close()
    throw error
  }
}

function portOf(port: number | undefined): { readonly port?: number } {
  return port === undefined ? {} : { port }
}
