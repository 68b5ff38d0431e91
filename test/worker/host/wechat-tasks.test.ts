import { expect, test, vi } from 'vitest'
import type { TaskAnswer, TaskOrder } from '../../../src/protocol/app-thread.ts'
import type { SentRequest, WireTask } from '../../../src/protocol/tasks.ts'
import type { SignableRequest } from '../../../worker/core/adapter.ts'
import { envelope } from '../../../worker/grant/envelope.ts'
import type { Api } from '../../../worker/host/options.ts'
import { createTaskCalls } from '../../../worker/host/wechat-tasks.ts'
import { header } from '../../../worker/transport/attach.ts'
import { createHarness, type HarnessOptions, storedSession, watch } from '../../fixtures/broker-harness.ts'

const ok: TaskAnswer = { status: 200, isReadable: true }
const unauthorized: TaskAnswer = { status: 401, isReadable: true }
const success: TaskAnswer = { status: 200, isReadable: true, apiCode: 'OK' }
const hasWaited: TaskAnswer = { hasWaited: true }

const api: Api = {
  origin: 'https://api.example',
  pathPrefix: '/',
  attach: header('X-TOKEN'),
  signInRequired: [403],
  cache: 'no-store',
}
const task: WireTask = { name: 'task1', url: 'https://api.example/orders', method: 'POST', headers: [['x-a', '1']] }

type Answers = readonly (TaskAnswer | (() => TaskAnswer | Promise<TaskAnswer>))[]

/** A signed-in broker, and an app thread with scripted answers. */
async function open(answers: Answers, changes: Partial<Api> = {}, options: HarnessOptions = {}) {
  const harness = createHarness({ stored: storedSession({ isFresh: true }), ...options })
  await harness.broker.ready
  const orders: TaskOrder[] = []
  const awaited: string[] = []
  let next = 0
  const answer = async (): Promise<TaskAnswer> => {
    const scripted = answers[next++]
    if (scripted === undefined) throw new Error('the script has no more answers')
    return typeof scripted === 'function' ? scripted() : scripted
  }
  const runTask = createTaskCalls([{ ...api, ...changes }], harness.broker, {
    sendTask(order) {
      orders.push(order)
      return answer()
    },
    awaitTask(name) {
      awaited.push(name)
      return answer()
    },
  })
  const run = async (given: Partial<WireTask> = {}) => {
    const call = await harness.openCall()
    const outcome = watch(runTask(call, { ...task, ...given }))
    await harness.platform.settle()
    return outcome
  }
  const tokensOf = () => orders.map(({ headers }) => headers.find(([name]) => name === 'X-TOKEN')?.[1])
  return { ...harness, orders, awaited, run, runTask, tokensOf }
}

test('a task is sent with its token, and with the permit that a later worker needs', async () => {
  const { run, orders } = await open([ok])
  expect(await run()).toMatchObject({ settled: 1, value: undefined })
  expect(orders).toEqual([
    {
      name: 'task1',
      isReplay: false,
      url: task.url,
      method: 'POST',
      headers: [
        ['x-a', '1'],
        ['X-TOKEN', 'access-1'],
      ],
      ticket: { sessionId: 'session-1', version: 1, subject: 'ann', hasRefreshed: false },
    },
  ])
})

test("the token replaces the page's own header of that name, in upper or lower case", async () => {
  const { run, orders } = await open([ok])
  await run({
    headers: [
      ['x-token', 'forged'],
      ['x-a', '1'],
    ],
  })
  expect(orders[0]?.headers).toEqual([
    ['x-a', '1'],
    ['X-TOKEN', 'access-1'],
  ])
})

test('a 401 leads to one refresh and one replay, and the response to the replay is final (I10)', async () => {
  const { run, orders, refresh, platform, tokensOf } = await open([unauthorized, unauthorized])
  const outcome = await run()
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'api_error', status: 401 } })
  expect(tokensOf()).toEqual(['access-1', 'access-2'])
  expect(orders.map(({ isReplay, ticket }) => [isReplay, ticket?.hasRefreshed])).toEqual([
    [false, false],
    [true, true],
  ])
})

