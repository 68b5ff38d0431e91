import { LingpaiError } from '../../src/protocol/errors.ts'
import type { ParsedFault, TestAnswer } from './faults.ts'
import type { Log, TestLogEntry } from './log.ts'
import type { VirtualPlatform } from './virtual-platform.ts'
import type { Workload } from './workload.ts'

/** A request as a scripted server sees it. */
export interface TestRequest {
  readonly url: URL
  readonly method: string
  readonly headers: Headers
  readonly body: string
}

/** A request to a scripted server, with its fault and its response. */
export interface Exchange extends Pick<TestLogEntry, 'to' | 'kind'> {
  readonly token?: string | undefined
  readonly user?: string | undefined
  readonly fault: ParsedFault | undefined
  act(): Answer | Promise<Answer>
}

export interface Answer extends TestAnswer {
  /** The OAuth error of the response. */
  readonly error?: string | undefined
}

export interface NetworkOptions {
  readonly platform: VirtualPlatform
  readonly workload: Workload
  readonly log: Log
  readonly latency: number
  /** Sends the requests that no scripted server takes. */
  readonly elsewhere?: typeof fetch | undefined
  /** Finds the scripted server of a request. */
  receive(request: TestRequest): Promise<Exchange | undefined>
}

/** Makes a `fetch` that reaches only the scripted servers. */
export function createNetwork({ platform, workload, log, latency, elsewhere, receive }: NetworkOptions) {
  async function readRequest(input: RequestInfo | URL, init: RequestInit | undefined): Promise<TestRequest> {
    const { method, headers, body } =
      input instanceof Request ? new Request(input.clone(), init) : { method: 'GET', headers: {}, ...init }
    return {
      url: new URL(input instanceof Request ? input.url : String(input)),
      method: method.toUpperCase(),
      headers: new Headers(headers),
      body:
        typeof body === 'string' ? body : body === undefined || body === null ? '' : await new Response(body).text(),
    }
  }

  function pause(milliseconds: number, signal: AbortSignal | null | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer =
        milliseconds === Number.POSITIVE_INFINITY ? undefined : platform.setTimeout(() => resolve(), milliseconds)
      signal?.addEventListener('abort', () => {
        platform.clearTimeout(timer)
        reject(signal.reason)
      })
    })
  }

  async function exchange(request: TestRequest, taken: Exchange, signal: AbortSignal | null | undefined) {
    const { to, kind, token, user, fault, act } = taken
    const { url, method, body } = request
    const entry = log.add({
      to,
      kind,
      method,
      url: to === 'API' ? url.href : url.origin + url.pathname,
      ...(token !== undefined && { token }),
      ...(user !== undefined && { user }),
      ...(to === 'API' && body !== '' && { body }),
    })
    try {
      // Before any delay: the server acts when the request arrives, even if its response is late.
      const acts =
        fault?.lose === 'answer' || (fault?.lose === undefined && !fault?.hang && fault?.answer === undefined)
      const own = acts ? await workload.run(act) : undefined
      const delay = fault?.hang ? Number.POSITIVE_INFINITY : latency + (fault?.delay ?? 0)
      if (delay > 0) await pause(delay, signal)
      const answer: Answer | undefined = fault?.answer ?? (fault?.lose === undefined ? own : undefined)
      if (answer === undefined) {
        entry.end('lost')
        throw new TypeError('fetch failed')
      }
      entry.end(answer.status, answer.error)
      return toResponse(answer, url)
    } catch (error) {
      if (signal?.aborted) entry.end('aborted')
      throw error
    } finally {
      workload.note()
    }
  }

  function refuse(request: TestRequest): never {
    const { href } = request.url
    log.add({ to: 'elsewhere', kind: 'call', method: request.method, url: href }).end('refused')
    throw new LingpaiError(
      'network_error',
      `lingpai/testing: nothing answers ${request.method} ${href}. Add its origin to apis. For other servers, pass fetch to startTestSession().`,
    )
  }

  return {
    async fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
      const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined)
      workload.note()
      if (signal?.aborted) throw signal.reason
      const request = await workload.run(() => readRequest(input, init))
      const taken = await workload.run(() => receive(request))
      if (taken !== undefined) return exchange(request, taken, signal)
      return elsewhere ? elsewhere(input, init) : refuse(request)
    },
  }
}

function toResponse({ status, headers, body }: TestAnswer, url: URL): Response {
  const hasBody = ![204, 205, 304].includes(status)
  const response = new Response(hasBody ? body : null, { status, headers })
  // The constructor of Response cannot set the URL.
  return Object.defineProperty(response, 'url', { value: url.href })
}
