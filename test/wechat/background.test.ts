import { beforeEach, expect, test } from 'vitest'
import type { LegacyApi } from '../../servers/legacy/legacy-api.ts'
import type { Phone } from '../fixtures/wechat/phone.ts'
import {
  answered,
  beginLists,
  countRequests,
  fetchLists,
  listCall,
  listEvents,
  outcome,
  phoneEngines,
  readSnapshot,
  receive,
  refused,
  startApi,
  startSignedIn,
} from '../fixtures/wechat/session-app.ts'

let api: LegacyApi

beforeEach(async () => {
  api = await startApi()
})

const MINUTE = 60_000

/** A phone on which six calls wait for a refresh. */
async function startRefreshing(prepare: (phone: Phone) => void, options: Parameters<typeof startSignedIn>[1] = {}) {
  const phone = await startSignedIn(api, options)
  await phone.openPage('pages/home/home')
  api.expireAccessTokens()
  prepare(phone)
  const lists = beginLists(phone, api)
  await phone.settle()
  return { phone, lists }
}

function countWorkers({ messages }: Phone): number {
  return new Set(messages.map(({ worker }) => worker)).size
}

test.each(phoneEngines)(
  'a refresh that is interrupted in the background is sent again on return, and nobody signs in, on %s (I7, I12)',
  async (engine) => {
    const { phone, lists } = await startRefreshing((phone) => phone.holdNext('request', { matching: '/refresh' }), {
      engine,
    })
    await phone.hide()
    await phone.advance(MINUTE)
    expect(phone.state).toBe('frozen')
    expect(phone.tasks.at(-1)?.failure?.errno).toBe(600003)
    await phone.show()
    expect(await phone.until(lists)).toEqual(answered())
    expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
    expect(phone.toasts).toEqual([])
  },
)

test.each(phoneEngines)(
  'timers that all fire at once after ten minutes end no wait: the answer that has arrived is used, on %s (I2)',
  async (engine) => {
    let release = () => {}
    const { phone, lists } = await startRefreshing(
      (phone) => {
        release = phone.holdNext('request', { matching: '/refresh', afterwards: true }).release
      },
      { engine },
    )
    await phone.hide()
    await phone.advance(4999)
    release()
    // Frozen while the answer is in transit: its callback runs after all due timers.
    await phone.advance(10 * MINUTE)
    await phone.show()
    expect(await phone.until(lists)).toEqual(answered())
    expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
    expect(countWorkers(phone)).toBe(1)
  },
)

test('a freeze does not count against the deadlines of calls (I3)', async () => {
  const phone = await startSignedIn(api)
  const { call } = await startWaiting(phone)
  await phone.advance(20_000)
  await phone.hide()
  await phone.advance(10 * MINUTE)
  await phone.show()
  expect(await isPending(phone)).toBe(true)
  expect(countWorkers(phone)).toBe(1)
  await phone.advance(15_000)
  expect(await phone.until(call)).toBe('refresh_unavailable')
})

/** A call that waits for a token server that is down during the whole test. */
async function startWaiting(phone: Phone): Promise<{ call: Promise<string> }> {
  api.expireAccessTokens()
  api.failRefreshes(...Array(100).fill({ kind: 'answer', status: 503 } as const))
  const call = phone.evaluate<string>(
    `${outcome(listCall(api, 'timeout: 40000'))}.then((result) => { getApp().isOver = true; return result })`,
  )
  await phone.settle()
  return { call }
}

async function isPending(phone: Phone): Promise<boolean> {
  return (await phone.evaluate('getApp().isOver')) === undefined
}

test('a worker that is frozen while it starts is still used', async () => {
  const phone = await startSignedIn(api)
  const loading = phone.holdNext('getStorage')
  await phone.restartApp()
  const workers = countWorkers(phone)
  await phone.hide()
  await phone.advance(10 * MINUTE)
  await phone.show()
  loading.release()
  await phone.settle()
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(countWorkers(phone)).toBe(workers)
  expect(api.counters).toEqual({ logins: 1, refreshes: 0, reuseDetections: 0 })
})

test('if the app is frozen before the worker gets an answer, the refresh is not sent twice (I2)', async () => {
  const { phone, lists } = await startRefreshing((phone) => phone.holdNext('setStorage', { afterwards: true }))
  await phone.hide()
  await phone.advance(10 * MINUTE)
  await phone.show()
  expect(await phone.until(lists)).toEqual(answered())
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
})

test.each([
  ['the network changed', { errMsg: 'request:fail errcode:10011 network change, cancel all task', errno: 600001 }],
  ['it timed out', { errMsg: 'request:fail timeout', errno: 5 }],
  ['it was aborted', { errMsg: 'request:fail abort', errno: 600011 }],
  ['it was interrupted', { errMsg: 'request:fail interrupted', errno: 600003 }],
])('a refresh that failed because %s is unknown, and is sent again (I7)', async (_why, failure) => {
  const { phone, lists } = await startRefreshing((phone) =>
    phone.failNext('request', failure, { matching: '/refresh' }),
  )
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', tokenServer: 'unreachable' })
  expect(await phone.until(lists)).toEqual(answered())
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
  expect(phone.toasts).toEqual([])
})

