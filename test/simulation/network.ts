import type { Scheduler, Thread } from './scheduler.ts'

/** What becomes of one exchange. Times are milliseconds. */
export interface NetworkFate {
  readonly there: number
  readonly back: number
  /** `lost`: it never arrives; `silent`: it arrives, and its answer does not; each with or without an error. */
  readonly request: 'arrives' | 'lost' | 'lost without a word'
  readonly answer: 'arrives' | 'lost' | 'lost without a word'
  /** Given by something between the client and the server, before the server has seen it, or after. */
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

/** Follows one request: what the server does, and what its sender hears. */
export interface Exchange {
  serve(): ServerAnswer
  onAnswer?(answer: ServerAnswer): void
  onFailure?(): void
}

export interface NetworkOptions {
  readonly scheduler: Scheduler
  open(thread: Thread, request: SentRequest): { readonly fate: NetworkFate; readonly exchange: Exchange }
}

/** What takes longer on its way is still with its sender. */
const MAX_SEND = 100

/** `fetch` for each worker. What is told here of a request that was aborted before it arrived: it never does. */
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
          // Nor does what a worker was still sending when it died.
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

/** As much of a Response as is read by the library; the platform's own costs more than all the rest of a step. */
/** Node's own `Headers` would not do in a thread that has no FinalizationRegistry. */
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
