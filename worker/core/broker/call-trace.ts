import { isLingpaiError } from '../../../src/protocol/errors.ts'
import { optional } from '../optional-fields.ts'
import type { SessionBroker } from './broker.ts'
import type { Call } from './call.ts'

/** Records how a call ends. The code of each step records that step. */
export async function traceCall<Answer>(
  broker: SessionBroker,
  call: Call,
  work: () => Promise<Answer>,
): Promise<Answer> {
  try {
    const answer = await work()
    broker.record({ event: 'call-answered', call: call.id, ...optional({ status: call.status }) })
    return answer
  } catch (error) {
    broker.record({
      event: 'call-failed',
      call: call.id,
      code: codeOf(error, call),
      ...optional({ status: call.status }),
    })
    throw error
  }
}

/** Only codes of LingpaiError: the text of any other error may quote a token, which must not leave the worker (I11). */
function codeOf(error: unknown, { signal }: Call): string {
  if (signal.aborted) return 'aborted'
  return isLingpaiError(error) ? error.code : 'network_error'
}
