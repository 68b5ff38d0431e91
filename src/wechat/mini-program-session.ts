// The public types, apart from what needs WeChat's own: an app can be checked without its typings.
import type { WechatWorker } from '../connect/wechat.ts'
import type { CancelSignal } from '../protocol/cancel-signal.ts'
import type { Endpoint } from '../protocol/endpoint.ts'
import type { ExplainOptions, HistoryEntry } from '../protocol/history.ts'
import type { ReceivedTokens } from '../protocol/received-tokens.ts'
import type { Snapshot } from '../protocol/snapshot.ts'

/** How a mini program keeps its session. */
export interface WechatOptions {
  readonly wechat: {
    /** The worker file, as `wx.createWorker` takes it; or the app's own worker, whose messages go to `handleMessage`. */
    readonly worker?: string | Pick<WechatWorker, 'postMessage'>
    /** `useExperimentalWorker` of `wx.createWorker`: faster on iOS, but the system may end it. Default false. */
    readonly useExperimentalWorker?: boolean
    /** Where the user is led who must sign in: one toast, one `wx.reLaunch`. Default: nowhere. */
    readonly signInPage?: SignInPageOptions
    /** What to do, in place of `signInPage`, when a call shows that the user must sign in. */
    readonly onSignInRequired?: () => void
  }
  /** The broker on the app thread, `() => serveInline(options)`, for where no worker can be had. */
  readonly inline?: () => Endpoint
}

/** Where the user signs in, and how they get there. */
export interface SignInPageOptions {
  /** Absolute within the mini program: `/pages/login/login`. */
  readonly url: string
  /** Shown as a toast first. Default 登录失败，请重新登录; an empty text shows none. */
  readonly message?: string
  /** How long the toast is shown before the page opens, in milliseconds. Default 1200. */
  readonly delay?: number
}

/** A mini program's side of the session. Every method is bound, so it can be passed around on its own. */
export interface WechatSession<SignInInput = unknown> {
  /** A call of an API that takes and gives JSON, its envelope unwrapped. */
  readonly request: WechatRequest
  /** `wx.uploadFile`, signed in. */
  readonly uploadFile: UploadFile
  /** `wx.downloadFile`, signed in. */
  readonly downloadFile: DownloadFile
  /**
   * Signs in, in the worker: with what the grant's `signIn` takes, or with `{via: 'wx.login'}`, for which the worker gets a
   * fresh code.
   *
   * Rejects with `sign_in_failed` (`apiCode`), `sign_in_cancelled`, `network_error`, `timeout`, `invalid_call`, and with
   * `worker_lost` where nobody knows what became of it: a code or a captcha may have been used up, so nothing is repeated.
   */
  readonly signIn: (input: SignInInput | WechatLoginInput) => Promise<void>
  /**
   * Ends the session, and has its tokens revoked where the grant can. Here it is over at once, whatever the server does.
   *
   * Rejects with `store_failed` where the stored session could not be deleted, and with `network_error` where `everywhere`
   * could not be done.
   */
  readonly signOut: (options?: { readonly everywhere?: boolean }) => Promise<void>
  /** Brings tokens from elsewhere, where the worker was given `adopt: true`; else rejects with `invalid_call`. */
  readonly adopt: (tokens: ReceivedTokens) => Promise<void>
  /** The access token, where the worker was given `exposeAccessToken: true`; else rejects with `token_not_exposed`. */
  readonly getAccessToken: () => Promise<string>
  /** The state of the session: an immutable object, new only when something has changed. */
  readonly getSnapshot: () => Snapshot
  /** Calls the listener after each change of the snapshot. Returns what ends that. */
  readonly subscribe: (listener: () => void) => () => void
  /**
   * What happened in the worker and why, newest last, without tokens: the last 500 things, and the last 3,000 steps of calls
   * and pages. With `after`, the `number` of the last entry that is known already, only what is new.
   */
  readonly explain: (options?: ExplainOptions) => Promise<readonly HistoryEntry[]>
  /** For an app that owns the worker: takes a message of its `onMessage`, and says whether it was one of lingpai's. */
  readonly handleMessage: (message: unknown) => boolean
  /** For an app that owns the worker and had to start it anew: goes on with the new one. */
  readonly replaceWorker: (worker: Pick<WechatWorker, 'postMessage'>) => void
  /** Lets go of the worker. Calls that are pending, and all later ones, reject with `closed`; the session is kept. */
  readonly close: () => void
}

