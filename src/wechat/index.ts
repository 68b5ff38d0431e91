import { CONTROL_DEADLINE, createClient } from '../client.ts'
import type { HostChoice } from '../connect/hosts.ts'
import { platformTimers } from '../connect/timers.ts'
import {
  type BorrowedWorker,
  borrowWorker,
  inlineBroker,
  ownWorker,
  type WechatHost,
  type WechatWorker,
} from '../connect/wechat.ts'
import { createAwakeTimers } from '../protocol/awake-timers.ts'
import type { Broker, Endpoint, HistoryEntry, ReceivedTokens, Snapshot } from '../protocol/contract.ts'
import { isLingpaiError, LingpaiError } from '../protocol/errors.ts'
import { createCalls, type DownloadFile, type UploadFile, type WechatRequest } from './calls.ts'
import { createExchanges } from './exchanges.ts'
import { createFiles } from './files.ts'
import { createLogin } from './login.ts'
import { createNetwork } from './network.ts'
import { createServices, type ServiceParts, serviceChecks } from './services.ts'
import { createSignInPage, type SignInGuide, type SignInPageOptions } from './sign-in-page.ts'
import { createStorage } from './storage.ts'
import { createTasks } from './tasks.ts'

export type { WechatWorker } from '../connect/wechat.ts'
export { AbortController } from '../protocol/abort-controller.ts'
export type {
  Broker,
  CancelSignal,
  Endpoint,
  HistoryEntry,
  Mode,
  ReceivedTokens,
  Snapshot,
  User,
} from '../protocol/contract.ts'
export {
  isLingpaiError,
  LingpaiError,
  type LingpaiErrorCode,
  type LingpaiErrorFields,
  type LingpaiErrorLike,
} from '../protocol/errors.ts'
export type {
  DownloadedFile,
  DownloadFile,
  DownloadOptions,
  RequestOptions,
  UploadFile,
  UploadOptions,
  WechatRequest,
} from './calls.ts'
export type { DownloadProgress, UploadProgress } from './network.ts'
export type { SignInPageOptions } from './sign-in-page.ts'

/** Reasons of a snapshot for which a session has ended without the user's will. */
const UNWANTED_ENDS: readonly unknown[] = ['refresh_rejected', 'refresh_answer_lost', 'session_too_old', 'worker_lost']

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

type SignInInputOf<B> = B extends Broker<infer Input> ? Input : unknown

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
  /** What happened in the worker and why: the last 500 things, newest last, without tokens. */
  readonly explain: () => Promise<readonly HistoryEntry[]>
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

/**
 * Connects the app thread of a mini program to the worker that keeps the session. Call it once, in app.js. Returns at once;
 * what goes wrong later rejects a call.
 *
 * @throws LingpaiError `invalid_config`
 */
