import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'

export interface LoggedRequest {
  /** Milliseconds since the epoch, at arrival. */
  readonly at: number
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** With its question mark, or empty. */
  readonly query: string
  readonly headers: IncomingHttpHeaders
  /** Names in the client's spelling: name, value, name, value. */
  readonly rawHeaders: readonly string[]
  readonly origin?: string
  /** Absent until answered, and for good if the connection was destroyed before. */
  readonly status?: number
}

export interface RequestLog {
  readonly requests: readonly LoggedRequest[]
  record(request: IncomingMessage, response: ServerResponse, onAnswer?: (status: number) => void): void
}

const limit = 10_000

export function createRequestLog(): RequestLog {
  const requests: LoggedRequest[] = []
  return {
    requests,
    record(request, response, onAnswer) {
      const { pathname, search } = new URL(request.url ?? '/', 'http://localhost')
      const entry: { -readonly [Key in keyof LoggedRequest]: LoggedRequest[Key] } = {
        at: Date.now(),
        method: request.method ?? 'GET',
        path: pathname,
        query: search,
        headers: request.headers,
        rawHeaders: request.rawHeaders,
        ...(request.headers.origin === undefined ? {} : { origin: request.headers.origin }),
      }
      requests.push(entry)
      if (requests.length > limit) requests.shift()
      // Not on `finish`: a client in this process could get the response before its status is recorded here.
      const end = response.end
      response.end = ((...parameters: Parameters<typeof end>) => {
        if (!request.socket.destroyed) {
          entry.status = response.statusCode
          onAnswer?.(response.statusCode)
        }
        return end.apply(response, parameters)
      }) as typeof end
    },
  }
}
