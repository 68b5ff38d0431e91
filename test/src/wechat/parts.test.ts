import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { borrowWorker } from '../../../src/connect/wechat.ts'
import type { Timers } from '../../../src/protocol/awake-timers.ts'
import { createExchanges } from '../../../src/wechat/exchanges.ts'
import { createLogin } from '../../../src/wechat/login.ts'
import type { SignInPageOptions } from '../../../src/wechat/mini-program-session.ts'
import type { HttpAnswer, OutgoingRequest } from '../../../src/wechat/network.ts'
import { createSignInPage } from '../../../src/wechat/sign-in-page.ts'
import { createStorage } from '../../../src/wechat/storage.ts'
import { createTaskSemaphore } from '../../../src/wechat/task-semaphore.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const timers: Timers = {
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer as number),
}
/** What a promise brings at once; so that one that never settles fails its test, and not the clock. */
async function soon<T>(promise: Promise<T>): Promise<T | 'nothing yet'> {
  return Promise.race([promise, vi.advanceTimersByTimeAsync(10).then(() => 'nothing yet' as const)])
}
const outcomeOf = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)

// slots

test('there are nine places by default, so that one of WeChat’s ten stays free', () => {
  const slots = createTaskSemaphore()
  const taken = Array.from({ length: 10 }, () => slots.tryTake())
  expect(taken).toEqual([...Array(9).fill(true), false])
})

test('a released place goes to whoever has waited longest, and to nobody else', () => {
  const slots = createTaskSemaphore(1)
  slots.tryTake()
  const got: string[] = []
  slots.wait(() => got.push('first'))
  slots.wait(() => got.push('second'))
  slots.release()
  expect(got).toEqual(['first'])
  expect(slots.tryTake()).toBe(false)
  slots.release()
  expect(got).toEqual(['first', 'second'])
  slots.release()
  expect(slots.tryTake()).toBe(true)
})

test('whoever leaves the queue gets no place, and keeps none from the next one', () => {
  const slots = createTaskSemaphore(1)
  slots.tryTake()
  const [left, stays] = [vi.fn(), vi.fn()]
  const leave = slots.wait(left)
  slots.wait(stays)
  leave()
  leave()
  slots.release()
  expect(left).not.toHaveBeenCalled()
  expect(stays).toHaveBeenCalledOnce()
})

test('leaving after the place was given changes nothing', () => {
  const slots = createTaskSemaphore(1)
  slots.tryTake()
  const leave = slots.wait(() => {})
  slots.release()
  leave()
  expect(slots.tryTake()).toBe(false)
})

test('the same function may wait twice, and is called for each', () => {
  const slots = createTaskSemaphore(1)
  slots.tryTake()
  const onTaken = vi.fn()
  slots.wait(onTaken)
  slots.wait(onTaken)
  slots.release()
  slots.release()
  expect(onTaken).toHaveBeenCalledTimes(2)
})

test('whoever gives the place back at once hands it on', () => {
  const slots = createTaskSemaphore(1)
  slots.tryTake()
  const got = vi.fn()
  slots.wait(() => slots.release())
  slots.wait(got)
  slots.release()
  expect(got).toHaveBeenCalledOnce()
})

test('whatever happens in whatever order, never more are taken than there are, and nobody waits beside a free place', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.record({ do: fc.constantFrom('take', 'release', 'leave'), index: fc.nat(10) }), { maxLength: 60 }),
      (most, steps) => {
        const slots = createTaskSemaphore(most)
        let taken = 0
        const queue: { id: number; leave: () => void }[] = []
        let lastId = 0
        for (const { do: what, index } of steps) {
          if (what === 'take') {
            if (slots.tryTake()) taken += 1
            else {
              const id = ++lastId
              const leave = slots.wait(() => {
                // First come first served.
                expect(queue.shift()?.id).toBe(id)
                taken += 1
              })
              queue.push({ id, leave })
            }
          } else if (what === 'release' && taken > 0) {
            taken -= 1
            slots.release()
          } else if (what === 'leave' && queue.length > 0) queue.splice(index % queue.length, 1)[0]?.leave()
          expect(taken).toBeLessThanOrEqual(most)
          if (taken < most) expect(queue).toEqual([])
        }
      },
    ),
  )
})

