/** A request of a mini program. Its body and the answer's body stay on the app thread, under the task's name. */
export interface WireTask {
  readonly name: string
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  /** Present only if the API's requests are signed. */
  readonly data?: unknown
  /** Whether to attach the token. Default: for the listed APIs. */
  readonly auth?: boolean | undefined
  /** The attempt that a lost worker has sent. It is judged, and not sent again. */
  readonly sent?: SentRequest
}

/** One attempt of a task: the first one, or the replay after the API rejected the token. */
export interface SentRequest {
  readonly isReplay: boolean
  /** Identifies the token; absent if the request was sent without one. */
  readonly ticket?: SentPermit
}

/** A permit without its token. Another worker needs it to judge the answer. */
export interface SentPermit {
  /** Random id of the session. A generation would not do: a worker without a stored session counts from the start again. */
  readonly sessionId: string
  readonly version: number
  readonly subject?: string
  /** Whether the request has already waited for a refresh: each request may wait for one. */
  readonly hasRefreshed: boolean
}
