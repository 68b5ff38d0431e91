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
    const { auth } = options
    const request = toJsonRequest(options)
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

  return async <T>(options: RequestOptions = {} as RequestOptions): Promise<T> => {
    const { signal, timeout: deadline = DEFAULT_TIMEOUT } = options
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

function toJsonRequest({ url, method = 'GET', data, headers = {} }: RequestOptions) {
  if (typeof url !== 'string') throw new LingpaiError('invalid_call', 'session.request needs a {url}.')
  const target = parseUrl(url)
  const verb = String(method).toUpperCase()
  const hasQuery = verb === 'GET' || verb === 'HEAD'
  if (data !== undefined && hasQuery) {
    if (typeof data !== 'object' || data === null)
      throw new LingpaiError('invalid_call', 'The data of a GET must be an object: it becomes the query.')
    for (const [name, value] of Object.entries(data))
      if (value !== undefined) target.searchParams.set(name, String(value))
  }
  const body = data === undefined || hasQuery ? undefined : toJson(data)
  const fields = new Headers(headers)
  if (!fields.has('accept')) fields.set('accept', 'application/json')
  if (body !== undefined && !fields.has('content-type')) fields.set('content-type', 'application/json')
  return { url: target.href, method: verb, headers: [...fields], ...(body !== undefined && { body }) }
}

function parseUrl(url: string): URL {
  try {
    return new URL(url, globalThis.location?.href)
  } catch (cause) {
    throw new LingpaiError('invalid_call', `The URL ${JSON.stringify(url)} is malformed.`, {
      cause,
    })
  }
}

function toJson(data: unknown): string {
  try {
    const text = JSON.stringify(data)
    if (text !== undefined) return text
  } catch {}
  throw new LingpaiError('invalid_call', 'The data cannot be written as JSON.')
}
