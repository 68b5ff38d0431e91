import type { WireError } from './errors.ts'

/** A request on its way to the worker: everything of a `Request` that can cross a port. */
export interface WireRequest {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  /**
   * A string, an ArrayBuffer, a Blob or a {@link WireForm}: bodies that can be sent twice, since a 401 is answered by a
   * replay. Or a `ReadableStream`, which is sent once.
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
  /** A `MessagePort` that takes {@link UploadProgress}, and null when the call is answered. */
  readonly progress?: unknown
}

/** How much of a request's body has left, in bytes. */
export interface UploadProgress {
  readonly loaded: number
  readonly total: number
}

/** A `FormData`, which cannot cross a port: its fields, with strings and Files. */
export interface WireForm {
  readonly form: readonly (readonly [string, unknown])[]
}

/**
 * How many bytes of a body may be on their way, or wait to be read: enough to hide a message's travel, little to hold. So
 * many are sent unasked.
 */
export const BODY_WINDOW = 1 << 20

/**
 * What goes over the port of a body: from the page, how many bytes more it has room for, or 0 when it closes the port; from
 * the worker, a chunk, null at the end, or an error.
 */
export type BodyMessage = number | ArrayBuffer | null | WireError

/** A response on its way to the page. */
export interface WireResponse {
  readonly url: string
  readonly status: number
  readonly statusText: string
  readonly type: string
  readonly redirected: boolean
  readonly headers: readonly (readonly [string, string])[]
  /** The whole of a small body as an ArrayBuffer; else a `MessagePort` over which its chunks come. Null where there is none. */
  readonly body: unknown
}

/** A call of `session.request`: JSON text in, the envelope's payload out. */
export interface WireApiRequest {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body?: string
  /** Whether the token goes along; where it is absent, to the listed APIs. */
  readonly auth?: boolean | undefined
  /** After so many milliseconds the page gives up: the worker does so a little earlier, since it knows what it waits for. */
  readonly timeout?: number
}
