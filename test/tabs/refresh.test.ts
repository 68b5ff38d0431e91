import type { Page } from 'playwright'
import { expect } from 'vitest'
import { test } from '../fixtures/tab-test.ts'
import { callApi, type Outcome, signIn, waitForStatus } from '../fixtures/tabs.ts'

const it = test.extend('tabs', async ({ openTab }) => {
  const first = await openTab()
  await signIn(first)
  return [first, await openTab(), await openTab()] as const
})

async function callFromEveryTab(tabs: readonly Page[], count: number): Promise<Outcome[]> {
  return (await Promise.all(tabs.map((tab) => callApi(tab, count)))).flat()
}

it('answers 150 calls of three tabs with an expired token by one token request (I1)', async ({
  app,
  refreshes,
  reuses,
  tabs,
}) => {
  app.authorizationServer.expireAccessTokens()
  const outcomes = await callFromEveryTab(tabs, 50)
  expect(outcomes).toEqual(Array(150).fill(200))
  expect(refreshes()).toBe(1)
  expect(reuses()).toBe(0)
})

it('after invalid_grant, rejects all 150 calls with sign_in_required and notifies each tab once', async ({
  app,
  refreshes,
  tabs,
}) => {
  await app.authorizationServer.revokeEverything()
  const before = await Promise.all(tabs.map((tab) => tab.evaluate(() => window.changes.length)))
  const outcomes = await callFromEveryTab(tabs, 50)
  expect(outcomes).toEqual(Array(150).fill('sign_in_required'))
  expect(refreshes()).toBe(1)
  for (const [index, tab] of tabs.entries()) {
    await waitForStatus(tab, 'signed-out')
    const changes = await tab.evaluate((from) => window.changes.slice(from), before[index] as number)
    expect(changes).toMatchObject([{ status: 'signed-out', reason: 'refresh_rejected' }])
  }
})

it('after three 503 responses of the provider, the session remains and all calls succeed (I7)', async ({
  app,
  refreshes,
  tabs,
}) => {
  app.authorizationServer.expireAccessTokens()
  app.authorizationServer.failRefreshes(...Array.from({ length: 3 }, () => ({ kind: 'answer', status: 503 }) as const))
  const before = await tabs[0].evaluate(() => window.changes.length)
  const outcomes = await callFromEveryTab(tabs, 50)
  expect(outcomes).toEqual(Array(150).fill(200))
  expect(refreshes()).toBe(4)
  const changes = await tabs[0].evaluate((from) => window.changes.slice(from), before)
  expect(changes.map(({ status, tokenServer }) => [status, tokenServer])).toEqual([
    ['signed-in', 'unreachable'],
    ['signed-in', 'ok'],
  ])
})

it.for([
  ['an HTML page', '<!doctype html><title>Maintenance</title>'],
  ['truncated JSON', '{"access_token":"abc","token_ty'],
] as const)(
  'keeps the session if the token endpoint sends %s, and succeeds with the next response (I7)',
  async ([_what, body], { app, tabs }) => {
    app.authorizationServer.expireAccessTokens()
    app.authorizationServer.failRefreshes({
      kind: 'answer',
      status: 200,
      headers: { 'content-type': 'text/html' },
      body,
    })
    expect(await callApi(tabs[0], 3)).toEqual([200, 200, 200])
    expect(await tabs[0].evaluate(() => window.session.getSnapshot().status)).toBe('signed-in')
  },
)

it('replays a late 401 for an old token without a second refresh', async ({ app, refreshes, tabs }) => {
  const hold = app.api.holdRequests('/delay/0')
  app.authorizationServer.expireAccessTokens()
  const late = callApi(tabs[0], 1, '/delay/0')
  await hold.arrived
  expect(await callApi(tabs[1], 1)).toEqual([200])
  expect(refreshes()).toBe(1)
  hold.release()
  expect(await late).toEqual([200])
  expect(refreshes()).toBe(1)
})

it('returns the 401 of an API that always answers 401, after one refresh and one replay (I10)', async ({
  app,
  refreshes,
  tabs,
}) => {
  const before = app.api.requests.length
  expect(await callApi(tabs[0], 1, '/always-401')).toEqual([401])
  expect(refreshes()).toBe(1)
  const sent = app.api.requests.slice(before).filter(({ method, path }) => method === 'GET' && path === '/always-401')
  expect(sent).toHaveLength(2)
})

it('ignores the response to a refresh that arrives after the sign-out (I5)', async ({ app, tabs }) => {
  app.authorizationServer.expireAccessTokens()
  const hold = app.authorizationServer.holdRefreshes()
  const waiting = callApi(tabs[0], 5)
  await hold.arrived
  const signedOut = tabs[1].evaluate(() => window.session.signOut())
  expect(await waiting).toEqual(Array(5).fill('sign_in_required'))
  hold.release()
  await signedOut
  await expect
    .poll(async () => (await tabs[0].evaluate(() => window.session.explain())).map(({ event }) => event))
    .toContain('late-refresh-dropped')
  for (const tab of tabs) {
    await waitForStatus(tab, 'signed-out')
    expect(await callApi(tab, 1)).toEqual(['sign_in_required'])
  }
})

it('ignores the response to a refresh that arrives after another user has signed in (I5, I6)', async ({
  app,
  context,
  tabs,
}) => {
  app.authorizationServer.expireAccessTokens()
  const hold = app.authorizationServer.holdRefreshes()
  // Each call must get its own 401. The browser's cache would delay two of three equal requests.
  const answers = app.api.holdRequests('/orders')
  const before = app.api.requests.length
  const waiting = Promise.all([1, 2, 3].map((page) => callApi(tabs[0], 1, `/orders?page=${page}`)))
  await expect.poll(() => app.api.requests.slice(before).filter(({ method }) => method === 'GET').length).toBe(3)
  answers.release()
  await hold.arrived
  // Without its cookies, the provider shows the form, so that another account can sign in.
  await context.clearCookies()
  await signIn(tabs[1], 'bob')
  // These are Alice's calls, so they must not be replayed with Bob's token: they get the API's 401.
  expect((await waiting).flat()).toEqual(Array(3).fill(401))
  hold.release()
  await expect
    .poll(async () => (await tabs[0].evaluate(() => window.session.explain())).map(({ event }) => event))
    .toContain('late-refresh-dropped')
  for (const tab of tabs) {
    expect(await tab.evaluate(() => window.session.getSnapshot().user?.subject)).toBe('bob')
    expect(
      await tab.evaluate(() => window.session.fetch(`${window.api}/orders`).then((response) => response.json())),
    ).toMatchObject({ subject: 'bob' })
  }
})