test.each<[string, TaskAnswer]>([
  ['a 401', unauthorized],
  ["the envelope's code for an expired token", { status: 200, isReadable: true, apiCode: 'EXPIRED' }],
])(
  'if one path of an API always answers with %s, and another with success, not every call causes a refresh (I10)',
  async (_what, refusal) => {
    const answers = (turn: number) => (turn === 0 ? [refusal, refusal, success] : [refusal, success])
    const script = Array.from({ length: 10 }, (_, turn) => answers(turn)).flat()
    const { run, refreshes, platform } = await open(script, {
      envelope: envelope({ success: 'OK', expired: 'EXPIRED' }),
    })
    for (let turn = 0; turn < 10; turn++) {
      const refused = await run()
      if (turn === 0) refreshes[0]?.succeed()
      await platform.settle()
      expect(refused).toMatchObject({ settled: 1, error: { code: 'api_error' } })
      expect(await run()).toMatchObject({ settled: 1, value: undefined })
    }
    expect(refreshes).toHaveLength(1)
  },
)

test('a task that had to wait for a slot gets the current token and a new signature', async () => {
  let signed = 0
  const sign = vi.fn(async (request) => ({ ...request, data: { sign: ++signed } }))
  const { run, orders, tokensOf, signIn, broker } = await open([() => adoptNewer(), ok], { sign })
  const adoptNewer = async (): Promise<TaskAnswer> => {
    await signIn('ann')
    return hasWaited
  }
  expect(await run({ data: { a: 1 } })).toMatchObject({ settled: 1, value: undefined })
  expect(tokensOf()).toEqual(['access-1', 'access-of-ann'])
  expect(orders.map(({ data }) => data)).toEqual([{ sign: 1 }, { sign: 2 }])
  expect(orders.map(({ isReplay }) => isReplay)).toEqual([false, false])
  expect(broker.snapshot().status).toBe('signed-in')
})

test('a task that waited is judged by the permit that it was sent with: its 401 leads to a refresh', async () => {
  const { run, refreshes, refresh, platform, tokensOf, signIn } = await open([() => renew(), unauthorized, ok])
  const renew = async (): Promise<TaskAnswer> => {
    await signIn('ann')
    return hasWaited
  }
  const outcome = await run()
  expect(refreshes).toHaveLength(1)
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: undefined })
  expect(tokensOf()).toEqual(['access-1', 'access-of-ann', 'access-2'])
})

test('if the user signs out while a task waits for a slot, the task is not sent', async () => {
  const { run, orders, broker } = await open([() => signOut()])
  const signOut = async (): Promise<TaskAnswer> => {
    await broker.signOut(false)
    return hasWaited
  }
  expect(await run()).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(orders).toHaveLength(1)
})

test('if another user signs in while a task waits for a slot, the task is not sent (I6)', async () => {
  const { run, orders, signIn } = await open([() => change()])
  const change = async (): Promise<TaskAnswer> => {
    await signIn('bob')
    return hasWaited
  }
  expect(await run()).toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
  expect(orders).toHaveLength(1)
})

test('a replay that had to wait for a slot is still a replay', async () => {
  const { run, orders, refresh, platform, refreshes } = await open([unauthorized, hasWaited, unauthorized])
  const outcome = await run()
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'api_error', status: 401 } })
  expect(orders.map(({ isReplay }) => isReplay)).toEqual([false, true, true])
  expect(refreshes).toHaveLength(1)
})

const ticket = { sessionId: 'session-1', version: 1, subject: 'ann', hasRefreshed: false }
const sent = (changes: Partial<SentRequest> = {}): Partial<WireTask> => ({
  sent: { isReplay: false, ticket, ...changes },
})

test('a request that an earlier worker sent is not sent again: its response is judged', async () => {
  const { run, orders, awaited } = await open([ok])
  expect(await run(sent())).toMatchObject({ settled: 1, value: undefined })
  expect([orders, awaited]).toEqual([[], ['task1']])
})

