import type { Page } from 'playwright'
import { expect } from 'vitest'
import { test } from '../fixtures/tab-test.ts'
import { callApi, fillSignInForm, signIn, waitForStatus } from '../fixtures/tabs.ts'
import type { TestApp } from '../fixtures/test-app.ts'

const it = test
  .extend('tab', { auto: true }, ({ openTab }) => openTab())
  /** Opens the callback page with the given query, and returns the error code that the app got. */
  .extend('openCallback', ({ app, context }) => async (query: string) => {
    const page = await context.newPage()
    await page.goto(`${app.origin}/callback.html${query}`)
    await page.waitForFunction(
      () => document.body.textContent !== null && /^\w+$/.test(document.body.textContent.trim()),
    )
    const text = (await page.textContent('body')) ?? ''
    await page.close()
    return text.trim()
  })

const snapshot = (page: Page) => page.evaluate(() => window.session.getSnapshot())

/** Starts signIn by popup, and returns the popup. `popupOutcome` reads the outcome. */
async function openPopup(page: Page): Promise<Page> {
  const popup = page.waitForEvent('popup')
  await page.evaluate(() => {
    const outcome = window.session.signIn({ via: 'popup' }).then(
      () => 'signed in',
      (error) => error.code,
    )
    Object.assign(window, { outcome })
  })
  return popup
}
const popupOutcome = (page: Page) => page.evaluate(() => (window as unknown as { outcome: Promise<string> }).outcome)

it('signs in by redirect, reads the user from the ID token, and returns to the page that the user left', async ({
  app,
  tab,
}) => {
  await tab.goto(`${app.origin}/?page=orders#top`)
  await tab.waitForFunction(() => window.session?.getSnapshot().status === 'signed-out')
  await tab.evaluate(() => window.session.signIn({ via: 'redirect', returnTo: '/?page=orders#top' }))
  await tab.waitForSelector('#account')
  const authorizeUrl = app.authorizationServer.requests.find(({ path }) => path === '/auth')?.query
  expect(authorizeUrl).toContain('code_challenge_method=S256')
  await fillSignInForm(tab)
  await waitForStatus(tab, 'signed-in')
  expect(tab.url()).toBe(`${app.origin}/?page=orders#top`)
  expect(await snapshot(tab)).toMatchObject({
    status: 'signed-in',
    mode: 'shared',
    user: { subject: 'alice', profile: { preferred_username: 'alice' } },
  })
  expect(await callApi(tab, 1)).toEqual([200])
})

it('signs in by popup while the page stays', async ({ tab }) => {
  const popup = await openPopup(tab)
  await popup.waitForSelector('#account')
  await fillSignInForm(popup)
  expect(await popupOutcome(tab)).toBe('signed in')
  expect(await snapshot(tab)).toMatchObject({ status: 'signed-in', user: { subject: 'alice' } })
  await expect.poll(() => popup.isClosed()).toBe(true)
})

it('signs in by popup with a dedicated worker: the popup passes its callback to the page that opened it', async ({
  openTab,
}) => {
  const page = await openTab('/?worker=dedicated')
  const popup = await openPopup(page)
  await popup.waitForSelector('#account')
  await fillSignInForm(popup)
  expect(await popupOutcome(page)).toBe('signed in')
  expect(await snapshot(page)).toMatchObject({ status: 'signed-in', mode: 'dedicated', user: { subject: 'alice' } })
})

it('rejects with sign_in_cancelled if the user closes the popup, and nothing changes', async ({ tab }) => {
  const popup = await openPopup(tab)
  await popup.waitForSelector('#account')
  await popup.close()
  expect(await popupOutcome(tab)).toBe('sign_in_cancelled')
  expect((await snapshot(tab)).status).toBe('signed-out')
})

it('rejects with sign_in_cancelled if the user cancels at the provider', async ({ tab }) => {
  const popup = await openPopup(tab)
  await popup.waitForSelector('#cancel')
  await popup.click('#cancel')
  expect(await popupOutcome(tab)).toBe('sign_in_cancelled')
  expect((await snapshot(tab)).status).toBe('signed-out')
})

