/** A request whose body, and whose answer's body, stay on the app thread, which knows them by the task's name. */
export interface WireTask {
  readonly name: string
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  /** Only where the API signs its requests. */
  readonly data?: unknown
  /** Whether the token goes along; where it is absent, to the listed APIs. */
  readonly auth?: boolean | undefined
  /** What an earlier worker had sent before it was lost: it is judged, and not sent again. */
  readonly sent?: SentRequest
}

/** One attempt of a task: the first one, or the replay after the API refused its token. */
export interface SentRequest {
  readonly isReplay: boolean
  /** What its token was; absent where it had none. */
  readonly ticket?: SentPermit
}

/** A permit without its token, by which another worker can judge the answer. */
export interface SentPermit {
  /** The random name of its session: a worker that found nothing stored counts generations from the start again. */
  readonly sessionId: string
  readonly version: number
  readonly subject?: string
  /** Whether the request has waited for a refresh: it gets only one. */
  readonly hasRefreshed: boolean
}
