import type { IncomingMessage, ServerResponse } from 'node:http'

export interface ApiExchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  /** The path's second part, for a route that takes one. */
  readonly argument: string
  /** Whose token it was; present on every route that is not public. */
  readonly subject: string | undefined
  /** The token header as it came. */
  readonly credentials: string | undefined
}

export interface ApiRoute {
  /** Answers without a token. */
  readonly public?: true
  /** Otherwise GET and HEAD. */
  readonly anyMethod?: true
  readonly takesArgument?: true
  answer(exchange: ApiExchange): void | Promise<void>
}
