import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { platformTimers } from '../../../src/connect/timers.ts'
import { createLogin } from '../../../src/wechat/login.ts'
import { outcomeOf, soon } from '../../fixtures/soon.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

interface LoginOptions {
  success(answer: { code?: string }): void
  fail(failure: { errMsg?: string }): void
}

function createFakeLogin(now: () => number = Date.now) {
  const asked: { readonly at: number; readonly options: LoginOptions }[] = []
  const loginUntil = createLogin(
    { login: (options: LoginOptions) => asked.push({ at: Date.now(), options }) } as never,
    platformTimers,
    now,
  )
  return { asked, login: (signal: AbortSignal = new AbortController().signal) => loginUntil(signal) }
}

test('each caller gets its own code, one after the other', async () => {
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

test('wx.login is called at most once a second', async () => {
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

test('a call that is aborted while it waits does not call wx.login, and does not delay the next one', async () => {
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
  // During the pause before its wx.login.
  controllers[0]?.abort()
  await vi.advanceTimersByTimeAsync(500)
  expect(await Promise.all(left)).toMatchObject(Array(4).fill({ code: 'aborted' }))
  expect(asked.map(({ at }) => at - begun)).toEqual([0, 1000])
})

test('a clock that was set back does not delay the next login', async () => {
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
  ['fails with a very long text', ({ fail }) => fail({ errMsg: 'x'.repeat(10_000) })],
  ['fails without a text', ({ fail }) => fail({})],
  ['returns an empty code', ({ success }) => success({ code: '' })],
  ['returns no code', ({ success }) => success({})],
])('a login that %s rejects with network_error, and the next one runs', async (_what, end) => {
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

test('wx.login gets a timeout, since nothing else ends it', async () => {
  const { asked, login } = createFakeLogin()
  void login()
  await vi.advanceTimersByTimeAsync(0)
  expect((asked[0]?.options as { timeout?: number } | undefined)?.timeout).toBeGreaterThan(0)
})
