import { expose } from 'comlink'
import type { AppThreadTable } from '../protocol/app-thread.ts'
import type { Timers } from '../protocol/awake-timers.ts'
import { createPageChannel, isChannelMessage } from '../protocol/channel.ts'
import type { Endpoint } from '../protocol/endpoint.ts'
import { type GuardOptions, guard } from '../protocol/guard.ts'
import { encodeThrownErrors } from '../protocol/throw-handler.ts'
import type { HostCandidate, HostPort } from './host.ts'

/** The part of a worker of `wx.createWorker` that lingpai uses. */
export interface WechatWorker {
  postMessage(message: object): void
  onMessage(listener: (message: unknown) => void): void
  terminate(): void
  /** The system has ended the worker. Only the experimental worker of iOS has it. */
  onProcessKilled?(listener: () => void): void
  /** A script error in the worker. Only newer base libraries have it. */
  onError?(listener: (error: unknown) => void): void
}

/** The app thread's methods for the worker of one connection. */
export interface AppThreadServices {
  readonly table: AppThreadTable
  abort(call: string): void
}

/** What this file needs from the entry point. */
export interface WechatHost {
  readonly timers: Timers
  now(): number
  readonly checks: GuardOptions['checks']
  /** Creates the services for the next connection. */
  createAppThreadServices(connection: number): AppThreadServices
}

/** In milliseconds. If a worker dies sooner, its own script may be the cause. */
const SHORT_LIFE = 10_000
/** In milliseconds. Shorter than a call's deadline, so that the call rejects with the worker's failure. */
const MAX_PAUSE = 20_000

let connections = 0

/** A worker that lingpai creates, and creates again when it is lost. A mini program may have only one at a time. */
export function ownWorker(createWorker: () => WechatWorker, host: WechatHost): HostCandidate {
  let startedAt = Number.NEGATIVE_INFINITY
  let shortLives = 0

  /** Backs off, so that a script that fails at every start does not drain the phone. */
  function pauseBeforeStart(): number {
    shortLives = host.now() - startedAt < SHORT_LIFE ? shortLives + 1 : 0
    return shortLives < 2 ? 0 : Math.min(1000 * 2 ** (shortLives - 2), MAX_PAUSE)
  }

  return {
    mode: 'wechat',
    onSilence: { giveUp: 'it does not answer. Its script failed, or did not call serve(): see its console' },
    open() {
      let worker: WechatWorker | undefined
      let isClosed = false
      let timer: unknown
      const waiting: object[] = []
      const link = openLink((message) => {
        if (worker) worker.postMessage(message)
        else waiting.push(message)
      }, host)

      function start(): void {
        if (isClosed) return
        startedAt = host.now()
        try {
          worker = createWorker()
        } catch (error) {
          throw new Error(explainRefusal(messageOf(error)))
        }
        // Call it once for each worker: a second listener may be added or may replace the first; WeChat does not document it.
        worker.onMessage((message) => void link.handleMessage(message))
        worker.onProcessKilled?.(link.lose)
        worker.onError?.((error) => link.fail(explainFailure(messageOf(error))))
        for (const message of waiting.splice(0)) worker.postMessage(message)
      }

      function startLater(pause: number): Promise<void> {
        return new Promise((resolve) => {
          timer = host.timers.setTimeout(() => {
            try {
              start()
            } catch (error) {
              link.fail(messageOf(error))
            }
            resolve()
          }, pause)
        })
      }

      const pause = pauseBeforeStart()
      if (pause === 0) start()
      const started = pause === 0 ? undefined : startLater(pause)
      const port = link.toHostPort(() => {
        isClosed = true
        host.timers.clearTimeout(timer)
        try {
          worker?.terminate()
        } catch {
          // The system has already ended it.
        }
      })
      return started ? { ...port, started } : port
    },
  }
}

/** A worker that the app owns. The app passes its messages to `handleMessage`; lingpai adds no listener and never ends it. */
export interface BorrowedWorker extends HostCandidate {
  /** Continues with another worker, which the app has started. */
  replace(worker: Pick<WechatWorker, 'postMessage'>): void
  handleMessage(message: unknown): boolean
}

