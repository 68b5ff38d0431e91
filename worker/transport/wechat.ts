import type { AppThreadRequest, AppThreadTable, TaskAnswer, TaskOrder } from '../../src/protocol/app-thread.ts'
import type { AnswerSummary } from '../../src/protocol/envelope.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import { isRedirect } from '../../src/protocol/http.ts'
import type { CancelSignal, GrantRequest, GrantResponse } from '../core/adapter.ts'
import { refused } from '../core/verdict.ts'
import { redirectRefused } from './attach.ts'

/** A grant's request with the name of its refresh: the next worker takes over a lost worker's response by this name. */
export interface NamedGrantRequest extends GrantRequest {
  readonly exchange?: string
}

export interface GrantServices {
  send(request: AppThreadRequest, signal: CancelSignal): ReturnType<AppThreadTable['send']>
}

/** Sends a grant's request through the app thread. */
export async function sendGrantRequest(
  services: GrantServices,
  { url, method, headers = {}, body, credentials, exchange }: NamedGrantRequest,
  signal: CancelSignal,
): Promise<GrantResponse> {
  if (credentials === 'include')
    throw new LingpaiError('invalid_config', 'A mini program has no cookies: the grant must not ask for them.')
  const answer = await services.send(
    {
      url,
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: Object.entries(headers),
      ...(body !== undefined && { body }),
      ...(exchange !== undefined && { exchange }),
    },
    signal,
  )
  // Only a refresh has a name and a verdict.
  if ('unsent' in answer) throw exchange === undefined ? notSent() : refused({ reason: answer.unsent })
  if (isRedirect(answer.status)) throw redirectRefused(url, 'a request of the grant')
  return answer
}

/** Sends an attempt of a task through the app thread. Resolves with undefined if it waited, since its token may be old. */
export async function sendTask(
  services: Pick<AppThreadTable, 'sendTask'>,
  order: TaskOrder,
): Promise<AnswerSummary | undefined> {
  return readTaskAnswer(await services.sendTask(order), order.url)
}

/** Waits for the response to a task that a lost worker has sent. */
export async function awaitTask(
  services: Pick<AppThreadTable, 'awaitTask'>,
  name: string,
  url: string,
): Promise<AnswerSummary> {
  const answer = readTaskAnswer(await services.awaitTask(name), url)
  if (answer === undefined) throw new LingpaiError('worker_lost', 'The worker was lost before it sent the request.')
  return answer
}

function readTaskAnswer(answer: TaskAnswer, url: string): AnswerSummary | undefined {
  if ('hasWaited' in answer) return undefined
  if (answer.isRedirect) throw redirectRefused(url, 'a request with a token')
  return answer
}

function notSent(): LingpaiError {
  return new LingpaiError('network_error', 'The phone could not send the request. Try again in a moment.')
}
