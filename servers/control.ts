import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ApiServer, ApiServerCounters } from './api/api-server.ts'
import { allowOrigin, answerPreflight, isPreflight } from './http/cors.ts'
import { parseFaults } from './http/faults.ts'
import { answerJson, isJsonObject, parseJson } from './http/json.ts'
import { readBody } from './http/request-body.ts'
import type {
  AuthorizationServer,
  AuthorizationServerCounters,
  AuthorizationServerSettings,
} from './provider/authorization-server.ts'

export interface ControlledServers {
  readonly authorizationServer: AuthorizationServer
  readonly api: Pick<ApiServer, 'counters' | 'isDenying' | 'setDenial' | 'cutConnections'>
}

/** The servers' counters since their start. A reset does not change them. */
interface ControlCounters {
  readonly authorizationServer: AuthorizationServerCounters
  readonly api: ApiServerCounters
}

interface ControlSettings extends AuthorizationServerSettings {
  /** The API answers 401 to every token. */
  readonly apiDenial: boolean
  /** No client can connect to the servers. */
  readonly offline: boolean
}

export interface Control {
  readonly commands: readonly string[]
  readonly counters: ControlCounters
  readonly settings: ControlSettings
  /** Throws a `TypeError` or a `RangeError` for a name or an input that it cannot use. */
  perform(name: string, input: unknown): Promise<void>
}

type Command = (input: unknown) => void | Promise<void>

const prefix = '/control/'

/** Controls the servers. `reset` restores the settings of this moment. */
export function createControl({ authorizationServer, api }: ControlledServers): Control {
  const atStart = { ...authorizationServer.settings }
  let restoreConnections: (() => void) | undefined

  const setOffline = (isOn: boolean): void => {
    if (isOn === (restoreConnections !== undefined)) return
    if (!isOn) {
      restoreConnections?.()
      restoreConnections = undefined
      return
    }
    const cuts = [authorizationServer.cutConnections(), api.cutConnections()]
    restoreConnections = () => {
      for (const cut of cuts) cut.restore()
    }
  }

  const commands: Readonly<Record<string, Command>> = {
    'expire-access-tokens': () => authorizationServer.expireAccessTokens(),
    'revoke-everything': () => authorizationServer.revokeEverything(),
    'clear-faults': () => authorizationServer.clearFaults(),
    'stop-faults': () => authorizationServer.stopFaults(),
    'fail-refreshes': (input) => authorizationServer.failRefreshes(...parseFaults(input)),
    'access-token-seconds': (input) => authorizationServer.setAccessTokenSeconds(readNumber(input, 'seconds')),
    'refresh-delay': (input) => authorizationServer.setRefreshDelay(readNumber(input, 'milliseconds')),
    rotation: (input) => authorizationServer.setRotation(readSwitch(input)),
    'reuse-grace': (input) => authorizationServer.setReuseGrace(readNumber(input, 'seconds')),
    'api-denial': (input) => api.setDenial(readSwitch(input)),
    offline: (input) => setOffline(readSwitch(input)),
    reset() {
      setOffline(false)
      api.setDenial(false)
      authorizationServer.clearFaults()
      authorizationServer.setTokenResponse(undefined)
      authorizationServer.setAccessTokenSeconds(atStart.accessTokenSeconds)
      authorizationServer.setRefreshDelay(atStart.refreshDelayMilliseconds)
      authorizationServer.setRotation(atStart.rotation)
      authorizationServer.setReuseGrace(atStart.reuseGraceSeconds)
    },
  }

  return {
    commands: Object.keys(commands),
    get counters() {
      return { authorizationServer: authorizationServer.counters, api: api.counters }
    },
    get settings() {
      const offline = restoreConnections !== undefined
      return { ...authorizationServer.settings, apiDenial: api.isDenying, offline }
    },
    async perform(name, input) {
      const command = Object.hasOwn(commands, name) ? commands[name] : undefined
      if (!command) throw new TypeError(`${name} is none of ${Object.keys(commands).join(', ')}`)
      await command(input)
    },
  }
}

/** Lets a page control the servers over HTTP, from any origin. Returns false for other requests. */
export async function handleControl(
  request: IncomingMessage,
  response: ServerResponse,
  control: Control,
): Promise<boolean> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  if (!pathname.startsWith(prefix)) return false
  allowOrigin(request, response)
  if (isPreflight(request)) answerPreflight(request, response)
  else await answerControl(request, response, pathname.slice(prefix.length), control)
  return true
}

/** GET counters or settings, or POST a command with its input as JSON, which returns the counters. */
export async function answerControl(
  request: IncomingMessage,
  response: ServerResponse,
  name: string,
  control: Control,
): Promise<void> {
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  if (isRead && name === 'counters') return answerJson(response, 200, control.counters)
  if (isRead && name === 'settings') return answerJson(response, 200, control.settings)
  if (request.method !== 'POST' || !control.commands.includes(name)) {
    const error = `GET counters or settings, or POST one of ${control.commands.join(', ')}`
    return answerJson(response, 404, { error })
  }
  try {
    await control.perform(name, parseJson((await readBody(request)).toString()))
    answerJson(response, 200, control.counters)
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error
    answerJson(response, 400, { error: error.message })
  }
}

function readNumber(input: unknown, name: 'seconds' | 'milliseconds'): number {
  const value = isJsonObject(input) ? input[name] : undefined
  if (typeof value !== 'number') throw new TypeError(`expected {"${name}": number}`)
  return value
}

function readSwitch(input: unknown): boolean {
  const value = isJsonObject(input) ? input.isOn : undefined
  if (typeof value !== 'boolean') throw new TypeError('expected {"isOn": boolean}')
  return value
}