export function borrowWorker(first: Pick<WechatWorker, 'postMessage'>, host: WechatHost): BorrowedWorker {
  let worker = first
  let link: Link | undefined
  return {
    mode: 'wechat',
    onSilence: 'wait',
    open() {
      link = openLink((message) => worker.postMessage(message), host)
      return link.toHostPort(() => {})
    },
    replace(next) {
      worker = next
      link?.lose()
    },
    handleMessage: (message) => link?.handleMessage(message) ?? false,
  }
}

/** A broker on this thread. Calls `createEndpoint` only once, since a second call would create a second broker. */
export function inlineBroker(createEndpoint: () => Endpoint, host: WechatHost): HostCandidate {
  let endpoint: Endpoint | undefined
  return {
    mode: 'inline',
    onSilence: 'wait',
    open() {
      endpoint ??= createEndpoint()
      const own = endpoint
      const link = openLink((message) => own.postMessage(message), host)
      const listener = ({ data }: { readonly data: unknown }) => void link.handleMessage(data)
      own.addEventListener('message', listener)
      return link.toHostPort(() => own.removeEventListener('message', listener))
    },
  }
}

type Link = ReturnType<typeof openLink>

/** Opens one connection to a broker: the calls to it, and the services for its worker. */
function openLink(post: (message: object) => void, host: WechatHost) {
  encodeThrownErrors()
  connections += 1
  const services = host.createAppThreadServices(connections)
  let rejectFailure: (error: Error) => void = () => {}
  const failure = new Promise<never>((_resolve, reject) => {
    rejectFailure = reject
  })
  // Only the start of a worker awaits it; `onLoss` reports a later loss.
  failure.catch(() => {})
  let onLoss = () => {}
  let isOpen = true

  const lose = () => {
    isOpen = false
    onLoss()
  }
  const postWhileOpen = (message: object) => {
    if (isOpen) post(message)
  }
  const name = `page${connections}-${Math.random().toString(36).slice(2)}`
  const channel = createPageChannel(postWhileOpen, name, lose)
  expose(
    Object.assign(Object.create(null), services.table),
    guard(channel.services, {
      checks: host.checks,
      onNotice: (notice) => {
        if (notice.lingpai === 'abort') services.abort(notice.call)
      },
    }) as never,
  )
  return {
    // Messages of a lost worker are ignored: the next worker has its tasks. They are still claimed as lingpai's, since they may
    // hold a token that must not reach the app's own dispatcher.
    handleMessage: (message: unknown) => (isOpen ? channel.handleMessage(message) : isChannelMessage(message)),
    /** The worker was lost. */
    lose,
    /** The worker, or its start, has failed. */
    fail(why: string): void {
      rejectFailure(new Error(why))
      lose()
    },
    toHostPort: (end: () => void): HostPort => ({
      endpoint: Object.assign(channel.calls, {
        close() {
          isOpen = false
          end()
        },
      }),
      failure,
      onLoss(listener) {
        onLoss = listener
      },
    }),
  }
}

/** WeChat's documents show an error as `{error: {message}}`; phones may differ. */
function messageOf(thrown: unknown): string {
  const error = (thrown as { error?: unknown } | undefined)?.error ?? thrown
  const message = (error as { message?: unknown } | undefined)?.message
  return typeof message === 'string' ? shorten(message) : 'its script failed'
}

/** Removes the source that engines quote, and the link at the end of a LingpaiError, which the new error adds again. */
function shorten(message: string): string {
  const [line = ''] = message.split('\n')
  return line
    .replace(/\.? \(In '.*/, '')
    .slice(0, 300)
    .replace(/ \(lingpai\/docs\/errors\.md#\w+\)$/, '')
    .replace(/\.$/, '')
}

/** Adds the likely cause to the error of `wx.createWorker`. */
function explainRefusal(why: string): string {
  return /\bmax|limit|exceed|concurrent/i.test(why)
    ? `${why}. A mini program may have one worker: call connect() once, in app.js, and pass a worker of the app's own as wechat.worker`
    : `${why}. app.json must have "workers", and wechat.worker must be a file in that folder, such as "workers/token.js"`
}

function explainFailure(why: string): string {
  return /lingpai(\.js)*['"]? is not defined|Cannot find module.*lingpai/i.test(why)
    ? `${why}. "npx lingpai init <folder>" puts lingpai.js beside the worker file, which requires it as "./lingpai.js"`
    : why
}
