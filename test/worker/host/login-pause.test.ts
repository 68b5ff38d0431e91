import { beforeEach, expect, test, vi } from 'vitest'
import type { Grant, GrantIO, TokenSet } from '../../../worker/core/adapter.ts'
import { pauseLogins } from '../../../worker/host/login-pause.ts'

const minute = 60_000
const tokens: TokenSet = { accessToken: 'access', tokenType: 'Bearer', receivedAt: 0 }
let now = 1_800_000_000_000
let isWorking = false
const login = vi.fn(async () => 'code')
const io = { login } as unknown as GrantIO

beforeEach(() => {
  now = 1_800_000_000_000
  isWorking = false
  login.mockClear()
})

async function signInByCode({ login }: GrantIO) {
  await login?.()
  if (!isWorking) throw new Error('refused')
  return { accessToken: 'new' }
}

/** A grant whose refresh is a sign-in by code. */
function open() {
  const plain: Grant = {
    refresh: (_tokens, given) => signInByCode(given),
    signIn: (_input, given) => signInByCode(given),
  }
  const grant = pauseLogins(plain, () => now)
  const fail = (work: unknown) => Promise.resolve(work).catch((error: unknown) => error)
  return { refresh: () => fail(grant.refresh?.(tokens, io)), signIn: () => fail(grant.signIn?.({}, io)) }
}

const paused = (retryAfter: number) => ({ verdict: 'refused', message: 'login_paused', retryAfter })

test('after three failed codes, refreshes pause for a minute, and each pause is twice as long, up to ten minutes', async () => {
  const { refresh } = open()
  for (let count = 0; count < 3; count += 1) expect(await refresh()).toMatchObject({ message: 'refused' })
  for (const minutes of [1, 2, 4, 8, 10, 10]) {
    const before = login.mock.calls.length
    expect(await refresh()).toMatchObject(paused(minutes * minute))
    now += minutes * minute - 1
    expect(await refresh()).toMatchObject(paused(1))
    expect(login).toHaveBeenCalledTimes(before)
    now += 1
    expect(await refresh()).toMatchObject({ message: 'refused' })
    expect(login).toHaveBeenCalledTimes(before + 1)
  }
})

test("a success ends the pause, and so does the user's own sign-in, which never waits", async () => {
  const { refresh, signIn } = open()
  for (let count = 0; count < 4; count += 1) await refresh()
  expect(await signIn()).toMatchObject({ message: 'refused' })
  expect(await refresh()).toMatchObject({ message: 'login_paused' })
  isWorking = true
  expect(await signIn()).toEqual({ accessToken: 'new' })
  expect(await refresh()).toEqual({ accessToken: 'new' })
  isWorking = false
  for (let count = 0; count < 3; count += 1) expect(await refresh()).toMatchObject({ message: 'refused' })
  now += minute
  isWorking = true
  expect(await refresh()).toEqual({ accessToken: 'new' })
  isWorking = false
  for (let count = 0; count < 3; count += 1) expect(await refresh()).toMatchObject({ message: 'refused' })
})

test('a wx.login that never answers counts as a failure', async () => {
  const { refresh } = open()
  login.mockImplementation(() => new Promise<string>(() => {}))
  for (let count = 0; count < 3; count += 1) void refresh()
  login.mockImplementation(async () => 'code')
  expect(await refresh()).toMatchObject(paused(minute))
})

test('a clock that was set back does not make a pause longer', async () => {
  const { refresh } = open()
  for (let count = 0; count < 3; count += 1) await refresh()
  now -= 24 * 60 * minute
  expect(await refresh()).toMatchObject({ message: 'refused' })
})
