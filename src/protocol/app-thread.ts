import type { AnswerSummary } from './envelope.ts'
import type { SentRequest } from './tasks.ts'

/** The methods of `wx.request`. @see https://developers.weixin.qq.com/miniprogram/dev/api/network/request/wx.request.html */
const WECHAT_METHODS = ['OPTIONS', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT']

/** Why `wx.request` cannot send a method, and what to do; undefined where it can. */
export function explainMethod(method: string): string | undefined {
  if (WECHAT_METHODS.includes(method.toUpperCase())) return undefined
  if (method.toUpperCase() !== 'PATCH') return `method must be one of ${WECHAT_METHODS.join(', ')}`
  return 'wx.request has no PATCH, so the server must offer it as PUT or POST'
}

/**
 * What the app thread of a mini program does for its worker, which has no network, no storage and no sign-in of its own.
 * A closed table, guarded like the worker's.
 */
export interface AppThreadTable {
  /** Sends a request of the grant. A notice `abort` with the same call's id gives it up. */
  send(call: string, request: AppThreadRequest): Promise<AppThreadAnswer>
  /** Sends an attempt of a task that a page has registered. */
  sendTask(order: TaskOrder): Promise<TaskAnswer>
  /** The answer to the attempt of a task that was sent last. */
  awaitTask(name: string): Promise<TaskAnswer>
  load(key: string): Promise<LoadedRecord>
  save(key: string, text: string): Promise<SavedRecord>
  clear(key: string): Promise<void>
  /** A fresh code from `wx.login`. A notice `abort` with the same call's id takes it out of the queue. */
  login(call: string): Promise<string>
}

export interface AppThreadRequest {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body?: string
  /**
   * Names what the request is for. Where a lost worker has sent one of that name, the next worker gets that one's answer,
   * and nothing is sent: a refresh token that may have been used is not used again.
   */
  readonly exchange?: string
}

export type AppThreadAnswer =
  | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }
  /** It has not left the phone, and why. */
  | { readonly unsent: string }

export interface TaskOrder extends SentRequest {
  readonly name: string
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  /** What the signer made of the task's data; where it is absent, the data are as the page has them. */
  readonly data?: unknown
}

export type TaskAnswer =
  | (AnswerSummary & {
      /** The server answered with a redirect, which was not followed: it could carry the token elsewhere. */
      readonly isRedirect?: boolean
    })
  /** Nothing was sent, since too many tasks are running; now there is room, and tokens and signatures may have aged. */
  | { readonly hasWaited: true }

export interface LoadedRecord extends SavedRecord {
  readonly text?: string
}

export interface SavedRecord {
  /** Whether the phone encrypts it. */
  readonly isEncrypted: boolean
}