test('if the API rejects the token of a request that an earlier worker sent, it is refreshed and replayed', async () => {
  const { run, orders, refresh, platform } = await open([unauthorized, ok])
  const outcome = await run(sent())
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, value: undefined })
  expect(orders).toMatchObject([{ isReplay: true, ticket: { version: 2, hasRefreshed: true } }])
})

test.each<[string, Partial<WireTask>]>([
  ['was a replay', sent({ isReplay: true })],
  ['had waited for a refresh', sent({ ticket: { ...ticket, hasRefreshed: true } })],
])('a request that an earlier worker sent and that %s does not cause another refresh (I10)', async (_what, given) => {
  const { run, orders, refreshes } = await open([unauthorized])
  expect(await run(given)).toMatchObject({ settled: 1, error: { code: 'api_error', status: 401 } })
  expect([orders, refreshes]).toEqual([[], []])
})

test('a request that an earlier worker sent for another user is not replayed for this one (I6)', async () => {
  const { run, orders, refreshes } = await open([unauthorized])
  const outcome = await run(sent({ ticket: { ...ticket, sessionId: 'session-0', subject: 'bob' } }))
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'api_error', status: 401 } })
  expect([orders, refreshes]).toEqual([[], []])
})

test('a request that an earlier worker sent is replayed if the same user has signed in again', async () => {
  const { run, orders, tokensOf } = await open([unauthorized, ok])
  const outcome = await run(sent({ ticket: { ...ticket, sessionId: 'session-0', version: 0 } }))
  expect(outcome).toMatchObject({ settled: 1, value: undefined })
  expect(tokensOf()).toEqual(['access-1'])
  expect(orders).toMatchObject([{ isReplay: true }])
})

test('a request of a lost worker is not replayed for another user at the next worker, even if the versions are equal (I6)', async () => {
  const { run, orders, refreshes, signIn } = await open([() => change()], {}, { stored: undefined })
  const change = async (): Promise<TaskAnswer> => {
    await signIn('bob')
    return unauthorized
  }
  expect(await run(sent())).toMatchObject({ settled: 1, error: { code: 'api_error', status: 401 } })
  expect([orders, refreshes]).toEqual([[], []])
})

test('a task that waited for a slot when its worker was lost rejects with worker_lost: it was not sent', async () => {
  const { run } = await open([hasWaited])
  expect(await run(sent())).toMatchObject({ settled: 1, error: { code: 'worker_lost' } })
})

test('with auth false, a task needs no user and carries no token, and a 401 is final', async () => {
  const { run, orders, refreshes } = await open([unauthorized], {}, { stored: undefined })
  expect(await run({ auth: false })).toMatchObject({ settled: 1, error: { code: 'api_error', status: 401 } })
  expect(orders).toEqual([{ name: 'task1', isReplay: false, url: task.url, method: 'POST', headers: task.headers }])
  expect(refreshes).toEqual([])
})

test('with auth false, a task is signed, and signed again after it had to wait', async () => {
  let signed = 0
  const { run, orders } = await open([hasWaited, ok], { sign: async (request) => ({ ...request, data: ++signed }) })
  expect(await run({ auth: false, data: 0 })).toMatchObject({ settled: 1, value: undefined })
  expect(orders.map(({ data }) => data)).toEqual([1, 2])
})

test('with auth false, a request that an earlier worker sent is not sent again: its response is judged', async () => {
  const { run, orders, awaited } = await open([ok])
  expect(await run({ auth: false, sent: { isReplay: false } })).toMatchObject({ settled: 1, value: undefined })
  expect([orders, awaited]).toEqual([[], ['task1']])
})

test('a status in signInRequired is an api_error if the task had no token', async () => {
  const { run } = await open([{ status: 403, isReadable: true }])
  expect(await run({ auth: false })).toMatchObject({ error: { code: 'api_error', status: 403 } })
})

test('a task to another server carries no token; with auth true it is rejected and not sent (I4)', async () => {
  const { run, orders } = await open([ok])
  const url = 'https://elsewhere.example/'
  expect(await run({ url })).toMatchObject({ settled: 1, value: undefined })
  expect(orders[0]?.headers).toEqual(task.headers)
  expect(await run({ url, auth: true })).toMatchObject({ error: { code: 'origin_not_allowed' } })
  expect(orders).toHaveLength(1)
})

