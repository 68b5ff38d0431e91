import { notListed } from '../../src/protocol/apis.ts'
import { isLingpaiError, LingpaiError } from '../../src/protocol/errors.ts'
import type { SignableRequest } from '../core/adapter.ts'
import type { SessionBroker } from '../core/broker/broker.ts'
import type { Call } from '../core/broker/call.ts'
import { bearer } from '../transport/attach.ts'
import { type Api, invalidOption } from './options.ts'
import { findCheckedApi } from './path-prefix.ts'

/** Stands for every server that is not listed: in a mini program, it gets no token and has no envelope. */
export const NO_API: Api = { origin: '', pathPrefix: '', attach: bearer(), signInRequired: [], cache: 'no-store' }

function nameOf({ origin, pathPrefix }: Api): string {
  return origin + pathPrefix
}

/** Page code may use any method name. The longest registered one has 16 letters. */
const MAX_METHOD_LENGTH = 32

/** Records which API a call goes to. Not its URL, which may hold secrets (I11). */
export function receiveCall(broker: SessionBroker, call: Call, api: Api, method: string): void {
  call.api = nameOf(api)
  broker.record({
    event: 'call-received',
    call: call.id,
    method: method.slice(0, MAX_METHOD_LENGTH),
    ...(call.api && { api: call.api }),
  })
}

function findListedApi(apis: readonly Api[], href: string): Api | undefined {
  const url = parseUrl(href)
  // URLs with a user name can imitate another host, and `fetch` rejects them too.
  return url.username + url.password === '' ? findCheckedApi(apis, url) : undefined
}

function parseUrl(href: string): URL {
  try {
    return new URL(href)
  } catch {
    throw new LingpaiError('invalid_call', 'The URL of the request is malformed.')
  }
}

export function findAllowedApi(apis: readonly Api[], href: string): Api {
  const api = findListedApi(apis, href)
  if (api !== undefined) return api
  throw notListed(new URL(href))
}

/** Finds the API of a call of a mini program. With `auth: true` it must be a listed one. */
export function chooseApi(apis: readonly Api[], href: string, auth: boolean | undefined): Api {
  return auth === true ? findAllowedApi(apis, href) : (findListedApi(apis, href) ?? NO_API)
}

export interface Signable {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
}

export interface Signed extends Signable {
  readonly data: unknown
}

/** Signs a request. It stays as it is if the API has no signer. */
export async function signRequest(api: Api, { url, method, headers }: Signable, data: unknown): Promise<Signed> {
  if (api.sign === undefined) return { url, method, headers, data }
  let signed: SignableRequest | undefined
  try {
    signed = await api.sign({
      url,
      method,
      headers: Object.fromEntries(headers),
      ...(data !== undefined && { data }),
    })
  } catch (error) {
    if (isLingpaiError(error)) throw error
    throw invalidOption(`sign threw: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (signed === undefined || signed === null) throw invalidOption('sign must return the request')
  // A signer may add parameters, but the token goes only to the configured API (I4).
  if (!URL.canParse(signed.url) || findCheckedApi([api], new URL(signed.url)) === undefined) {
    throw new LingpaiError('origin_not_allowed', 'serve(): sign moved the request out of its API.')
  }
  if (signed.data !== undefined && isWithoutBody(signed.method)) {
    throw invalidOption('sign gave data to a GET, which has no body. Sign its url or headers')
  }
  return { url: signed.url, method: signed.method, headers: Object.entries(signed.headers), data: signed.data }
}

function isWithoutBody(method: string): boolean {
  return ['GET', 'HEAD'].includes(method.toUpperCase())
}

/** Rejects a call whose API requires a sign-in. The snapshot shows it too, if the call had a token. */
export function requireSignIn(broker: SessionBroker, call: Call, status: number, hasToken = true): never {
  if (hasToken) broker.askForSignIn(call)
  throw new LingpaiError('sign_in_required', `The API requires a sign-in (status ${status}).`, { status })
}
