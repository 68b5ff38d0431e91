import { expect, it } from 'vitest'
import { adoptTokens, callApi, useScene, waitForStatus } from './scene.ts'

const scene = useScene()
const alone = '/?worker=adopting&without=SharedWorker'

it('runs in a dedicated worker if there is no SharedWorker', async () => {
  const tab = await scene.openTab(alone)
  expect(await tab.evaluate(() => 'SharedWorker' in window)).toBe(false)
  await adoptTokens(tab, scene.app)
  scene.app.authorizationServer.expireAccessTokens()
  scene.forget()
  expect(await callApi(tab, 150)).toEqual(Array(150).fill(200))
  expect(scene.refreshes()).toBe(1)
  expect(await tab.evaluate(() => window.session.getSnapshot().mode)).toBe('dedicated')
})

it('keeps the session of a dedicated worker over a reload, with indexedDBStore', async () => {
  const tab = await scene.openTab(alone)
  await adoptTokens(tab, scene.app)
  await tab.reload()
  await waitForStatus(tab, 'signed-in')
  expect(await callApi(tab, 1)).toEqual([200])
})

it('keeps the session of a SharedWorker over a reload, with indexedDBStore', async () => {
  const tab = await scene.openTab('/?worker=adopting')
  await adoptTokens(tab, scene.app)
  await tab.reload()
  await waitForStatus(tab, 'signed-in')
  expect(await callApi(tab, 1)).toEqual([200])
})

it('shares one session and one refresh between three tabs with a dedicated worker each (I1)', async () => {
  const first = await scene.openTab(alone)
  const tabs = [first, await scene.openTab(alone), await scene.openTab(alone)]
  await adoptTokens(first, scene.app)
  for (const tab of tabs) await waitForStatus(tab, 'signed-in')
  scene.forget()
  scene.app.authorizationServer.expireAccessTokens()
  const outcomes = await Promise.all(tabs.map((tab) => callApi(tab, 50)))
  expect(outcomes.flat()).toEqual(Array(150).fill(200))
  expect(scene.refreshes()).toBe(1)
  expect(scene.reuses()).toBe(0)
})

it('a sign-out in one tab ends the session in every tab with a dedicated worker', async () => {
  const first = await scene.openTab(alone)
  const second = await scene.openTab(alone)
  await adoptTokens(first, scene.app)
  await waitForStatus(second, 'signed-in')
  await second.evaluate(() => window.session.signOut())
  await waitForStatus(first, 'signed-out')
  expect(await callApi(first, 1)).toEqual(['sign_in_required'])
})

it('another tab refreshes if the tab that refreshes is closed', async () => {
  const first = await scene.openTab(alone)
  const second = await scene.openTab(alone)
  await adoptTokens(first, scene.app)
  await waitForStatus(second, 'signed-in')
  scene.app.authorizationServer.expireAccessTokens()
  const hold = scene.app.authorizationServer.holdRefreshes()
  const abandoned = callApi(first, 1).catch(() => [])
  await hold.arrived
  const held = scene.app.authorizationServer.refreshes.at(-1)
  const outcome = callApi(second, 1)
  await first.close()
  // If the sender's connection is still open, the server processes the request, and the response is lost.
  await expect.poll(() => held?.endedAt, { timeout: 10_000 }).toBeDefined()
  hold.release()
  await abandoned
  expect(await outcome).toEqual([200])
  expect(scene.reuses()).toBe(0)
})