export function connect<B extends Broker<never> | Broker = Broker>(
  options: WechatOptions,
): WechatSession<SignInInputOf<B>> {
  const { wechat, inline } = options ?? {}
  if (typeof wechat !== 'object' || wechat === null) throw invalidConfig('pass {wechat: {worker}}')
  const { worker, useExperimentalWorker = false, signInPage, onSignInRequired } = wechat
  if (worker === undefined && inline === undefined) throw invalidConfig('wechat.worker is missing')
  if (typeof worker === 'string' && (worker === '' || worker.startsWith('/')))
    throw invalidConfig('wechat.worker must be a path such as "workers/token.js", without a slash in front')
  const timers = createAwakeTimers(platformTimers, Date.now)
  const network = createNetwork(wx)
  const exchanges = createExchanges(network)
  const storage = createStorage(wx, readSdkVersion())
  const login = createLogin(wx, timers, Date.now)
  const guide = createGuide()

  const services: ServiceParts = {
    exchanges,
    storage,
    login,
    // The tasks need the client, which connects at once, to a worker that may call them.
    tasks: { sendTask: (order) => tasks.sendTask(order), awaitTask: (name) => tasks.awaitTask(name) },
  }
  const host: WechatHost = {
    timers,
    now: Date.now,
    checks: serviceChecks,
    createServices: (connection) => createServices(services, connection),
  }
  let borrowed: BorrowedWorker | undefined
  const client = createClient(listChoices(), timers)
  const tasks = createTasks(client, timers)
  const calls = createCalls({ tasks, network, files: createFiles(wx) })

  function listChoices(): HostChoice[] {
    const choices: HostChoice[] = []
    if (typeof worker === 'string') {
      choices.push(ownWorker(() => wx.createWorker(worker, { useExperimentalWorker }) as WechatWorker, host))
    } else if (worker !== undefined) {
      borrowed = borrowWorker(worker, host)
      choices.push(borrowed)
    }
    if (inline) choices.push(inlineBroker(inline, host))
    return choices
  }

  function createGuide(): SignInGuide | undefined {
    if (onSignInRequired) return { lead: onSignInRequired, stop() {} }
    if (signInPage === undefined) return undefined
    return createSignInPage(signInPage, { wx, timers, currentRoute: () => getCurrentPages().slice(-1)[0]?.route })
  }

  /** A call that shows that the user must sign in leads them there. */
  function guided<Parameters extends readonly unknown[], Result>(
    call: (...parameters: Parameters) => Promise<Result>,
  ): (...parameters: Parameters) => Promise<Result> {
    return async (...parameters) => {
      try {
        return await call(...parameters)
      } catch (error) {
        if (isLingpaiError(error) && error.code === 'sign_in_required') guide?.lead()
        throw error
      }
    }
  }

  let previous = client.getSnapshot()
  const stopWatching = client.subscribe(() => {
    const snapshot = client.getSnapshot()
    const hasEnded = previous.status === 'signed-in' && snapshot.status === 'signed-out'
    if (snapshot.status === 'signed-in') guide?.stop()
    // Whoever signs out knows where to go next.
    else if (hasEnded && UNWANTED_ENDS.includes(snapshot.reason)) guide?.lead()
    if (snapshot.status !== 'connecting') previous = snapshot
  })
  const onShow = () => client.resume()
  const onNetwork = ({ isConnected }: { readonly isConnected: boolean }) => {
    if (isConnected) client.resume()
  }
  wx.onAppShow(onShow)
  wx.onNetworkStatusChange(onNetwork)

  const deadline = { deadline: CONTROL_DEADLINE }
  return Object.freeze({
    request: guided(calls.request) as WechatRequest,
    uploadFile: guided(calls.uploadFile) as UploadFile,
    downloadFile: guided(calls.downloadFile),
    signIn: (input) => client.call('signIn', [input]),
    async signOut(choice) {
      await client.call('signOut', [choice?.everywhere === true], deadline)
    },
    adopt: (tokens) => client.call('adopt', [tokens], deadline),
    getAccessToken: guided(() => client.call('getAccessToken', [], deadline)),
    getSnapshot: client.getSnapshot,
    subscribe: client.subscribe,
    explain: () => client.call('explain', [], deadline),
    handleMessage: (message) => borrowed?.handleMessage(message) ?? false,
    replaceWorker(next) {
      if (borrowed === undefined)
        throw invalidCall('replaceWorker is for an app that passed its own worker to connect()')
      borrowed.replace(next)
    },
    close() {
      stopWatching()
      guide?.stop()
      wx.offAppShow?.(onShow)
      wx.offNetworkStatusChange?.(onNetwork as () => void)
      client.close()
    },
  } satisfies WechatSession<SignInInputOf<B>>)
}

/** The base library's version. */
function readSdkVersion(): string {
  const info = typeof wx.getAppBaseInfo === 'function' ? wx.getAppBaseInfo() : wx.getSystemInfoSync()
  return typeof info?.SDKVersion === 'string' ? info.SDKVersion : '0'
}

function invalidConfig(why: string): LingpaiError {
  return new LingpaiError('invalid_config', `connect(): ${why}.`)
}

function invalidCall(why: string): LingpaiError {
  return new LingpaiError('invalid_call', `${why}.`)
}
