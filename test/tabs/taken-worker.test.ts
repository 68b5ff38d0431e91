import { expect } from 'vitest'
import { test as it } from '../fixtures/tab-test.ts'
import { callApi, signIn, waitForStatus } from '../fixtures/tabs.ts'

it.for([
  ['credentialed', 'stored'],
  ['credentialed', 'both'],
  ['classic', 'stored'],
])(
  'a tab whose SharedWorker runs with other options has a clear error, and recovers when that worker is gone (%s, %s)',
  async ([other, own], { app, context, openTab }) => {
    const first = await openTab(`/?worker=${other}`)
    await signIn(first)
    const second = await context.newPage()
    await second.goto(`${app.origin}/?worker=${own}`)
    await second.waitForFunction(() => window.session?.getSnapshot().reason === 'protocol_mismatch')
    expect(await callApi(second, 2)).toEqual(['protocol_mismatch', 'protocol_mismatch'])
    expect(await callApi(first, 1)).toEqual([200])
    await second.evaluate(() => Object.assign(window, { isSamePage: true }))
    await first.close()
    // The session was stored, so the user is still signed in.
    await waitForStatus(second, 'signed-in')
    expect(await callApi(second, 1)).toEqual([200])
    expect(await second.evaluate(() => window.session.getSnapshot().mode)).toBe('shared')
    expect(await second.evaluate(() => (window as { isSamePage?: boolean }).isSamePage)).toBe(true)
    expect(second.workers()).toEqual([])
  },
)
