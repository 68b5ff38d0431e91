import {
  type Checks,
  toCaller,
  toCallId,
  toFlag,
  toPlainData,
  toRecord,
  toSentRequest,
} from '../../src/protocol/checks.ts'
import type { TaskTable } from '../../src/protocol/methods.ts'
import { getOwn } from '../../src/protocol/records.ts'
import type { WireTask } from '../../src/protocol/tasks.ts'
import { toRequestHead } from './checks.ts'

/** The largest data that a signer may get, in UTF-16 units. A photo should be an upload, not base64. */
const MAX_DATA = 1 << 24

export const taskChecks: Checks<TaskTable> = {
  task: ([call, task, caller]) => [toCallId(call), toTask(task), toCaller(caller)],
}

function toTask(value: unknown): WireTask {
  const record = toRecord(value, 'task')
  const data = getOwn(record, 'data')
  const sent = getOwn(record, 'sent')
  return {
    ...toRequestHead(record),
    name: toCallId(getOwn(record, 'name')),
    auth: toFlag(getOwn(record, 'auth'), 'task.auth'),
    ...(data !== undefined && { data: toPlainData(data, MAX_DATA) }),
    ...(sent !== undefined && { sent: toSentRequest(toRecord(sent, 'task.sent')) }),
  }
}
