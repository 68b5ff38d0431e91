import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'
import { callApi, openTab, signIn, waitForStatus } from '../fixtures/tabs.ts'

test('a flood of forged messages between workers changes nothing (T8)', async ({ app, attacker, expectUnharmed }) => {
  await attacker.evaluate(async () => {
    const channel = new BroadcastChannel('lingpai:lingpai')
    for (let count = 0; count < 20_000; count += 1)
      channel.postMessage({ type: 'signed-out', session: 'forged', count })
    channel.close()
  })
  app.authorizationServer.expireAccessTokens()
  await expectUnharmed()
})

test('messages that are forged on every channel of a stored session change nothing (T8)', async ({ app, browser }) => {
  const context = await browser.newContext()
  try {
    const tab = await openTab(context, app, '/?worker=stored')
    await signIn(tab)
    const changes = await tab.evaluate(() => window.changes.length)
    await tab.evaluate(async () => {
      for (const { name } of await indexedDB.databases()) {
        for (const channel of [new BroadcastChannel(`lingpai:${name}`), new BroadcastChannel(name as string)]) {
          for (let count = 0; count < 5_000; count += 1) channel.postMessage(count % 2 ? null : { signedOut: true })
          channel.close()
        }
      }
    })
    const before = app.authorizationServer.counters.tokenRequests.refresh_token
    app.authorizationServer.expireAccessTokens()
    expect(await callApi(tab, 10)).toEqual(Array(10).fill(200))
    expect(app.authorizationServer.counters.tokenRequests.refresh_token - before).toBe(1)
    await waitForStatus(tab, 'signed-in')
    expect(await tab.evaluate(() => window.changes.length)).toBe(changes)
  } finally {
    await context.close()
  }
})

test('a page that steals every lock again and again ends no session (T8)', async ({ attacker, expectUnharmed }) => {
  const thefts = await attacker.evaluate(async () => {
    let count = 0
    for (let round = 0; round < 20; round += 1) {
      const { held = [], pending = [] } = await navigator.locks.query()
      for (const { name = '' } of [...held, ...pending]) {
        if (!name.startsWith('lingpai:')) continue
        await navigator.locks.request(name, { steal: true }, () => {})
        count += 1
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return count
  })
  expect(thefts).toBeGreaterThan(2)
  await expectUnharmed()
})
