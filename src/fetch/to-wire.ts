import { waitFor } from '../connect/wait.ts'
import type { WireRequest } from '../protocol/wire.ts'

/** The worker's `fetch` uses these values by default, so they are not sent. */
const DEFAULTS = {
  credentials: 'same-origin',
  mode: 'cors',
  cache: 'default',
  redirect: 'follow',
  integrity: '',
  keepalive: false,
} as const

/**
 * A `Request` as plain data, and what of it is transferred. `form` holds the entries of a `FormData` body. With
 * `isDrawnAgain`, the worker's `fetch` sets the form's boundary, and so its content type.
 */
export async function toWireRequest(
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

function pickSettings(request: Request): Partial<WireRequest> {
  const settings: Record<string, unknown> = {}
  for (const [name, usual] of Object.entries(DEFAULTS)) {
    const value = request[name as keyof typeof DEFAULTS]
    if (value !== usual) settings[name] = value
  }
  return settings
}

/** Header names as the caller wrote them. `Headers` makes them lower case, but an HTTP/1.1 server sees the difference. */
function spellingsOf(headers: HeadersInit | undefined): [string, string][] {
  const pairs: (readonly string[])[] = Array.isArray(headers) ? headers : Object.entries(headers ?? {})
  return pairs.map(([name = '']) => [name.toLowerCase(), name])
}

/** The policy of the page's `<meta>`, which a worker does not share. A header's policy cannot be read (Referrer Policy §4). */
function pagePolicy(): string {
  return globalThis.document?.querySelector?.<HTMLMetaElement>('meta[name=referrer]')?.content ?? ''
}

/**
 * A body that can be sent again is passed on unread. A stream is transferred. Any other body is read once, and its bytes are
 * transferred.
 */
async function readBody(request: Request, init: RequestInit | undefined): Promise<readonly [unknown, Transferable[]?]> {
  const body = init?.body
  if (typeof body === 'string' || body instanceof Blob) return [body]
  if (request.body === null) return [undefined]
  if (body instanceof ReadableStream) return [request.body, [request.body as ReadableStream]]
  if (body === undefined || body === null) {
    const blob = await waitFor(request.blob(), { signal: request.signal })
    // Firefox has no `Request.body`: only the bytes show whether there is a body.
    return [request.body === undefined && blob.size === 0 ? undefined : blob]
  }
  const bytes = await waitFor(request.arrayBuffer(), { signal: request.signal })
  return [bytes, [bytes]]
}
