import type { Connection } from '../connect/connection.ts'
import { NULL_BODY_STATUSES } from '../protocol/http.ts'
import type { WireResponse } from '../protocol/wire.ts'
import { type IncomingBody, receiveBody } from './incoming-body.ts'

const READERS = ['arrayBuffer', 'blob', 'bytes', 'formData', 'json', 'text'] as const

/** A `Response` from the worker's answer. The signal aborts its body. */
export function toResponse(wire: WireResponse, connection: Connection, signal: AbortSignal | undefined): Response {
  const { url, status, statusText, type, redirected, headers, body } = wire
  const content = NULL_BODY_STATUSES.includes(status) ? null : toBody(body, connection, signal)
  const incoming = content === null || content instanceof ArrayBuffer ? undefined : content
  const response = new Response(incoming?.stream ?? (content as ArrayBuffer | null), {
    // An opaque response has status 0, which the constructor rejects (Fetch §5.5).
    status: status || 200,
    statusText,
    headers: headers as [string, string][],
  })
  return asReceived(response, { url, type, redirected, ...(status === 0 && { status, ok: false }) }, incoming)
}

/** Until the body is read, an abort or the loss of the worker ends it with an error. */
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

/** Sends a complete body over a port, because an abort can end only a body that is still coming. */
function toPort(buffer: ArrayBuffer): MessagePort {
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(buffer, [buffer])
  port1.postMessage(null)
  return port2
}

/** Sets on a response, and on its clones, the fields that only the platform can set. */
function asReceived(response: Response, fields: object, incoming: IncomingBody | undefined): Response {
  const clone = response.clone.bind(response)
  const values: Record<string, unknown> = { ...fields, clone: () => asReceived(clone(), fields, incoming) }
  for (const name of incoming ? READERS : []) {
    const read = response[name]?.bind(response)
    // When a stream made by a script fails, Chromium's readers reject with "Failed to fetch" and drop the stream's error.
    values[name] = () =>
      read().catch((error: unknown) => {
        throw incoming?.failure()?.[0] ?? error
      })
  }
  // As on the platform, a method can be replaced, as some libraries do, and a field cannot.
  for (const [name, value] of Object.entries(values))
    Object.defineProperty(response, name, { value, configurable: true, writable: typeof value === 'function' })
  return response
}
