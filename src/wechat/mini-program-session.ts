// The public types, without WeChat's own types: an app can be type-checked without `miniprogram-api-typings`.
import type { WechatWorker } from '../connect/wechat.ts'
import type { CancelSignal } from '../protocol/cancel-signal.ts'
import type { Endpoint } from '../protocol/endpoint.ts'
import type { CallOptionsBase, JsonRequest, RequestOptionsBase, SessionBase } from '../session-base.ts'

/** The options of `connect`. */
export interface WechatOptions {
  readonly wechat: {
    /** The path of the worker file for `wx.createWorker`, or the app's own worker, whose messages go to `handleMessage`. */
    readonly worker?: string | Pick<WechatWorker, 'postMessage'>
    /** `useExperimentalWorker` of `wx.createWorker`: faster on iOS, but the system may end the worker. Default false. */
    readonly useExperimentalWorker?: boolean
    /** The page that opens when the user must sign in, with one toast and one `wx.reLaunch`. Default: none. */
    readonly signInPage?: SignInPageOptions
    /** Called instead of opening `signInPage` when the user must sign in. */
    readonly onSignInRequired?: () => void
  }
  /** The broker on the app thread, `() => serveInline(options)`. Used if a worker cannot be created. */
  readonly inline?: () => Endpoint
}

/** The sign-in page, and the toast that is shown before the page opens. */
export interface SignInPageOptions {
  /** The path of the page, such as `/pages/login/login`. */
  readonly url: string
  /** The text of the toast. Default 登录失败，请重新登录. If it is empty, no toast is shown. */
  readonly message?: string
  /** How long the toast is shown before the page opens, in milliseconds. Default 1200. */
  readonly delay?: number
}

/** The session of a mini program. Every method is bound, so it can be passed on without the session. */
export interface WechatSession<SignInInput = unknown> extends SessionBase {
  /** Calls an API that uses JSON, and unwraps the envelope of its response. */
  readonly request: WechatRequest
  /** `wx.uploadFile`, signed in. */
  readonly uploadFile: UploadFile
  /** `wx.downloadFile`, signed in. */
  readonly downloadFile: DownloadFile
  /**
   * Signs in, in the worker. The input is that of the grant's `signIn`, or `{via: 'wx.login'}`. In the second case, the
   * worker gets a new code.
   *
   * Rejects with `sign_in_failed` (`apiCode`), `sign_in_cancelled`, `network_error`, `timeout` or `invalid_call`.
   * Rejects with `worker_lost` if the outcome is unknown: the code or captcha may have been used, so the sign-in is not
   * repeated.
   */
  readonly signIn: (input: SignInInput | WechatLoginInput) => Promise<void>
  /**
   * Ends the session, and revokes its tokens if the grant can. In this mini program the session ends at once, even if the
   * server does not respond.
   *
   * Rejects with `store_failed` if the stored session could not be deleted, and with `network_error` if `everywhere` failed.
   */
  readonly signOut: (options?: { readonly everywhere?: boolean }) => Promise<void>
  /** For an app that owns the worker: takes a message from its `onMessage`. Returns true if the message belongs to lingpai. */
  readonly handleMessage: (message: unknown) => boolean
  /** For an app that owns the worker and has started it again: continues with the new worker. */
  readonly replaceWorker: (worker: Pick<WechatWorker, 'postMessage'>) => void
}

/** Lets `signIn` get a code from `wx.login` in the worker. The other fields are passed to the grant's sign-in unchanged. */
export interface WechatLoginInput {
  readonly via: 'wx.login'
  readonly [field: string]: unknown
}

/** The options that every call of a mini program has. */
export interface CallOptions extends CallOptionsBase {
  /** An absolute URL: a mini program does not have an address of its own. */
  readonly url: string
  /** Aborts the call: an `AbortSignal`, or the signal of the `AbortController` of `lingpai/wechat`. */
  readonly signal?: CancelSignal
}

/** The options of `request`, a call of an API that uses JSON. The web's `request` has the same. */
export interface RequestOptions extends CallOptions, RequestOptionsBase {
  /** Default `GET`. One of the methods of `wx.request`, which does not have PATCH. */
  readonly method?: string
}

/**
 * The options of `uploadFile`.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/api/network/upload/wx.uploadFile.html
 */
export interface UploadOptions extends CallOptions {
  readonly filePath: string
  /** The name of the form field that carries the file. */
  readonly name: string
  /** The other fields of the form. A value that is not a string is sent as JSON; null is left out. */
  readonly formData?: Readonly<Record<string, unknown>>
  readonly onProgress?: (progress: UploadProgress) => void
  /** In milliseconds, for each attempt. Default: WeChat's own, 60,000 unless app.json sets another value. */
  readonly timeout?: number
}

/**
 * The options of `downloadFile`.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/api/network/download/wx.downloadFile.html
 */
export interface DownloadOptions extends CallOptions {
  /** The path for the file. Default: a temporary file that WeChat chooses. */
  readonly filePath?: string
  readonly onProgress?: (progress: DownloadProgress) => void
  /** In milliseconds, for each attempt. Default: WeChat's own, 60,000 unless app.json sets another value. */
  readonly timeout?: number
}

/** The result of `downloadFile`. */
export interface DownloadedFile {
  readonly statusCode: number
  /** The path of the temporary file. Absent if the call set `filePath`. */
  readonly tempFilePath?: string
  readonly filePath?: string
}

/** Calls an API that uses JSON. */
export type WechatRequest = JsonRequest<RequestOptions>

/** Uploads a file, signed in. Resolves and rejects as `request` does. */
export type UploadFile = <T = unknown>(options: UploadOptions) => Promise<T>

/** Downloads a file, signed in. If the API responds with an error, rejects as `request` does, and deletes the file. */
export type DownloadFile = (options: DownloadOptions) => Promise<DownloadedFile>

/** The progress that `UploadTask.onProgressUpdate` reports. */
export interface UploadProgress {
  /** In percent. */
  readonly progress: number
  readonly totalBytesSent: number
  readonly totalBytesExpectedToSend: number
}

/** The progress that `DownloadTask.onProgressUpdate` reports. */
export interface DownloadProgress {
  /** In percent. */
  readonly progress: number
  readonly totalBytesWritten: number
  readonly totalBytesExpectedToWrite: number
}
