import { type Checks, own, toCallId, toFlag, toPlainData, toRecord, toSentAttempt } from '../../src/protocol/checks.ts'
import type { TaskTable } from '../../src/protocol/methods.ts'
import type { WireTask } from '../../src/protocol/tasks.ts'
import { toRequestHead } from './checks.ts'

/** Most that a signer is shown of a request's data, in UTF-16 units: a photo as base64 should be an upload. */
const LONGEST_DATA = 1 << 24

export const taskChecks: Checks<TaskTable> = {
  task: ([call, task]) => [toCallId(call), toTask(task)],
}

function toTask(value: unknown): WireTask {
  const record = toRecord(value, 'task')
  const data = own(record, 'data')
  const sent = own(record, 'sent')
  return {
    ...toRequestHead(record),
    name: toCallId(own(record, 'name')),
    auth: toFlag(own(record, 'auth'), 'task.auth'),
    ...(data !== undefined && { data: toPlainData(data, LONGEST_DATA) }),
    ...(sent !== undefined && { sent: toSentAttempt(toRecord(sent, 'task.sent')) }),
  }
}