// storage

interface StorageOptions {
  readonly key: string
  readonly data?: unknown
  readonly encrypt?: boolean
  success(answer: object): void
  fail(failure: { errMsg?: string }): void
}

/** A storage as phones have it: what was written encrypted is only read so, and the other way round. */
function createFakeStorage() {
  const kept = new Map<string, { data: unknown; isEncrypted: boolean }>()
  const log: string[] = []
  const failures = new Map<string, { errMsg?: string }>()
  const held: (() => void)[] = []
  let isHolding = false
  const answer = (work: () => void) => (isHolding ? held.push(work) : queueMicrotask(work))
  const start = (kind: string, options: StorageOptions, work: () => void) => {
    log.push(`${kind} ${options.key}${options.encrypt ? ' encrypted' : ''}`)
    const failure = failures.get(`${kind} ${options.key}`)
    answer(() => (failure ? options.fail(failure) : work()))
  }
  return {
    kept,
    log,
    /** The next operation of that kind, on that key, fails so. */
    fail: (what: string, failure: { errMsg?: string }) => failures.set(what, failure),
    heal: () => failures.clear(),
    hold() {
      isHolding = true
    },
    async release() {
      isHolding = false
      for (const work of held.splice(0)) work()
      await vi.advanceTimersByTimeAsync(0)
    },
    wx: {
      getStorage: (options: StorageOptions) =>
        start('get', options, () => {
          const record = kept.get(options.key)
          if (record === undefined) options.fail({ errMsg: 'getStorage:fail data not found' })
          else if (record.isEncrypted !== (options.encrypt === true))
            options.fail({ errMsg: 'getStorage:fail decrypt' })
          else options.success({ data: record.data })
        }),
      setStorage: (options: StorageOptions) =>
        start('set', options, () => {
          kept.set(options.key, { data: options.data, isEncrypted: options.encrypt === true })
          options.success({})
        }),
      removeStorage: (options: StorageOptions) =>
        start('remove', options, () => {
          kept.delete(options.key)
          options.success({})
        }),
    } as never,
  }
}

test('an empty storage has no record, encrypted or not', async () => {
  const { wx } = createFakeStorage()
  expect(await createStorage(wx, '3.0.0').load('key')).toEqual({ isEncrypted: true })
  expect(await createStorage(wx, '2.20.2').load('key')).toEqual({ isEncrypted: false })
})

test.each<[string, boolean]>([
  ['2.21.3', true],
  ['2.21.10', true],
  ['2.22', true],
  ['3', true],
  ['10.0.0', true],
  ['2.21.2', false],
  ['2.21', false],
  ['2.3.30', false],
  ['1.99.99', false],
  ['0', false],
  ['', false],
  ['dev', false],
])('base library %s: encrypted is %s', async (version, isEncrypted) => {
  const { wx, kept } = createFakeStorage()
  const storage = createStorage(wx, version)
  expect(await storage.save('key', 'text')).toEqual({ isEncrypted })
  expect([...kept.values()]).toEqual([{ data: 'text', isEncrypted }])
  expect(await storage.load('key')).toEqual({ isEncrypted, text: 'text' })
})

test('an update of the base library finds the record that was kept in the clear, and the next save removes that', async () => {
  const { wx, kept } = createFakeStorage()
  await createStorage(wx, '2.20.2').save('key', 'old')
  const storage = createStorage(wx, '3.0.0')
  expect(await storage.load('key')).toEqual({ isEncrypted: true, text: 'old' })
  await storage.save('key', 'new')
  expect([...kept]).toEqual([['lingpai.key', { data: 'new', isEncrypted: true }]])
})

test('a base library that is set back does not stumble over the encrypted record', async () => {
  const { wx } = createFakeStorage()
  await createStorage(wx, '3.0.0').save('key', 'new')
  expect(await createStorage(wx, '2.20.2').load('key')).toEqual({ isEncrypted: false })
})

test.each(['3.0.0', '2.20.2'])('clear removes both records (%s)', async (version) => {
  const { wx, kept } = createFakeStorage()
  await createStorage(wx, '3.0.0').save('key', 'one')
  await createStorage(wx, '2.20.2').save('key', 'other')
  await createStorage(wx, '3.0.0').save('another', 'stays')
  await createStorage(wx, version).clear('key')
  expect([...kept.keys()]).toEqual(['lingpai.another'])
})