test('if the token of a lost answer was rotated and the server rejects re-use, the snapshot says so (I9)', async () => {
  const { phone, lists } = await startRefreshing((phone) =>
    phone.failNext('request', { errMsg: 'request:fail', errno: 5 }, { matching: '/refresh', afterwards: true }),
  )
  expect(await phone.until(lists)).toEqual(refused('sign_in_required'))
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-out', reason: 'refresh_answer_lost' })
})

test.each([
  ['none', 'wifi'],
  ['none', '4g'],
] as const)('after being offline (%s), the refresh is retried at once on %s', async (offline, online) => {
  const phone = await startSignedIn(api)
  await phone.setNetwork(offline)
  api.expireAccessTokens()
  expect(await fetchLists(phone, api, 1)).toEqual(refused('network_error', 1))
  await phone.setNetwork(online)
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
})

/** A phone whose token server has been unreachable for some minutes. */
async function startOutage() {
  const phone = await startSignedIn(api)
  await phone.openPage('pages/home/home')
  const { call } = await startWaiting(phone)
  expect(await phone.until(call)).toBe('refresh_unavailable')
  await phone.advance(5 * MINUTE)
  const attempts = countRequests(api, '/refresh')
  // As if it had just failed: the next attempt is up to a minute away.
  await phone.until(() => countRequests(api, '/refresh') > attempts, { within: 2 * MINUTE })
  api.clearFaults()
  return { phone, attempts: countRequests(api, '/refresh'), since: phone.now() }
}

test('when the phone is online again, the refresh is retried within the shortest pause, not the longest (I10, I12)', async () => {
  const { phone, attempts, since } = await startOutage()
  await phone.setNetwork('none')
  await phone.setNetwork('wifi')
  expect(countRequests(api, '/refresh')).toBe(attempts)
  await phone.until(() => countRequests(api, '/refresh') > attempts)
  expect(phone.now() - since).toBeLessThanOrEqual(12_000)
  expect(await fetchLists(phone, api)).toEqual(answered())
})

test('when the app returns to the foreground after the shortest pause, the refresh is retried at once', async () => {
  const { phone, attempts } = await startOutage()
  await phone.hide()
  await phone.advance(10 * MINUTE)
  expect(countRequests(api, '/refresh')).toBe(attempts)
  const returned = phone.now()
  await phone.show()
  await phone.until(() => countRequests(api, '/refresh') > attempts)
  expect(phone.now()).toBe(returned)
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(api.counters).toMatchObject({ logins: 1, reuseDetections: 0 })
})

test('while the token server is down, attempts stay below thirty in five minutes, however often the app returns (I10)', async () => {
  const { phone } = await startRefreshing(
    () => api.failRefreshes(...Array(200).fill({ kind: 'answer', status: 503 } as const)),
    { freezes: false },
  )
  const before = countRequests(api, '/refresh')
  for (let round = 0; round < 100; round += 1) {
    await phone.hide()
    await phone.advance(1500)
    await phone.show()
    await phone.setNetwork(round % 2 === 0 ? '4g' : 'wifi')
    await phone.advance(1500)
  }
  expect(countRequests(api, '/refresh') - before).toBeLessThanOrEqual(30)
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', tokenServer: 'unreachable' })
})

test.each([429, 503])('the Retry-After of a %i is observed to the second', async (status) => {
  const { phone, lists } = await startRefreshing(() =>
    api.failRefreshes({ kind: 'answer', status, headers: { 'Retry-After': '20' } }),
  )
  await phone.advance(19_900)
  expect(countRequests(api, '/refresh')).toBe(1)
  await phone.advance(200)
  expect(countRequests(api, '/refresh')).toBe(2)
  expect(await phone.until(lists)).toEqual(answered())
  expect(api.counters).toEqual({ logins: 1, refreshes: 2, reuseDetections: 0 })
})

test('a refresh that the server holds beyond its timeout is sent again, and the session goes on', async () => {
  const phone = await startSignedIn(api)
  api.expireAccessTokens()
  api.failRefreshes({ kind: 'hang' })
  const lists = beginLists(phone, api)
  await phone.advance(9900)
  expect(countRequests(api, '/refresh')).toBe(1)
  await phone.advance(5000)
  await receive(phone)
  expect(await phone.until(lists)).toEqual(answered())
  expect(countRequests(api, '/refresh')).toBe(2)
  expect(phone.tasks.filter(({ url }) => url.endsWith('/refresh'))[0]?.failure?.errMsg).toMatch(/abort/)
})

test('a page that only polls sees an outage and its end in the snapshot', async () => {
  const { phone } = await startOutage()
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', tokenServer: 'unreachable' })
  await phone.advance(MINUTE)
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', tokenServer: 'ok' })
  expect(await listEvents(phone)).toContain('refresh-succeeded')
})
