import type { Page } from 'playwright'
import { expect } from 'vitest'
import { test } from '../fixtures/tab-test.ts'
import { callApi, signIn, waitForStatus } from '../fixtures/tabs.ts'

const it = test.extend('appSettings', { scope: 'file' }, { dpop: true })

/** The key in the record of `indexedDBStore()`, and what a script of the app can do with it. */
function inspectKey(page: Page) {
  return page.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open('lingpai')
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
    const entry = await new Promise<{ readonly key?: CryptoKeyPair }>((resolve) => {
      const request = database.transaction('entries').objectStore('entries').get('session')
      request.onsuccess = () => resolve(request.result)
    })
    database.close()
    if (entry?.key === undefined) return undefined
    const { privateKey, publicKey } = entry.key
    const exported = await crypto.subtle.exportKey('jwk', privateKey).then(
      () => true,
      () => false,
    )
    return { exported, extractable: privateKey.extractable, x: (await crypto.subtle.exportKey('jwk', publicKey)).x }
  })
}

it.for(['memory', 'stored', 'dedicated', 'inline'])(
  'with DPoP required, a session of the host %s signs in, refreshes and calls the API',
  async (host, { app, openTab, refreshes }) => {
    const tab = await openTab(`/?worker=${host}`)
    await signIn(tab)
    expect(await callApi(tab, 5)).toEqual(Array(5).fill(200))
    app.authorizationServer.expireAccessTokens()
    app.dpop?.rotateNonce()
    expect(await callApi(tab, 5)).toEqual(Array(5).fill(200))
    // The first may have been sent without the provider's newest nonce.
    expect([1, 2]).toContain(refreshes())
  },
)

it.for(['stored', 'dedicated', 'inline'])(
  'a new worker of the host %s goes on with the key of the store, which no script can export',
  async (host, { app, openTab }) => {
    const tab = await openTab(`/?worker=${host}`)
    await signIn(tab)
    const before = await inspectKey(tab)
    expect(before).toMatchObject({ exported: false, extractable: false })
    await tab.reload()
    await waitForStatus(tab, 'signed-in')
    app.authorizationServer.expireAccessTokens()
    expect(await callApi(tab, 3)).toEqual([200, 200, 200])
    expect(await inspectKey(tab)).toEqual(before)
  },
)

it('after its SharedWorker is lost, the next one goes on with the same key', async ({ app, openTab }) => {
  const tab = await openTab('/?worker=stored')
  await signIn(tab)
  const before = await inspectKey(tab)
  await tab.evaluate(() => new BroadcastChannel('close-worker').postMessage(''))
  app.authorizationServer.expireAccessTokens()
  expect(await callApi(tab, 3)).toEqual([200, 200, 200])
  expect(await inspectKey(tab)).toEqual(before)
  const entries = await tab.evaluate(() => window.session.explain())
  expect(entries.filter(({ event }) => event === 'session-restored')).toHaveLength(1)
})

it('two workers on one store use one key, whichever of them refreshes', async ({ app, openTab }) => {
  const [one, other] = [await openTab('/?worker=dedicated'), await openTab('/?worker=dedicated')]
  await signIn(one)
  await waitForStatus(other, 'signed-in')
  const key = await inspectKey(one)
  for (const tab of [other, one, other]) {
    app.authorizationServer.expireAccessTokens()
    expect(await callApi(tab, 3)).toEqual([200, 200, 200])
    expect(await callApi(tab === one ? other : one, 3)).toEqual([200, 200, 200])
  }
  expect(await inspectKey(other)).toEqual(key)
})

it('a sign-out deletes the key, and the next sign-in makes another', async ({ openTab }) => {
  const tab = await openTab('/?worker=stored')
  await signIn(tab)
  const first = await inspectKey(tab)
  await tab.evaluate(() => window.session.signOut())
  expect(await inspectKey(tab)).toBeUndefined()
  await signInAgain(tab)
  const second = await inspectKey(tab)
  expect(second?.x).toBeDefined()
  expect(second?.x).not.toBe(first?.x)
})

it('a record whose key was removed ends the session at its next refresh, and the user can sign in again', async ({
  app,
  openTab,
}) => {
  const tab = await openTab('/?worker=dedicated')
  await signIn(tab)
  await tab.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open('lingpai')
      request.onsuccess = () => resolve(request.result)
    })
    const entries = database.transaction('entries', 'readwrite').objectStore('entries')
    const reading = entries.get('session')
    reading.onsuccess = () => {
      const { key: _key, ...entry } = reading.result
      entries.put(entry, 'session')
    }
    await new Promise((resolve) => {
      entries.transaction.oncomplete = resolve
    })
    database.close()
  })
  await tab.reload()
  await waitForStatus(tab, 'signed-in')
  app.authorizationServer.expireAccessTokens()
  expect(await callApi(tab, 1)).toEqual(['sign_in_required'])
  await signInAgain(tab)
  expect(await callApi(tab, 1)).toEqual([200])
})

it('in an engine that cannot store a key, the session stays in memory, and the snapshot says why', async ({
  app,
  openTab,
}) => {
  const tab = await openTab('/?worker=inline')
  const refuseKeys = () => {
    const { put } = IDBObjectStore.prototype
    IDBObjectStore.prototype.put = function (value, ...rest) {
      // As the SharedWorker of WebKit does.
      if (value?.key !== undefined) throw new DOMException('cannot be cloned', 'DataCloneError')
      return put.call(this, value, ...rest)
    }
  }
  const errors: unknown[] = []
  tab.on('pageerror', (error) => errors.push(error))
  await tab.addInitScript(refuseKeys)
  await tab.reload()
  expect(await signInInPopup(tab)).toBe('signed-in')
  expect(await tab.evaluate(() => window.session.getSnapshot().reason)).toBe('store_failed')
  expect(await callApi(tab, 1)).toEqual([200])
  app.authorizationServer.expireAccessTokens()
  expect(await callApi(tab, 1)).toEqual([200])
  expect(await inspectKey(tab)).toBeUndefined()
  expect(errors).toEqual([])
})

/** The provider still knows the user, and shows no form. */
async function signInAgain(tab: Page): Promise<void> {
  const returnTo = new URL(tab.url()).pathname + new URL(tab.url()).search
  await Promise.all([
    tab.waitForURL(/callback/),
    tab.evaluate((path) => window.session.signIn({ via: 'redirect', returnTo: path }), returnTo),
  ])
  await waitForStatus(tab, 'signed-in')
}

/** An inline broker lives in its page, so a sign-in by redirect would end it. */
async function signInInPopup(tab: Page): Promise<string> {
  const opening = tab.waitForEvent('popup')
  const signingIn = tab.evaluate(() => window.session.signIn({ via: 'popup' }).then(() => 'signed-in', String))
  const popup = await opening
  await popup.waitForSelector('#account')
  await popup.fill('#account', 'alice')
  await popup.fill('#password', 'lingpai')
  await popup.click('#sign-in')
  return signingIn
}
