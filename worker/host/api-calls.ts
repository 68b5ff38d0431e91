import { findApi, type WireApiRequest, type WireRequest, type WireResponse } from '../../src/protocol/contract.ts'
import { readAnswer } from '../../src/protocol/envelope.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import type { Call, SessionBroker } from '../core/broker.ts'
import { runRequest } from '../core/request-loop.ts'
import type { Permit } from '../core/session.ts'
import { bearer, readForPage, refuseReflection, sendApiRequest } from '../transport/fetch.ts'
import type { Api, SignableRequest } from './options.ts'

/** What any other server is: it gets no token, and has no envelope. */
const NO_API: Api = { origin: '', pathPrefix: '', attach: bearer(), signInRequired: [] }

/** What pages ask of the APIs: each call through the request loop, to a listed API and nowhere else (I4). */
export function createApiCalls(apis: readonly Api[], broker: SessionBroker, fetch: typeof globalThis.fetch) {
  return {
    /** `session.fetch`: any answer is the caller's. */
    async fetch(call: Call, request: WireRequest, signal: AbortSignal): Promise<WireResponse> {
      const api = findAllowedApi(apis, request.url)
      call.api = nameOf(api)
      let token: string | undefined
      const response = await runRequest(broker, call, async (permit) => {
        token = permit.tokens.accessToken
        const signed = api.sign ? { ...request, ...(await signRequest(api, request, undefined)) } : request
        const answer = await sendApiRequest(fetch, signed, api.attach, permit, signal)
        return { answer, isTokenDenied: isDenial(api, answer), discard: () => discard(answer) }
      })
      if (api.signInRequired.includes(response.status)) {
        discard(response)
        throw signInRequired(response.status)
      }
      return readForPage(response, token)
    },

    /** `session.request`: the answer is read by the API's envelope, which may say "expired" where HTTP does not. */
    async request(call: Call, { body, auth, ...head }: WireApiRequest, signal: AbortSignal): Promise<unknown> {
      const api = auth === true ? findAllowedApi(apis, head.url) : (findListedApi(apis, head.url) ?? NO_API)
      call.api = nameOf(api)
      const send = async (permit: Permit | undefined) => {
        const request = await toSignedRequest(api, head, body)
        try {
          const response = await sendApiRequest(fetch, request, api.attach, permit, signal)
          const text = await response.text()
          const meaning = readAnswer(api.envelope, response.status, text)
          const isExpired = response.status === 401 ? isDenial(api, response) : meaning.kind === 'expired'
          return { answer: { response, text, meaning, token: permit?.tokens.accessToken }, isTokenDenied: isExpired }
        } catch (error) {
          throw toNetworkError(error, signal)
        }
      }
      const hasToken = auth !== false && api !== NO_API
      const { response, text, meaning, token } = hasToken
        ? await runRequest(broker, call, send)
        : (await send(undefined)).answer
      refuseReflection(response, text, token)
      if (hasToken && (meaning.kind === 'signInRequired' || api.signInRequired.includes(response.status))) {
        throw signInRequired(response.status)
      }
      if (meaning.kind === 'payload') return meaning.payload
      throw meaning.kind === 'signInRequired' ? signInRequired(response.status) : meaning.error
    },
  }
}

function nameOf({ origin, pathPrefix }: Api): string {
  return origin + pathPrefix
}

/** Behind a redirect to another server, a 401 is that server's, which got no token. */
function isDenial(api: Api, { status, redirected, url }: Response): boolean {
  return status === 401 && (!redirected || new URL(url).origin === api.origin)
}

function discard({ body }: Response): void {
  body?.cancel().catch(() => {})
}

async function toSignedRequest(
  api: Api,
  head: Omit<WireRequest, 'body'>,
  body: string | undefined,
): Promise<WireRequest> {
  const signed = api.sign && (await signRequest(api, head, body === undefined ? undefined : JSON.parse(body)))
  const text = signed?.data === undefined ? body : JSON.stringify(signed.data)
  if (text !== undefined && ['GET', 'HEAD'].includes(signed?.method ?? head.method)) {
    throw invalidSigner('gave data to a GET, which has no body. Sign its url or headers')
  }
  return { ...head, ...signed, ...(text !== undefined && { body: text }) }
}

function findListedApi(apis: readonly Api[], href: string): Api | undefined {
  if (!URL.canParse(href)) throw new LingpaiError('invalid_call', 'The URL of the request is malformed.')
  const url = new URL(href)
  // A name in front of the host is how look-alikes are made, and `fetch` refuses it too.
  return url.username === '' && url.password === '' ? findApi(apis, url) : undefined
}

function findAllowedApi(apis: readonly Api[], href: string): Api {
  const api = findListedApi(apis, href)
  if (api !== undefined) return api
  throw new LingpaiError(
    'origin_not_allowed',
    `No token goes to ${new URL(href).origin}: it is not among the apis of serve().`,
  )
}

async function signRequest(api: Api, { url, method, headers }: Omit<WireRequest, 'body'>, data: unknown) {
  let signed: SignableRequest | undefined
  try {
    signed = await api.sign?.({
      url,
      method,
      headers: Object.fromEntries(headers),
      ...(data !== undefined && { data }),
    })
  } catch (error) {
    throw invalidSigner(`threw: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (signed === undefined || signed === null) throw invalidSigner('must return the request')
  // A signer may add parameters; the token goes where the configuration says, and nowhere else (I4).
  if (!URL.canParse(signed.url) || findApi([api], new URL(signed.url)) === undefined) {
    throw new LingpaiError('origin_not_allowed', 'serve(): sign moved the request out of its API.')
  }
  return { url: signed.url, method: signed.method, headers: Object.entries(signed.headers), data: signed.data }
}

function invalidSigner(why: string): LingpaiError {
  return new LingpaiError('invalid_config', `serve(): sign ${why}.`)
}

function toNetworkError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || error instanceof LingpaiError) return error
  return new LingpaiError('network_error', 'No answer: the network or CORS is in the way.')
}

function signInRequired(status: number): LingpaiError {
  return new LingpaiError('sign_in_required', `The API asks the user to sign in (status ${status}).`, { status })
}
