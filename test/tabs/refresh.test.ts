import type { Browser, BrowserContext, Page } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { callApi, launchBrowser, type Outcome, openTab, signIn, waitForStatus } from '../fixtures/tabs.ts'
import { startTestApp, type TestApp } from '../fixtures/test-app.ts'

let app: TestApp
let browser: Browser
let context: BrowserContext
let tabs: Page[]
let refreshesBefore: number
let reusesBefore: number

beforeAll(async () => {
  app = await startTestApp()
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser?.close()
  await app?.close()
})

beforeEach(async () => {
  context = await browser.newContext()
  const first = await openTab(context, app)
  await signIn(first)
  tabs = [first, await openTab(context, app), await openTab(context, app)]
  refreshesBefore = app.authorizationServer.counters.tokenRequests.refresh_token
  reusesBefore = app.authorizationServer.counters.reuseDetections
})
afterEach(async () => {
  app.authorizationServer.clearFaults()
  await context.close()
})

const refreshes = () => app.authorizationServer.counters.tokenRequests.refresh_token - refreshesBefore
const reuses = () => app.authorizationServer.counters.reuseDetections - reusesBefore
const firstTab = () => tabs[0] as Page

async function callFromEveryTab(count: number): Promise<Outcome[]> {
  return (await Promise.all(tabs.map((tab) => callApi(tab, count)))).flat()
}

it('answers 150 calls of three tabs with an expired token by one token request (I1)', async () => {
  app.authorizationServer.expireAccessTokens()
  const outcomes = await callFromEveryTab(50)
  expect(outcomes).toEqual(Array(150).fill(200))
  expect(refreshes()).toBe(1)
  expect(reuses()).toBe(0)
})

it('after invalid_grant, rejects all 150 calls with sign_in_required and notifies each tab once', async () => {
  await app.authorizationServer.revokeEverything()
  const before = await Promise.all(tabs.map((tab) => tab.evaluate(() => window.changes.length)))
  const outcomes = await callFromEveryTab(50)
  expect(outcomes).toEqual(Array(150).fill('sign_in_required'))
  expect(refreshes()).toBe(1)
  for (const [index, tab] of tabs.entries()) {
    await waitForStatus(tab, 'signed-out')
    const changes = await tab.evaluate((from) => window.changes.slice(from), before[index] as number)
    expect(changes).toMatchObject([{ status: 'signed-out', reason: 'refresh_rejected' }])
  }
})

it('after three 503 responses of the provider, the session remains and all calls succeed (I7)', async () => {
  app.authorizationServer.expireAccessTokens()
  app.authorizationServer.failRefreshes(...Array.from({ length: 3 }, () => ({ kind: 'answer', status: 503 }) as const))
  const before = await firstTab().evaluate(() => window.changes.length)
  const outcomes = await callFromEveryTab(50)
  expect(outcomes).toEqual(Array(150).fill(200))
  expect(refreshes()).toBe(4)
  const changes = await firstTab().evaluate((from) => window.changes.slice(from), before)
  expect(changes.map(({ status, tokenServer }) => [status, tokenServer])).toEqual([
    ['signed-in', 'unreachable'],
    ['signed-in', 'ok'],
  ])
})

it.each([
  ['an HTML page', '<!doctype html><title>Maintenance</title>'],
  ['truncated JSON', '{"access_token":"abc","token_ty'],
])(
  'keeps the session if the token endpoint sends %s, and succeeds with the next response (I7)',
  async (_what, body) => {
    app.authorizationServer.expireAccessTokens()
    app.authorizationServer.failRefreshes({
      kind: 'answer',
      status: 200,
      headers: { 'content-type': 'text/html' },
      body,
    })
    expect(await callApi(firstTab(), 3)).toEqual([200, 200, 200])
    expect(await firstTab().evaluate(() => window.session.getSnapshot().status)).toBe('signed-in')
  },
)

it('replays a late 401 for an old token without a second refresh', async () => {
  const hold = app.api.holdRequests('/delay/0')
  app.authorizationServer.expireAccessTokens()
  const late = callApi(firstTab(), 1, '/delay/0')
  await hold.arrived
  expect(await callApi(tabs[1] as Page, 1)).toEqual([200])
  expect(refreshes()).toBe(1)
  hold.release()
  expect(await late).toEqual([200])
  expect(refreshes()).toBe(1)
})

it('returns the 401 of an API that always answers 401, after one refresh and one replay (I10)', async () => {
  const before = app.api.requests.length
  expect(await callApi(firstTab(), 1, '/always-401')).toEqual([401])
  expect(refreshes()).toBe(1)
  const sent = app.api.requests.slice(before).filter(({ method, path }) => method === 'GET' && path === '/always-401')
  expect(sent).toHaveLength(2)
})

it('ignores the response to a refresh that arrives after the sign-out (I5)', async () => {
  app.authorizationServer.expireAccessTokens()
  const hold = app.authorizationServer.holdRefreshes()
  const waiting = callApi(firstTab(), 5)
  await hold.arrived
  const signedOut = (tabs[1] as Page).evaluate(() => window.session.signOut())
  expect(await waiting).toEqual(Array(5).fill('sign_in_required'))
  hold.release()
  await signedOut
  await expect
    .poll(async () => (await firstTab().evaluate(() => window.session.explain())).map(({ event }) => event))
    .toContain('late-refresh-dropped')
  for (const tab of tabs) {
    await waitForStatus(tab, 'signed-out')
    expect(await callApi(tab, 1)).toEqual(['sign_in_required'])
  }
})

it('ignores the response to a refresh that arrives after another user has signed in (I5, I6)', async () => {
  app.authorizationServer.expireAccessTokens()
  const hold = app.authorizationServer.holdRefreshes()
  // Each call must get its own 401. The browser's cache would delay two of three equal requests.
  const answers = app.api.holdRequests('/orders')
  const before = app.api.requests.length
  const waiting = Promise.all([1, 2, 3].map((page) => callApi(firstTab(), 1, `/orders?page=${page}`)))
  await expect.poll(() => app.api.requests.slice(before).filter(({ method }) => method === 'GET').length).toBe(3)
  answers.release()
  await hold.arrived
  // Without its cookies, the provider shows the form, so that another account can sign in.
  await context.clearCookies()
  await signIn(tabs[1] as Page, 'bob')
  // These are Alice's calls, so they must not be replayed with Bob's token: they get the API's 401.
  expect((await waiting).flat()).toEqual(Array(3).fill(401))
  hold.release()
  await expect
    .poll(async () => (await firstTab().evaluate(() => window.session.explain())).map(({ event }) => event))
    .toContain('late-refresh-dropped')
  for (const tab of tabs) {
    expect(await tab.evaluate(() => window.session.getSnapshot().user?.subject)).toBe('bob')
    expect(
      await tab.evaluate(() => window.session.fetch(`${window.api}/orders`).then((response) => response.json())),
    ).toMatchObject({ subject: 'bob' })
  }
})
