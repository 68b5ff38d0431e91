// The public types, apart from what needs WeChat's own: an app can be checked without its typings.
import type { WechatWorker } from '../connect/wechat.ts'
import type { CancelSignal } from '../protocol/cancel-signal.ts'
import type { Endpoint } from '../protocol/endpoint.ts'
import type { CallOptionsBase, JsonRequest, RequestOptionsBase, SessionBase } from '../session-base.ts'

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

/** The session, as a mini program uses it. Every method is bound, so that it can be passed on alone. */
export interface WechatSession<SignInInput = unknown> extends SessionBase {
  /** Calls an API that uses JSON, and unwraps the envelope of its answer. */
  readonly request: WechatRequest
  /** `wx.uploadFile`, signed in. */
  readonly uploadFile: UploadFile
  /** `wx.downloadFile`, signed in. */
  readonly downloadFile: DownloadFile
  /**
   * Signs in, in the worker: with the input of the grant's `signIn`, or with `{via: 'wx.login'}`, for which the worker gets a
   * new code.
   *
   * Rejects with `sign_in_failed` (`apiCode`), `sign_in_cancelled`, `network_error`, `timeout`, `invalid_call`, and with
   * `worker_lost` if the outcome is unknown: a code or a captcha may have been used up, so a sign-in is not repeated.
   */
  readonly signIn: (input: SignInInput | WechatLoginInput) => Promise<void>
  /**
   * Ends the session, and revokes its tokens if the grant can. In this mini program the session ends at once, even if the
   * server does not answer.
   *
   * Rejects with `store_failed` if the stored session could not be deleted, and with `network_error` if `everywhere` failed.
   */
  readonly signOut: (options?: { readonly everywhere?: boolean }) => Promise<void>
  /** For an app that owns the worker: takes a message of its `onMessage`. Returns true if the message belongs to lingpai. */
  readonly handleMessage: (message: unknown) => boolean
  /** For an app that owns the worker and started it again: continues with the new worker. */
  readonly replaceWorker: (worker: Pick<WechatWorker, 'postMessage'>) => void
}

/** Has the worker get a code from `wx.login`; the other fields go to the grant's sign-in call as they are. */
export interface WechatLoginInput {
  readonly via: 'wx.login'
  readonly [field: string]: unknown
}

export interface CallOptions extends CallOptionsBase {
  /** Absolute: a mini program has no address of its own. */
  readonly url: string
  /** Its abort ends the call: an `AbortSignal`, or the signal of `lingpai/wechat`'s own `AbortController`. */
  readonly signal?: CancelSignal
}

/** A call of an API that uses JSON. The same as on the web. */
export interface RequestOptions extends CallOptions, RequestOptionsBase {
  /** Default `GET`. One of the methods of `wx.request`, which does not have PATCH. */
  readonly method?: string
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

/** Calls an API that uses JSON. */
export type WechatRequest = JsonRequest<RequestOptions>

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