test('what another hand has put there, and is no text, is no record', async () => {
  const { wx, kept } = createFakeStorage()
  kept.set('lingpai.key', { data: { an: 'object' }, isEncrypted: true })
  expect(await createStorage(wx, '3.0.0').load('key')).toEqual({ isEncrypted: true })
})

test.each<[string, string, (storage: ReturnType<typeof createStorage>) => Promise<unknown>]>([
  ['read', 'get lingpai.key', (storage) => storage.load('key')],
  ['read', 'get lingpai.key.plain', (storage) => storage.load('key')],
  ['write', 'set lingpai.key', (storage) => storage.save('key', 'secret-text')],
  ['delete', 'remove lingpai.key', (storage) => storage.clear('key')],
  ['delete', 'remove lingpai.key.plain', (storage) => storage.clear('key')],
])(
  'where WeChat cannot %s (%s fails), it rejects with store_failed, and without the record (I11)',
  async (what, operation, work) => {
    for (const failure of [{ errMsg: 'storage is full' }, { errMsg: 'x'.repeat(10_000) }, {}]) {
      const { wx, fail, heal } = createFakeStorage()
      fail(operation, failure)
      const storage = createStorage(wx, '3.0.0')
      const error = (await soon(outcomeOf(work(storage)))) as Error
      expect(error).toMatchObject({ code: 'store_failed' })
      expect(error.message).toContain(`could not ${what}`)
      expect(error.message).not.toContain('secret-text')
      expect(error.message.length).toBeLessThan(1000)
      // What failed keeps nothing that follows from being done.
      heal()
      expect(await storage.save('key', 'later')).toEqual({ isEncrypted: true })
    }
  },
)

test('an operation that WeChat never answers is given up, and keeps no later one (I3)', async () => {
  const { wx } = createFakeStorage()
  const storage = createStorage(Object.assign(wx, { getStorage: () => {} }), '3.0.0')
  const loaded = outcomeOf(storage.load('key'))
  const saved = storage.save('key', 'text')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(await loaded).toMatchObject({ code: 'timeout' })
  expect(await saved).toEqual({ isEncrypted: true })
})

test('operations take their turn: one begins when the one before it has ended, whatever it ended with', async () => {
  const { wx, log, hold, release, fail } = createFakeStorage()
  const storage = createStorage(wx, '3.0.0')
  hold()
  fail('set lingpai.key', { errMsg: 'full' })
  const saved = outcomeOf(storage.save('key', 'one'))
  const cleared = storage.clear('key')
  await vi.advanceTimersByTimeAsync(0)
  expect(log).toEqual(['set lingpai.key encrypted'])
  await release()
  expect(await saved).toMatchObject({ code: 'store_failed' })
  await cleared
  expect(log).toEqual(['set lingpai.key encrypted', 'remove lingpai.key', 'remove lingpai.key.plain'])
})

test('a late save of a lost worker does not overtake what its successor saves', async () => {
  const { wx, kept, hold, release } = createFakeStorage()
  const storage = createStorage(wx, '3.0.0')
  hold()
  const saves = [storage.save('key', 'of the lost one'), storage.save('key', 'of its successor')]
  await release()
  await Promise.all(saves)
  expect(kept.get('lingpai.key')?.data).toBe('of its successor')
})

// login

interface LoginOptions {
  success(answer: { code?: string }): void
  fail(failure: { errMsg?: string }): void
}

function createFakeLogin(now: () => number = Date.now) {
  const asked: { readonly at: number; readonly options: LoginOptions }[] = []
  const loginUntil = createLogin(
    { login: (options: LoginOptions) => asked.push({ at: Date.now(), options }) } as never,
    timers,
    now,
  )
  return { asked, login: (signal: AbortSignal = new AbortController().signal) => loginUntil(signal) }
}

test('each who asks gets a code of their own, one after the other', async () => {
  const { asked, login } = createFakeLogin()
  const codes = [login(), login()]
  await vi.advanceTimersByTimeAsync(5000)
  expect(asked).toHaveLength(1)
  asked[0]?.options.success({ code: 'first' })
  await vi.advanceTimersByTimeAsync(0)
  expect(asked).toHaveLength(2)
  asked[1]?.options.success({ code: 'second' })
  expect(await Promise.all(codes)).toEqual(['first', 'second'])
})

