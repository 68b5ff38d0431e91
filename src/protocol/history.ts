/** What every entry of the history tells. */
interface HistoryFacts {
  /** Rises with every entry of a worker, from 1: what `explain({after})` counts by. Each worker counts for itself. */
  readonly number: number
  /** Milliseconds since 1970, on the worker's clock. */
  readonly at: number
  /** Random name of the worker: entries of another one mean that the first was lost, or restarted. */
  readonly instance: string
  readonly generation: number
  readonly version: number
}

interface PageFacts extends HistoryFacts {
  /** Which page: a number that the worker gives to each connection, so that one back from a pause has a new one. */
  readonly page: number
  /** Only for entries of the page that asks. */
  readonly own?: true
}

interface CallFacts extends PageFacts {
  /** Name of the call, unique within its worker. */
  readonly call: string
}

/** A call's way through the worker. */
export type CallEntry =
  | (CallFacts & {
      readonly event: 'call-received'
      /** Absent where a page asks for the access token itself. */
      readonly method?: string
      /**
       * Origin and path prefix of the configured API, as the configuration has them; absent where the call goes elsewhere.
       * Never the request's own URL: paths and queries may hold secrets, and the page knows them anyway.
       */
      readonly api?: string
    })
  /** `call-replayed` is sent a second time, since the API refused the token of the first. */
  | (CallFacts & { readonly event: 'call-waiting' | 'call-sent' | 'call-replayed' })
  | (CallFacts & {
      readonly event: 'call-answered'
      /** The API's HTTP status, where the call asked one. */
      readonly status?: number
    })
  | (CallFacts & {
      readonly event: 'call-failed'
      /** An error's code; `network_error` and `aborted` also for what `fetch` rejects with a platform's error. */
      readonly code: string
      /** The HTTP status of the answer that means failure, where there was one. */
      readonly status?: number
    })

/** A page that came or went; one that is killed leaves without a word. */
export type PageEntry = PageFacts & { readonly event: 'page-connected' | 'page-left' }

/** One attempt to refresh: begins with `refresh-started`, ends with one of the others. */
export type RefreshEntry =
  | (HistoryFacts & {
      readonly event: 'refresh-started'
      /** The token was `expired`, or nearly so; was `denied` by an API; or this is a `retry`. */
      readonly reason: 'expired' | 'denied' | 'retry'
      /** When the current access token expires, in milliseconds since 1970, where that is known. */
      readonly expiresAt?: number
    })
  | (HistoryFacts & { readonly event: 'refresh-succeeded'; readonly expiresAt?: number })
  | (HistoryFacts & {
      readonly event: 'refresh-ended'
      readonly verdict: 'rejected' | 'refused' | 'unknown' | 'failed'
      /** The verdict's own reason. One that an app's grant gave stands here as the grant wrote it. */
      readonly reason: string
      /** Milliseconds until the next attempt, where one is planned. */
      readonly delay?: number
    })
  /** Its session was over before it ended. */
  | (HistoryFacts & { readonly event: 'late-refresh-dropped'; readonly verdict?: string; readonly reason?: string })

/** A change of the session, or of what keeps it. */
export type SessionEntry = HistoryFacts & {
  readonly event:
    | 'started'
    | 'session-restored'
    | 'late-session-dropped'
    | 'sign-in-begun'
    | 'sign-in-started'
    | 'sign-in-failed'
    | 'late-sign-in-dropped'
    | 'signed-in'
    | 'signed-out'
    /** Another worker of the same store has brought newer tokens, or another session. */
    | 'tokens-adopted'
    | 'session-adopted'
    | 'revocation-failed'
    | 'store-failed'
    | 'listener-failed'
  /** Why, in the snapshot's words or as an error's code, where that needs saying. */
  readonly reason?: string
  /** When the access token expires, in milliseconds since 1970, where there is one and that is known. */
  readonly expiresAt?: number
}

/** One thing that happened in the worker, and why: told apart by `event`. Holds no token, and nothing of a request's URL. */
export type HistoryEntry = CallEntry | PageEntry | RefreshEntry | SessionEntry

/** Which part of the history to tell. */
export interface ExplainOptions {
  /** Only entries with a higher `number`. Where the worker has not come that far, it is another one, and tells all. */
  readonly after?: number
}
