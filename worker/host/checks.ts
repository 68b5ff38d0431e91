import {
  type Checks,
  invalid,
  MAX_URL,
  toCaller,
  toCallId,
  toCount,
  toFlag,
  toHeaderPairs,
  toPlainData,
  toRecord,
  toText,
} from '../../src/protocol/checks.ts'
import { type Hello, PAGE_LOCK } from '../../src/protocol/handshake.ts'
import type { ExplainOptions } from '../../src/protocol/history.ts'
import type { AuthorizeInput, ControlTable, FetchTable } from '../../src/protocol/methods.ts'
import { getOwn } from '../../src/protocol/records.ts'
import type { WireApiRequest, WireForm, WireRequest } from '../../src/protocol/wire.ts'

/** Checks the arguments of each method, field by field. */
export const controlChecks: Checks<ControlTable> = {
  hello: ([hello]) => [toHello(hello)],
  ping: () => [],
  signIn: ([call, input]) => [toCallId(call), toPlainData(input)],
  authorize: ([call, input]) => [toCallId(call), toAuthorizeInput(input)],
  callback: ([call, url]) => [toCallId(call), toText(url, 'url', MAX_URL)],
  signOut: ([everywhere]) => [everywhere === true],
  adopt: ([tokens]) => [toPlainData(tokens)],
  getAccessToken: ([call, caller]) => [toCallId(call), toCaller(caller)],
  explain: ([options]) => [toExplainOptions(options)],
}

export const fetchChecks: Checks<FetchTable> = {
  fetch: ([call, request, caller]) => [toCallId(call), toRequest(request), toCaller(caller)],
  request: ([call, request, caller]) => [toCallId(call), toApiRequest(request), toCaller(caller)],
}

function toHello(value: unknown): Hello {
  const hello = toRecord(value, 'hello')
  const [oldest, newest] = [getOwn(hello, 'oldest'), getOwn(hello, 'newest')]
  const [build, lock] = [getOwn(hello, 'build'), getOwn(hello, 'lock')]
  // An error's text quotes the build.
  const isBuild = typeof build === 'string' && /^[\w.+-]{1,40}$/.test(build)
  if (!Number.isInteger(oldest) || !Number.isInteger(newest) || !isBuild) throw invalid('hello has no valid versions')
  if (lock !== undefined && !isPageLock(lock)) throw invalid("hello.lock is not a page's lock")
  return {
    oldest: oldest as number,
    newest: newest as number,
    build,
    ...(lock !== undefined && { lock }),
  }
}

function isPageLock(name: unknown): name is string {
  return typeof name === 'string' && name.startsWith(PAGE_LOCK) && name.length < 100
}

function toExplainOptions(value: unknown): ExplainOptions {
  if (value === undefined) return {}
  const after = getOwn(toRecord(value, 'options'), 'after')
  return after === undefined ? {} : { after: toCount(after, 'options.after') }
}

const MAX_FIELDS = 10_000
/** The worker keeps it while the user is at the provider. Servers rarely accept longer addresses. In characters. */
const MAX_RETURN_TO = 8192

const CHOICES = {
  credentials: ['omit', 'same-origin', 'include'],
  mode: ['cors', 'no-cors', 'same-origin'],
  cache: ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'],
  redirect: ['follow', 'error', 'manual'],
  priority: ['high', 'low', 'auto'],
} as const

const POLICIES: readonly string[] = [
  'no-referrer',
  'no-referrer-when-downgrade',
  'same-origin',
  'origin',
  'strict-origin',
  'origin-when-cross-origin',
  'strict-origin-when-cross-origin',
  'unsafe-url',
]
const OLD_POLICIES: ReadonlyMap<string, string> = new Map([
  ['never', 'no-referrer'],
  ['default', 'strict-origin-when-cross-origin'],
  ['always', 'unsafe-url'],
  ['origin-when-crossorigin', 'origin-when-cross-origin'],
])