it('rejects with popup_blocked if the browser blocks the popup', async ({ tab }) => {
  // In a frame whose sandbox allows no popups, window.open returns null in every browser.
  await tab.evaluate(() => {
    const frame = Object.assign(document.createElement('iframe'), { src: '/' })
    frame.setAttribute('sandbox', 'allow-scripts allow-same-origin')
    document.body.append(frame)
  })
  await expect.poll(() => tab.frames().length).toBe(2)
  const frame = tab.frames()[1]
  await frame?.waitForFunction(() => window.session?.getSnapshot().status === 'signed-out')
  expect(await frame?.evaluate(() => window.session.signIn({ via: 'popup' }).catch((error) => error.code))).toBe(
    'popup_blocked',
  )
  expect((await snapshot(tab)).status).toBe('signed-out')
})

it('rejects a callback with a missing, wrong or used state, each with its own code (T12)', async ({
  app,
  tab,
  openCallback,
}) => {
  await signIn(tab)
  const before = await snapshot(tab)
  expect(await openCallback('?code=abc')).toBe('state_missing')
  expect(await openCallback('?code=abc&state=wrong')).toBe('state_mismatch')
  expect(await openCallback(`?code=abc&state=${lastState(app)}`)).toBe('state_used')
  expect(await snapshot(tab)).toEqual(before)
  expect(await callApi(tab, 1)).toEqual([200])
})

function lastState(app: TestApp): string {
  const query = app.authorizationServer.requests.findLast(
    ({ path, query }) => path === '/auth' && query.includes('state='),
  )?.query
  return new URLSearchParams(query).get('state') ?? ''
}

it('rejects a callback of another issuer (RFC 9207)', async ({ app, tab, openCallback }) => {
  await tab.evaluate(() => window.session.signIn({ via: 'redirect' }))
  await tab.waitForSelector('#account')
  expect(
    await openCallback(`?code=abc&state=${lastState(app)}&iss=${encodeURIComponent('https://evil.example')}`),
  ).toBe('sign_in_failed')
})

it('completes a redirect after the worker has ended', async ({ openTab }) => {
  const page = await openTab('/?worker=stored')
  const before = await page.evaluate(() => window.session.explain())
  await page.evaluate(() => window.session.signIn({ via: 'redirect', returnTo: '/?worker=stored' }))
  await page.waitForSelector('#account')
  await page.waitForTimeout(500)
  await fillSignInForm(page)
  await waitForStatus(page, 'signed-in')
  const after = await page.evaluate(() => window.session.explain())
  // The history shows that it is another worker: it does not contain the first worker's events.
  expect(after[0]?.at).toBeGreaterThan(before[0]?.at as number)
  expect(await callApi(page, 1)).toEqual([200])
})

it('rejects a returnTo outside the app', async ({ tab }) => {
  const code = await tab.evaluate(() =>
    window.session.signIn({ via: 'redirect', returnTo: 'https://evil.example/' }).catch((error) => error.code),
  )
  expect(code).toBe('invalid_call')
})

it('removes code and state from the address of the callback page', async ({ app, tab }) => {
  await tab.goto(`${app.origin}/callback.html?code=abc&state=wrong&iss=x&keep=1`)
  await tab.waitForFunction(() => document.body.textContent?.includes('state_mismatch'))
  expect(tab.url()).toBe(`${app.origin}/callback.html?keep=1`)
})

it('revokes the tokens at sign-out, and ends the session in every tab', async ({ app, openTab, tab }) => {
  await signIn(tab)
  const second = await openTab()
  const before = app.authorizationServer.counters.revocations
  await second.evaluate(() => window.session.signOut())
  await waitForStatus(tab, 'signed-out')
  expect(app.authorizationServer.counters.revocations).toBe(before + 1)
  expect(await callApi(tab, 1)).toEqual(['sign_in_required'])
})

it("with everywhere, ends the provider's own session, so the next sign-in asks for the password", async ({
  app,
  tab,
}) => {
  await signIn(tab)
  const before = app.authorizationServer.counters.endSessions
  await tab.evaluate(() => window.session.signOut({ everywhere: true }))
  await tab.waitForURL(`${app.origin}/**`)
  await waitForStatus(tab, 'signed-out')
  await expect.poll(() => app.authorizationServer.counters.endSessions).toBe(before + 1)
  await tab.evaluate(() => window.session.signIn({ via: 'redirect' }))
  await tab.waitForSelector('#password')
})