test('a status in signInRequired rejects with sign_in_required, without a refresh', async () => {
  const { run, refreshes } = await open([{ status: 403, isReadable: true }])
  expect(await run()).toMatchObject({ settled: 1, error: { code: 'sign_in_required', status: 403 } })
  expect(refreshes).toEqual([])
})

test.each([true, false])(
  "the envelope's code for sign-in rejects with sign_in_required, with auth %s",
  async (auth) => {
    const { run, broker } = await open([{ status: 200, isReadable: true, apiCode: 'LOGIN' }], {
      envelope: envelope({ success: 'OK', signInRequired: 'LOGIN' }),
    })
    expect(await run({ auth })).toMatchObject({ error: { code: 'sign_in_required', status: 200 } })
    // Without a token, the response says nothing about the session.
    expect(broker.snapshot()).toMatchObject({ status: 'signed-in' })
    expect(broker.snapshot().reason).toBe(auth ? 'sign_in_required' : undefined)
  },
)

test("the envelope's code for an expired token leads to a refresh, and any other code does not", async () => {
  const { run, refresh, refreshes, platform } = await open(
    [
      { status: 200, isReadable: true, apiCode: 'EXPIRED' },
      { status: 200, isReadable: true, apiCode: 'FULL', apiMessage: 'no room' },
    ],
    { envelope: envelope({ success: 'OK', expired: 'EXPIRED' }) },
  )
  const outcome = await run()
  refresh(0).succeed()
  await platform.settle()
  expect(outcome).toMatchObject({ error: { code: 'api_error', apiCode: 'FULL', apiMessage: 'no room' } })
  expect(refreshes).toHaveLength(1)
})

test('a redirect rejects with redirect_refused, and the task is not sent again (I4)', async () => {
  const { run, orders } = await open([{ status: 302, isReadable: true, isRedirect: true }])
  expect(await run()).toMatchObject({ error: { code: 'redirect_refused' } })
  expect(orders).toHaveLength(1)
})

test.each([undefined, false])('a task that is aborted while it is signed is not sent, with auth %s', async (auth) => {
  const controller = new AbortController()
  const sign: Api['sign'] = async (request) => {
    controller.abort()
    return request
  }
  const { openCall, runTask, orders, platform } = await open([], { sign })
  const call = await openCall(controller.signal)
  const outcome = watch(runTask(call, { ...task, ...(auth !== undefined && { auth }) }))
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { code: 'aborted' } })
  expect(orders).toEqual([])
})

test('if a signer moves the request out of its API, the request is not sent (I4)', async () => {
  const { run, orders } = await open([], { sign: async (request) => ({ ...request, url: 'https://evil.example/' }) })
  expect(await run()).toMatchObject({ error: { code: 'origin_not_allowed' } })
  expect(orders).toEqual([])
})

test.each([undefined, true, false])(
  'a task whose path may lead out of the pathPrefix is rejected and not sent, with auth %s (I4)',
  async (auth) => {
    const { run, orders } = await open([], { pathPrefix: '/v2' })
    const url = 'https://api.example/v2/..%2fadmin'
    expect(await run({ url, ...(auth !== undefined && { auth }) })).toMatchObject({
      error: { code: 'origin_not_allowed' },
    })
    expect(orders).toEqual([])
  },
)

test('if a signer hides a way out of the pathPrefix in the path, the request is not sent (I4)', async () => {
  const sign = async (request: SignableRequest) => ({ ...request, url: `${request.url}/%252e%252e/admin` })
  const { run, orders } = await open([], { pathPrefix: '/v2', sign })
  expect(await run({ url: 'https://api.example/v2' })).toMatchObject({ error: { code: 'origin_not_allowed' } })
  expect(orders).toEqual([])
})

test('the error of a task does not contain the token (I11)', async () => {
  const { run } = await open([{ status: 500, isReadable: false }])
  const { error } = await run()
  expect(`${(error as Error).message} ${JSON.stringify(error)}`).not.toContain('access-1')
})
