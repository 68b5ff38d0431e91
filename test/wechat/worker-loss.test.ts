import { beforeEach, expect, test } from 'vitest'
import type { LegacyApi } from '../../servers/legacy/legacy-api.ts'
import type { Phone } from '../fixtures/wechat/phone.ts'
import {
  answered,
  beginLists,
  countRequests,
  fetchLists,
  listCall,
  outcome,
  phoneEngines,
  readSnapshot,
  receive,
  refused,
  signIn,
  startApi,
  startApp,
  startSignedIn,
} from '../fixtures/wechat/session-app.ts'

let api: LegacyApi

beforeEach(async () => {
  api = await startApi()
})

const LOSSES = ['killed', 'crashed'] as const

function lose(phone: Phone, loss: (typeof LOSSES)[number]): Promise<void> {
  return loss === 'killed' ? phone.killWorker() : phone.crashWorker('out of luck')
}

const lossesByEngine = phoneEngines.flatMap((engine) => LOSSES.map((loss) => ({ engine, loss })))

/** The workers that the app has started. */
function countWorkers({ messages }: Phone): number {
  return new Set(messages.map(({ worker }) => worker)).size
}

test.each(lossesByEngine)(
  'if a worker was $loss before a refresh, the session is restored, on $engine',
  async ({ engine, loss }) => {
    const phone = await startSignedIn(api, { engine })
    await lose(phone, loss)
    api.expireAccessTokens()
    expect(await fetchLists(phone, api)).toEqual(answered())
    expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in', user: { subject: 'alice' } })
    expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
  },
)

test.each(lossesByEngine)(
  'if a worker is $loss while the server holds its refresh, the next one gets the answer, on $engine (I2, I3)',
  async ({ engine, loss }) => {
    const phone = await startSignedIn(api, { engine })
    api.expireAccessTokens()
    const held = api.holdRefreshes()
    const lists = beginLists(phone, api)
    await phone.settle()
    await held.arrived
    await lose(phone, loss)
    held.release()
    await receive(phone)
    expect(await phone.until(lists)).toEqual(answered())
    expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
    expect(await fetchLists(phone, api)).toEqual(answered())
    expect(api.counters.refreshes).toBe(1)
  },
)

test.each(lossesByEngine)(
  'if a worker is $loss while the answer to its refresh is in transit, no token is sent twice, on $engine (I2, I3)',
  async ({ engine, loss }) => {
    const phone = await startSignedIn(api, { engine })
    api.expireAccessTokens()
    const answer = phone.holdNext('request', { matching: '/refresh', afterwards: true })
    const lists = beginLists(phone, api)
    await phone.settle()
    expect(answer.reached).toBe(true)
    await lose(phone, loss)
    answer.release()
    expect(await phone.until(lists)).toEqual(answered())
    expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
  },
)

test.each(LOSSES)(
  'if a worker is %s after the page got the answer to its refresh, and before it was stored, no token is sent twice (I2)',
  async (loss) => {
    const phone = await startSignedIn(api)
    api.expireAccessTokens()
    const saving = phone.holdNext('setStorage')
    const lists = beginLists(phone, api)
    await phone.settle()
    expect(saving.reached).toBe(true)
    await lose(phone, loss)
    saving.fail({ errMsg: 'setStorage:fail' })
    expect(await phone.until(lists)).toEqual(answered())
    expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
  },
)

test.each(LOSSES)('if a worker is %s while it stores new tokens, they are stored (I2)', async (loss) => {
  const phone = await startSignedIn(api)
  api.expireAccessTokens()
  const saving = phone.holdNext('setStorage', { afterwards: true })
  const lists = beginLists(phone, api)
  await phone.settle()
  await lose(phone, loss)
  saving.release()
  expect(await phone.until(lists)).toEqual(answered())
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
})

test.each(lossesByEngine)(
  'if a worker is $loss after a refresh, the next one uses the new tokens, on $engine',
  async ({ engine, loss }) => {
    const phone = await startSignedIn(api, { engine })
    api.expireAccessTokens()
    await fetchLists(phone, api)
    await lose(phone, loss)
    expect(await fetchLists(phone, api)).toEqual(answered())
    expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
  },
)