test('WeChat is asked at most once a second', async () => {
  const { asked, login } = createFakeLogin()
  const begun = Date.now()
  for (let count = 0; count < 4; count += 1) {
    void login()
    await vi.advanceTimersByTimeAsync(10)
    asked.at(-1)?.options.success({ code: 'code' })
  }
  for (let count = 0; count < 6; count += 1) {
    await vi.advanceTimersByTimeAsync(500)
    asked.at(-1)?.options.success({ code: 'code' })
  }
  expect(asked.map(({ at }) => at - begun)).toEqual([0, 1000, 2000, 3000])
})

test('whoever gives up while they wait asks for no code, and keeps nobody waiting', async () => {
  const { asked, login } = createFakeLogin()
  const begun = Date.now()
  void login()
  const controllers = Array.from({ length: 4 }, () => new AbortController())
  const left = controllers.map(({ signal }) => outcomeOf(login(signal)))
  void login()
  await vi.advanceTimersByTimeAsync(0)
  for (const controller of controllers.slice(1)) controller.abort()
  asked[0]?.options.success({ code: 'first' })
  await vi.advanceTimersByTimeAsync(500)
  // In the middle of the pause before its turn.
  controllers[0]?.abort()
  await vi.advanceTimersByTimeAsync(500)
  expect(await Promise.all(left)).toMatchObject(Array(4).fill({ code: 'aborted' }))
  expect(asked.map(({ at }) => at - begun)).toEqual([0, 1000])
})

test('a clock that was set back keeps nobody waiting', async () => {
  let clock = 1_800_000_000_000
  const { asked, login } = createFakeLogin(() => clock)
  void login()
  await vi.advanceTimersByTimeAsync(0)
  asked[0]?.options.success({ code: 'first' })
  clock -= 86_400_000
  void login()
  await vi.advanceTimersByTimeAsync(0)
  expect(asked).toHaveLength(2)
})

test.each<[string, (options: LoginOptions) => void]>([
  ['fails', ({ fail }) => fail({ errMsg: 'login:fail network' })],
  ['fails and says endlessly why', ({ fail }) => fail({ errMsg: 'x'.repeat(10_000) })],
  ['fails without a word', ({ fail }) => fail({})],
  ['gives an empty code', ({ success }) => success({ code: '' })],
  ['gives no code', ({ success }) => success({})],
])('a login that %s is a network error, and the next one is tried', async (_what, end) => {
  const { asked, login } = createFakeLogin()
  const [failing, next] = [outcomeOf(login()), login()]
  await vi.advanceTimersByTimeAsync(0)
  end((asked[0] as { options: LoginOptions }).options)
  const error = (await soon(failing)) as Error
  expect(error).toMatchObject({ code: 'network_error' })
  expect(error.message.length).toBeLessThan(1000)
  await vi.advanceTimersByTimeAsync(1000)
  asked[1]?.options.success({ code: 'code' })
  expect(await next).toBe('code')
})

test('a login has a timeout of its own, since nothing else ends it', async () => {
  const { asked, login } = createFakeLogin()
  void login()
  await vi.advanceTimersByTimeAsync(0)
  expect((asked[0]?.options as { timeout?: number } | undefined)?.timeout).toBeGreaterThan(0)
})

// exchanges

const refreshRequest: OutgoingRequest = { url: 'https://api.example/refresh', method: 'POST', headers: [] }

function createFakeNetwork() {
  const sent: { succeed(text: string): void; fail(error: Error): void; abort: ReturnType<typeof vi.fn> }[] = []
  const exchanges = createExchanges({
    request() {
      const abort = vi.fn()
      const answer = new Promise<HttpAnswer>((resolve, reject) => {
        sent.push({ succeed: (text) => resolve({ status: 200, headers: {}, text }), fail: reject, abort })
      })
      return { answer, abort }
    },
  })
  const send = (connection: number, name: string | undefined) => exchanges.send(connection, name, refreshRequest)
  return { exchanges, send, sent }
}

