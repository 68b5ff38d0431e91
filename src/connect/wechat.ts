import { expose } from 'comlink'
import type { AppThreadTable } from '../protocol/app-thread.ts'
import type { Timers } from '../protocol/awake-timers.ts'
import { createPageChannel, isChannelMessage } from '../protocol/channel.ts'
import type { Endpoint } from '../protocol/endpoint.ts'
import { type GuardOptions, guard } from '../protocol/guard.ts'
import { encodeThrownErrors } from '../protocol/throw-handler.ts'
import type { HostCandidate, HostPort } from './host.ts'

/** A worker of `wx.createWorker`, as far as lingpai uses it. */
export interface WechatWorker {
  postMessage(message: object): void
  onMessage(listener: (message: unknown) => void): void
  terminate(): void
  /** The system has taken the worker back. Only an experimental worker of iOS tells it. */
  onProcessKilled?(listener: () => void): void
  /** A script error in the worker. Newer base libraries have it. */
  onError?(listener: (error: unknown) => void): void
}

/** What the app thread does for a worker, over one connection. */
export interface Services {
  readonly table: AppThreadTable
  abort(call: string): void
}

export interface WechatConnectionHost {
  readonly timers: Timers
  now(): number
  readonly checks: GuardOptions['checks']
  /** Services for the next connection. */
  createAppThreadServices(connection: number): Services
}

/** A worker that dies sooner than this has perhaps died of its own script. */
const SHORT_LIFE = 10_000
/** Shorter than a call's deadline, so that the call is told what became of the worker. */
const MAX_PAUSE = 20_000

let connections = 0

/** The worker that lingpai creates, and creates anew when it is lost. There may be one at a time in a mini program. */
export function ownWorker(createWorker: () => WechatWorker, host: WechatConnectionHost): HostCandidate {
  let startedAt = Number.NEGATIVE_INFINITY
  let shortLives = 0

  /** A script that fails again and again must not keep the phone busy. */
  function pauseBeforeStart(): number {
    shortLives = host.now() - startedAt < SHORT_LIFE ? shortLives + 1 : 0
    return shortLives < 2 ? 0 : Math.min(1000 * 2 ** (shortLives - 2), MAX_PAUSE)
  }

  return {
    mode: 'wechat',
    onSilence: 'give up',
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
        // Once for each worker: nobody knows whether a second listener is added, or takes the first one's place.
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
          // One that the system has ended cannot be ended again.
        }
      })
      return started ? { ...port, started } : port
    },
  }
}

/** A worker that the app owns: its dispatcher passes messages on, and nothing of it is listened to or ended here. */
export interface BorrowedWorker extends HostCandidate {
  /** Goes on with another worker, where the app has started it anew. */
  replace(worker: Pick<WechatWorker, 'postMessage'>): void
  handleMessage(message: unknown): boolean
}

export function borrowWorker(first: Pick<WechatWorker, 'postMessage'>, host: WechatConnectionHost): BorrowedWorker {
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

/** The broker on this thread. Made once: another one would be a second broker. */
export function inlineBroker(createEndpoint: () => Endpoint, host: WechatConnectionHost): HostCandidate {
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

/** One connection to a broker: its calls, and the services that it may ask for. */
function openLink(post: (message: object) => void, host: WechatConnectionHost) {
  encodeThrownErrors()
  connections += 1
  const services = host.createAppThreadServices(connections)
  let rejectFailure: (error: Error) => void = () => {}
  const failure = new Promise<never>((_resolve, reject) => {
    rejectFailure = reject
  })
  // Only those who start a worker look at it; a loss later in its life is told to the listener.
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
    // What a lost worker still says is not listened to: its tasks are its successor's now, which sends them. It may hold a
    // token, so it is no message for the app's own dispatcher either.
    handleMessage: (message: unknown) => (isOpen ? channel.handleMessage(message) : isChannelMessage(message)),
    /** The worker was taken away. */
    lose,
    /** The worker, or what starts it, has failed of itself. */
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

/** WeChat's documents show an error as `{error: {message}}`, and phones may differ. */
function messageOf(thrown: unknown): string {
  const error = (thrown as { error?: unknown } | undefined)?.error ?? thrown
  const message = (error as { message?: unknown } | undefined)?.message
  return typeof message === 'string' ? shorten(message) : 'its script has failed'
}

/** Engines quote the source in their messages, and an error of ours ends with a link of its own. */
function shorten(message: string): string {
  const [line = ''] = message.split('\n')
  return line
    .replace(/\.? \(In '.*/, '')
    .slice(0, 300)
    .replace(/ \(lingpai\/docs\/errors\.md#\w+\)$/, '')
    .replace(/\.$/, '')
}

/** What `wx.createWorker` says of itself helps little. */
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
