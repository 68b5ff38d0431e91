import type { Page } from 'playwright'
import { expect } from 'vitest'
import { test } from '../fixtures/tab-test.ts'
import { callApi, signIn, waitForStatus } from '../fixtures/tabs.ts'

const it = test
  .extend('launchOptions', { scope: 'file' }, { ignoreDefaultArgs: ['--disable-back-forward-cache'] })
  /** The number of requests to a path of the API. */
  .extend(
    'requestsTo',
    ({ app }) =>
      (path: string, method: string) =>
        app.api.requests.filter((request) => request.path === path && request.method === method).length,
  )

/** Ends the tab's process, so that the page cannot close anything. */
async function crash(page: Page): Promise<void> {
  const crashed = page.waitForEvent('crash')
  const devtools = await page.context().newCDPSession(page)
  devtools.send('Page.crash').catch(() => {})
  await crashed
}

/** Starts a call, and resolves with its outcome. */
function startCall(page: Page, path: string, init: RequestInit = {}): Promise<string | number> {
  return page.evaluate(
    ([target, options]) =>
      window.session.fetch(window.api + target, options).then(
        (response) => response.status,
        (error) => error.code ?? String(error),
      ),
    [path, init] as const,
  )
}

const snapshotOf = (page: Page) => page.evaluate(() => window.session.getSnapshot())

it('after a crash of the tab whose process ran the worker, safe requests are sent again, but not a POST (I3)', async ({
  app,
  openTab,
  refreshes,
  requestsTo,
}) => {
  const host = await openTab('/?worker=both')
  await signIn(host)
  const [one, other] = [await openTab('/?worker=both'), await openTab('/?worker=both')]
  const [refreshesBefore, postsBefore] = [refreshes(), requestsTo('/echo', 'POST')]
  const hold = app.api.holdRequests('/echo')
  const posted = startCall(one, '/echo', { method: 'POST', body: 'tea' })
  const got = startCall(other, '/echo')
  await expect.poll(() => requestsTo('/echo', 'POST') - postsBefore + requestsTo('/echo', 'GET')).toBe(2)
  await crash(host)
  // The API still holds its responses, so only the loss of the worker can end the wait.
  expect(await posted).toBe('worker_lost')
  await expect.poll(() => requestsTo('/echo', 'GET')).toBe(2)
  hold.release()
  expect(await got).toBe(200)
  expect(requestsTo('/echo', 'POST') - postsBefore).toBe(1)
  for (const tab of [one, other]) {
    await waitForStatus(tab, 'signed-in')
    const changes = await tab.evaluate(() => window.changes.slice(-2))
    expect(changes).toMatchObject([{ status: 'connecting', reason: 'worker_lost' }, { status: 'signed-in' }])
    expect(await snapshotOf(tab)).toMatchObject({ mode: 'shared' })
  }
  expect(await callApi(one, 10)).toEqual(Array(10).fill(200))
  expect(refreshes()).toBe(refreshesBefore)
  await one.evaluate(() => window.session.signOut())
  await waitForStatus(other, 'signed-out')
})

it('reports that a session in memory ended with its worker (I7)', async ({ app, openTab }) => {
  const host = await openTab()
  await signIn(host)
  const other = await openTab()
  const hold = app.api.holdRequests('/orders')
  const got = startCall(other, '/orders')
  await hold.arrived
  await crash(host)
  expect(await got).toBe('sign_in_required')
  hold.release()
  expect(await snapshotOf(other)).toMatchObject({ status: 'signed-out', reason: 'worker_lost' })
})

it('does not treat a busy worker as lost: a tab that spins blocks only new tabs, and no second broker starts', async ({
  app,
  context,
  openTab,
}) => {
  const host = await openTab('/?worker=both')
  await signIn(host)
  const old = await openTab('/?worker=both')
  const changesBefore = await old.evaluate(() => window.changes.length)
  const spun = host.evaluate(() => {
    const end = Date.now() + 8000
    for (;;) if (Date.now() > end) return 'spun'
  })
  const late = await context.newPage()
  await late.goto(`${app.origin}/?worker=both`)
  expect(await callApi(old, 5)).toEqual(Array(5).fill(200))
  await late.waitForFunction(() => window.session?.getSnapshot().reason === 'blocked')
  const waiting = callApi(late, 3)
  expect(await spun).toBe('spun')
  expect(await waiting).toEqual([200, 200, 200])
  expect(await snapshotOf(late)).toMatchObject({ status: 'signed-in', mode: 'shared' })
  expect(await old.evaluate((from) => window.changes.slice(from), changesBefore)).toEqual([])
  await late.evaluate(() => window.session.signOut())
  for (const tab of [host, old]) await waitForStatus(tab, 'signed-out')
})

