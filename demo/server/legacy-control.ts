import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
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

interface Gathering {
  open: number
  most: number
}

/** Those who wait at the same time, for as long as there is one. */
let gathering: Gathering = { open: 0, most: 0 }

function readMilliseconds(input: unknown): number {
  const { milliseconds } = isJsonObject(input) ? input : {}
  if (!(Number(milliseconds) >= 0)) throw new TypeError('expected {"milliseconds": number}')
  return Math.min(Number(milliseconds), longestHold)
}

/** Tells how many waited at once. */
async function wait(milliseconds: number): Promise<{ atOnce: number }> {
  if (gathering.open === 0) gathering = { open: 0, most: 0 }
  const own = gathering
  own.open += 1
  own.most = Math.max(own.most, own.open)
  await delay(milliseconds)
  own.open -= 1
  return { atOnce: own.most }
}

/** Each but `counters` and `wait` changes what the server does next. What a command gives is its answer, else the counters. */
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
    // Unprocessed: a token that was rotated for a phone without a network would end its session.
    if (isJsonObject(input) && input.refusesFirst === true) api.failRefreshes({ kind: 'answer', status: 503 })
    const hold = api.holdRefreshes()
    setTimeout(hold.release, milliseconds).unref()
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
    const answer = await command(api, parseJson((await readBody(request)).toString()))
    succeed(response, answer ?? api.counters)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    refuse(response, legacyCodes.badRequest, error.message, 400)
  }
  return true
}
