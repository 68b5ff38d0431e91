import type { Scheduler, Thread } from './scheduler.ts'

/** The course of one exchange. Times are in milliseconds. */
export interface NetworkFate {
  readonly there: number
  readonly back: number
  /** `lost`: the request never arrives. `silent`: it arrives, but its response does not. Each with or without an error. */
  readonly request: 'arrives' | 'lost' | 'lost without a word'
  readonly answer: 'arrives' | 'lost' | 'lost without a word'
  /** The response of an intermediary, before or after the server has processed the request. */
  readonly instead?: { readonly answer: ServerAnswer; readonly isProcessed: boolean }
}

export interface ServerAnswer {
  readonly status: number
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface SentRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The events of one request: at the server, and at its sender. */
export interface Exchange {
  serve(): ServerAnswer
  onAnswer?(answer: ServerAnswer): void
  onFailure?(): void
}

export interface NetworkOptions {
  readonly scheduler: Scheduler
  open(thread: Thread, request: SentRequest): { readonly fate: NetworkFate; readonly exchange: Exchange }
}

/** A request that takes longer has not left its sender yet. */
const MAX_SEND = 100

/** `fetch` for each worker. A request that is aborted before its arrival never arrives. */
export function createNetwork({ scheduler, open }: NetworkOptions) {
  const underWay = new Set<() => void>()

  function fetchOf(thread: Thread) {
    return (url: string, init: RequestInit): Promise<Response> => {
      const request = {
        url,
        headers: readHeaders(init.headers),
        body: typeof init.body === 'string' ? init.body : '',
      }
      const { fate, exchange } = open(thread, request)
      const signal = init.signal ?? undefined
      return new Promise((resolve, reject) => {
        let isOver = false
        const end = (settle: () => void) => {
          if (isOver) return
          isOver = true
          underWay.delete(breakOff)
          settle()
        }
        const fail = () =>
          end(() => {
            exchange.onFailure?.()
            reject(new TypeError('Failed to fetch'))
          })
        const breakOff = () => scheduler.schedule(1, thread, fail)
        underWay.add(breakOff)
        signal?.addEventListener('abort', () =>
          end(() => {
            exchange.onFailure?.()
            reject(signal.reason)
          }),
        )
        scheduler.schedule(fate.there, undefined, () => {
          // A request that a worker was still sending when it died does not arrive either.
          const isCutOff = isOver || (thread.state === 'dead' && fate.there > MAX_SEND)
          if (isCutOff || fate.request !== 'arrives') {
            if (fate.request !== 'lost without a word') scheduler.schedule(fate.back, thread, fail)
            return
          }
          const { instead } = fate
          const served = instead === undefined || instead.isProcessed ? exchange.serve() : instead.answer
          const answer = instead?.answer ?? served
          if (fate.answer === 'lost without a word') return
          scheduler.schedule(fate.back, thread, () => {
            if (fate.answer === 'lost') return fail()
            end(() => {
              exchange.onAnswer?.(answer)
              resolve(toResponse(url, answer))
            })
          })
        })
      })
    }
  }

  return {
    fetchOf,
    /** The connections break, as they do when the machine goes to sleep. */
    breakConnections(): void {
      for (const breakOff of [...underWay]) breakOff()
    },
  }
}

/** The parts of a Response that the library reads. The platform's own costs more than the rest of a step. */
/** Node's own `Headers` does not work in a thread without FinalizationRegistry. */
function readHeaders(headers: HeadersInit = {}): Readonly<Record<string, string>> {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers)
  return Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value]))
}

function toResponse(url: string, { status, body, headers = {} }: ServerAnswer): Response {
  return {
    url,
    status,
    statusText: '',
    type: 'cors',
    redirected: false,
    headers: new Map(Object.entries(headers)),
    body: null,
    text: async () => body,
  } as unknown as Response
}
