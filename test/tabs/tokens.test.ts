import type { Page } from 'playwright'
import { expect } from 'vitest'
import { test } from '../fixtures/tab-test.ts'
import { callApi, openTab as openTabIn, signIn, waitForStatus } from '../fixtures/tabs.ts'
import type { TestApp } from '../fixtures/test-app.ts'

const consoleTexts: string[] = []

const it = test.extend('tab', { scope: 'file' }, async ({ app, browser }) => {
  const context = await browser.newContext()
  context.on('console', (message) => consoleTexts.push(message.text()))
  context.on('weberror', (error) => consoleTexts.push(String(error.error().stack)))
  const tab = await openTabIn(context, app)
  await signIn(tab)
  return tab
})

/** Calls a URL and returns the parts of the outcome that a page can read. */
function fetchText(tab: Page, url: string, init: Record<string, unknown> = {}): Promise<string> {
  return tab.evaluate(
    ([target, options]) =>
      window.session.fetch(target, options).then(
        async (response) => `${response.status} ${await response.text()}`,
        (error) => `${error.name} ${error.code ?? ''} ${error.message} ${error.stack}`,
      ),
    [url, init] as const,
  )
}

const lastRequest = (app: TestApp, server: 'api' | 'other', path: string) =>
  app[server].requests.findLast((request) => request.path === path && request.method === 'GET')

it('sends the token only to a listed origin', async ({ app, tab }) => {
  await fetchText(tab, `${app.api.origin}/orders`)
  expect(lastRequest(app, 'api', '/orders')?.headers.authorization).toMatch(/^Bearer ./)
  expect(await fetchText(tab, `${app.other.origin}/public`)).toContain('"authorization":null')
  expect(await fetchText(tab, `${app.other.origin}/public`, { auth: true })).toContain('TypeError origin_not_allowed')
})

it.for([301, 302, 303, 307, 308])(
  'drops a bearer token when a %s redirect leaves the origin, as the platform does (I4)',
  async (status, { app, tab }) => {
    const target = `${app.other.origin}/public`
    expect(
      await fetchText(tab, `${app.api.origin}/redirect?status=${status}&to=${encodeURIComponent(target)}`),
    ).toContain('"authorization":null')
    const arrived = lastRequest(app, 'other', '/public')
    expect(arrived?.status).toBe(200)
    expect(arrived?.headers.authorization).toBeUndefined()
  },
)

it.for([301, 302, 303, 307, 308])(
  'rejects a request with a token in a custom header at a %s redirect, and does not follow it (I4)',
  async (status, { app, tab }) => {
    const before = app.other.requests.length
    const target = `${app.other.origin}/public`
    const text = await fetchText(
      tab,
      `${app.api.origin}/redirect-public?status=${status}&to=${encodeURIComponent(target)}`,
    )
    expect(text).toMatch(/^TypeError redirect_refused .*redirect/)
    expect(app.other.requests.length).toBe(before)
  },
)

it('does not pass a response that contains the token to the page (I11)', async ({ app, tab }) => {
  expect(await fetchText(tab, `${app.api.origin}/echo?raw=1`)).toMatch(/^TypeError token_reflected /)
})

it('rejects a malformed URL and a wrong argument with a clear error, as fetch does', async ({ app, tab }) => {
  expect(await fetchText(tab, 'http://')).toMatch(/^TypeError .*Failed to construct 'Request'|^TypeError/)
  expect(await fetchText(tab, `${app.api.origin}/orders`, { method: 'TRACE' })).toMatch(/^TypeError/)
  expect(await tab.evaluate(() => window.session.signIn(() => {}).catch((error) => error.code))).toBe('invalid_call')
  expect(await tab.evaluate(() => window.session.getAccessToken().catch((error) => error.code))).toBe(
    'token_not_exposed',
  )
  expect(await tab.evaluate(() => window.session.adopt({ accessToken: 'mine' }).catch((error) => error.code))).toBe(
    'invalid_call',
  )
  expect(await callApi(tab, 1)).toEqual([200])
})

it.for([
  ['no-referrer', 'without this policy, which it cannot read', ''],
  ['no-referrer', 'with this policy', '&told=no-referrer'],
  ['unsafe-url', 'with this policy', '&told=unsafe-url'],
] as const)(
  'the Referer of session.fetch on a page with the header Referrer-Policy: %s, connect %s',
  async ([policy, _what, told], { app, tab }) => {
    const page = await openTabIn(tab.context(), app, `/?policy=${policy}${told}`)
    const refererOf = async (isOwn: boolean) => {
      const mark = crypto.randomUUID()
      await page.evaluate(([url, own]) => (own ? fetch : window.session.fetch)(url).then(() => {}), [
        `${app.api.origin}/orders?${mark}`,
        isOwn,
      ] as const)
      return app.api.requests.find(({ query, method }) => method === 'GET' && query === `?${mark}`)?.headers.referer
    }
    const [own, ours] = [await refererOf(true), await refererOf(false)]
    expect(own).toBe(policy === 'unsafe-url' ? page.url() : undefined)
    expect(ours).toBe(told === '' ? `${app.origin}/` : own)
    await page.close()
  },
)

it('no message, error, console line, global or history entry of these tests contains a token (I11)', async ({
  app,
  tab,
}) => {
  app.authorizationServer.expireAccessTokens()
  await callApi(tab, 5)
  await fetchText(tab, `${app.api.origin}/drop`)
  await fetchText(tab, `${app.api.origin}/truncated`)
  app.authorizationServer.failRefreshes({ kind: 'drop' })
  app.authorizationServer.expireAccessTokens()
  await callApi(tab, 5)
  const history = await tab.evaluate(async () => JSON.stringify(await window.session.explain()))
  await tab.evaluate(() => window.session.signOut())
  await waitForStatus(tab, 'signed-out')
  const received = await tab.evaluate(() => window.received.join('\n'))
  const snapshots = await tab.evaluate(() => JSON.stringify(window.changes))
  expect(history).toContain('refresh-succeeded')
  expect(received).toContain('refresh-succeeded')
  expect(app.authorizationServer.issuedTokens.length).toBeGreaterThan(6)
  const seen = [history, received, snapshots, consoleTexts.join('\n'), tab.url()].join('\n')
  expect(app.authorizationServer.issuedTokens.filter((token) => seen.includes(token))).toEqual([])
})
