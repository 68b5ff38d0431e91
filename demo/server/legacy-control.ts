import type { IncomingMessage, ServerResponse } from 'node:http'
import { isJsonObject, parseJson } from './json.ts'
import { legacyCodes, refuse, succeed } from './legacy-answers.ts'
import type { LegacyApi } from './legacy-api.ts'
import { readBody } from './request-body.ts'

type ControlledApi = Pick<
  LegacyApi,
  'counters' | 'expireAccessTokens' | 'expireRefreshTokens' | 'failRefreshes' | 'holdRefreshes' | 'clearFaults'
>

const prefix = '/demo/'
const longestHold = 60_000

/** Each but `counters` changes what the server does next. */
const commands: Readonly<Record<string, (api: ControlledApi, input: unknown) => void>> = {
  counters: () => {},
  'expire-access-tokens': (api) => api.expireAccessTokens(),
  revoke: (api) => {
    api.expireAccessTokens()
    api.expireRefreshTokens()
  },
  'hold-refreshes': (api, input) => {
    const { milliseconds, refusesFirst } = isJsonObject(input) ? input : {}
    if (!(Number(milliseconds) >= 0)) throw new TypeError('expected {"milliseconds": number}')
    api.clearFaults()
    // Unprocessed: a token that was rotated for a phone without a network would end its session.
    if (refusesFirst === true) api.failRefreshes({ kind: 'answer', status: 503 })
    const hold = api.holdRefreshes()
    setTimeout(hold.release, Math.min(Number(milliseconds), longestHold)).unref()
  },
}

/** Lets anybody drive the legacy API, without token or signature; answers false for a request that is not about that. */
export async function controlLegacyApi(
  request: IncomingMessage,
  response: ServerResponse,
  api: ControlledApi,
): Promise<boolean> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  if (!pathname.startsWith(prefix)) return false
  const name = pathname.slice(prefix.length)
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command || request.method !== 'POST') {
    refuse(response, legacyCodes.notFound, `POST ${prefix} and one of ${Object.keys(commands).join(', ')}`, 404)
    return true
  }
  try {
    command(api, parseJson((await readBody(request)).toString()))
    succeed(response, api.counters)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    refuse(response, legacyCodes.badRequest, error.message, 400)
  }
  return true
}
