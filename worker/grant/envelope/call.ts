import { invalidConfigOf, isLingpaiError } from '../../../src/protocol/errors.ts'
import { checkOptionNames } from '../../../src/protocol/option-names.ts'
import { isRecord } from '../../../src/protocol/records.ts'
import type { GrantRequest, Signer } from '../../core/adapter.ts'
import { isSecure } from '../../core/loopback.ts'

export const invalid = /* @__PURE__ */ invalidConfigOf('envelopeGrant()')

/** One call of an API's own sign-in, with JSON in both directions. `Given` is what its functions get. */
export interface EnvelopeCall<Given> {
  /** Absolute, and https except on localhost. */
  readonly url: string
  /** Any method that has a body. Default `POST`. */
  readonly method?: string
  /** Further headers. Default: `content-type: application/json` only. */
  readonly headers?: Readonly<Record<string, string>> | ((given: Given) => Readonly<Record<string, string>>)
  /** `include` sends and keeps cookies, for a refresh token in an `HttpOnly` cookie. Default `omit`. On the web only. */
  readonly credentials?: 'omit' | 'include'
  /** Makes the fields of the request's body. */
  readonly data?: (given: Given) => object
}

/** Makes one attempt's request, signed anew. @throws LingpaiError `invalid_config` if one of the app's functions fails */
export async function prepareCall<Given>(
  name: string,
  { url, method = 'POST', headers = {}, data, credentials }: EnvelopeCall<Given>,
  given: Given,
  defaultData: (given: Given) => object,
  sign: Signer | undefined,
): Promise<GrantRequest> {
  const plain = await attempt(name, () => ({
    url,
    method,
    headers: withJsonType(typeof headers === 'function' ? headers(given) : headers),
    data: (data ?? defaultData)(given),
  }))
  if (!isRecord(plain.data)) throw invalid(`${name}.data must return an object`)
  const signed = sign ? await attempt(`sign of ${name}`, () => sign(plain)) : plain
  if (!isRecord(signed)) throw invalid('sign must return the request')
  // A signer may add parameters, but the refresh token must go to the configured endpoint only (I4).
  if (!isAt(signed.url, new URL(url))) throw invalid(`sign moved the request of ${name} to another URL`)
  return {
    url: signed.url,
    method: signed.method,
    headers: signed.headers,
    body: JSON.stringify(signed.data ?? plain.data),
    ...(credentials && { credentials }),
  }
}

async function attempt<Result>(name: string, work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (isLingpaiError(error)) throw error
    throw invalid(`${name} threw: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Names in lower case: a header in two spellings would be sent as two values. */
function withJsonType(headers: Readonly<Record<string, string>>): Record<string, string> {
  const given = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const)
  return { 'content-type': 'application/json', ...Object.fromEntries(given) }
}

function isAt(href: string, { origin, pathname }: URL): boolean {
  try {
    const url = new URL(href)
    return url.origin === origin && url.pathname === pathname
  } catch {
    return false
  }
}

const CALL_OPTIONS = 'url method headers data credentials'

/** @throws LingpaiError `invalid_config` */
export function checkCall(name: string, call: unknown): void {
  if (!isRecord(call)) throw invalid(`${name} must be an object {url}`)
  checkOptionNames(call, CALL_OPTIONS, invalid, `${name}.`)
  const { url: href, method, headers, data, credentials } = call
  let url: URL
  try {
    url = new URL(href as string)
  } catch {
    throw invalid(`${name}.url must be an absolute URL, such as "https://api.example.com/login"`)
  }
  if (!isSecure(url)) throw invalid(`${name}.url must be https, except on localhost`)
  // A GET has no body, and a token in a URL ends up in logs (RFC 6750 §5.3).
  if (method !== undefined && !(typeof method === 'string' && /^[A-Z]+$/.test(method) && !/^(GET|HEAD)$/.test(method)))
    throw invalid(`${name}.method must be POST, or another method with a body, in capitals`)
  const isHeaders = isRecord(headers) && Object.values(headers).every((value) => typeof value === 'string')
  if (headers !== undefined && typeof headers !== 'function' && !isHeaders)
    throw invalid(`${name}.headers must be an object of strings, or a function that returns one`)
  if (data !== undefined && typeof data !== 'function') throw invalid(`${name}.data must be a function`)
  if (credentials !== undefined && credentials !== 'omit' && credentials !== 'include')
    throw invalid(`${name}.credentials must be "omit" or "include"`)
}
