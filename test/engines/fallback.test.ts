import { expect, it } from 'vitest'
import { adoptTokens, callApi, useScene, waitForStatus } from './scene.ts'

const scene = useScene()
const alone = '/?worker=adopting&without=SharedWorker'

it('runs in a dedicated worker where there is no SharedWorker', async () => {
  const tab = await scene.openTab(alone)
  expect(await tab.evaluate(() => 'SharedWorker' in window)).toBe(false)
  await adoptTokens(tab, scene.app)
  scene.app.authorizationServer.expireAccessTokens()
  scene.forget()
  expect(await callApi(tab, 150)).toEqual(Array(150).fill(200))
  expect(scene.refreshes()).toBe(1)
  expect(await tab.evaluate(() => window.session.getSnapshot().mode)).toBe('dedicated')
})

it('keeps the session of a dedicated worker over a reload, by indexedDBStore', async () => {
  const tab = await scene.openTab(alone)
  await adoptTokens(tab, scene.app)
  await tab.reload()
  await waitForStatus(tab, 'signed-in')
  expect(await callApi(tab, 1)).toEqual([200])
})

it('keeps the session of a SharedWorker over a reload, by indexedDBStore', async () => {
  const tab = await scene.openTab('/?worker=adopting')
  await adoptTokens(tab, scene.app)
  await tab.reload()
  await waitForStatus(tab, 'signed-in')
  expect(await callApi(tab, 1)).toEqual([200])
})

it('shares one session between three tabs with a worker each, and one refresh (I1)', async () => {
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

it('ends the session in every tab with a worker of its own when one signs out', async () => {
  const first = await scene.openTab(alone)
  const second = await scene.openTab(alone)
  await adoptTokens(first, scene.app)
  await waitForStatus(second, 'signed-in')
  await second.evaluate(() => window.session.signOut())
  await waitForStatus(first, 'signed-out')
  expect(await callApi(first, 1)).toEqual(['sign_in_required'])
})

it('refreshes in another tab when the one that refreshes is closed', async () => {
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
  // A request whose sender has not gone yet would be processed, and its answer lost.
  await expect.poll(() => held?.endedAt, { timeout: 10_000 }).toBeDefined()
  hold.release()
  await abandoned
  expect(await outcome).toEqual([200])
  expect(scene.reuses()).toBe(0)
})
