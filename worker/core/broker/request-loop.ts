import type { Permit } from '../session/events.ts'
import type { SessionBroker } from './broker.ts'
import type { Call } from './call.ts'

/** The answer to one request, and whether it means that the token has expired. */
export interface SendResult<Answer> {
  readonly answer: Answer
  readonly isTokenDenied: boolean
  /** Whether the request cannot be sent again, so that its caller gets this answer in any case. */
  readonly isFinal?: boolean
  /** The permit that the request was sent with, if it had to wait and got a newer one. */
  readonly permit?: Permit
  /** Releases the answer's body, because a replay replaces the answer. */
  discard?(): void
}

/** A request that a worker sent before it was lost. Its answer has not been judged yet. */
export interface EarlierSend<Answer> {
  readonly permit: Permit
  readonly isReplay: boolean
  readonly result: Promise<SendResult<Answer>>
}

/**
 * One request: authorize, send, judge. If the API refuses the token, there is at most one refresh and one replay. The
 * answer to the replay goes to the caller as it is (I10).
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2
 */
export async function runRequest<Answer>(
  broker: SessionBroker,
  call: Call,
  send: (permit: Permit, isReplay: boolean) => Promise<SendResult<Answer>>,
  earlier?: EarlierSend<Answer>,
): Promise<Answer> {
  const asked = earlier?.permit ?? (await broker.authorize(call))
  broker.record({ event: earlier?.isReplay ? 'call-replayed' : 'call-sent', call: call.id })
  const first = await (earlier?.result ?? send(asked, false))
  const permit = first.permit ?? asked
  if (!first.isTokenDenied || first.isFinal || earlier?.isReplay) return first.answer
  const next = await broker.reauthorize(call, permit).catch((error) => {
    first.discard?.()
    throw error
  })
  if (next === undefined) return first.answer
  first.discard?.()
  broker.record({ event: 'call-replayed', call: call.id })
  const second = await send(next, true)
  if (!second.isTokenDenied) broker.acceptReplay(call)
  return second.answer
}
