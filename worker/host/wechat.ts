import type { Broker } from '../../src/protocol/broker.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import type { ServeOptions } from './options.ts'
import { createWechatServer, type WechatServer } from './wechat-server.ts'

export interface WechatServeOptions<SignInInput = unknown> extends ServeOptions<SignInInput> {
  /**
   * Whether the app has an `onMessage` of its own in this worker, and passes every message to `handleMessage`: a second
   * `onMessage` may replace the first. Default false: `serve` listens by itself.
   */
  readonly ownDispatcher?: boolean
}

/** What `serve` returns in a mini program's worker. */
export interface WechatBroker<SignInInput = unknown> extends Broker<SignInInput> {
  /** For an app with a dispatcher of its own: takes a message, and says whether it was one of lingpai's. */
  readonly handleMessage: (message: unknown) => boolean
}

/** What a mini program's worker may call. */
interface WorkerGlobal {
  postMessage(message: object): void
  onMessage(listener: (message: unknown) => void): void
}

/** The one global of a mini program's worker besides the language, `require`, `console` and timers. */
declare const worker: WorkerGlobal

/**
 * Runs the broker in this mini program worker, and answers the pages.
 *
 * A wrong configuration is written to the console, and every call of the pages rejects with `invalid_config`.
 *
 * @throws LingpaiError `invalid_call` where this is no worker of a mini program
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
