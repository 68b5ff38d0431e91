/** The fields of every entry of the history. */
interface HistoryFacts {
  /** Position in the history of its worker, from 1; `explain({after})` refers to it. Each worker counts on its own. */
  readonly number: number
  /** Milliseconds since 1970, on the worker's clock. */
  readonly at: number
  /** Random name of the worker. A new name means that the earlier worker was lost or restarted. */
  readonly instance: string
  readonly generation: number
  readonly version: number
}

interface PageFacts extends HistoryFacts {
  /** Number that the worker gives to each connection. A page that connects again gets a new number. */
  readonly page: number
  /** Present if the entry belongs to the page that calls `explain`. */
  readonly own?: true
}

interface CallFacts extends PageFacts {
  /** Name of the call, unique within its worker. */
  readonly call: string
}

/** A step of a call in the worker. */
export type CallEntry =
  | (CallFacts & {
      readonly event: 'call-received'
      /** Absent if a page called `getAccessToken`. */
      readonly method?: string
      /**
       * Origin and path prefix of the configured API; absent if a mini program calls another server. Never the request's own
       * URL: paths and queries may hold secrets.
       */
      readonly api?: string
    })
  /** `call-replayed`: sent a second time, since the API rejected the first token. */
  | (CallFacts & { readonly event: 'call-waiting' | 'call-sent' | 'call-replayed' })
  /** The API's 401 goes to the caller: after refreshes that did not help, its API may not cause another one yet. */
  | (CallFacts & {
      readonly event: 'call-not-replayed'
      /** Milliseconds until a 401 of this API may cause a refresh again. */
      readonly delay: number
    })
  | (CallFacts & {
      readonly event: 'call-answered'
      /** The API's HTTP status, if the call sent a request. */
      readonly status?: number
    })
  | (CallFacts & {
      readonly event: 'call-failed'
      /** The error's code. For the platform's errors of `fetch`: `network_error` or `aborted`. */
      readonly code: string
      /** The HTTP status, if an answer made the call fail. */
      readonly status?: number
    })

/** A page has connected or left. A page that is killed may leave no entry. */
export type PageEntry = PageFacts & { readonly event: 'page-connected' | 'page-left' }

/** A refresh: begins with `refresh-started` and ends with one of the others. */
export type RefreshEntry =
  | (HistoryFacts & {
      readonly event: 'refresh-started'
      /** The token had (nearly) `expired`, an API `denied` it, or this is a `retry`. */
      readonly reason: 'expired' | 'denied' | 'retry'
      /** When the current access token expires, in milliseconds since 1970, if that is known. */
      readonly expiresAt?: number
    })
  | (HistoryFacts & { readonly event: 'refresh-succeeded'; readonly expiresAt?: number })
  | (HistoryFacts & {
      readonly event: 'refresh-ended'
      readonly verdict: 'rejected' | 'refused' | 'unknown' | 'failed'
      /** The reason for the verdict. A reason from the app's own grant is copied unchanged. */
      readonly reason: string
      /** Milliseconds until the next attempt, if one is scheduled. */
      readonly delay?: number
    })
  /** The session ended before the refresh did. */
  | (HistoryFacts & { readonly event: 'late-refresh-dropped'; readonly verdict?: string; readonly reason?: string })

/** A change of the session or of its store. */
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
    /** Another worker has put newer tokens, or another session, into the shared store. */
    | 'tokens-adopted'
    | 'session-adopted'
    | 'revocation-failed'
    | 'store-failed'
    | 'listener-failed'
    /** The worker has no Content Security Policy that limits its connections. */
    | 'policy-missing'
  /** Why: a snapshot's `reason` or an error's code. */
  readonly reason?: string
  /** When the access token expires, in milliseconds since 1970, if that is known. */
  readonly expiresAt?: number
}

/** One event in the worker and its reason; `event` is the discriminant. Holds no token and no part of a request's URL. */
export type HistoryEntry = CallEntry | PageEntry | RefreshEntry | SessionEntry

/** Which part of the history to return. */
export interface ExplainOptions {
  /** Only entries with a higher `number`. If the worker has not reached it, it is a new worker and returns all entries. */
  readonly after?: number
}
