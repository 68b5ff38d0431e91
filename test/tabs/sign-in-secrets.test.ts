import type { Page } from 'playwright'
import { expect } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from '../../servers/provider/authorization-server.ts'
import { test } from '../fixtures/tab-test.ts'
import { fillSignInForm, waitForStatus } from '../fixtures/tabs.ts'

interface WorkerOptions {
  readonly issuer: string
  readonly store?: string
  readonly redirectTransactions?: 'stored' | 'memory'
}

const pathOf = (options: WorkerOptions) => `/?worker=${encodeURIComponent(JSON.stringify(options))}`

const it = test
  /** A second provider, whose pages cut the link to the page that opened them. */
  .extend('isolated', { scope: 'file' }, async ({ app }, { onCleanup }): Promise<AuthorizationServer> => {
    const server = await startAuthorizationServer({
      redirectUris: [`${app.origin}/callback.html`],
      accessTokenSeconds: 600,
      openerPolicy: 'same-origin',
    })
    onCleanup(() => server.close())
    return server
  })
  /** Opens a tab of the app with a worker for the given provider and store. */
  .extend(
    'openSession',
    ({ openTab }) =>
      (options: WorkerOptions) =>
        openTab(pathOf(options)),
  )

const snapshot = (page: Page) => page.evaluate(() => window.session.getSnapshot())

/** Starts signIn by popup, and returns the popup. `outcomeOf` reads the outcome. */
async function openPopup(page: Page): Promise<Page> {
  const popup = page.waitForEvent('popup')
  await page.evaluate(() => {
    const { open } = window
    window.open = (...given) => {
      const opened = open.apply(window, given)
      Object.assign(window, { opened })
      return opened
    }
    const outcome = window.session.signIn({ via: 'popup' }).then(
      () => 'signed in',
      (error) => error.code,
    )
    Object.assign(window, { outcome })
  })
  return popup
}
const outcomeOf = (page: Page) => page.evaluate(() => (window as unknown as { outcome: Promise<string> }).outcome)

/** Begins a sign-in by redirect, and waits for the provider's form. */
async function leave(page: Page, options: WorkerOptions): Promise<void> {
  await page.evaluate((returnTo) => void window.session.signIn({ via: 'redirect', returnTo }), pathOf(options))
  await page.waitForSelector('#account')
}

/** Submits the provider's form, and returns the address of the callback. The callback page opens without its script. */
async function captureCallback(page: Page): Promise<string> {
  const script = /\/assets\/callback.*\.js/
  await page.route(script, (route) => route.abort())
  await fillSignInForm(page)
  await page.waitForURL('**/callback.html**')
  await page.unroute(script)
  return page.url()
}

/** Has the page complete a sign-in. Returns the error's code, or the path to return to. */
function complete(page: Page, url: string): Promise<string | undefined> {
  return page.evaluate(
    (href) =>
      window.session.completeSignIn(href).then(
        ({ returnTo }) => returnTo,
        (error) => error.code,
      ),
    url,
  )
}

/** The names of the sign-ins that lie in storage, as a script of the page finds them. */
function readStoredSignIns(page: Page): Promise<string[]> {
  return page.evaluate(
    () =>
      new Promise<string[]>((resolve, reject) => {
        const opening = indexedDB.open('lingpai-sign-in')
        opening.onupgradeneeded = () => opening.transaction?.abort()
        opening.onerror = () => resolve([])
        opening.onsuccess = () => {
          const reading = opening.result.transaction('entries').objectStore('entries').getAllKeys()
          reading.onerror = () => reject(reading.error)
          reading.onsuccess = () => {
            opening.result.close()
            resolve((reading.result as string[]).filter((name) => name.startsWith('transaction:')))
          }
        }
      }),
  )
}

it("while a popup is open, a script finds no verifier and no nonce in the page's storage (T11)", async ({
  app,
  openSession,
}) => {
  const page = await openSession({ issuer: app.authorizationServer.issuer })
  const popup = await openPopup(page)
  await popup.waitForSelector('#account')
  expect(await readStoredSignIns(page)).toEqual([])
  await fillSignInForm(popup)
  expect(await outcomeOf(page)).toBe('signed in')
})

