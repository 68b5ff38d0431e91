import { type Code, type Envelope, isSuccess } from '../../src/protocol/envelope.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import { isRecord } from '../../src/protocol/records.ts'
import type { ApiOptions } from '../host/options.ts'
import { createScript, type Fault } from './faults.ts'
import type { Log, TestLogEntry } from './log.ts'
import type { Answer, Exchange, TestRequest } from './network.ts'
import { toJson } from './oauth-calls.ts'
import type { TokenRegister } from './token-register.ts'

/** A request whose token the API has accepted. */
export interface ApiRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
  readonly body: string
  /** The user of its token; undefined if a public path got no token. */
  readonly user: string | undefined
}

/** The response of an API: any JSON, or a function that makes it from the request. */
export type ApiAnswer = unknown | ((request: ApiRequest) => unknown)

/** All APIs of the session. They check the token of every request, and answer what the test sets, or an echo. */
export interface TestApi {
  /**
   * Sets the response of a path, with status 200 and in the API's envelope if it has one. Default: an echo,
   * `{method, path, user, body}`. With `public`, requests need no token.
   */
  answer(path: string, answer: ApiAnswer, options?: { readonly public?: boolean }): void
  /** Makes the next request fail. A second call is for the request after that. */
  next(fault: Fault): void
  /** Makes every request fail until `recover()`, except those that `next` has a fault for. */
  every(fault: Fault): void
  /** Removes all faults. Answers stay. */
  recover(): void
  /** Requests to the APIs, in the order of arrival. */
  readonly requests: readonly TestLogEntry[]
}

export function createApi(apis: readonly ApiOptions[], register: TokenRegister, log: Log) {
  const script = createScript(['request'], false)
  const answers = new Map<string, { answer: ApiAnswer; isPublic: boolean }>()

  function find({ origin, pathname }: URL): ApiOptions | undefined {
    return apis.find((api) => {
      const prefix = (api.pathPrefix ?? '/').replace(/\/$/, '')
      return api.origin.replace(/\/$/, '') === origin && (pathname === prefix || pathname.startsWith(`${prefix}/`))
    })
  }

  async function act(api: ApiOptions, request: TestRequest, user: string | undefined): Promise<Answer> {
    const { url, method, headers, body } = request
    const { envelope } = api
    const path = answers.get(url.pathname)
    if (user === undefined && !path?.isPublic) {
      const refused = envelope
        ? wrap(envelope, envelope.expired[0] ?? 401, 'token refused', null)
        : { error: 'invalid_token' }
      const answer = toJson(401, refused)
      return { ...answer, headers: { ...answer.headers, 'www-authenticate': 'Bearer error="invalid_token"' } }
    }
    const answer = path ? path.answer : { method, path: url.pathname, user, body }
    const payload = typeof answer === 'function' ? await answer({ method, url, headers, body, user }) : answer
    if (envelope === undefined) return toJson(200, payload ?? null)
    return toJson(200, wrap(envelope, toSuccessCode(envelope), '', payload ?? null))
  }

  const api: TestApi = {
    answer(path, answer, { public: isPublic = false } = {}) {
      if (!path.startsWith('/') || /[?#]/.test(path)) {
        throw new LingpaiError(
          'invalid_call',
          `lingpai/testing: api.answer() takes a path such as "/orders", without origin and query, and not ${JSON.stringify(path)}.`,
        )
      }
      answers.set(path, { answer, isPublic })
    },
    next: script.next.request,
    every: script.every.request,
    recover: script.recover,
    get requests() {
      return log.entries.filter(({ to }) => to === 'API')
    },
  }

  return {
    api,
    receive(request: TestRequest): Exchange | undefined {
      const found = find(request.url)
      if (found === undefined) return undefined
      const token = readToken(found, request.headers)
      const user = register.verify(token)
      return {
        to: 'API',
        kind: 'call',
        token: register.labelOf(token),
        user: register.userOf(token),
        fault: script.take('request'),
        act: () => act(found, request, user),
      }
    },
  }
}

function readToken({ attach }: ApiOptions, headers: Headers): string | undefined {
  if (attach?.kind === 'header') return headers.get(attach.name) ?? undefined
  return /^Bearer (.+)$/i.exec(headers.get('authorization') ?? '')?.[1]
}

/** A code that means success. A test of the app's own is tried with the usual codes. */
function toSuccessCode(envelope: Envelope): Code {
  if (typeof envelope.success !== 'function') return envelope.success[0] ?? 0
  return [0, 200, '0', '200', 'ok', 'success', true].find((code) => isSuccess(envelope, code)) ?? 0
}

/** A body with code, message and payload at the envelope's places. */
function wrap({ code, message, data }: Envelope, apiCode: Code, text: string, payload: unknown): unknown {
  const isWhole = data === '' || typeof data === 'function'
  const body: Record<string, unknown> = isWhole && isRecord(payload) ? { ...payload } : {}
  const set = (path: string, value: unknown) => {
    const names = path.split('.')
    const last = names.pop() as string
    let place = body
    for (const name of names) {
      place[name] ??= {}
      place = place[name] as Record<string, unknown>
    }
    place[last] = value
  }
  if (code !== '') set(code, apiCode)
  if (message[0] !== undefined) set(message[0], text)
  if (typeof data === 'string' && data !== '') set(data, payload)
  return isWhole && code === '' ? payload : body
}
