import { expect, it } from 'vitest'
import { adoptTokens, callApi, livingBrokers, signIn, useScene, waitForStatus } from './scene.ts'

const scene = useScene()

async function openThreeTabs(query: string) {
  const first = await scene.openTab(query)
  const tabs = [first, await scene.openTab(query), await scene.openTab(query)]
  return { first, tabs }
}

it('answers 150 calls of three tabs with an expired token by one token request of one SharedWorker (I1)', async () => {
  const { first, tabs } = await openThreeTabs('/?worker=adopting')
  await adoptTokens(first, scene.app)
  for (const tab of tabs) await waitForStatus(tab, 'signed-in')
  scene.forget()
  scene.app.authorizationServer.expireAccessTokens()

  const outcomes = await Promise.all(tabs.map((tab) => callApi(tab, 50)))
  expect(outcomes.flat()).toEqual(Array(150).fill(200))
  expect(scene.refreshes()).toBe(1)
  expect(scene.reuses()).toBe(0)
  expect(await livingBrokers(first)).toHaveLength(1)
  for (const tab of tabs) expect(await tab.evaluate(() => window.session.getSnapshot().mode)).toBe('shared')
})

it('every tab gets a sign-in by redirect, and the sign-out of another tab', async () => {
  const { first, tabs } = await openThreeTabs('/?worker=memory')
  await signIn(first)
  for (const tab of tabs) {
    await waitForStatus(tab, 'signed-in')
    expect(await tab.evaluate(() => window.session.getSnapshot().user)).toMatchObject({
      subject: 'alice',
      profile: { preferred_username: 'alice' },
    })
  }
  expect(await callApi(first, 1)).toEqual([200])

  await tabs[1]?.evaluate(() => window.session.signOut())
  for (const tab of tabs) {
    await waitForStatus(tab, 'signed-out')
    expect(await callApi(tab, 1)).toEqual(['sign_in_required'])
  }
})

// WebKit restarts a SharedWorker when the tab that started it is closed.
it('serves the other tabs after the tab that started the SharedWorker is closed', async () => {
  const { first, tabs } = await openThreeTabs('/?worker=adopting')
  await adoptTokens(first, scene.app)
  const [, second, third] = tabs
  await first.close()
  scene.forget()
  scene.app.authorizationServer.expireAccessTokens()
  const outcomes = await Promise.all([second, third].map((tab) => tab && callApi(tab, 5)))
  expect(outcomes.flat()).toEqual(Array(10).fill(200))
  expect(scene.refreshes()).toBe(1)
})
