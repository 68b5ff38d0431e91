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
