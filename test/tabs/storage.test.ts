import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { test as it } from '../fixtures/tab-test.ts'
import {
  callApi,
  findTokens,
  launchProfile,
  openTab as openTabIn,
  readStorages,
  signIn,
  waitForStatus,
} from '../fixtures/tabs.ts'

it('keeps the session of memoryStore over a reload of the only tab, with extendedLifetime, and stores no token (I11)', async ({
  app,
  openTab,
}) => {
  const tab = await openTab()
  await signIn(tab)
  await tab.reload()
  await waitForStatus(tab, 'signed-in')
  expect(await callApi(tab, 1)).toEqual([200])
  expect(app.authorizationServer.issuedTokens.length).toBeGreaterThan(2)
  expect(findTokens(app, await readStorages(tab, { opens: false }))).toEqual([])
})

it('keeps the session of indexedDBStore over a reload, and stores no token in the clear', async ({ app, openTab }) => {
  const tab = await openTab('/?worker=stored')
  await signIn(tab)
  await tab.reload()
  await waitForStatus(tab, 'signed-in')
  expect(await callApi(tab, 1)).toEqual([200])
  const dump = await readStorages(tab, { opens: false })
  expect(dump).toContain('lingpai')
  expect(dump).toContain('extractable: false')
  expect(dump).not.toContain('extractable: true')
  expect(findTokens(app, dump)).toEqual([])
})

it('deletes the session of indexedDBStore at sign-out', async ({ openTab }) => {
  const tab = await openTab('/?worker=stored')
  await signIn(tab)
  await tab.evaluate(() => window.session.signOut())
  await tab.reload()
  await waitForStatus(tab, 'signed-out')
})

it('keeps the session of indexedDBStore over a restart of the browser, a refresh and a deployment', async ({ app }) => {
  const profile = await mkdtemp(join(tmpdir(), 'lingpai-profile-'))
  try {
    let started = await launchProfile(profile)
    const first = await openTabIn(started, app, '/?worker=stored')
    await signIn(first)
    app.authorizationServer.expireAccessTokens()
    expect(await callApi(first, 1)).toEqual([200])
    await started.close()

    started = await launchProfile(profile)
    const second = await openTabIn(started, app, '/?worker=stored')
    await waitForStatus(second, 'signed-in')
    app.authorizationServer.expireAccessTokens()
    expect(await callApi(second, 1)).toEqual([200])

    const oldScripts = await second.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name))
    await second.close()
    await app.deploy('2')
    const third = await openTabIn(started, app, '/?worker=stored')
    await waitForStatus(third, 'signed-in')
    const newScripts = await third.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name))
    expect(newScripts).not.toEqual(oldScripts)
    expect(await third.evaluate(() => (window as unknown as { build: string }).build)).toBe('2')
    expect(await third.evaluate(() => window.session.getSnapshot().user?.subject)).toBe('alice')
    app.authorizationServer.expireAccessTokens()
    expect(await callApi(third, 1)).toEqual([200])
    expect(app.authorizationServer.counters.reuseDetections).toBe(0)
    await started.close()
  } finally {
    await rm(profile, { recursive: true, force: true })
  }
})