function toRequest(value: unknown): WireRequest {
  const record = toRecord(value, 'request')
  const request: Record<string, unknown> = { ...toRequestHead(record) }
  for (const [name, choices] of Object.entries(CHOICES)) {
    const choice = getOwn(record, name)
    if (choice === undefined) continue
    if (!(choices as readonly unknown[]).includes(choice)) throw invalid(`request.${name} has an unknown value`)
    request[name] = choice
  }
  for (const name of ['integrity', 'referrer', 'referrerPolicy']) {
    const text = getOwn(record, name)
    if (text !== undefined) request[name] = toText(text, `request.${name}`, MAX_URL)
  }
  if (typeof request.referrerPolicy === 'string') request.referrerPolicy = toReferrerPolicy(request.referrerPolicy)
  if (getOwn(record, 'keepalive') !== undefined) request.keepalive = getOwn(record, 'keepalive') === true
  const [body, progress] = [getOwn(record, 'body'), getOwn(record, 'progress')]
  if (body !== undefined) request.body = toBody(body)
  if (progress !== undefined) {
    if (!(progress instanceof MessagePort)) throw invalid('request.progress is not a port')
    request.progress = progress
  }
  return request as unknown as WireRequest
}

/** A `<meta name="referrer">` may use an old name. An unknown one counts as no policy (HTML §4.2.5.2). */
function toReferrerPolicy(text: string): string {
  const name = text.toLowerCase()
  const policy = OLD_POLICIES.get(name) ?? name
  return POLICIES.includes(policy) ? policy : ''
}

function toBody(body: unknown): unknown {
  if (typeof body === 'string' || body instanceof ArrayBuffer || isBlob(body) || isStream(body)) return body
  const form = getOwn(toRecord(body, 'request.body'), 'form')
  if (!Array.isArray(form) || form.length > MAX_FIELDS) throw invalid('request.body has an unknown type')
  return { form: Array.from(form, toField) } satisfies WireForm
}

function toField(field: unknown): readonly [string, unknown] {
  if (!Array.isArray(field) || field.length !== 2 || typeof field[0] !== 'string')
    throw invalid('a field of request.body is not a pair')
  const [name, value] = field
  if (typeof value !== 'string' && !isBlob(value)) throw invalid('a field of request.body is not text or a file')
  return [name, value]
}

function isBlob(value: unknown): boolean {
  return typeof Blob === 'function' && value instanceof Blob
}

function isStream(value: unknown): boolean {
  return typeof ReadableStream === 'function' && value instanceof ReadableStream
}

function toApiRequest(value: unknown): WireApiRequest {
  const record = toRecord(value, 'request')
  const body = getOwn(record, 'body')
  if (body !== undefined && typeof body !== 'string') throw invalid('request.body is not a string')
  const auth = toFlag(getOwn(record, 'auth'), 'request.auth')
  const timeout = getOwn(record, 'timeout')
  if (timeout !== undefined && !(typeof timeout === 'number' && timeout >= 0))
    throw invalid('request.timeout is not milliseconds')
  return {
    ...toRequestHead(record),
    auth,
    ...(body !== undefined && { body }),
    ...(timeout !== undefined && { timeout }),
  }
}

export function toRequestHead(record: object): Pick<WireRequest, 'url' | 'method' | 'headers'> {
  return {
    url: toText(getOwn(record, 'url'), 'request.url', MAX_URL),
    method: toText(getOwn(record, 'method'), 'request.method', 100),
    headers: toHeaderPairs(getOwn(record, 'headers'), 'request.headers'),
  }
}

function toAuthorizeInput(value: unknown): AuthorizeInput {
  const record = toRecord(value, 'input')
  const via = getOwn(record, 'via')
  if (via !== 'redirect' && via !== 'popup') throw invalid('input.via must be "redirect" or "popup"')
  const returnTo = getOwn(record, 'returnTo')
  if (returnTo === undefined) return { via }
  if (!isAppPath(returnTo)) throw invalid('input.returnTo is not a path of this app, or too long')
  return { via, returnTo }
}

/**
 * An absolute path as browsers serialize it: on every page of the app, it names a place of the app. Any other URL would make
 * the callback page an open redirector (RFC 9700 §4.11.1), and a `javascript:` URL would run there.
 */
export function isAppPath(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_RETURN_TO && /^\/(?![/\\])[!-~]*$/.test(value)
}