test('if a second worker is lost during the same refresh, a third gets the answer (I2)', async () => {
  const phone = await startSignedIn(api)
  api.expireAccessTokens()
  const answer = phone.holdNext('request', { matching: '/refresh', afterwards: true })
  const lists = beginLists(phone, api)
  await phone.settle()
  await phone.killWorker()
  await phone.advance(100)
  await phone.killWorker()
  await phone.advance(3000)
  answer.release()
  expect(await phone.until(lists)).toEqual(answered())
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
})

test('a refresh whose answer was lost with the network is sent again by the next worker, as unknown (I7)', async () => {
  const phone = await startSignedIn(api)
  api.expireAccessTokens()
  const request = phone.holdNext('request', { matching: '/refresh' })
  const lists = beginLists(phone, api)
  await phone.settle()
  await phone.killWorker()
  request.fail({ errMsg: 'request:fail interrupted', errno: 600003 })
  expect(await phone.until(lists)).toEqual(answered())
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
})

test.each(lossesByEngine)(
  'a request that a worker has sent before it was $loss is not sent again, and its answer is delivered, on $engine',
  async ({ engine, loss }) => {
    const phone = await startSignedIn(api, { engine })
    const answer = phone.holdNext('request', { matching: '/list', afterwards: true })
    const list = phone.evaluate(listCall(api))
    await phone.settle()
    await lose(phone, loss)
    await phone.settle()
    answer.release()
    expect(await phone.until(list)).toEqual({ items: ['tea', 'ink'], subject: 'alice' })
    expect(countRequests(api, '/list')).toBe(1)
  },
)

test.each(phoneEngines)(
  'after a 401 to a request of a killed worker, the next one refreshes and replays it, on %s',
  async (engine) => {
    const phone = await startSignedIn(api, { engine })
    api.expireAccessTokens()
    const answer = phone.holdNext('request', { matching: '/list', afterwards: true })
    const list = phone.evaluate(outcome(listCall(api)))
    await phone.settle()
    await phone.killWorker()
    answer.release()
    expect(await phone.until(list)).toBe('answered')
    expect(countRequests(api, '/list')).toBe(2)
    expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
  },
)

test('a replay that a killed worker has sent is not sent a third time (I10)', async () => {
  const phone = await startSignedIn(api, { app: { api: `attach: header('X-OTHER')` } })
  const list = phone.evaluate(outcome(listCall(api)))
  const replay = phone.holdNext('request', { matching: '/list', afterwards: true })
  const second = phone.holdNext('request', { matching: '/list', afterwards: true })
  await phone.settle()
  replay.release()
  await phone.settle()
  expect(second.reached).toBe(true)
  await phone.killWorker()
  second.release()
  expect(await phone.until(list)).toBe('api_error')
  expect(countRequests(api, '/list')).toBe(2)
  expect(api.counters.refreshes).toBe(1)
})

test.each(phoneEngines)(
  "a killed worker's POST of one user is not replayed for the next user, though no subject is configured, on %s (I6)",
  async (engine) => {
    const grant = `tokens: { accessToken: 'token.accessToken', refreshToken: 'token.refreshToken' },`
    const phone = await startSignedIn(api, { engine, app: { grant } })
    api.expireAccessTokens()
    const answer = phone.holdNext('request', { matching: '/list', afterwards: true })
    const list = phone.evaluate(outcome(listCall(api)))
    await phone.settle()
    expect(answer.reached).toBe(true)
    await phone.run('getApp().session.signOut()')
    await phone.run(`getApp().session.signIn({ account: 'bob', password: 'lingpai' })`)
    await phone.killWorker()
    answer.release()
    expect(await phone.until(list)).toBe('api_error')
    expect(countRequests(api, '/list')).toBe(1)
  },
)

test('a request that fails while there is no worker rejects with its failure, and is not sent again', async () => {
  const phone = await startSignedIn(api)
  const answer = phone.holdNext('request', { matching: '/list', afterwards: true })
  const list = phone.evaluate(outcome(listCall(api)))
  await phone.settle()
  await phone.killWorker()
  answer.fail({ errMsg: 'request:fail', errno: 5 })
  expect(await phone.until(list)).toBe('network_error')
  expect(countRequests(api, '/list')).toBe(1)
})

