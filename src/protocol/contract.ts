import type { WireError } from './errors.ts'

/** Version of the messages between page and worker. Raised when an old page could not understand a new worker. */
export const PROTOCOL_VERSION = 1
/** The oldest version that this build still understands. */
export const OLDEST_PROTOCOL_VERSION = 1

/** Which build this is: the package's version, told to the other side for the text of a mismatch. */
export const BUILD = '0.1.0'

/** How long a wait for a token, a control call or `session.request` may take unless told otherwise, in milliseconds. */
export const DEFAULT_TIMEOUT = 30_000

/** Which global scope runs the broker. */
export type Mode = 'shared' | 'dedicated' | 'wechat' | 'inline'

/** Who is signed in, as the grant said: for OAuth, from the validated ID token (OpenID Connect Core §2). */
export interface User {
  readonly subject?: string
  readonly profile?: Readonly<Record<string, unknown>>
}

/** The part of the snapshot that the broker decides. */
export interface BrokerSnapshot {
  readonly status: 'signed-out' | 'signing-in' | 'signed-in'
  /** A second axis, so that an outage never looks like a sign-out. */
  readonly tokenServer: 'ok' | 'unreachable'
  readonly user?: User
  /**
   * Why the status is what it is, where that needs saying: a short word such as `refresh_rejected`. With `signed-in`,
   * `sign_in_required` says that an API wants the user to sign in all the same; it stays until somebody does.
   */
  readonly reason?: string
}

/** What a page shows of the session. Immutable; a new object only when something changed. Refreshes do not change it. */
export interface Snapshot extends Omit<BrokerSnapshot, 'status'> {
  readonly status: 'connecting' | BrokerSnapshot['status']
  readonly mode: Mode
}

/**
 * A token set as a server sends it and a grant returns it.
 *
 * `expiresIn` is in seconds (RFC 6749 §5.1). Where it is absent, unreadable or not positive, the token is used until
 * an API refuses it.
 */
export interface ReceivedTokens {
  readonly accessToken: string
  readonly refreshToken?: string
  /** Default `Bearer`. */
  readonly tokenType?: string
  readonly expiresIn?: number | string
  readonly scope?: string
  /**
   * Who signed in. Two token sets of the same subject are the same user's. Never make it from a number that JSON.parse has
   * rounded, which is any above 2^53: have the server send such ids as strings.
   */
  readonly subject?: string
  /** What pages may show of the user. Never put a token in it. */
  readonly profile?: Readonly<Record<string, unknown>>
}

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

/**
 * How an API wraps its answers, as data: a body like `{code, message, data}`. Made by `envelope()` of `lingpai/envelope`.
 */
export interface Envelope {
  /** Name of the field that holds the API's code. */
  readonly code: string
  readonly message: string
  /** Name of the field that holds the payload. */
  readonly data: string
  /** Values of the code field that mean success. */
  readonly success: readonly (string | number)[]
  /** Values of the code field that mean that the access token has expired, whatever the HTTP status. */
  readonly expired: readonly (string | number)[]
  /** Values of the code field that mean that the user must sign in. */
  readonly signInRequired: readonly (string | number)[]
}

/** Where tokens may go, as far as the page needs to know it. */
export interface ApiRules {
  readonly origin: string
  readonly pathPrefix: string
  /** Told only to an app thread that keeps the bodies: how to read them. */
  readonly envelope?: Envelope
  /** Told only to an app thread that keeps the bodies: whether the worker must see a request's data to sign them. */
  readonly isSigned?: boolean
}

/** Finds the API that a URL belongs to. Origins are compared whole, path prefixes at a segment's end (RFC 6454 §5). */
export function findApi<Api extends ApiRules>(
  apis: readonly Api[],
  url: { readonly origin: string; readonly pathname: string },
): Api | undefined {
  return apis.find(
    ({ origin, pathPrefix }) =>
      url.origin === origin &&
      (url.pathname === pathPrefix ||
        url.pathname.startsWith(pathPrefix.endsWith('/') ? pathPrefix : `${pathPrefix}/`)),
  )
}

/** The page's first call on a connection. */
export interface Hello {
  readonly oldest: number
  readonly newest: number
  /** Absent where the page is of a build that did not tell. */
  readonly build?: string | undefined
  /** Name of the Web Lock that the page holds for as long as it uses this port, where it has told one. */
  readonly lock?: string | undefined
}

/** How the name of every page's lock begins, so that no page can have a worker take another lock. */
export const PAGE_LOCK = 'lingpai:page:'
/** How the name of every SharedWorker's lock begins: by it, a page sees that there is such a worker on its origin. */
export const SHARED_WORKER_LOCK = 'lingpai:shared:'

/** How it ends: with what the browser tells SharedWorkers apart by. */
export function toWorkerKey(name: string, url: string): string {
  return ` ${name} ${url}`
}

