import type { Broker } from '../../src/protocol/broker.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import type { ServeOptions } from './options.ts'
import { createWechatServer, type WechatServer } from './wechat-server.ts'

export interface WechatServeOptions<SignInInput = unknown> extends ServeOptions<SignInInput> {
  /**
   * Set it if the app has its own `worker.onMessage`, and pass every message to `handleMessage`: a second `onMessage` may
   * replace the first. Default false: `serve` listens on its own.
   */
  readonly ownDispatcher?: boolean
}

/** What `serve` returns in a mini program's worker. */
export interface WechatBroker<SignInInput = unknown> extends Broker<SignInInput> {
  /** With `ownDispatcher`: handles a message, and returns whether it was lingpai's. */
  readonly handleMessage: (message: unknown) => boolean
}

interface WorkerGlobal {
  postMessage(message: object): void
  onMessage(listener: (message: unknown) => void): void
}

/** Mini program workers have only this global, `require`, `console`, timers and the language. */
declare const worker: WorkerGlobal

/**
 * Runs the broker in this worker of a mini program, and answers the pages.
 *
 * If the configuration is wrong, it logs the error, and every call of the pages rejects with `invalid_config`.
 *
 * @throws LingpaiError `invalid_call` outside a mini program's worker
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/workers.html
 */
export function serve<SignInInput = unknown>(options: WechatServeOptions<SignInInput>): WechatBroker<SignInInput> {
  if (typeof worker === 'undefined' || typeof worker.postMessage !== 'function') {
    throw new LingpaiError(
      'invalid_call',
      "serve() of the WeChat library runs in a mini program's worker. On the app thread, use serveInline().",
    )
  }
  const server: WechatServer = createWechatServer(options as ServeOptions<never>, 'wechat', (message) =>
    worker.postMessage(message),
  )
  if (options.ownDispatcher !== true) worker.onMessage((message) => void server.handleMessage(message))
  return { handleMessage: server.handleMessage }
}