test('a successor gets the answer that a lost worker was waiting for, and nothing is sent again (I2)', async () => {
  const { send, sent } = createFakeNetwork()
  const [lost, successor] = [send(1, 'a.1'), send(2, 'a.1')]
  expect(sent).toHaveLength(1)
  sent[0]?.succeed('new tokens')
  expect(await Promise.all([lost.answer, successor.answer])).toMatchObject([
    { text: 'new tokens' },
    { text: 'new tokens' },
  ])
})

test('an answer that has come already is given to the successor too (I2)', async () => {
  const { send, sent } = createFakeNetwork()
  const { answer } = send(1, 'a.1')
  sent[0]?.succeed('new tokens')
  await answer
  expect(await send(2, 'a.1').answer).toMatchObject({ text: 'new tokens' })
  expect(await send(3, 'a.1').answer).toMatchObject({ text: 'new tokens' })
  expect(sent).toHaveLength(1)
})

test('the same worker that asks again means to send again, and so does its next retry', () => {
  const { send, sent } = createFakeNetwork()
  send(1, 'a.1')
  send(1, 'a.1')
  send(2, 'a.1')
  expect(sent).toHaveLength(2)
  send(2, 'a.1')
  expect(sent).toHaveLength(3)
})

test('another name, or none, is another request', () => {
  const { send, sent } = createFakeNetwork()
  send(1, 'a.1')
  send(2, 'a.2')
  send(1, undefined)
  send(2, undefined)
  expect(sent).toHaveLength(4)
})

test('an aborted exchange is given to nobody', () => {
  const { send, sent } = createFakeNetwork()
  send(1, 'a.1').abort()
  expect(sent[0]?.abort).toHaveBeenCalledOnce()
  send(2, 'a.1')
  expect(sent).toHaveLength(2)
})

test('a late abort of an earlier attempt leaves the later one to be taken over', async () => {
  const { send, sent } = createFakeNetwork()
  const first = send(1, 'a.1')
  send(1, 'a.1')
  first.abort()
  const successor = send(2, 'a.1')
  expect(sent).toHaveLength(2)
  sent[1]?.succeed('of the second')
  expect(await successor.answer).toMatchObject({ text: 'of the second' })
})

test('an abort without a name ends its own request', () => {
  const { send, sent } = createFakeNetwork()
  send(1, undefined).abort()
  expect(sent[0]?.abort).toHaveBeenCalledOnce()
})

test('once the session is stored, what was asked before is settled', () => {
  const { exchanges, send, sent } = createFakeNetwork()
  send(1, 'a.1')
  exchanges.clear()
  send(2, 'a.1')
  expect(sent).toHaveLength(2)
})

test('only the last eight are kept, whichever were asked for last', () => {
  const { send, sent } = createFakeNetwork()
  for (let number = 1; number <= 8; number += 1) send(1, `a.${number}`)
  send(2, 'a.1')
  expect(sent).toHaveLength(8)
  send(1, 'a.9')
  send(3, 'a.1')
  send(3, 'a.9')
  expect(sent).toHaveLength(9)
  send(2, 'a.2')
  expect(sent).toHaveLength(10)
})

// sign-in page

function createFakePage(options: Partial<SignInPageOptions> = {}) {
  const showToast = vi.fn()
  const reLaunch = vi.fn((_options: { url: string; complete: () => void }) => {})
  const current = { route: 'pages/orders/orders' as string | undefined }
  const guide = createSignInPage(
    { url: '/pages/login/login', ...options },
    { wx: { showToast, reLaunch } as never, timers, currentRoute: () => current.route },
  )
  return { ...guide, showToast, reLaunch, current }
}

test('the user is told first, and then led to the page', async () => {
  const { lead, showToast, reLaunch } = createFakePage()
  lead()
  expect(showToast.mock.calls).toEqual([[{ title: '登录失败，请重新登录', icon: 'none', duration: 1500 }]])
  await vi.advanceTimersByTimeAsync(1199)
  expect(reLaunch).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(reLaunch.mock.calls).toMatchObject([[{ url: '/pages/login/login' }]])
})