it('frees the resources of a crashed tab', async ({ app, openTab }) => {
  const host = await openTab()
  await signIn(host)
  const crashing = await openTab()
  const hold = app.api.holdRequests('/orders')
  void startCall(crashing, '/orders').catch(() => {})
  await hold.arrived
  const countLeft = () =>
    host.evaluate(async () => (await window.session.explain()).filter(({ event }) => event === 'page-left').length)
  const leftBefore = await countLeft()
  await crash(crashing)
  await expect
    .poll(() =>
      host.evaluate(
        async () =>
          (await navigator.locks.query()).held?.filter(({ name }) => name?.startsWith('lingpai:page:')).length,
      ),
    )
    .toBe(1)
  await expect.poll(countLeft, { timeout: 5000 }).toBe(leftBefore + 1)
  // The worker has aborted the tab's request, so the API has no connection to answer on.
  await new Promise((resolve) => setTimeout(resolve, 500))
  const sent = app.api.requests.findLast(({ path }) => path === '/orders')
  hold.release()
  expect(await callApi(host, 3)).toEqual([200, 200, 200])
  expect(sent).toBeDefined()
  expect(sent?.status).toBeUndefined()
})

it('closes its port when the page enters the back/forward cache, and opens another when the page returns', async ({
  app,
  openTab,
}) => {
  const tab = await openTab('/?worker=stored')
  await signIn(tab)
  const watcher = await openTab('/?worker=stored')
  const pageLocks = () =>
    watcher.evaluate(
      async () => (await navigator.locks.query()).held?.filter(({ name }) => name?.startsWith('lingpai:page:')).length,
    )
  expect(await pageLocks()).toBe(2)
  await tab.evaluate(() =>
    addEventListener('pageshow', ({ persisted }) => Object.assign(window, { wasRestored: persisted })),
  )
  await tab.goto(`${app.other.origin}/public`)
  await expect.poll(pageLocks).toBe(1)
  await watcher.evaluate(() => window.session.signOut())
  await tab.goBack({ waitUntil: 'commit' })
  // Otherwise the page was loaded again, and not restored.
  await tab.waitForFunction(() => (window as { wasRestored?: boolean }).wasRestored === true)
  await waitForStatus(tab, 'signed-out')
  await expect.poll(pageLocks).toBe(2)
  expect(await callApi(tab, 1)).toEqual(['sign_in_required'])
})

it('a tab of another build gets protocol_mismatch, and does not start a second broker', async ({
  app,
  context,
  openTab,
}) => {
  const old = await openTab()
  await signIn(old)
  const tab = await context.newPage()
  await tab.goto(`${app.origin}/?worker=${encodeURIComponent('other options')}`)
  await tab.waitForFunction(() => window.session?.getSnapshot().reason === 'protocol_mismatch')
  expect(await callApi(tab, 1)).toEqual(['protocol_mismatch'])
  expect(tab.workers()).toEqual([])
  expect(await callApi(old, 1)).toEqual([200])
})

it('serves the other tabs while one tab floods the worker, and loses no call', async ({ app, openTab }) => {
  const flood = await openTab()
  await signIn(flood)
  const calm = await openTab()
  const flooding = callApi(flood, Number(process.env.LINGPAI_FLOOD ?? 1500))
  let isOver = false
  void flooding.then(() => {
    isOver = true
  })
  const before = app.api.counters.answered
  await expect.poll(() => app.api.counters.answered, { timeout: 30_000 }).toBeGreaterThan(before + 100)
  expect(await callApi(calm, 1)).toEqual([200])
  expect(isOver).toBe(false)
  expect((await flooding).filter((outcome) => outcome !== 200)).toEqual([])
})
