import type { Page } from 'playwright'
import { expect } from 'vitest'
import { test } from '../fixtures/tab-test.ts'
import { callApi, signIn, waitForStatus } from '../fixtures/tabs.ts'

const it = test.extend('tabs', async ({ openTab }) => {
  const openDedicated = () => openTab('/?worker=dedicated')
  // Each tab has its own worker, and the last two start before the sign-in.
  const tabs = [await openDedicated(), await openDedicated(), await openDedicated()] as const
  await signIn(tabs[0])
  for (const tab of tabs) await waitForStatus(tab, 'signed-in')
  return tabs
})

it('shows a sign-in of one tab in all tabs with a dedicated worker each', async ({ tabs }) => {
  for (const tab of tabs) {
    expect(await tab.evaluate(() => window.session.getSnapshot())).toMatchObject({
      mode: 'dedicated',
      user: { subject: 'alice' },
    })
    expect(await callApi(tab, 1)).toEqual([200])
  }
})

it('answers 60 calls of three tabs with a dedicated worker each by one token request (I1)', async ({
  app,
  refreshes,
  reuses,
  tabs,
}) => {
  app.authorizationServer.expireAccessTokens()
  const outcomes = (await Promise.all(tabs.map((tab) => callApi(tab, 20)))).flat()
  expect(outcomes).toEqual(Array(60).fill(200))
  expect([refreshes(), reuses()]).toEqual([1, 0])
})

it('needs one token request for each of ten rotations, and never reuses a refresh token (I2)', async ({
  app,
  refreshes,
  reuses,
  tabs,
}) => {
  for (let rotation = 0; rotation < 10; rotation += 1) {
    app.authorizationServer.expireAccessTokens()
    const outcomes = (await Promise.all(tabs.map((tab) => callApi(tab, 2)))).flat()
    expect(outcomes).toEqual(Array(6).fill(200))
  }
  expect([refreshes(), reuses()]).toEqual([10, 0])
})

it('a sign-out in one tab signs out all tabs, and a tab that opens later', async ({ openTab, tabs }) => {
  await tabs[1].evaluate(() => window.session.signOut())
  for (const tab of tabs) await waitForStatus(tab, 'signed-out')
  expect(await tabs[2].evaluate(() => window.session.getSnapshot().reason)).toBe('signed_out_elsewhere')
  expect(await callApi(tabs[0], 1)).toEqual(['sign_in_required'])
  const late = await openTab('/?worker=dedicated')
  await waitForStatus(late, 'signed-out')
})

it('after a tab closes during its refresh, waits at most for the lease of that refresh, then sends it again', {
  timeout: 60_000,
}, async ({ app, refreshes, reuses, tabs }) => {
  app.authorizationServer.expireAccessTokens()
  app.authorizationServer.failRefreshes({ kind: 'hang' })
  callApi(tabs[0], 1).catch(() => {})
  await expect.poll(refreshes).toBe(1)
  const waiting = Promise.all([callApi(tabs[1], 3), callApi(tabs[2], 3)])
  await tabs[0].close()
  expect((await waiting).flat()).toEqual(Array(6).fill(200))
  expect([refreshes(), reuses()]).toEqual([2, 0])
})

it('shares one session between SharedWorkers of two builds and a dedicated worker (I1)', {
  timeout: 60_000,
}, async ({ app, openTab, refreshes, reuses, tabs }) => {
  const older = await openTab('/?worker=stored')
  await app.deploy('2')
  const newer = await openTab('/?worker=stored')
  for (const tab of [older, newer]) await waitForStatus(tab, 'signed-in')
  const buildOf = (tab: Page) => tab.evaluate(() => (window as unknown as { build: string }).build)
  expect([await buildOf(older), await buildOf(newer)]).toEqual(['1', '2'])
  app.authorizationServer.expireAccessTokens()
  const outcomes = (await Promise.all([older, newer, tabs[0]].map((tab) => callApi(tab, 5)))).flat()
  expect(outcomes).toEqual(Array(15).fill(200))
  expect([refreshes(), reuses()]).toEqual([1, 0])
  await newer.evaluate(() => window.session.signOut())
  for (const tab of [older, tabs[0]]) await waitForStatus(tab, 'signed-out')
})
