import { isLingpaiError } from '../../../src/protocol/errors.ts'
import { optional } from '../optional-fields.ts'
import type { SessionBroker } from './broker.ts'
import type { Call } from './call.ts'

/** Notes how a call ends. Its steps are noted where they are taken. */
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

/** Only codes of ours: the text of any other error may quote what must not leave the worker (I11). */
function codeOf(error: unknown, { signal }: Call): string {
  if (signal.aborted) return 'aborted'
  return isLingpaiError(error) ? error.code : 'network_error'
}