/** Has the worker get a code from `wx.login`; the other fields go to the grant's sign-in call as they are. */
export interface WechatLoginInput {
  readonly via: 'wx.login'
  readonly [field: string]: unknown
}

export interface CallOptions {
  /** Absolute: a mini program has no address of its own. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /**
   * Whether the token is attached. Default: to the APIs listed in the worker. With `false`, a listed API's request is still
   * signed and its envelope read; `true` rejects with `origin_not_allowed` where the URL is not listed.
   */
  readonly auth?: boolean
  /** Its abort ends the call: an `AbortSignal`, or that of `lingpai/wechat`'s own `AbortController`. */
  readonly signal?: CancelSignal
}

/** A call of an API that takes and gives JSON. The same as on the web. */
export interface RequestOptions extends CallOptions {
  /** Default `GET`. One of those that `wx.request` has: it lacks PATCH. */
  readonly method?: string
  /** Sent as JSON; for GET and HEAD, as the query. */
  readonly data?: unknown
  /** In milliseconds, for the whole call with any refresh. Default 30,000. */
  readonly timeout?: number
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/api/network/upload/wx.uploadFile.html */
export interface UploadOptions extends CallOptions {
  readonly filePath: string
  /** The form field that the file is sent in. */
  readonly name: string
  /** The other fields of the form. What is no text is sent as JSON; what is null is left out. */
  readonly formData?: Readonly<Record<string, unknown>>
  readonly onProgress?: (progress: UploadProgress) => void
  /** In milliseconds, for each attempt to send it. Default WeChat's, 60,000 unless app.json says otherwise. */
  readonly timeout?: number
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/api/network/download/wx.downloadFile.html */
export interface DownloadOptions extends CallOptions {
  /** Where to put the file. Default a temporary one of WeChat's choice. */
  readonly filePath?: string
  readonly onProgress?: (progress: DownloadProgress) => void
  /** In milliseconds, for each attempt to fetch it. Default WeChat's, 60,000 unless app.json says otherwise. */
  readonly timeout?: number
}

/** What a download has brought. */
export interface DownloadedFile {
  readonly statusCode: number
  /** Where the file is, unless `filePath` was given. */
  readonly tempFilePath?: string
  readonly filePath?: string
}

/**
 * Resolves with the payload of the API's envelope, or with the JSON body where the API has none.
 *
 * Rejects with a LingpaiError: `api_error` (`status`, `apiCode`, `apiMessage`), `sign_in_required`, `network_error`,
 * `timeout`, `aborted`, ...
 */
export type WechatRequest = <T = unknown>(options: RequestOptions) => Promise<T>

/** Uploads a file, signed in; resolves and rejects as a request does. */
export type UploadFile = <T = unknown>(options: UploadOptions) => Promise<T>

/** Downloads a file, signed in. Where the API refuses, rejects as a request does, and no file is left behind. */
export type DownloadFile = (options: DownloadOptions) => Promise<DownloadedFile>

/** WeChat's own, as `UploadTask.onProgressUpdate` tells it. */
export interface UploadProgress {
  /** In percent. */
  readonly progress: number
  readonly totalBytesSent: number
  readonly totalBytesExpectedToSend: number
}

/** WeChat's own, as `DownloadTask.onProgressUpdate` tells it. */
export interface DownloadProgress {
  /** In percent. */
  readonly progress: number
  readonly totalBytesWritten: number
  readonly totalBytesExpectedToWrite: number
}
