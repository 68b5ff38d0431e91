import { transfer } from 'comlink'
import { type Client, isIdempotent } from '../client/client.ts'
import type { Connection } from '../connect/connection.ts'
import { waitFor } from '../connect/wait.ts'
import { findApi } from '../protocol/apis.ts'
import { isLingpaiError, LingpaiError, toFetchError } from '../protocol/errors.ts'
import { NULL_BODY_STATUSES } from '../protocol/http.ts'
import type { UploadProgress, WireRequest, WireResponse } from '../protocol/wire.ts'
import { type IncomingBody, receiveBody } from './incoming-body.ts'

/** `RequestInit`, and whether the session's token goes along. */
export interface SessionRequestInit extends RequestInit {
  /**
   * Whether the token is attached. Default: to the APIs listed in the worker, and to no other. `false` sends the request
   * without one, by the page's own `fetch`; `true` rejects with `origin_not_allowed` where the URL is not listed.
   */
  readonly auth?: boolean
  /**
   * Told how much of the body has left, in bytes, at most every 50 ms, and from the beginning again where a 401 has the
   * request sent once more. Only for listed APIs, and where `XMLHttpRequest` can send the request: see the guide.
   */
  readonly onUploadProgress?: (progress: UploadProgress) => void
}

/** `window.fetch`, signed in. Rejects as `fetch` does: with `TypeError`, or with the reason of an abort, unchanged. */
export type SessionFetch = (input: RequestInfo | URL, init?: SessionRequestInit) => Promise<Response>

const READERS = ['arrayBuffer', 'blob', 'bytes', 'formData', 'json', 'text'] as const

export interface FetchOptions {
  /**
   * What sends the requests that get no token. Default `fetch` as it is at `connect()`: looked up at each call, it would be
   * `session.fetch` itself where the app has assigned that to `window.fetch`, and call itself for ever.
   */
  readonly pageFetch?: typeof fetch
  /** The page's own policy, where it knows better than its `<meta>`. */
  readonly referrerPolicy?: ReferrerPolicy | undefined
}

/** @see https://fetch.spec.whatwg.org/#fetch-method */
export function createFetch(client: Client, { pageFetch = fetch, referrerPolicy }: FetchOptions = {}): SessionFetch {
  return async (input, init) => {
    if (init?.auth === false) return pageFetch(input, init)
    // The platform's own constructor checks and normalises everything, as `fetch` itself would.
    const request = new Request(input, init)
    const { signal } = request
    // Taken now: the caller may change it while we wait.
    const form = init?.body instanceof FormData ? { form: [...init.body] } : undefined
    // Another boundary will be drawn for a form that is made again, unless the caller has said which.
    const isDrawnAgain = form && !new Headers(init?.headers ?? (input as Request).headers).has('content-type')
    let progress: ReturnType<typeof watchProgress> | undefined
    // While a body is read, another user may sign in.
    const caller = client.caller()
    try {
      const url = new URL(request.url)
      if (findApi(await client.apis(signal), url) === undefined) {
        if (init?.auth === true) {
          throw new LingpaiError(
            'origin_not_allowed',
            `No token goes to ${url.origin}: it is not among the apis of serve().`,
          )
        }
        return await pageFetch(request)
      }
      const [wire, transferred] = await toWireRequest(request, init, form, isDrawnAgain, referrerPolicy)
      const send = async (connection: Connection) => {
        progress?.port1.close()
        progress = init?.onUploadProgress && watchProgress(init.onUploadProgress)
        const port = progress?.port2
        const moved = port ? [...transferred, port] : transferred
        const answer = await connection.call('fetch', [transfer({ ...wire, progress: port }, moved)], { signal })
        return toResponse(answer, connection, init?.signal || input instanceof Request ? signal : undefined)
      }
      // What has been transferred is gone with the worker that got it.
      const isRepeatable = transferred.length === 0 && isIdempotent(request)
      return await client.repeat(send, signal, isRepeatable ? undefined : 0, caller)
    } catch (error) {
      progress?.port1.close()
      if (signal.aborted) throw signal.reason
      throw isLingpaiError(error) ? toFetchError(error) : error
    }
  }
}

async function toWireRequest(
  request: Request,
  init: RequestInit | undefined,
  form: unknown,
  isDrawnAgain: boolean | undefined,
  policy: ReferrerPolicy | undefined,
): Promise<readonly [WireRequest, Transferable[]]> {
  const { url, method, headers } = request
  const [body, transferred = []] = form ? [form] : await readBody(request, init)
  const spellings = new Map([['content-type', 'Content-Type'], ...spellingsOf(init?.headers)])
  const wire = {
    url,
    method,
    headers: [...headers]
      .filter(([name]) => !(isDrawnAgain && name === 'content-type'))
      .map(([name, value]) => [spellings.get(name) ?? name, value] as const),
    body,
    ...pickSettings(request),
    priority: init?.priority,
    // In the worker, "about:client" would mean the worker's script.
    referrer: request.referrer === 'about:client' ? globalThis.location?.href : request.referrer,
    referrerPolicy: request.referrerPolicy || (policy ?? pagePolicy()) || undefined,
  }
  return [wire, transferred]
}

