import { afterEach, expect, test, vi } from 'vitest'
import { openPeers } from '../../../worker/host/peers.ts'
import { createVirtualPlatform } from '../../../worker/testing/virtual-platform.ts'
import { createFakeLocks } from '../../fixtures/fake-locks.ts'

const minute = 60_000
afterEach(() => vi.unstubAllGlobals())

/** A worker in a browser in which a script holds the lock of refreshes and never releases it. */
async function open(isHeld: boolean) {
  const locks = createFakeLocks()
  vi.stubGlobal('navigator', { locks })
  if (isHeld) locks.request('lingpai:refresh:shared', () => new Promise(() => {})).catch(() => {})
  const platform = createVirtualPlatform()
  await platform.settle()
  const peers = openPeers('shared', platform)
  /** How long the work waited, in milliseconds. */
  const waitOf = async () => {
    const started = platform.now()
    let began: number | undefined
    const work = async (hasTimedOut?: boolean) => {
      began = platform.now()
      // The store shows no marker of another worker.
      if (hasTimedOut) peers.distrust?.()
    }
    const running = peers.exclusive(work, 10_000)
    await platform.settle()
    if (began === undefined) await platform.advance(10_000)
    await running
    return (began ?? Number.NaN) - started
  }
  /** The script takes the lock again. */
  const hold = () =>
    void locks.request('lingpai:refresh:shared', { steal: true }, () => new Promise(() => {})).catch(() => {})
  return { platform, waitOf, hold }
}

test('a script that holds the lock of refreshes delays one refresh, and then none for five minutes (T8)', async () => {
  const { platform, waitOf, hold } = await open(true)
  expect(await waitOf()).toBe(10_000)
  for (let count = 0; count < 3; count += 1) {
    hold()
    await platform.settle()
    expect(await waitOf()).toBe(0)
  }
  await platform.advance(5 * minute)
  hold()
  await platform.settle()
  expect(await waitOf()).toBe(10_000)
})

test('a clock that is set back does not make the lock be ignored for longer', async () => {
  const { platform, waitOf, hold } = await open(true)
  await waitOf()
  const now = platform.now()
  vi.spyOn(platform, 'now').mockReturnValue(now - 60 * minute)
  hold()
  await platform.settle()
  const began = vi.fn()
  void waitOf().then(began)
  await platform.settle()
  expect(began).not.toHaveBeenCalled()
})

test('a lock that is free is taken at once', async () => {
  expect(await (await open(false)).waitOf()).toBe(0)
})
