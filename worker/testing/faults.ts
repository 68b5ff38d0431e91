import { LingpaiError } from '../../src/protocol/errors.ts'
import { type Duration, toMilliseconds } from './duration.ts'

/** The fault of one request. Fields that contradict each other are `invalid_call`. */
export interface Fault {
  /** Delays the response. The server still acts when the request arrives. */
  readonly delay?: Duration
  /** Never answers. The server acts only with `lose: 'answer'`. */
  readonly hang?: true
  /**
   * `request`: the network fails before the request arrives. `answer`: the server acts, but its response does not arrive.
   * With `status`, an intermediary answers that status instead.
   */
  readonly lose?: 'request' | 'answer'
  /** Answers this status, and the server does not act. */
  readonly status?: number
  /** `Retry-After`, in whole seconds as sent (RFC 9110 §10.2.3). Goes with `status`. */
  readonly retryAfter?: Duration
  /** Headers of the response that `status`, `body` or `html` describes. */
  readonly headers?: Readonly<Record<string, string>>
  /** Answers this body, an object as JSON; default status 200. The server does not act. */
  readonly body?: string | object
  /** Answers a page of HTML, as captive portals and proxies do; default status 200. The server does not act. */
  readonly html?: string
}

/** What goes wrong with one request to the authorization server. */
export interface TokenFault extends Fault {
  /** Answers an OAuth error such as `invalid_grant` or `invalid_client` (RFC 6749 §5.2). */
  readonly reject?: string
  /** Answers with tokens of another user. */
  readonly user?: string
  /** The `expires_in` of the response, in seconds (RFC 6749 §5.1). It does not change when the token expires. */
  readonly expiresIn?: number
}

const FIELDS = ['delay', 'hang', 'lose', 'status', 'retryAfter', 'headers', 'body', 'html']
const TOKEN_FIELDS = [...FIELDS, 'reject', 'user', 'expiresIn']
/** At most one of these may describe the response. */
const ANSWERS = ['body', 'html', 'reject', 'user']

/** A fault after its check. Times are milliseconds. */
export interface ParsedFault extends Omit<TokenFault, 'delay'> {
  readonly delay: number
  /** The response that replaces the server's own. */
  readonly answer: TestAnswer | undefined
}

/** An HTTP response of a scripted server. */
export interface TestAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** @throws LingpaiError `invalid_call` */
function parseFault(what: string, fault: TokenFault, isTokenFault: boolean): ParsedFault {
  if (typeof fault !== 'object' || fault === null) throw invalid(what, 'pass an object such as {status: 503}')
  const allowed = isTokenFault ? TOKEN_FIELDS : FIELDS
  const given = Object.keys(fault)
  for (const name of given)
    if (!allowed.includes(name)) throw invalid(what, `there is no "${name}". Fields are ${allowed.join(', ')}`)
  const { delay = 0, hang, lose, status, retryAfter, headers, reject } = fault
  const milliseconds = toMilliseconds(delay, `${what} delay`)
  if (milliseconds < 0) throw invalid(what, 'delay must not be negative')
  if (lose !== undefined && lose !== 'request' && lose !== 'answer')
    throw invalid(what, 'lose must be "request" or "answer"')
  if (status !== undefined && !(Number.isInteger(status) && status >= 200 && status <= 599))
    throw invalid(what, 'status must be an HTTP status from 200 to 599')
  const described = given.filter((name) => ANSWERS.includes(name))
  if (described.length > 1) throw invalid(what, `${described.join(' and ')} are different answers: choose one`)
  const answer = toAnswer(what, fault)
  if (answer === undefined && (retryAfter !== undefined || headers !== undefined))
    throw invalid(what, 'retryAfter and headers go with status, body or html')
  if (answer !== undefined && (reject !== undefined || fault.user !== undefined || fault.expiresIn !== undefined))
    throw invalid(what, 'reject, user and expiresIn change the response of the server itself: leave status out')
  if ((hang || lose === 'request') && (described.length > 0 || answer !== undefined))
    throw invalid(what, 'no response would arrive: do not combine hang or lose: "request" with one')
  return { ...fault, delay: milliseconds, answer }
}

function toAnswer(what: string, { status, retryAfter, headers, body, html }: TokenFault): TestAnswer | undefined {
  if (status === undefined && body === undefined && html === undefined) return undefined
  const isJson = typeof body === 'object'
  const type = html !== undefined ? 'text/html' : isJson ? 'application/json' : 'text/plain'
  const seconds =
    retryAfter === undefined ? undefined : Math.ceil(toMilliseconds(retryAfter, `${what} retryAfter`) / 1000)
  return {
    status: status ?? 200,
    headers: {
      'content-type': type,
      ...(seconds !== undefined && { 'retry-after': String(seconds) }),
      ...headers,
    },
    body: html ?? (typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body)),
  }
}

/** The faults of future requests: `next` is for one request, `every` for all until `recover`. */
export function createScript<Kind extends string>(kinds: readonly Kind[], isTokenFault: boolean) {
  const once = new Map<Kind, ParsedFault[]>()
  const lasting = new Map<Kind, ParsedFault>()
  const forEachKind = <T>(make: (kind: Kind) => T) =>
    Object.fromEntries(kinds.map((kind) => [kind, make(kind)])) as Record<Kind, T>
  return {
    next: forEachKind((kind) => (fault: TokenFault) => {
      once.set(kind, [...(once.get(kind) ?? []), parseFault(`next.${kind}()`, fault, isTokenFault)])
    }),
    every: forEachKind((kind) => (fault: TokenFault) => {
      lasting.set(kind, parseFault(`every.${kind}()`, fault, isTokenFault))
    }),
    recover(): void {
      once.clear()
      lasting.clear()
    },
    take: (kind: Kind): ParsedFault | undefined => once.get(kind)?.shift() ?? lasting.get(kind),
    isScripted: (kind: Kind): boolean => (once.get(kind)?.length ?? 0) > 0 || lasting.has(kind),
  }
}

function invalid(what: string, why: string): LingpaiError {
  return new LingpaiError('invalid_call', `lingpai/testing, ${what}: ${why}.`)
}