it.for([
  ['stored', 1],
  ['memory', 0],
] as const)(
  'with redirectTransactions %j, the storage holds the sign-in by redirect %i times',
  async ([redirectTransactions, times], { app, openSession }) => {
    const options = { issuer: app.authorizationServer.issuer, redirectTransactions }
    const [page, watching] = [await openSession(options), await openSession(options)]
    await leave(page, options)
    expect(await readStoredSignIns(watching)).toHaveLength(times)
    await page.bringToFront()
    await fillSignInForm(page)
    await waitForStatus(page, 'signed-in')
    expect(page.url()).toBe(app.origin + pathOf(options))
  },
)

it('signs in by popup if the provider cuts the link between the windows, however long the user takes', async ({
  isolated,
  openSession,
}) => {
  const page = await openSession({ issuer: isolated.issuer })
  // The test's browser gives every page the focus. A real one gives it to the popup.
  await page.evaluate(() => {
    document.hasFocus = () => false
  })
  const popup = await openPopup(page)
  await popup.waitForSelector('#account')
  await page.waitForFunction(() => (window as unknown as { opened: Window }).opened.closed)
  await page.waitForTimeout(5000)
  await popup.bringToFront()
  await fillSignInForm(popup)
  expect(await outcomeOf(page)).toBe('signed in')
  expect(await snapshot(page)).toMatchObject({ status: 'signed-in', user: { subject: 'alice' } })
  await expect.poll(() => popup.isClosed()).toBe(true)
})

it('a redirect whose worker was lost begins anew, once, and the user types the password once', async ({
  app,
  openSession,
}) => {
  const { authorizationServer } = app
  const options = { issuer: authorizationServer.issuer, redirectTransactions: 'memory' } as const
  const page = await openSession(options)
  const before = structuredClone(authorizationServer.counters)
  const countBegun = () => authorizationServer.requests.filter(({ path }) => path === '/auth').length
  const begunBefore = countBegun()
  await leave(page, options)
  // The first worker has no page any more. The second one lives with another tab.
  await page.waitForTimeout(500)
  await openSession(options)
  await page.bringToFront()
  await fillSignInForm(page)
  await waitForStatus(page, 'signed-in')
  expect(page.url()).toBe(app.origin + pathOf(options))
  expect(countBegun() - begunBefore).toBe(2)
  const { signIns, tokenRequests } = authorizationServer.counters
  expect(signIns - before.signIns).toBe(1)
  expect(tokenRequests.authorization_code - before.tokenRequests.authorization_code).toBe(1)
})

it('of two workers with two providers, only the one that began a sign-in completes it (T12)', async ({
  app,
  isolated,
  openSession,
}) => {
  const second = { issuer: isolated.issuer, store: 'second' }
  const other = await openSession({ issuer: app.authorizationServer.issuer, store: 'first' })
  const page = await openSession(second)
  const before = app.authorizationServer.counters.tokenRequests.authorization_code
  await leave(page, second)
  const callback = await captureCallback(page)
  expect(await complete(other, callback)).toBe('state_mismatch')
  await other.evaluate(() => window.session.signOut())
  expect(await snapshot(other)).toMatchObject({ status: 'signed-out' })
  expect(app.authorizationServer.counters.tokenRequests.authorization_code).toBe(before)
  await page.goto(app.origin + pathOf(second))
  await waitForStatus(page, 'signed-out')
  expect(await complete(page, callback)).toBe(pathOf(second))
  expect(await snapshot(page)).toMatchObject({ status: 'signed-in', user: { subject: 'alice' } })
})

it("two workers in memory with one provider keep their sign-ins apart by the worker's name (T12)", async ({
  app,
  openSession,
}) => {
  const { issuer } = app.authorizationServer
  const own = { issuer, redirectTransactions: 'stored' } as const
  const other = await openSession({ issuer })
  const page = await openSession(own)
  await leave(page, own)
  const callback = await captureCallback(page)
  expect(await complete(other, callback)).toBe('state_mismatch')
  await page.goto(app.origin + pathOf(own))
  await waitForStatus(page, 'signed-out')
  expect(await complete(page, callback)).toBe(pathOf(own))
})
