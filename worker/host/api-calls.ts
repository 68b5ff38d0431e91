import type { Timers } from '../../src/protocol/awake-timers.ts'
import { readAnswer } from '../../src/protocol/envelope.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import type { WireApiRequest, WireRequest, WireResponse } from '../../src/protocol/wire.ts'
import type { SessionBroker } from '../core/broker/broker.ts'
import type { Call } from '../core/broker/call.ts'
import { runRequest } from '../core/broker/request-loop.ts'
import type { Permit } from '../core/session/events.ts'
import { sendApiRequest, toWireHead } from '../transport/fetch.ts'
import { refuseReflection } from '../transport/reflection.ts'
import { isStream } from '../transport/request-body.ts'
import { type ResponseBody, readResponseBody } from '../transport/response-body.ts'
import { canWatchUpload, watchUpload } from '../transport/upload.ts'
import { chooseApi, findAllowedApi, NO_API, receiveCall, requireSignIn, signRequest } from './apis.ts'
import type { Api } from './options.ts'
import { createRequestSemaphore } from './request-semaphore.ts'

/** A response whose body may still be on its way. */
export interface FetchedResponse {
  readonly head: Omit<WireResponse, 'body'>
  readonly body: ResponseBody
}

/** What pages ask of the APIs: each call through the request loop, to a listed API and nowhere else (I4). */
export function createApiCalls(
  apis: readonly Api[],
  broker: SessionBroker,
  fetch: typeof globalThis.fetch,
  timers: Timers,
) {
  const turns = createRequestSemaphore()

  /** One attempt, when it is the page's turn. With a token already: who waits for one keeps nobody from the network. */
  async function sendInTurn(
    call: Call,
    request: WireRequest,
    api: Api,
    permit: Permit | undefined,
    signal: AbortSignal,
    send = fetch,
  ): Promise<Response> {
    const page = call.id.slice(0, call.id.indexOf('.'))
    const turn = turns.take(page, signal)
    if (turn) await turn
    try {
      const answer = await sendApiRequest(send, request, api.attach, permit, signal)
      call.status = answer.status
      return answer
    } finally {
      turns.end(page)
    }
  }

  return {
    /** `session.fetch`: any answer is the caller's. */
    async fetch(call: Call, { progress, ...request }: WireRequest, signal: AbortSignal): Promise<FetchedResponse> {
      const api = findAllowedApi(apis, request.url)
      receiveCall(broker, call, api, request.method)
      // A header of the API's own must not follow a redirect, and an upload that is watched follows every one (I4).
      const isWatched = progress !== undefined && api.attach.kind === 'bearer' && canWatchUpload(request)
      const send = isWatched ? watchUpload((seen) => (progress as MessagePort).postMessage(seen)) : fetch
      let token: string | undefined
      const response = await runRequest(broker, call, async (permit) => {
        token = permit.tokens.accessToken
        const { data: _none, ...signed } = await signRequest(api, request, undefined)
        const answer = await sendInTurn(call, { ...request, ...signed }, api, permit, signal, send)
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
        const head = toWireHead(response, token)
        return { head, body: await readResponseBody(response, token, timers) }
      } catch (error) {
        discard(response)
        throw error
      }
    },

    /** `session.request`: the answer is read by the API's envelope, which may say "expired" where HTTP does not. */
    async request(call: Call, { body, auth, timeout, ...head }: WireApiRequest, signal: AbortSignal): Promise<unknown> {
      const api = chooseApi(apis, head.url, auth)
      receiveCall(broker, call, api, head.method)
      // Before the page's own deadline, which could not say what was waited for.
      if (timeout !== undefined) call.patience = timeout - Math.min(1000, timeout / 10)
      const send = async (permit: Permit | undefined) => {
        const request = await toSignedRequest(api, head, body)
        try {
          const response = await sendInTurn(call, request, api, permit, signal)
          const text = await response.text()
          const meaning = readAnswer(api.envelope, response.status, text)
          const isExpired = response.status === 401 ? isDenial(api, response) : meaning.kind === 'expired'
          return { answer: { response, text, meaning, token: permit?.tokens.accessToken }, isTokenDenied: isExpired }
        } catch (error) {
          throw toNetworkError(error, signal)
        }
      }
      const hasToken = auth !== false && api !== NO_API
      if (!hasToken) broker.record({ event: 'call-sent', call: call.id })
      const { response, text, meaning, token } = hasToken
        ? await runRequest(broker, call, send)
        : (await send(undefined)).answer
      refuseReflection(response, text, token)
      if (meaning.kind === 'signInRequired' || (hasToken && api.signInRequired.includes(response.status))) {
        requireSignIn(broker, call, response.status, hasToken)
      }
      if (meaning.kind === 'payload') return meaning.payload
      throw meaning.error
    },
  }
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
  if (api.sign === undefined) return { ...head, ...(body !== undefined && { body }) }
  const { data, ...signed } = await signRequest(api, head, body === undefined ? undefined : JSON.parse(body))
  const text = data === undefined ? body : JSON.stringify(data)
  return { ...head, ...signed, ...(text !== undefined && { body: text }) }
}

function toNetworkError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || error instanceof LingpaiError) return error
  return new LingpaiError('network_error', 'No answer: the network or CORS is in the way.')
}
