import { CONTROL_DEADLINE, createClient } from '../client/client.ts'
import type { HostCandidate } from '../connect/host.ts'
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
import type { Broker } from '../protocol/broker.ts'
import { invalidConfigOf, isLingpaiError, LingpaiError } from '../protocol/errors.ts'
import { checkOptionNames } from '../protocol/option-names.ts'
import type { Snapshot } from '../protocol/snapshot.ts'
import { createAppThreadServices, type ServiceParts, serviceChecks } from './app-thread-services.ts'
import { createCalls } from './calls.ts'
import { createFiles } from './files.ts'
import { createGrantRequests } from './grant-requests.ts'
import { createLogin } from './login.ts'
import type { UploadFile, WechatOptions, WechatRequest, WechatSession } from './mini-program-session.ts'
import { createNetwork } from './network.ts'
import { createSignInPage, type SignInNavigation } from './sign-in-page.ts'
import { createStorage } from './storage.ts'
import { createTasks } from './tasks.ts'

export type { WechatWorker } from '../connect/wechat.ts'
export { AbortController } from '../protocol/abort-controller.ts'
export type { Broker } from '../protocol/broker.ts'
export type { CancelSignal } from '../protocol/cancel-signal.ts'
export type { Endpoint } from '../protocol/endpoint.ts'
export {
  isLingpaiError,
  LingpaiError,
  type LingpaiErrorCode,
  type LingpaiErrorFields,
  type LingpaiErrorLike,
} from '../protocol/errors.ts'
export type {
  CallEntry,
  ExplainOptions,
  HistoryEntry,
  PageEntry,
  RefreshEntry,
  SessionEntry,
} from '../protocol/history.ts'
export type { ReceivedTokens } from '../protocol/received-tokens.ts'
export type { Mode, Snapshot, User } from '../protocol/snapshot.ts'
export type {
  DownloadedFile,
  DownloadFile,
  DownloadOptions,
  DownloadProgress,
  RequestOptions,
  SignInPageOptions,
  UploadFile,
  UploadOptions,
  UploadProgress,
  WechatLoginInput,
  WechatOptions,
  WechatRequest,
  WechatSession,
} from './mini-program-session.ts'

const invalidConfig = /* @__PURE__ */ invalidConfigOf('connect()')

/** The snapshot's reasons for a session that ended although the user did not sign out. */
const UNWANTED_ENDS: readonly unknown[] = [
  'refresh_rejected',
  'refresh_answer_lost',
  'subject_changed',
  'session_too_old',
  'worker_lost',
]

type SignInInputOf<B> = B extends Broker<infer Input> ? Input : unknown

/**
 * Connects the app thread of a mini program to the worker that keeps the session. Call it once, in app.js. Returns at once;
 * if the connection fails later, the calls reject.
 *
 * @throws LingpaiError `invalid_config`
 */
