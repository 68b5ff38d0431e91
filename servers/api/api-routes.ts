import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { downloadBytes } from '../http/download-bytes.ts'
import { answerJson } from '../http/json.ts'
import { answerRedirect } from '../http/redirect.ts'
import { readBody } from '../http/request-body.ts'
import type { ApiExchange, ApiRoute } from './api-route.ts'
import { streamRoutes } from './stream-routes.ts'

const nullBodyStatuses: ReadonlySet<number> = new Set([204, 205, 304])
const downloadChunkSize = 64 * 1024

export const apiRoutes: Readonly<Record<string, ApiRoute>> = {
  ...streamRoutes,
  '/orders': {
    answer({ response, subject }) {
      const orders = [
        { id: 1, item: 'tea', quantity: 2 },
        { id: 2, item: 'ink', quantity: 1 },
      ]
      answerJson(response, 200, { subject, orders })
    },
  },
  '/echo': {
    anyMethod: true,
    async answer({ request, response, url, subject, credentials }) {
      const body = await readBody(request)
      answerJson(response, 200, {
        method: request.method,
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        headers:
          url.searchParams.get('raw') === '1' ? request.headers : withoutCredentials(request.headers, credentials),
        // In the client's spelling and order.
        headerNames: request.rawHeaders.filter((_part, index) => index % 2 === 0),
        subject,
        bodyText: body.toString(),
        bodyBase64Length: body.toString('base64').length,
        bodySha256: createHash('sha256').update(body).digest('hex'),
        contentType: request.headers['content-type'] ?? null,
      })
    },
  },
  '/bytes': {
    anyMethod: true,
    async answer({ request, response }) {
      const body = await readBody(request)
      response.writeHead(200, {
        'Content-Type': request.headers['content-type'] ?? 'application/octet-stream',
        'Content-Length': body.length,
      })
      response.end(body)
    },
  },
  '/download': {
    async answer({ request, response, url }) {
      const size = Number(url.searchParams.get('size'))
      if (!Number.isSafeInteger(size) || size < 0) {
        answerJson(response, 400, { error: 'size must be an integer that is not negative' })
        return
      }
      response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': size })
      if (request.method === 'HEAD') {
        response.end()
        return
      }
      // A client that stops reading is not an error of the server.
      await pipeline(Readable.from(downloadChunks(size)), response).catch(() => {})
    },
  },
  '/status': {
    takesArgument: true,
    answer({ response, argument }) {
      const status = Number(argument)
      if (!Number.isInteger(status) || status < 200 || status > 599) {
        answerJson(response, 400, { error: 'the status must be an integer from 200 to 599' })
        return
      }
      if (nullBodyStatuses.has(status)) response.writeHead(status).end()
      else answerJson(response, status, { status })
    },
  },
  '/delay': {
    anyMethod: true,
    takesArgument: true,
    async answer({ response, argument }) {
      const milliseconds = Number(argument)
      if (!Number.isInteger(milliseconds) || milliseconds < 0) {
        answerJson(response, 400, { error: 'the delay must be an integer that is not negative' })
        return
      }
      await delay(milliseconds, undefined, { ref: false })
      answerJson(response, 200, { milliseconds })
    },
  },
  '/always-401': {
    public: true,
    anyMethod: true,
    answer({ response }) {
      answerJson(response, 401, { error: 'invalid_token' }, { 'WWW-Authenticate': 'Bearer error="invalid_token"' })
    },
  },
  '/always-403': {
    public: true,
    anyMethod: true,
    answer({ response }) {
      answerJson(response, 403, { error: 'forbidden' })
    },
  },
  '/redirect': { anyMethod: true, answer: redirect },
  '/redirect-public': { public: true, anyMethod: true, answer: redirect },
  '/html': {
    answer({ response }) {
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' })
      response.end('<!doctype html><title>Not JSON</title><h1>This is a page, not JSON</h1>\n')
    },
  },
  '/truncated': {
    answer({ response }) {
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.end('{"orders":[{"id":1,"item":"te')
    },
  },
  '/empty': {
    answer({ response }) {
      response.writeHead(204).end()
    },
  },
  '/headers': {
    answer({ response }) {
      response.setHeader('X-Exposed', 'every origin may read this')
      response.setHeader('X-Hidden', 'no other origin may read this')
      response.setHeader('Retry-After', '7')
      answerJson(response, 200, { exposed: ['X-Exposed', 'X-Request-Id', 'Retry-After'], hidden: ['X-Hidden'] })
    },
  },
  '/public': {
    public: true,
    answer({ response, credentials }) {
      answerJson(response, 200, { public: true, authorization: credentials ?? null })
    },
  },
  '/drop': {
    anyMethod: true,
    answer({ request }) {
      request.socket.destroy()
    },
  },
}

export function findApiRoute(
  routes: Readonly<Record<string, ApiRoute>>,
  path: string,
): { readonly route: ApiRoute; readonly argument: string } | undefined {
  const [, name = '', argument, ...rest] = path.split('/')
  const key = `/${name}`
  const route = Object.hasOwn(routes, key) ? routes[key] : undefined
  const complete = rest.length === 0 && (argument !== undefined) === (route?.takesArgument ?? false)
  return route && complete ? { route, argument: argument ?? '' } : undefined
}

/** The worker would withhold a response that contains the token. */
function withoutCredentials(headers: IncomingHttpHeaders, credentials: string | undefined): IncomingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      value !== undefined && value === credentials ? 'present' : value,
    ]),
  )
}

function redirect({ response, url }: ApiExchange): void {
  answerRedirect(response, url.searchParams.get('to'), url.searchParams.get('status') ?? '302')
}

function* downloadChunks(size: number): Generator<Buffer> {
  for (let start = 0; start < size; start += downloadChunkSize) {
    yield downloadBytes(start, Math.min(downloadChunkSize, size - start))
  }
}
