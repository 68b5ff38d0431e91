import { findApi, type WireApiRequest, type WireRequest, type WireResponse } from '../../src/protocol/contract.ts'
import { readAnswer } from '../../src/protocol/envelope.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import type { Call, SessionBroker } from '../core/broker.ts'
import { runRequest } from '../core/request-loop.ts'
import type { Permit } from '../core/session.ts'
import { bearer, readResponse, sendApiRequest } from '../transport/fetch.ts'
import type { Api } from './options.ts'

/** What any other server is: it gets no token, and has no envelope. */
const NO_API: Api = { origin: '', pathPrefix: '', attach: bearer(), signInRequired: [] }

/** What pages ask of the APIs: each call through the request loop, to a listed API and nowhere else (I4). */
export function createApiCalls(apis: readonly Api[], broker: SessionBroker, fetch: typeof globalThis.fetch) {
  return {
    /** `session.fetch`: any answer is the caller's. */
    async fetch(call: Call, request: WireRequest, signal: AbortSignal): Promise<WireResponse> {
      const api = findAllowedApi(apis, request.url)
      let token: string | undefined
      const response = await runRequest(broker, call, async (permit) => {
        token = permit.tokens.accessToken
        const signed = api.sign ? { ...request, ...(await signRequest(api, request, undefined)) } : request
        const answer = await sendApiRequest(fetch, signed, api.attach, permit, signal)
        return {
          answer,
          // Behind a redirect to another server, the refusal is that server's, which got no token.
          isTokenRefused: answer.status === 401 && (!answer.redirected || new URL(answer.url).origin === api.origin),
          discard: () => void answer.body?.cancel().catch(() => {}),
        }
      })
      if (api.signInRequired.includes(response.status)) throw signInRequired(response.status)
      return readResponse(response, token)
    },

    /** `session.request`: the answer is read by the API's envelope, which may say "expired" where HTTP does not. */
    async request(call: Call, { body, auth, ...head }: WireApiRequest, signal: AbortSignal): Promise<unknown> {
      const api = auth === true ? findAllowedApi(apis, head.url) : (findListedApi(apis, head.url) ?? NO_API)
      const send = async (permit: Permit | undefined) => {
        const signed = api.sign && (await signRequest(api, head, body === undefined ? undefined : JSON.parse(body)))
        const text = signed?.data === undefined ? body : JSON.stringify(signed.data)
        if (text !== undefined && ['GET', 'HEAD'].includes(signed?.method ?? head.method)) {
          throw new LingpaiError(
            'invalid_config',
            'serve(): sign gave data to a GET, which has no body. Sign its url or headers.',
          )
        }
        const request = { ...head, ...signed, ...(text !== undefined && { body: text }) }
        const response = await sendApiRequest(fetch, request, api.attach, permit, signal).catch((error) => {
          throw toNetworkError(error, signal)
        })
        const { status, body: bytes } = await readResponse(response, permit?.tokens.accessToken)
        const meaning = readAnswer(api.envelope, status, bytes === null ? '' : new TextDecoder().decode(bytes))
        return { answer: { meaning, status }, isTokenRefused: meaning.kind === 'expired' }
      }
      const { meaning, status } =
        auth === false || api === NO_API ? (await send(undefined)).answer : await runRequest(broker, call, send)
      if (meaning.kind === 'signInRequired' || api.signInRequired.includes(status)) throw signInRequired(status)
      if (meaning.kind === 'payload') return meaning.payload
      throw meaning.error
    },
  }
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
  const signed = await api.sign?.({
    url,
    method,
    headers: Object.fromEntries(headers),
    ...(data !== undefined && { data }),
  })
  if (signed === undefined || signed === null) {
    throw new LingpaiError('invalid_config', 'serve(): sign must return the request.')
  }
  // A signer may add parameters; the token goes where the configuration says, and nowhere else (I4).
  if (!URL.canParse(signed.url) || findApi([api], new URL(signed.url)) === undefined) {
    throw new LingpaiError('origin_not_allowed', 'serve(): sign moved the request out of its API.')
  }
  return { url: signed.url, method: signed.method, headers: Object.entries(signed.headers), data: signed.data }
}

function toNetworkError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || error instanceof LingpaiError) return error
  return new LingpaiError('network_error', 'No answer: the network or CORS is in the way.')
}

function signInRequired(status: number): LingpaiError {
  return new LingpaiError('sign_in_required', `The API asks the user to sign in (status ${status}).`, { status })
}
