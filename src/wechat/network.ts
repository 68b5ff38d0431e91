import { explainMethod } from '../protocol/app-thread.ts'
import { LingpaiError } from '../protocol/errors.ts'
import { isRedirect } from '../protocol/http.ts'
import type { DownloadProgress, UploadProgress } from './mini-program-session.ts'

/** A request in flight. */
export interface Running<Answer> {
  readonly answer: Promise<Answer>
  abort(): void
}

export interface OutgoingRequest {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body?: string
  readonly timeout?: number | undefined
  /** Do not follow redirects: they could carry a token to another origin. Needs base library 3.2.2. */
  readonly refusesRedirects?: boolean
}

export interface HttpAnswer {
  readonly status: number
  /** The names are in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

export interface OutgoingUpload extends Omit<OutgoingRequest, 'method' | 'body' | 'refusesRedirects'> {
  readonly filePath: string
  readonly name: string
  readonly formData?: Readonly<Record<string, unknown>>
  readonly onProgress?: ((progress: UploadProgress) => void) | undefined
}

export type OutgoingDownload = Pick<OutgoingRequest, 'url' | 'headers' | 'timeout'> & {
  readonly filePath?: string | undefined
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined
}

export interface DownloadAnswer {
  readonly status: number
  readonly tempFilePath?: string
  readonly filePath?: string
}

type NetworkApi = Pick<WechatMiniprogram.Wx, 'request' | 'uploadFile' | 'downloadFile'>

export type Network = ReturnType<typeof createNetwork>

/** WeChat's three network functions as promises that can be aborted. They resolve with any HTTP status. */
export function createNetwork(wx: NetworkApi) {
  return {
    /** @see https://developers.weixin.qq.com/miniprogram/dev/api/network/request/wx.request.html */
    request({ url, method, headers, body, timeout, refusesRedirects = false }: OutgoingRequest): Running<HttpAnswer> {
      return run<HttpAnswer>((resolve, fail) => {
        // A page's method was checked before. This one comes from a grant or a signer, so it is an error of the configuration.
        const problem = explainMethod(method)
        if (problem !== undefined) throw new LingpaiError('invalid_config', `${problem}. Nothing was sent.`)
        const task = wx.request({
          url,
          method: method.toUpperCase() as 'GET',
          header: Object.fromEntries(headers),
          ...(body !== undefined && { data: body }),
          // With any value other than `json`, WeChat does not parse the text.
          dataType: 'text',
          responseType: 'text',
          ...(timeout !== undefined && { timeout }),
          ...(refusesRedirects && { redirect: 'manual' as const }),
          success: ({ statusCode, header, data }) =>
            resolve({ status: statusCode, headers: toLowerCase(header), text: toText(data) }),
          fail,
        })
        // With `redirect: 'manual'`, only the headers of a redirect arrive: WeChat documents no callback after them.
        if (refusesRedirects) {
          task?.onHeadersReceived?.((received) => {
            const { statusCode, header } = received as { statusCode?: number; header?: object }
            if (statusCode !== undefined && isRedirect(statusCode))
              resolve({ status: statusCode, headers: toLowerCase(header), text: '' })
          })
        }
        return task
      })
    },

    /** @see https://developers.weixin.qq.com/miniprogram/dev/api/network/upload/wx.uploadFile.html */
    uploadFile({ url, headers, filePath, name, formData, timeout, onProgress }: OutgoingUpload): Running<HttpAnswer> {
      return run<HttpAnswer>((resolve, fail) => {
        const task = wx.uploadFile({
          url,
          filePath,
          name,
          header: Object.fromEntries(headers),
          ...(formData !== undefined && { formData }),
          ...(timeout !== undefined && { timeout }),
          success: ({ statusCode, data }) => resolve({ status: statusCode, headers: {}, text: toText(data) }),
          fail,
        })
        if (onProgress) task?.onProgressUpdate?.(onProgress)
        return task
      })
    },

    /** @see https://developers.weixin.qq.com/miniprogram/dev/api/network/download/wx.downloadFile.html */
    downloadFile({ url, headers, filePath, timeout, onProgress }: OutgoingDownload): Running<DownloadAnswer> {
      return run<DownloadAnswer>((resolve, fail) => {
        const task = wx.downloadFile({
          url,
          header: Object.fromEntries(headers),
          ...(filePath !== undefined && { filePath }),
          ...(timeout !== undefined && { timeout }),
          success: (answer) =>
            resolve({
              status: answer.statusCode,
              ...(answer.tempFilePath && { tempFilePath: answer.tempFilePath }),
              ...(answer.filePath && { filePath: answer.filePath }),
            }),
          fail,
        })
        if (onProgress) task?.onProgressUpdate?.(onProgress)
        return task
      })
    },
  }
}

type Start<Answer> = (
  resolve: (answer: Answer) => void,
  fail: (failure: { errMsg: string; errno?: number }) => void,
) => { abort(): void } | undefined

function run<Answer>(start: Start<Answer>): Running<Answer> {
  let task: { abort(): void } | undefined
  const answer = new Promise<Answer>((resolve, reject) => {
    task = start(resolve, (failure) => reject(toNetworkError(failure)))
  })
  return { answer, abort: () => task?.abort() }
}

/** Converts WeChat's failure into a LingpaiError. @see https://developers.weixin.qq.com/miniprogram/dev/framework/usability/PublicErrno.html */
function toNetworkError(failure: { errMsg?: unknown; errno?: unknown } | undefined): LingpaiError {
  const text = typeof failure?.errMsg === 'string' ? failure.errMsg : ''
  const said = describe(text, failure?.errno)
  if (/not in domain list/.test(text)) {
    return new LingpaiError(
      'invalid_config',
      `WeChat sent nothing: the server is not among the mini program's request domains (${said}). Add it on mp.weixin.qq.com, or turn the check off in DevTools.`,
    )
  }
  if (/timeout|timed out/i.test(text))
    return new LingpaiError('timeout', `The server did not answer in time (${said}).`)
  if (/file not found|no such file/i.test(text)) {
    return new LingpaiError(
      'invalid_call',
      `WeChat finds no such file or folder (${said}). Check filePath; temporary files may be deleted when the app closes.`,
    )
  }
  if (/:fail abort/.test(text)) return new LingpaiError('aborted', 'The request was aborted.')
  return new LingpaiError(
    'network_error',
    `No answer: the network failed or changed, or the app was in the background (${said}).`,
  )
}

/** Removes URLs: their queries may hold secrets. */
function describe(text: string, errno: unknown): string {
  // Shorten the text first: the search is slow in long texts.
  const words =
    text
      .slice(0, 1000)
      .replace(/\S+:\/\/\S+/g, '<url>')
      .slice(0, 200) || 'no reason given'
  return typeof errno === 'number' ? `${words}, errno ${errno}` : words
}

/** Whether the request never left the phone, for a reason other than a mistake of the app. */
export function isUnsent(failure: unknown): boolean {
  return failure instanceof LingpaiError && /createRequestTask:fail/.test(failure.message)
}

function toLowerCase(header: unknown): Record<string, string> {
  const pairs = Object.entries((header ?? {}) as Record<string, unknown>)
  return Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), String(value)]))
}

/** Some versions of WeChat parse JSON in spite of `dataType`. */
function toText(data: unknown): string {
  if (typeof data === 'string') return data
  return data === undefined || data === null ? '' : JSON.stringify(data)
}