test('calls that wait for a slot when their worker is killed are all sent, once', async () => {
  const phone = await startSignedIn(api)
  const answers = Array.from({ length: 9 }, () => phone.holdNext('request', { matching: '/list', afterwards: true }))
  const lists = beginLists(phone, api, 15)
  await phone.settle()
  expect(countRequests(api, '/list')).toBe(9)
  await phone.killWorker()
  await phone.settle()
  for (const answer of answers) answer.release()
  expect(await phone.until(lists)).toEqual(answered(15))
  expect(countRequests(api, '/list')).toBe(15)
})

test.each(LOSSES)('a call succeeds if its worker is %s three times', async (loss) => {
  const phone = await startSignedIn(api)
  const answer = phone.holdNext('request', { matching: '/list', afterwards: true })
  const list = phone.evaluate(outcome(listCall(api)))
  for (let losses = 0; losses < 3; losses += 1) {
    await phone.advance(2000)
    await lose(phone, loss)
  }
  await phone.advance(5000)
  answer.release()
  expect(await phone.until(list)).toBe('answered')
  expect(countRequests(api, '/list')).toBe(1)
})

test('a worker that is killed while it starts is started again, and no call is lost', async () => {
  const phone = await startSignedIn(api)
  const loading = phone.holdNext('getStorage')
  await phone.killWorker()
  const lists = beginLists(phone, api)
  await phone.settle()
  expect(loading.reached).toBe(true)
  await phone.killWorker()
  loading.release()
  expect(await phone.until(lists)).toEqual(answered())
})

test('a sign-in that was pending when its worker was lost rejects, and is not repeated', async () => {
  const phone = await startApp(api)
  const answer = phone.holdNext('request', { matching: '/login', afterwards: true })
  const call = phone.evaluate(outcome(`getApp().session.signIn({ account: 'alice', password: 'lingpai' })`))
  await phone.settle()
  await phone.killWorker()
  answer.release()
  expect(await phone.until(call)).toBe('worker_lost')
  await phone.advance(30_000)
  expect(countRequests(api, '/login')).toBe(1)
  await signIn(phone)
  expect(await fetchLists(phone, api)).toEqual(answered())
})

test('a sign-out that was pending when its worker was lost is repeated', async () => {
  const phone = await startSignedIn(api)
  const clearing = phone.holdNext('removeStorage')
  const call = phone.evaluate(outcome('getApp().session.signOut()'))
  await phone.settle()
  expect(clearing.reached).toBe(true)
  await phone.killWorker()
  clearing.fail({ errMsg: 'removeStorage:fail' })
  expect(await phone.until(call)).toBe('answered')
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-out' })
  expect(phone.storage.keys()).toEqual([])
  expect(await fetchLists(phone, api)).toEqual(refused('sign_in_required'))
})

test.each(phoneEngines)(
  'with memoryStore, a lost worker ends the session, and the snapshot says why, on %s (I7)',
  async (engine) => {
    const phone = await startSignedIn(api, { engine, app: { serve: 'store: memoryStore()' } })
    await phone.openPage('pages/home/home')
    await phone.killWorker()
    await phone.settle()
    expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-out', reason: 'worker_lost' })
    expect(await fetchLists(phone, api)).toEqual(refused('sign_in_required'))
    await phone.advance(5000)
    expect(phone.toasts).toHaveLength(1)
    expect(phone.navigations).toHaveLength(1)
    expect(phone.storage.writes).toEqual([])
    expect(api.counters.refreshes).toBe(0)
  },
)

test('with memoryStore, calls that were pending when the worker was lost end too (I3)', async () => {
  const phone = await startSignedIn(api, { app: { serve: 'store: memoryStore()' } })
  api.expireAccessTokens()
  const answer = phone.holdNext('request', { matching: '/refresh', afterwards: true })
  const lists = beginLists(phone, api)
  await phone.settle()
  await phone.killWorker()
  answer.release()
  expect(await phone.until(lists)).toEqual(refused('sign_in_required'))
})

