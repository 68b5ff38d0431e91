import { expect, test } from 'vitest'
import { platformTimers } from '../../../src/connect/timers.ts'
import { borrowWorker } from '../../../src/connect/wechat.ts'

test("a message of a lost worker is claimed as lingpai's, and is not passed to the app", () => {
  const borrowed = borrowWorker(
    { postMessage() {} },
    {
      timers: platformTimers,
      now: Date.now,
      checks: {},
      createAppThreadServices: () => ({ table: {} as never, abort() {} }),
    },
  )
  borrowed.open().endpoint.close?.()
  const message = { lingpai: 'channel', kind: 'services', connection: 'page', instance: 'lost', body: 'a token' }
  expect([borrowed.handleMessage(message), borrowed.handleMessage({ message })]).toEqual([true, true])
  expect(borrowed.handleMessage({ echo: 'hello' })).toBe(false)
})
