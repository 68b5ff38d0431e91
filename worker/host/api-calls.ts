import type { Timers } from '../../src/protocol/awake-timers.ts'
import { readAnswer } from '../../src/protocol/envelope.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import type { WireApiRequest, WireRequest, WireResponse } from '../../src/protocol/wire.ts'
import type { Grant } from '../core/adapter.ts'
import type { SessionBroker } from '../core/broker/broker.ts'
import type { Call } from '../core/broker/call.ts'
import { runRequest } from '../core/broker/request-loop.ts'
import type { Permit } from '../core/session/events.ts'
import { createCacheModes } from '../transport/cache-mode.ts'
import { sendApiRequest, toWireHead } from '../transport/fetch.ts'
import { isStream } from '../transport/request-body.ts'
import { type ResponseBody, readResponseBody } from '../transport/response-body.ts'
import { createSentTokens, type TokenSearch, tokenReflected } from '../transport/token-search.ts'
import { canWatchUpload, watchUpload } from '../transport/upload.ts'
import { findAllowedApi, receiveCall, requireSignIn, signRequest } from './apis.ts'
import type { OwnerOf } from './broker-host.ts'
import type { Api } from './options.ts'
import { createRequestSemaphore } from './request-semaphore.ts'

/** A response whose body may still be arriving. */
export interface FetchedResponse {
  readonly head: Omit<WireResponse, 'body'>
  readonly body: ResponseBody
}

/**
 * The API calls of the pages. The worker sends only to listed APIs, also without a token: other URLs are for the page, whose
 * Content Security Policy does not hold for the worker.
 */
export function createApiCalls(
  apis: readonly Api[],
  broker: SessionBroker,
  fetch: typeof globalThis.fetch,
  timers: Timers,
  ownerOf: OwnerOf,
  prove?: Grant['prove'],
) {
  const semaphore = createRequestSemaphore()
  const sentTokens = createSentTokens()
  const chooseCacheMode = createCacheModes()

  /** Sends once a slot is free. The token must be there already: a call that waits for one must not hold a slot. */
  async function sendInSlot(
    call: Call,
    request: WireRequest,
    api: Api,
    permit: Permit | undefined,
    signal: AbortSignal,
    send = fetch,
  ): Promise<Response> {
    const found = ownerOf(call)
    const owner = typeof found === 'string' ? found : await found
    const slot = semaphore.acquire(owner, signal)
    if (slot) await slot
    if (permit) sentTokens.add(permit.tokens.accessToken)
    // Browsers store only what they get for these methods.
    const isStored = permit && ['GET', 'HEAD'].includes(request.method)
    const cache = isStored && chooseCacheMode(api.cache, request, permit)
    try {
      const sent = cache ? { ...request, cache } : request
      const attempt = (proof?: [string, string]) => sendApiRequest(send, sent, api.attach, permit, signal, proof)
      const answer = await (prove && permit ? prove(permit.tokens, request, attempt) : attempt())
      call.status = answer.status
      return answer
    } finally {
      semaphore.release(owner)
    }
  }

  return {
    /** `session.fetch`: resolves with the response, whatever its status. */
    async fetch(call: Call, { progress, ...request }: WireRequest, signal: AbortSignal): Promise<FetchedResponse> {
      const api = findAllowedApi(apis, request.url)
      receiveCall(broker, call, api, request.method)
      // XMLHttpRequest follows every redirect, so an upload is not watched if its token or proof is in a custom header (I4).
      const isWatched = progress !== undefined && !prove && api.attach.kind === 'bearer' && canWatchUpload(request)
      const send = isWatched ? watchUpload((sent) => (progress as MessagePort).postMessage(sent)) : fetch
      const response = await runRequest(broker, call, async (permit) => {
        const { data: _none, ...signed } = await signRequest(api, request, undefined)
        const answer = await sendInSlot(call, { ...request, ...signed }, api, permit, signal, send)
        return {
          answer,
          isTokenDenied: isDenial(api, answer),
          isFinal: isStream(request.body),
          discard: () => discard(answer),
        }
      })
      if (api.signInRequired.includes(response.status)) {
        discard(response)
        requireSignIn(broker, call, response.status)
      }
      try {
        const search = sentTokens.search()
        const head = toWireHead(response, search)
        return { head, body: await readResponseBody(response, search, timers) }
      } catch (error) {
        discard(response)
        throw error
      }
    },

    /** `session.request`: the API's envelope decides what the response means, even an expired token with status 200. */
    async request(call: Call, { body, auth, timeout, ...head }: WireApiRequest, signal: AbortSignal): Promise<unknown> {
      const api = findAllowedApi(apis, head.url)
      receiveCall(broker, call, api, head.method)
      // Ends before the page's own deadline, so that the error can name what the call waited for.
      if (timeout !== undefined) call.timeout = timeout - Math.min(1000, timeout / 10)
      const send = async (permit: Permit | undefined) => {
        const request = await toSignedRequest(api, head, body)
        try {
          const response = await sendInSlot(call, request, api, permit, signal)
          const text = await response.text()
          const meaning = readAnswer(api.envelope, response.status, text)
          const isExpired = response.status === 401 ? isDenial(api, response) : meaning.kind === 'expired'
          return { answer: { response, text, meaning }, isTokenDenied: isExpired }
        } catch (error) {
          throw toNetworkError(error, signal)
        }
      }
      const hasToken = auth !== false
      if (!hasToken) broker.record({ event: 'call-sent', call: call.id })
      const { response, text, meaning } = hasToken
        ? await runRequest(broker, call, send)
        : (await send(undefined)).answer
      // Judged first: an API that repeats the token in its message may still ask for a sign-in.
      if (meaning.kind === 'signInRequired' || (hasToken && api.signInRequired.includes(response.status))) {
        requireSignIn(broker, call, response.status, hasToken)
      }
      const given = meaning.kind === 'payload' ? meaning.payload : { ...meaning.error }
      if (containsToken(sentTokens.search(), text, given)) throw tokenReflected(response.status)
      if (meaning.kind === 'payload') return given
      throw meaning.error
    },
  }
}

/** After a redirect to another origin, a 401 says nothing about the token: that server did not get it. */
function isDenial(api: Api, { status, redirected, url }: Response): boolean {
  return status === 401 && (!redirected || new URL(url).origin === api.origin)
}

/** Searches what the page gets. Only the text may have escapes, so it is enough unless it has some or has a token elsewhere. */
function containsToken(search: TokenSearch, text: string, given: unknown): boolean {
  if (!text.includes('\\') && !search.isIn(text)) return false
  return search.isIn(JSON.stringify(given) ?? '')
}

function discard({ body }: Response): void {
  body?.cancel().catch(() => {})
}

async function toSignedRequest(
  api: Api,
  head: Omit<WireRequest, 'body'>,
  body: string | undefined,
): Promise<WireRequest> {
  if (api.sign === undefined) return { ...head, ...(body !== undefined && { body }) }
  const { data, ...signed } = await signRequest(api, head, body === undefined ? undefined : JSON.parse(body))
  const text = data === undefined ? body : JSON.stringify(data)
  return { ...head, ...signed, ...(text !== undefined && { body: text }) }
}

function toNetworkError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || error instanceof LingpaiError) return error
  return new LingpaiError('network_error', 'No response. Check the network and CORS.')
}
