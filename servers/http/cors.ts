import type { IncomingMessage, ServerResponse } from 'node:http'

const exposedHeaders = 'X-Request-Id, WWW-Authenticate, Retry-After, X-Exposed, DPoP-Nonce, Date'

/** Lets every origin read the response. */
export function allowOrigin(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('Vary', 'Origin')
  response.setHeader('Access-Control-Allow-Origin', request.headers.origin ?? '*')
  if (request.headers.origin !== undefined) response.setHeader('Access-Control-Allow-Credentials', 'true')
  response.setHeader('Access-Control-Expose-Headers', exposedHeaders)
}

export function isPreflight(request: IncomingMessage): boolean {
  return request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined
}

export function answerPreflight(request: IncomingMessage, response: ServerResponse): void {
  const method = request.headers['access-control-request-method']
  const headers = request.headers['access-control-request-headers']
  if (method !== undefined) response.setHeader('Access-Control-Allow-Methods', method)
  if (headers !== undefined) response.setHeader('Access-Control-Allow-Headers', headers)
  response.setHeader('Access-Control-Max-Age', '600')
  response.writeHead(204).end()
}
