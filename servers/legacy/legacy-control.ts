import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { isJsonObject, parseJson } from '../http/json.ts'
import { readBody } from '../http/request-body.ts'
import { legacyCodes, refuse, succeed } from './answers.ts'
import type { LegacyApi } from './legacy-api.ts'

type ControlledApi = Pick<
  LegacyApi,
  'counters' | 'expireAccessTokens' | 'expireRefreshTokens' | 'failRefreshes' | 'holdRefreshes' | 'clearFaults'
>

const prefix = '/demo/'
const longestHold = 60_000

function readMilliseconds(input: unknown): number {
  const { milliseconds } = isJsonObject(input) ? input : {}
  if (!(Number(milliseconds) >= 0)) throw new TypeError('expected {"milliseconds": number}')
  return Math.min(Number(milliseconds), longestHold)
}

let waiting = 0
let mostWaiting = 0

/** Counts the maximum of simultaneous waits since the last moment without one. */
async function wait(milliseconds: number): Promise<{ atOnce: number }> {
  mostWaiting = waiting === 0 ? 1 : Math.max(mostWaiting, waiting + 1)
  waiting += 1
  await delay(milliseconds)
  waiting -= 1
  return { atOnce: mostWaiting }
}

/** All commands except `counters` and `wait` change the server's behaviour. The response is the command's result, or else the counters. */
const commands: Readonly<Record<string, (api: ControlledApi, input: unknown) => unknown>> = {
  counters: () => {},
  wait: (_api, input) => wait(readMilliseconds(input)),
  'expire-access-tokens': (api) => api.expireAccessTokens(),
  revoke: (api) => {
    api.expireAccessTokens()
    api.expireRefreshTokens()
  },
  'hold-refreshes': (api, input) => {
    const milliseconds = readMilliseconds(input)
    api.clearFaults()
    // Not processed: if the server rotated the token for a phone without a network, its session would end.
    if (isJsonObject(input) && input.refusesFirst === true) api.failRefreshes({ kind: 'answer', status: 503 })
    const hold = api.holdRefreshes()
    setTimeout(hold.release, milliseconds).unref()
  },
}

/** Lets any client control the legacy API, without token or signature. Returns false for other requests. */
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
    const answer = await command(api, parseJson((await readBody(request)).toString()))
    succeed(response, answer ?? api.counters)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    refuse(response, legacyCodes.badRequest, error.message, 400)
  }
  return true
}
