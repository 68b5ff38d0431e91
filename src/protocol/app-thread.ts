import type { AnswerSummary } from './envelope.ts'
import type { SentRequest } from './tasks.ts'

/** The methods of `wx.request`. @see https://developers.weixin.qq.com/miniprogram/dev/api/network/request/wx.request.html */
const WECHAT_METHODS = ['OPTIONS', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT']

/** Why `wx.request` cannot send a method, and what to do; undefined if it can. */
export function explainMethod(method: string): string | undefined {
  if (WECHAT_METHODS.includes(method.toUpperCase())) return undefined
  if (method.toUpperCase() !== 'PATCH') return `method must be one of ${WECHAT_METHODS.join(', ')}`
  return 'wx.request has no PATCH, so the server must offer it as PUT or POST'
}

/**
 * The methods of a mini program's app thread that its worker may call: WeChat gives a worker no network, no storage and no
 * `wx.login`. The guard rejects everything else, as it does in the worker.
 */
export interface AppThreadTable {
  /** Sends a request of the grant. A notice `abort` with the same call's id cancels it. */
  send(call: string, request: AppThreadRequest): Promise<AppThreadAnswer>
  /** Sends an attempt of a task that is registered on the app thread. */
  sendTask(order: TaskOrder): Promise<TaskAnswer>
  /** Resolves with the answer to the latest attempt of a task. */
  awaitTask(name: string): Promise<TaskAnswer>
  load(key: string): Promise<LoadedRecord>
  save(key: string, text: string): Promise<SavedRecord>
  clear(key: string): Promise<void>
  /** Gets a fresh code from `wx.login`. A notice `abort` with the same call's id removes it from the queue. */
  login(call: string): Promise<string>
}

export interface AppThreadRequest {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body?: string
  /**
   * Names what the request is for. If a lost worker has sent a request of that name, the next worker gets the answer to that
   * one, and nothing is sent: a refresh token that may be consumed is not sent again.
   */
  readonly exchange?: string
}

export type AppThreadAnswer =
  | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }
  /** Why the request has not left the phone. */
  | { readonly unsent: string }

export interface TaskOrder extends SentRequest {
  readonly name: string
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  /** The task's data as the signer changed them. If absent, send the data that the app thread has. */
  readonly data?: unknown
}

export type TaskAnswer =
  | (AnswerSummary & {
      /** The server answered with a redirect. It was not followed, since it could carry the token to another origin. */
      readonly isRedirect?: boolean
    })
  /** Nothing was sent: the task had to wait for a place. Its token and signature may be outdated, so it needs a new order. */
  | { readonly hasWaited: true }

export interface LoadedRecord extends SavedRecord {
  readonly text?: string
}

export interface SavedRecord {
  /** Whether WeChat encrypts it on the phone. */
  readonly isEncrypted: boolean
}
