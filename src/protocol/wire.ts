import type { WireError } from './errors.ts'

/** A request as the page sends it to the worker: the fields of a `Request` that can cross a port. */
export interface WireRequest {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  /**
   * A string, an ArrayBuffer, a Blob or a {@link WireForm}: bodies that can be sent again after a 401. Or a `ReadableStream`,
   * which is sent once.
   */
  readonly body?: unknown
  readonly credentials?: string | undefined
  readonly mode?: string | undefined
  readonly cache?: string | undefined
  readonly redirect?: string | undefined
  readonly integrity?: string | undefined
  readonly keepalive?: boolean | undefined
  readonly priority?: string | undefined
  readonly referrer?: string | undefined
  readonly referrerPolicy?: string | undefined
  /** A `MessagePort` that receives {@link UploadProgress}, and null when the call is answered. */
  readonly progress?: unknown
}

/** How much of a request's body was sent, in bytes. */
export interface UploadProgress {
  readonly loaded: number
  readonly total: number
}

/** The fields of a `FormData`, which cannot cross a port: strings and Files. */
export interface WireForm {
  readonly form: readonly (readonly [string, unknown])[]
}

/**
 * How many bytes of a body may be in transit or wait to be read: enough to hide the latency of messages, but little memory.
 * The sender starts with this many.
 */
export const BODY_WINDOW = 1 << 20

/**
 * A message on the port of a body. From the page: how many more bytes it can take, or 0 when it closes the port. From the
 * worker: a chunk, null at the end, or an error.
 */
export type BodyMessage = number | ArrayBuffer | null | WireError

/** A response as the worker sends it to the page. */
export interface WireResponse {
  readonly url: string
  readonly status: number
  readonly statusText: string
  readonly type: string
  readonly redirected: boolean
  readonly headers: readonly (readonly [string, string])[]
  /** A small body as one ArrayBuffer; for others, a `MessagePort` that delivers the chunks. Null for a response without a body. */
  readonly body: unknown
}

/** A call of `session.request`: the body is JSON text, the result is the envelope's payload. */
export interface WireApiRequest {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body?: string
  /** Whether to attach the token. Default: for the listed APIs. */
  readonly auth?: boolean | undefined
  /** The page's timeout in milliseconds. The worker's is a little shorter, since its error names what it waited for. */
  readonly timeout?: number
}
