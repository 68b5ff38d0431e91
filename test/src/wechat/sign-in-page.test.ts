import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { platformTimers } from '../../../src/connect/timers.ts'
import type { SignInPageOptions } from '../../../src/wechat/mini-program-session.ts'
import { createSignInPage } from '../../../src/wechat/sign-in-page.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function createFakePage(options: Partial<SignInPageOptions> = {}) {
  const showToast = vi.fn()
  const reLaunch = vi.fn((_options: { url: string; complete: () => void }) => {})
  const current = { route: 'pages/orders/orders' as string | undefined }
  const navigation = createSignInPage(
    { url: '/pages/login/login', ...options },
    { wx: { showToast, reLaunch } as never, timers: platformTimers, currentRoute: () => current.route },
  )
  return { ...navigation, showToast, reLaunch, current }
}

test('a toast is shown, and then the page opens', async () => {
  const { navigate, showToast, reLaunch } = createFakePage()
  navigate()
  expect(showToast.mock.calls).toEqual([[{ title: '登录失败，请重新登录', icon: 'none', duration: 1500 }]])
  await vi.advanceTimersByTimeAsync(1199)
  expect(reLaunch).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(reLaunch.mock.calls).toMatchObject([[{ url: '/pages/login/login' }]])
})

test('however many calls need a sign-in, there is one toast and one reLaunch', async () => {
  const { navigate, showToast, reLaunch } = createFakePage()
  for (let count = 0; count < 20; count += 1) {
    navigate()
    await vi.advanceTimersByTimeAsync(100)
  }
  expect([showToast.mock.calls.length, reLaunch.mock.calls.length]).toEqual([1, 1])
})

test('after the page has opened, it can be opened again later', async () => {
  const { navigate, reLaunch, current } = createFakePage()
  navigate()
  await vi.advanceTimersByTimeAsync(1200)
  reLaunch.mock.calls[0]?.[0].complete()
  current.route = 'pages/home/home'
  navigate()
  await vi.advanceTimersByTimeAsync(1200)
  expect(reLaunch).toHaveBeenCalledTimes(2)
})

test.each(['/pages/login/login', '/pages/login/login?from=session'])(
  'nothing happens if the user is already on the page (%s)',
  async (url) => {
    const { navigate, showToast, reLaunch, current } = createFakePage({ url })
    current.route = 'pages/login/login'
    navigate()
    await vi.advanceTimersByTimeAsync(5000)
    expect([showToast.mock.calls.length, reLaunch.mock.calls.length]).toEqual([0, 0])
  },
)

test('the page does not open if the user went there meanwhile, and opens the next time', async () => {
  const { navigate, reLaunch, current } = createFakePage()
  navigate()
  current.route = 'pages/login/login'
  await vi.advanceTimersByTimeAsync(1200)
  expect(reLaunch).not.toHaveBeenCalled()
  current.route = 'pages/orders/orders'
  navigate()
  await vi.advanceTimersByTimeAsync(1200)
  expect(reLaunch).toHaveBeenCalledOnce()
})

test('after a cancel the page does not open, and opens the next time', async () => {
  const { navigate, cancel, reLaunch } = createFakePage()
  cancel()
  navigate()
  cancel()
  await vi.advanceTimersByTimeAsync(5000)
  expect(reLaunch).not.toHaveBeenCalled()
  navigate()
  await vi.advanceTimersByTimeAsync(1200)
  expect(reLaunch).toHaveBeenCalledOnce()
})

test('the page also opens if no page is open yet', async () => {
  const { navigate, reLaunch, current } = createFakePage()
  current.route = undefined
  navigate()
  await vi.advanceTimersByTimeAsync(1200)
  expect(reLaunch).toHaveBeenCalledOnce()
})

test('an empty message shows no toast, and a long delay shows a long one', async () => {
  const silent = createFakePage({ message: '', delay: 0 })
  silent.navigate()
  await vi.advanceTimersByTimeAsync(0)
  expect([silent.showToast.mock.calls.length, silent.reLaunch.mock.calls.length]).toEqual([0, 1])
  const slow = createFakePage({ message: 'Bye', delay: 4000 })
  slow.navigate()
  expect(slow.showToast.mock.calls).toMatchObject([[{ title: 'Bye', duration: 4000 }]])
})

test.each<[string, object]>([
  ['no url', { url: undefined }],
  ['a relative url', { url: 'pages/login/login' }],
  ['an absolute url', { url: 'https://example.com/' }],
  ['a url that begins with two slashes', { url: '//pages/login' }],
  ['a bare slash', { url: '/' }],
  ['a message that is not a string', { message: 5 }],
  ['a negative delay', { delay: -1 }],
  ['a delay that is not a number', { delay: '1200' }],
  ['a delay that is NaN', { delay: Number.NaN }],
])('a sign-in page with %s throws invalid_config', (_what, changes) => {
  expect(() => createFakePage(changes as Partial<SignInPageOptions>)).toThrow(
    expect.objectContaining({ code: 'invalid_config' }),
  )
})