export function connect<B extends Broker<never> | Broker = Broker>(
  options: WechatOptions,
): WechatSession<SignInInputOf<B>> {
  const { wechat, inline } = options ?? {}
  if (typeof wechat !== 'object' || wechat === null) throw invalidConfig('pass {wechat: {worker}}')
  checkOptionNames(options, 'wechat inline', invalidConfig)
  checkOptionNames(wechat, 'worker useExperimentalWorker signInPage onSignInRequired', invalidConfig, 'wechat.')
  const { worker, useExperimentalWorker = false, signInPage, onSignInRequired } = wechat
  if (worker === undefined && inline === undefined) throw invalidConfig('wechat.worker is missing')
  const isPath = typeof worker === 'string' && /^[^./]/.test(worker)
  if (worker !== undefined && !isPath && typeof (worker as Partial<WechatWorker> | null)?.postMessage !== 'function')
    throw invalidConfig(
      'wechat.worker must be a path such as "workers/token.js" without a leading slash or dot, or a worker of wx.createWorker()',
    )
  if (onSignInRequired !== undefined && typeof onSignInRequired !== 'function')
    throw invalidConfig('wechat.onSignInRequired must be a function')
  const timers = createAwakeTimers(platformTimers, Date.now)
  const network = createNetwork(wx)
  const storage = createStorage(wx, readSdkVersion(), timers)
  const login = createLogin(wx, timers, Date.now)
  const signInNavigation = createSignInNavigation()

  const services: ServiceParts = {
    requests: createGrantRequests(network),
    storage,
    login,
    // Created later, since they need the client: it connects at once, to a worker that may call these.
    tasks: { sendTask: (order) => tasks.sendTask(order), awaitTask: (name) => tasks.awaitTask(name) },
  }
  const host: WechatHost = {
    timers,
    now: Date.now,
    checks: serviceChecks,
    createAppThreadServices: (connection) => createAppThreadServices(services, connection),
  }
  let borrowed: BorrowedWorker | undefined
  const client = createClient(listHosts(), timers)
  const tasks = createTasks(client, timers)
  const calls = createCalls({ tasks, network, files: createFiles(wx) })

  function listHosts(): HostCandidate[] {
    const hosts: HostCandidate[] = []
    if (typeof worker === 'string') {
      hosts.push(ownWorker(() => wx.createWorker(worker, { useExperimentalWorker }) as WechatWorker, host))
    } else if (worker !== undefined) {
      borrowed = borrowWorker(worker, host)
      hosts.push(borrowed)
    }
    if (inline) hosts.push(inlineBroker(inline, host))
    return hosts
  }

  function createSignInNavigation(): SignInNavigation | undefined {
    if (onSignInRequired) return { navigate: onSignInRequired, cancel: () => false }
    if (signInPage === undefined) return undefined
    return createSignInPage(signInPage, { wx, timers, currentRoute: () => getCurrentPages().slice(-1)[0]?.route })
  }

  /** Opens the sign-in page if the call shows that the user must sign in. */
  function withSignInPage<Parameters extends readonly unknown[], Result>(
    call: (...parameters: Parameters) => Promise<Result>,
  ): (...parameters: Parameters) => Promise<Result> {
    return async (...parameters) => {
      try {
        return await call(...parameters)
      } catch (error) {
        if (mustSignIn(error)) openSignInPage()
        throw error
      }
    }
  }

  /** An error without a status comes from the worker: if a user is signed in now, the call belonged to an earlier user. */
  function mustSignIn(error: unknown): boolean {
    if (!isLingpaiError(error) || error.code !== 'sign_in_required') return false
    return error.status !== undefined || client.getSnapshot().status !== 'signed-in'
  }

  /** Whether the user must sign in if the sign-in in flight fails. */
  let isPending = false

  function openSignInPage(): void {
    isPending = client.getSnapshot().status === 'signing-in'
    if (!isPending) signInNavigation?.navigate()
  }

  let reported: string | undefined
  let previous = client.getSnapshot()
  const stopWatching = client.subscribe(() => {
    const snapshot = client.getSnapshot()
    report(snapshot.reason)
    const hasEnded = previous.status === 'signed-in' && snapshot.status === 'signed-out'
    if (isSignedIn(snapshot)) {
      isPending = false
      signInNavigation?.cancel()
    } else if (snapshot.status === 'signing-in') isPending = signInNavigation?.cancel() || isPending
    // After a sign-out, the app itself decides which page comes next.
    else if ((hasEnded && UNWANTED_ENDS.includes(snapshot.reason)) || (isPending && snapshot.status === 'signed-out'))
      openSignInPage()
    if (snapshot.status !== 'connecting') previous = snapshot
  })

  /** False if an API requires a new sign-in: the session goes on, but the sign-in page must still open. */
  function isSignedIn({ status, reason }: Snapshot): boolean {
    return status === 'signed-in' && reason !== 'sign_in_required'
  }

  /** Logs why the app's own worker does not answer. */
  function report(reason: string | undefined): void {
    if (reason === reported) return
    reported = reason
    if (reason === 'blocked' && borrowed !== undefined) {
      console.warn(
        "lingpai: the app's own worker does not answer. Pass every message on: in the worker to the handleMessage that serve({ownDispatcher: true}) returned, on the app thread to session.handleMessage.",
      )
    }
  }

  const onShow = () => client.resume()
  const onNetwork = ({ isConnected }: { readonly isConnected: boolean }) => {
    if (isConnected) client.resume()
  }
  wx.onAppShow(onShow)
  wx.onNetworkStatusChange(onNetwork)

  const deadline = { deadline: CONTROL_DEADLINE }
  return Object.freeze({
    request: withSignInPage(calls.request) as WechatRequest,
    uploadFile: withSignInPage(calls.uploadFile) as UploadFile,
    downloadFile: withSignInPage(calls.downloadFile),
    signIn: (input) => client.call('signIn', [input]),
    async signOut(choice) {
      await client.call('signOut', [choice?.everywhere === true], deadline)
    },
    adopt: (tokens) => client.call('adopt', [tokens], deadline),
    getAccessToken: withSignInPage(() => client.call('getAccessToken', [], deadline)),
    getSnapshot: client.getSnapshot,
    ready: client.ready,
    subscribe: client.subscribe,
    explain: (part = {}) => client.call('explain', [part], deadline),
    handleMessage: (message) => borrowed?.handleMessage(message) ?? false,
    replaceWorker(next) {
      if (borrowed === undefined) throw invalidCall('replaceWorker needs a worker that the app passed to connect()')
      borrowed.replace(next)
    },
    close() {
      stopWatching()
      signInNavigation?.cancel()
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

function invalidCall(why: string): LingpaiError {
  return new LingpaiError('invalid_call', `${why}.`)
}
