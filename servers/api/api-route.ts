import type { IncomingMessage, ServerResponse } from 'node:http'

export interface ApiExchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  /** The second part of the path, for a route with a parameter. */
  readonly argument: string
  /** The subject of the token. Present on every route that is not public. */
  readonly subject: string | undefined
  /** The unchanged token header. */
  readonly credentials: string | undefined
}

export interface ApiRoute {
  /** Whether it answers without a token. */
  readonly public?: true
  /** Default: GET and HEAD. */
  readonly anyMethod?: true
  readonly takesArgument?: true
  answer(exchange: ApiExchange): void | Promise<void>
}
