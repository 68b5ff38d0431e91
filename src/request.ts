import type { Client } from './client.ts'
import { waitFor } from './connect/wait.ts'
import { notAllowed } from './fetch.ts'
import { DEFAULT_TIMEOUT, findApi } from './protocol/contract.ts'
import { LingpaiError } from './protocol/errors.ts'

/** A call of an API that takes and gives JSON. The same on the web and in a mini program. */
export interface RequestOptions {
  /** Absolute, or relative to the page. */
  readonly url: string
  /** Default `GET`. */
  readonly method?: string
  /** Sent as JSON; for GET and HEAD, as the query. */
  readonly data?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /**
   * Whether the token is attached. Default: to the APIs listed in the worker. With `false`, a listed API's request is still
   * signed and its envelope read; an API that is not listed is called by the page itself, and has no envelope.
   */
  readonly auth?: boolean
  /** In milliseconds, for the whole call with any refresh. Default 30,000. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}

/**
 * Resolves with the payload of the API's envelope, or with the JSON body where the API has none.
 *
 * Rejects with a LingpaiError: `api_error` (`status`, `apiCode`, `apiMessage`), `sign_in_required`, `network_error`,
 * `timeout`, `aborted`, ...
 */
export type SessionRequest = <T = unknown>(options: RequestOptions) => Promise<T>

export function createRequest(client: Client): SessionRequest {
  async function send(options: RequestOptions, signal: AbortSignal): Promise<unknown> {
    const request = toJsonRequest(options ?? {})
    const { auth } = options
    const { welcome, call } = await client.connected(signal)
    if (findApi(welcome.apis, new URL(request.url)) !== undefined) {
      return call('request', [{ ...request, auth: auth !== false }], { signal })
    }
    if (auth === true) throw notAllowed(request.url)
    const { ok, status, ...response } = await receive(fetch(request.url, { ...request, signal }))
    if (!ok) throw apiError(status, '')
    if (response.text === '') return undefined
    try {
      return JSON.parse(response.text)
    } catch {
      throw apiError(status, ' and a body that is not JSON')
    }
  }

  return async <T>(options: RequestOptions): Promise<T> => {
    const { signal, timeout = DEFAULT_TIMEOUT } = options ?? {}
    if (!(timeout >= 0)) throw new LingpaiError('invalid_call', 'timeout must be a number of milliseconds.')
    // Longer timers fire at once.
    const deadline = Math.min(timeout, 2 ** 31 - 1)
    const controller = new AbortController()
    try {
      return (await waitFor(send(options, controller.signal), {
        deadline,
        signal,
        onGiveUp: () => controller.abort(),
      })) as T
    } catch (cause) {
      throw signal?.aborted ? new LingpaiError('aborted', 'The request was aborted.', { cause }) : cause
    }
  }
}

async function receive(answer: Promise<Response>) {
  try {
    const response = await answer
    return { ok: response.ok, status: response.status, text: await response.text() }
  } catch (cause) {
    throw new LingpaiError('network_error', 'The API could not be reached: the network or CORS is in the way.', {
      cause,
    })
  }
}

function apiError(status: number, why: string): LingpaiError {
  return new LingpaiError('api_error', `The API answered with status ${status}${why}.`, { status })
}

/** Built by the platform's own constructor, so that what it refuses is refused here, in one way. */
function toJsonRequest({ url, method = 'GET', data, headers = {} }: RequestOptions) {
  try {
    if (typeof url !== 'string') throw new TypeError('the url is missing')
    const verb = method.toUpperCase()
    const hasQuery = verb === 'GET' || verb === 'HEAD'
    const fields = new Headers(headers)
    if (!fields.has('accept')) fields.set('accept', 'application/json')
    const body = hasQuery || data === undefined ? null : JSON.stringify(data)
    if (body === undefined) throw new TypeError('the data are not JSON')
    if (body !== null && !fields.has('content-type')) fields.set('content-type', 'application/json')
    const request = new Request(url, { method: verb, headers: fields, body })
    const target = new URL(request.url)
    if (hasQuery) for (const [name, value] of toQuery(data)) target.searchParams.set(name, value)
    return { url: target.href, method: verb, headers: [...request.headers], ...(body !== null && { body }) }
  } catch (cause) {
    throw new LingpaiError('invalid_call', `session.request cannot send this: ${(cause as Error).message}.`, { cause })
  }
}

function toQuery(data: unknown): [string, string][] {
  if (data === undefined) return []
  if (typeof data !== 'object' || data === null)
    throw new TypeError('the data of a GET, which become its query, are no object')
  return Object.entries(data).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
}