/** What the worker's own `fetch` would do anyway need not be copied, sent and checked. */
const USUAL = {
  credentials: 'same-origin',
  mode: 'cors',
  cache: 'default',
  redirect: 'follow',
  integrity: '',
  keepalive: false,
} as const

function pickSettings(request: Request): Partial<WireRequest> {
  const settings: Record<string, unknown> = {}
  for (const [name, usual] of Object.entries(USUAL)) {
    const value = request[name as keyof typeof USUAL]
    if (value !== usual) settings[name] = value
  }
  return settings
}

/** What comes over `port1` may come after the answer, so only its last message, null, or a call that fails closes it. */
function watchProgress(tell: (progress: UploadProgress) => void) {
  const { port1, port2 } = new MessageChannel()
  port1.onmessage = ({ data }) => (data ? tell(data) : port1.close())
  return { port1, port2 }
}

/** Names as the caller spells them, which `Headers` does not tell, but a server of HTTP/1.1 sees. */
function spellingsOf(headers: HeadersInit | undefined): [string, string][] {
  const pairs: (readonly string[])[] = Array.isArray(headers) ? headers : Object.entries(headers ?? {})
  return pairs.map(([name = '']) => [name.toLowerCase(), name])
}

/** The page's own policy, which a worker does not share. One that came in a header cannot be read (Referrer Policy §4). */
function pagePolicy(): string {
  return globalThis.document?.querySelector?.<HTMLMetaElement>('meta[name=referrer]')?.content ?? ''
}

/** What can be sent again stays what it is, without being read; a stream is sent as it comes; all else is read once. */
async function readBody(request: Request, init: RequestInit | undefined): Promise<readonly [unknown, Transferable[]?]> {
  const body = init?.body
  if (typeof body === 'string' || body instanceof Blob) return [body]
  if (request.body === null) return [undefined]
  if (body instanceof ReadableStream) return [request.body, [request.body as ReadableStream]]
  if (body === undefined || body === null) {
    const blob = await waitFor(request.blob(), { signal: request.signal })
    // Firefox has no `Request.body`: there, only the bytes tell whether there is one.
    return [request.body === undefined && blob.size === 0 ? undefined : blob]
  }
  const bytes = await waitFor(request.arrayBuffer(), { signal: request.signal })
  return [bytes, [bytes]]
}

function toResponse(wire: WireResponse, connection: Connection, signal: AbortSignal | undefined): Response {
  const { url, status, statusText, type, redirected, headers, body } = wire
  const content = NULL_BODY_STATUSES.includes(status) ? null : toBody(body, connection, signal)
  const incoming = content === null || content instanceof ArrayBuffer ? undefined : content
  const response = new Response(incoming?.stream ?? (content as ArrayBuffer | null), {
    // An opaque response has status 0, which the constructor refuses (Fetch §5.5).
    status: status === 0 ? 200 : status,
    statusText,
    headers: headers as [string, string][],
  })
  return asReceived(response, { url, type, redirected, ...(status === 0 && { status, ok: false }) }, incoming)
}

/** A body that an abort, and the loss of the worker, end with an error for as long as it was not read. */
function toBody(
  body: unknown,
  connection: Connection,
  signal: AbortSignal | undefined,
): IncomingBody | ArrayBuffer | null {
  if (body === null || (body instanceof ArrayBuffer && signal === undefined)) return body
  if (body instanceof ArrayBuffer) return receiveBody(toPort(body), signal, () => {})
  const release = connection.hold((error) => incoming.fail(error))
  const incoming = receiveBody(body as MessagePort, signal, release)
  return incoming
}

/** A body that has come whole, as one that is still coming: only such a one can be ended by an abort. */
function toPort(buffer: ArrayBuffer): MessagePort {
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(buffer, [buffer])
  port1.postMessage(null)
  return port2
}

/** What only the platform can set on a response, set on the object itself, and on its clones. */
function asReceived(response: Response, fields: object, incoming: IncomingBody | undefined): Response {
  const clone = response.clone.bind(response)
  const values: Record<string, unknown> = { ...fields, clone: () => asReceived(clone(), fields, incoming) }
  for (const name of incoming ? READERS : []) {
    const read = response[name]?.bind(response)
    // Chromium tells whoever reads a stream of ours so no other error than "Failed to fetch".
    values[name] = () =>
      read().catch((error: unknown) => {
        throw incoming?.failure()?.[0] ?? error
      })
  }
  // As on the platform, a method may be replaced, which some libraries do, and a field may not.
  for (const [name, value] of Object.entries(values))
    Object.defineProperty(response, name, { value, configurable: true, writable: typeof value === 'function' })
  return response
}
