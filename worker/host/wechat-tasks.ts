import type { AppThreadTable } from '../../src/protocol/app-thread.ts'
import { type AnswerSummary, judgeAnswer } from '../../src/protocol/envelope.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import type { SentPermit, WireTask } from '../../src/protocol/tasks.ts'
import type { SessionBroker } from '../core/broker/broker.ts'
import type { Call } from '../core/broker/call.ts'
import { type EarlierSend, runRequest, type SendResult } from '../core/broker/request-loop.ts'
import type { Permit } from '../core/session/events.ts'
import { toHeader } from '../transport/attach.ts'
import { awaitTask, sendTask } from '../transport/wechat.ts'
import { chooseApi, NO_API, receiveCall, requireSignIn, signRequest } from './apis.ts'
import type { Api } from './options.ts'

/** A generation and a version that no session has. */
const NONE = -1

type TaskServices = Pick<AppThreadTable, 'sendTask' | 'awaitTask'>

/**
 * Runs the tasks of a mini program. {@link runRequest} runs here; the app thread calls `wx.request`, `wx.uploadFile` and
 * `wx.downloadFile`, and keeps the bodies. Resolves if the page may get the response, and rejects with the page's error.
 */
export function createTaskCalls(apis: readonly Api[], broker: SessionBroker, services: TaskServices) {
  return async (call: Call, task: WireTask): Promise<void> => {
    const api = chooseApi(apis, task.url, task.auth)
    const hasToken = task.auth !== false && api !== NO_API
    receiveCall(broker, call, api, task.method)
    if (!hasToken) broker.record({ event: 'call-sent', call: call.id })
    const summary = hasToken ? await runWithToken(call, api, task) : await runWithoutToken(call, api, task)
    call.status = summary.status
    const meaning = judgeAnswer(api.envelope, summary)
    if (meaning.kind === 'signInRequired' || (hasToken && api.signInRequired.includes(summary.status))) {
      requireSignIn(broker, call, summary.status, hasToken)
    }
    if (meaning.kind !== 'success') throw meaning.error
  }

  async function runWithToken(call: Call, api: Api, task: WireTask): Promise<AnswerSummary> {
    const send = async (permit: Permit, isReplay: boolean): Promise<SendResult<AnswerSummary>> => {
      const summary = await sendAttempt(call, api, task, isReplay, permit)
      // The app thread had no free slot. Meanwhile the token or the user may have changed.
      return summary === undefined
        ? send(await broker.authorize(call), isReplay)
        : { ...toSendResult(api, summary), permit }
    }
    return runRequest(broker, call, send, findEarlier(call, api, task))
  }

  async function runWithoutToken(call: Call, api: Api, task: WireTask): Promise<AnswerSummary> {
    if (task.sent !== undefined) return awaitTask(services, task.name, task.url)
    return (await sendAttempt(call, api, task, false)) ?? runWithoutToken(call, api, task)
  }

  async function sendAttempt(
    call: Call,
    api: Api,
    { name, url, method, headers, data }: WireTask,
    isReplay: boolean,
    permit?: Permit,
  ): Promise<AnswerSummary | undefined> {
    const signed = await signRequest(api, { url, method, headers }, data)
    // While the signer ran, the app thread may have reconnected and restarted the task.
    if (call.signal.aborted) throw new LingpaiError('aborted', 'The call was aborted.')
    return sendTask(services, {
      name,
      isReplay,
      url: signed.url,
      method: signed.method,
      headers: permit ? withHeader(signed.headers, toHeader(api.attach, permit)) : signed.headers,
      ...(api.sign && signed.data !== undefined && { data: signed.data }),
      ...(permit && { ticket: toSentPermit(permit, call) }),
    })
  }

  /** A request that an earlier worker sent is not sent again: this worker awaits its response. */
  function findEarlier(call: Call, api: Api, { name, url, sent }: WireTask): EarlierSend<AnswerSummary> | undefined {
    if (sent?.ticket === undefined) return undefined
    const { sessionId, version, subject, hasRefreshed } = sent.ticket
    call.hasRefreshed = hasRefreshed
    // Compare the session id: after a worker found nothing stored, versions start over (I6).
    const isOfThisSession = sessionId === call.sessionId
    return {
      isReplay: sent.isReplay,
      permit: {
        generation: isOfThisSession ? call.generation : NONE,
        sessionId,
        version: isOfThisSession ? version : NONE,
        tokens: { accessToken: '', tokenType: '', ...(subject !== undefined && { subject }) },
      },
      result: awaitTask(services, name, url).then((summary) => toSendResult(api, summary)),
    }
  }
}

function toSendResult(api: Api, summary: AnswerSummary): SendResult<AnswerSummary> {
  return { answer: summary, isTokenDenied: judgeAnswer(api.envelope, summary).kind === 'expired' }
}

function toSentPermit({ sessionId = '', version, tokens }: Permit, { hasRefreshed }: Call): SentPermit {
  return { sessionId, version, hasRefreshed, ...(tokens.subject !== undefined && { subject: tokens.subject }) }
}

function withHeader(
  headers: WireTask['headers'],
  [name, value]: readonly [string, string],
): readonly (readonly [string, string])[] {
  return [...headers.filter(([other]) => other.toLowerCase() !== name.toLowerCase()), [name, value]]
}
