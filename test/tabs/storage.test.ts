import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright'
import { expect } from 'vitest'
import { test as it } from '../fixtures/tab-test.ts'
import { callApi, launchProfile, openTab as openTabIn, signIn, waitForStatus } from '../fixtures/tabs.ts'
import type { TestApp } from '../fixtures/test-app.ts'

/** All that scripts of the app's origin can read from its storage, as one text. Bytes become latin1. */
function dumpStorages(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const texts: unknown[] = [{ ...localStorage }, { ...sessionStorage }, document.cookie]
    const finished = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
    for (const { name } of await indexedDB.databases()) {
      const database = await finished(indexedDB.open(name as string))
      for (const store of database.objectStoreNames) {
        const objects = database.transaction(store).objectStore(store)
        texts.push(name, await finished(objects.getAllKeys()))
        for (const value of await finished(objects.getAll())) {
          for (const field of Object.values(value ?? {})) {
            const isBytes = field instanceof ArrayBuffer || ArrayBuffer.isView(field)
            texts.push(isBytes ? new TextDecoder('latin1').decode(field as ArrayBuffer) : field)
          }
          if (value instanceof CryptoKey) texts.push(`extractable: ${value.extractable}`)
        }
      }
      database.close()
    }
    for (const name of await caches.keys()) {
      const cache = await caches.open(name)
      for (const request of await cache.keys()) texts.push(request.url, await (await cache.match(request))?.text())
    }
    return texts.map((text) => (typeof text === 'string' ? text : JSON.stringify(text))).join('\n')
  })
}

function findTokens(app: TestApp, text: string): string[] {
  return app.authorizationServer.issuedTokens.filter((token) => text.includes(token))
}

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
  expect(findTokens(app, await dumpStorages(tab))).toEqual([])
})

it('keeps the session of indexedDBStore over a reload, and stores no token in the clear', async ({ app, openTab }) => {
  const tab = await openTab('/?worker=stored')
  await signIn(tab)
  await tab.reload()
  await waitForStatus(tab, 'signed-in')
  expect(await callApi(tab, 1)).toEqual([200])
  const dump = await dumpStorages(tab)
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