/** The worker's answer to {@link Hello}. */
export interface Welcome {
  readonly protocol: number
  readonly instance: string
  /** Absent where the worker is of a build that did not tell. */
  readonly build?: string
  /** Name of the Web Lock that the worker holds for as long as it lives, where it could get one. */
  readonly lock?: string
  readonly snapshot: BrokerSnapshot
  readonly apis: readonly ApiRules[]
}

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
  /** A `MessagePort` that takes {@link UploadProgress}, until the call is answered. */
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

/** Statuses whose answers have no body: `new Response` refuses even an empty one (Fetch §2.2.3). */
export const NULL_BODY_STATUSES: readonly number[] = [204, 205, 304]

/** The statuses that lead elsewhere (RFC 9110 §15.4). */
export function isRedirect(status: number): boolean {
  return status >= 301 && status <= 308 && status !== 304
}

/**
 * How many bytes of a body may be on their way, or wait to be read: enough to hide a message's travel, little to hold. So
 * many are sent unasked.
 */
export const BODY_WINDOW = 1 << 20

/**
 * What goes over the port of a body: from the page, how many bytes more it has room for, or 0 for no more at all; from the
 * worker, a chunk, null at the end, or an error.
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
  readonly sent?: SentAttempt
}

/** One attempt of a task: the first one, or the replay after the API refused its token. */
export interface SentAttempt {
  readonly isReplay: boolean
  /** What its token was; absent where it had none. */
  readonly ticket?: Ticket
}

/** A permit without its token, by which another worker can judge the answer. */
export interface Ticket {
  /** The random name of its session: a worker that found nothing stored counts generations from the start again. */
  readonly lineage: string
  readonly version: number
  readonly subject?: string
  /** Whether the request has waited for a refresh: it gets only one. */
  readonly hasRefreshed: boolean
}

/** What a page may ask to begin an interactive sign-in with. */
export interface AuthorizeInput {
  readonly via: 'redirect' | 'popup'
  /** Where to go afterwards: a path on the page's own origin. */
  readonly returnTo?: string
}

/**
 * Every method that a page may call in the worker; the guard refuses all else. The first argument of the methods that
 * can be aborted is the call's id, unique on its port.
 */
export interface BrokerTable extends ControlTable, FetchTable, TaskTable {}

/** What every worker answers. */
export interface ControlTable {
  hello(hello: Hello): Promise<Welcome>
  ping(): Promise<void>
  signIn(call: string, input: unknown): Promise<void>
  authorize(call: string, input: AuthorizeInput): Promise<{ url: string }>
  callback(call: string, url: string): Promise<{ returnTo?: string }>
  signOut(everywhere: boolean): Promise<{ url?: string }>
  adopt(tokens: unknown): Promise<void>
  getAccessToken(call: string): Promise<string>
  explain(options?: ExplainOptions): Promise<readonly HistoryEntry[]>
}

/** What a worker answers that sends the requests itself. */
export interface FetchTable {
  fetch(call: string, request: WireRequest): Promise<WireResponse>
  request(call: string, request: WireApiRequest): Promise<unknown>
}

/** What a worker without a network answers: it has the app thread send, and resolves once the answer may be delivered. */
export interface TaskTable {
  task(call: string, task: WireTask): Promise<void>
}

/** The methods that can be aborted, and so take a call's id; and all the others. */
export const METHODS: { readonly [Name in keyof BrokerTable]: 'call' | 'plain' } = {
  hello: 'plain',
  ping: 'plain',
  fetch: 'call',
  request: 'call',
  task: 'call',
  signIn: 'call',
  authorize: 'call',
  callback: 'call',
  signOut: 'plain',
  adopt: 'plain',
  getAccessToken: 'call',
  explain: 'plain',
}

/** Messages besides the calls. Plain, so that they also cross a channel that carries JSON only. */
export type Notice =
  /** Worker to page: the session changed. */
  | { readonly lingpai: 'snapshot'; readonly instance: string; readonly snapshot: BrokerSnapshot }
  /** Page to worker: the caller has aborted this call. */
  | { readonly lingpai: 'abort'; readonly call: string }
  /** Page to worker, or worker to page: nothing more will come over this port. */
  | { readonly lingpai: 'goodbye' }
  /** App thread to worker: the app is in the foreground again, or online. */
  | { readonly lingpai: 'resumed' }

/** The part of an `AbortSignal` that every host can offer. */
export interface CancelSignal {
  readonly aborted: boolean
  readonly reason?: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** A channel between two threads: a `MessagePort`, a `Worker`, or anything of that shape. Comlink calls it the same. */
export interface Endpoint {
  postMessage(message: unknown, transfer?: never[]): void
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  removeEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  start?(): void
  close?(): void
}

/**
 * What `serve` returns: nothing to call, only the type of the sign-in's input, for `connect<typeof broker>()`.
 */
export interface Broker<SignInInput = unknown> {
  /** Never set; it only carries the type. */
  readonly signInInput?: SignInInput
}