const BAD_WORKER = { 'workers/token.js': `throw new Error('no such luck')` }

test('if the worker’s script throws at its start, every call rejects with worker_lost and the reason', async () => {
  const phone = await startApp(api, { app: { files: BAD_WORKER } })
  const message = await phone.run(`${listCall(api)}.catch((error) => error.code + ': ' + error.message)`)
  expect(message).toMatch(/^worker_lost: .*no such luck/)
  expect(await phone.run(outcome(listCall(api)))).toBe('worker_lost')
  expect(await readSnapshot(phone)).toMatchObject({ status: 'connecting', reason: 'worker_failed' })
})

test('if the base library reports no script errors, a worker that never answers is worker_lost too', async () => {
  const phone = await startApp(api, { baseLibrary: '2.20.2', app: { files: BAD_WORKER } })
  expect(await phone.run(outcome(listCall(api)))).toBe('worker_lost')
})

test('a script that throws at every start is not started endlessly, and each call ends by its deadline', async () => {
  const phone = await startApp(api, { app: { files: BAD_WORKER } })
  const start = phone.now()
  let calls = 0
  while (phone.now() - start < 300_000) {
    expect(await phone.run(outcome(listCall(api)))).toBe('worker_lost')
    await phone.advance(100)
    calls += 1
  }
  expect(calls).toBeGreaterThan(5)
  expect(phone.errors.length).toBeLessThan(40)
})

/** The worker of the small app; its script throws this long after its start while the switch is on. */
function mortal(lifetime: number) {
  return {
    'workers/token.js': `
      const { serve } = require('./lingpai.js')
      serve(require('./options.js')(require('./lingpai.js')))
      setTimeout(() => { throw new Error('died young') }, ${lifetime})`,
  }
}

test('a worker that dies soon after each start is started after increasing pauses', async () => {
  const phone = await startApp(api, { app: { files: mortal(500) } })
  const start = phone.now()
  await phone.advance(120_000)
  const deaths = phone.errors.filter(({ message }) => message.includes('died young')).length
  expect(deaths).toBeGreaterThan(3)
  expect(deaths).toBeLessThan(20)
  expect(phone.now()).toBe(start + 120_000)
})

test('a worker that sometimes dies soon after its start still answers its calls', async () => {
  const phone = await startApp(api, { app: { files: mortal(3000) } })
  await signIn(phone)
  for (let round = 0; round < 10; round += 1) {
    await phone.advance(1500)
    expect(await fetchLists(phone, api, 2)).toEqual(answered(2))
  }
  expect(countRequests(api, '/list')).toBe(20)
})

test('after many losses in a row, a worker that lives is used again without the user (I12)', async () => {
  const phone = await startSignedIn(api)
  for (let losses = 0; losses < 8; losses += 1) {
    await phone.until(() => phone.hasWorker)
    await phone.killWorker()
  }
  await phone.advance(60_000)
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(api.counters.logins).toBe(1)
  expect(countWorkers(phone)).toBeLessThan(12)
})

test('late messages of a replaced worker do not disturb the current one', async () => {
  const app = `
    const { connect } = require('lingpai/wechat')
    const createWorker = wx.createWorker
    const errorListeners = []
    wx.createWorker = (path, options) => {
      const worker = createWorker(path, options)
      const onError = worker.onError
      worker.onError = (listener) => { errorListeners.push(listener); onError(listener) }
      return worker
    }
    App({
      errorListeners,
      session: connect({ wechat: { worker: 'workers/token.js', signInPage: { url: '/pages/login/login' } } }),
    })`
  const phone = await startSignedIn(api, { app: { files: { 'app.js': app } } })
  await phone.crashWorker('first')
  await fetchLists(phone, api)
  const workers = countWorkers(phone)
  await phone.evaluate(`getApp().errorListeners[0]({ error: { message: 'late news' } })`)
  expect(await fetchLists(phone, api)).toEqual(answered())
  expect(await readSnapshot(phone)).toMatchObject({ status: 'signed-in' })
  expect(countWorkers(phone)).toBe(workers)
})