test('however many calls need a sign-in, there is one toast and one reLaunch', async () => {
  const { lead, showToast, reLaunch } = createFakePage()
  for (let count = 0; count < 20; count += 1) {
    lead()
    await vi.advanceTimersByTimeAsync(100)
  }
  expect([showToast.mock.calls.length, reLaunch.mock.calls.length]).toEqual([1, 1])
})

test('once the page has opened, a later end of the session leads there again', async () => {
  const { lead, reLaunch, current } = createFakePage()
  lead()
  await vi.advanceTimersByTimeAsync(1200)
  reLaunch.mock.calls[0]?.[0].complete()
  current.route = 'pages/home/home'
  lead()
  await vi.advanceTimersByTimeAsync(1200)
  expect(reLaunch).toHaveBeenCalledTimes(2)
})

test.each(['/pages/login/login', '/pages/login/login?from=session'])(
  'whoever is on the page already (%s) is left alone',
  async (url) => {
    const { lead, showToast, reLaunch, current } = createFakePage({ url })
    current.route = 'pages/login/login'
    lead()
    await vi.advanceTimersByTimeAsync(5000)
    expect([showToast.mock.calls.length, reLaunch.mock.calls.length]).toEqual([0, 0])
  },
)

test('whoever went there by themselves meanwhile is left alone, and led there another time', async () => {
  const { lead, reLaunch, current } = createFakePage()
  lead()
  current.route = 'pages/login/login'
  await vi.advanceTimersByTimeAsync(1200)
  expect(reLaunch).not.toHaveBeenCalled()
  current.route = 'pages/orders/orders'
  lead()
  await vi.advanceTimersByTimeAsync(1200)
  expect(reLaunch).toHaveBeenCalledOnce()
})

test('whoever signs in meanwhile stays where they are, and is led there another time', async () => {
  const { lead, stop, reLaunch } = createFakePage()
  stop()
  lead()
  stop()
  await vi.advanceTimersByTimeAsync(5000)
  expect(reLaunch).not.toHaveBeenCalled()
  lead()
  await vi.advanceTimersByTimeAsync(1200)
  expect(reLaunch).toHaveBeenCalledOnce()
})

test('where no page is open yet, the user is led all the same', async () => {
  const { lead, reLaunch, current } = createFakePage()
  current.route = undefined
  lead()
  await vi.advanceTimersByTimeAsync(1200)
  expect(reLaunch).toHaveBeenCalledOnce()
})

test('an empty message shows no toast, and a long delay a long one', async () => {
  const silent = createFakePage({ message: '', delay: 0 })
  silent.lead()
  await vi.advanceTimersByTimeAsync(0)
  expect([silent.showToast.mock.calls.length, silent.reLaunch.mock.calls.length]).toEqual([0, 1])
  const slow = createFakePage({ message: 'Bye', delay: 4000 })
  slow.lead()
  expect(slow.showToast.mock.calls).toMatchObject([[{ title: 'Bye', duration: 4000 }]])
})

test.each<[string, object]>([
  ['no url', { url: undefined }],
  ['a relative url', { url: 'pages/login/login' }],
  ['an absolute url', { url: 'https://example.com/' }],
  ['a url that begins with two slashes', { url: '//pages/login' }],
  ['a bare slash', { url: '/' }],
  ['a message that is no text', { message: 5 }],
  ['a negative delay', { delay: -1 }],
  ['a delay that is no number', { delay: '1200' }],
  ['a delay that is NaN', { delay: Number.NaN }],
])('a sign-in page with %s is invalid_config', (_what, changes) => {
  expect(() => createFakePage(changes as Partial<SignInPageOptions>)).toThrow(
    expect.objectContaining({ code: 'invalid_config' }),
  )
})

// a worker that the app owns

test("what a lost worker still says is lingpai's, and no message of the app's own", () => {
  const borrowed = borrowWorker(
    { postMessage() {} },
    { timers, now: Date.now, checks: {}, createAppThreadServices: () => ({ table: {} as never, abort() {} }) },
  )
  borrowed.open().endpoint.close?.()
  const message = { lingpai: 'channel', kind: 'services', connection: 'page', instance: 'lost', body: 'a token' }
  expect([borrowed.handleMessage(message), borrowed.handleMessage({ message })]).toEqual([true, true])
  expect(borrowed.handleMessage({ echo: 'hello' })).toBe(false)
})
