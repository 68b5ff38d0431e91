import type { Client } from './client.ts'
import { notAllowed } from './fetch.ts'
import { DEFAULT_TIMEOUT, findApi } from './protocol/contract.ts'
import { readAnswer } from './protocol/envelope.ts'
import { isLingpaiError, LingpaiError } from './protocol/errors.ts'

/** A call of an API that takes and gives JSON. The same on the web and in a mini program. */
export interface RequestOptions {
  /** Absolute, or relative to the page. */
  readonly url: string
  /** Default `GET`. */
  readonly method?: string
  /** Sent as JSON; for GET and HEAD, as the query. */
  readonly data?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** As for `session.fetch`. */
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
  return async <T>(options: RequestOptions): Promise<T> => {
    const { auth, signal, timeout = DEFAULT_TIMEOUT } = options
    const request = toJsonRequest(options)
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(new LingpaiError('timeout', `The request was not answered within ${timeout} ms.`)), timeout)
    const onAbort = () => deadline.abort(new LingpaiError('aborted', 'The request was aborted.', { cause: signal?.reason }))
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort)
    try {
      const connection = await client.connected(deadline.signal)
      const api = findApi(connection.welcome.apis, new URL(request.url))
      if (api === undefined && auth === true) throw notAllowed(request.url)
      if (api !== undefined && auth !== false) {
        return (await connection.call('request', [request], { signal: deadline.signal })) as T
      }
      const response = await fetch(request.url, { ...request, headers: request.headers as [string, string][], signal: deadline.signal })
      const meaning = readAnswer(api?.envelope, response.status, await response.text())
      if (meaning.kind === 'payload') return meaning.payload as T
      throw meaning.kind === 'signInRequired' ? new LingpaiError('sign_in_required', 'The API asks the user to sign in.') : meaning.error
    } catch (error) {
      if (deadline.signal.aborted) throw deadline.signal.reason
      if (isLingpaiError(error)) throw error
      throw new LingpaiError('network_error', 'The API could not be reached: the network or CORS is in the way.', { cause: error })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  }
}

function toJsonRequest({ url, method = 'GET', data, headers = {} }: RequestOptions) {
  if (typeof url !== 'string') throw new LingpaiError('invalid_call', 'session.request needs {url}, a string.')
  const target = parseUrl(url)
  const verb = String(method).toUpperCase()
  const hasQuery = verb === 'GET' || verb === 'HEAD'
  if (data !== undefined && hasQuery) {
    if (typeof data !== 'object' || data === null) throw new LingpaiError('invalid_call', 'The data of a GET request must be an object: it becomes the query.')
    for (const [name, value] of Object.entries(data)) if (value !== undefined) target.searchParams.set(name, String(value))
  }
  const pairs = Object.entries({ accept: 'application/json', ...headers }).map(([name, value]) => [name, String(value)] as const)
  if (data === undefined || hasQuery) return { url: target.href, method: verb, headers: pairs }
  const hasType = pairs.some(([name]) => name.toLowerCase() === 'content-type')
  return { url: target.href, method: verb, headers: hasType ? pairs : [...pairs, ['content-type', 'application/json'] as const], body: toJson(data) }
}

function parseUrl(url: string): URL {
  try {
    return new URL(url, globalThis.location?.href)
  } catch (cause) {
    throw new LingpaiError('invalid_call', `session.request was given a malformed URL: ${JSON.stringify(url)}.`, { cause })
  }
}

function toJson(data: unknown): string {
  try {
    const text = JSON.stringify(data)
    if (text !== undefined) return text
  } catch {}
  throw new LingpaiError('invalid_call', 'The data of session.request cannot be written as JSON: it has a cycle, a function or a BigInt in it.')
}
