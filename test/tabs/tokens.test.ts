import type { Browser, BrowserContext, Page } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { callApi, launchBrowser, openTab, signIn, waitForStatus } from '../fixtures/tabs.ts'
import { startTestApp, type TestApp } from '../fixtures/test-app.ts'

let app: TestApp
let browser: Browser
let context: BrowserContext
let tab: Page
const consoleTexts: string[] = []

beforeAll(async () => {
  app = await startTestApp()
  browser = await launchBrowser()
  context = await browser.newContext()
  context.on('console', (message) => consoleTexts.push(message.text()))
  context.on('weberror', (error) => consoleTexts.push(String(error.error().stack)))
  tab = await openTab(context, app)
  await signIn(tab)
})
afterAll(async () => {
  await browser?.close()
  await app?.close()
})

/** Calls a URL and gives what a page can see of the outcome. */
function fetchText(url: string, init: Record<string, unknown> = {}): Promise<string> {
  return tab.evaluate(
    ([target, options]) =>
      window.session.fetch(target, options).then(
        async (response) => `${response.status} ${await response.text()}`,
        (error) => `${error.name} ${error.code ?? ''} ${error.message} ${error.stack}`,
      ),
    [url, init] as const,
  )
}

const lastRequest = (server: 'api' | 'other', path: string) =>
  app[server].requests.findLast((request) => request.path === path && request.method === 'GET')

it('sends the token to a listed origin, and to no other', async () => {
  await fetchText(`${app.api.origin}/orders`)
  expect(lastRequest('api', '/orders')?.headers.authorization).toMatch(/^Bearer ./)
  expect(await fetchText(`${app.other.origin}/public`)).toContain('"authorization":null')
  expect(await fetchText(`${app.other.origin}/public`, { auth: true })).toContain('TypeError origin_not_allowed')
})

it.each([301, 302, 303, 307, 308])(
  'drops a bearer token where a %s redirect leaves the origin, as the platform does (I4)',
  async (status) => {
    const target = `${app.other.origin}/public`
    expect(await fetchText(`${app.api.origin}/redirect?status=${status}&to=${encodeURIComponent(target)}`)).toContain(
      '"authorization":null',
    )
    const arrived = lastRequest('other', '/public')
    expect(arrived?.status).toBe(200)
    expect(arrived?.headers.authorization).toBeUndefined()
  },
)

it.each([301, 302, 303, 307, 308])(
  'fails a request with a token in a custom header on a %s redirect, and nothing is sent on (I4)',
  async (status) => {
    const before = app.other.requests.length
    const target = `${app.other.origin}/public`
    const text = await fetchText(`${app.api.origin}/redirect-public?status=${status}&to=${encodeURIComponent(target)}`)
    expect(text).toMatch(/^TypeError redirect_refused .*redirect/)
    expect(app.other.requests.length).toBe(before)
  },
)

it('passes no answer on to the page that holds the token (I11)', async () => {
  expect(await fetchText(`${app.api.origin}/echo?raw=1`)).toMatch(/^TypeError token_reflected /)
})

it('gives a clear error for a malformed URL and for a wrong argument, as fetch does', async () => {
  expect(await fetchText('http://')).toMatch(/^TypeError .*Failed to construct 'Request'|^TypeError/)
  expect(await fetchText(`${app.api.origin}/orders`, { method: 'TRACE' })).toMatch(/^TypeError/)
  expect(await tab.evaluate(() => window.session.signIn(() => {}).catch((error) => error.code))).toBe('invalid_call')
  expect(await tab.evaluate(() => window.session.getAccessToken().catch((error) => error.code))).toBe(
    'token_not_exposed',
  )
  expect(await tab.evaluate(() => window.session.adopt({ accessToken: 'mine' }).catch((error) => error.code))).toBe(
    'invalid_call',
  )
  expect(await callApi(tab, 1)).toEqual([200])
})

it.each([
  ['no-referrer', 'was not told so, and cannot read it', ''],
  ['no-referrer', 'was told so', '&told=no-referrer'],
  ['unsafe-url', 'was told so', '&told=unsafe-url'],
] as const)('on a page whose header says %s, connect %s: the Referer of session.fetch', async (policy, _what, told) => {
  const page = await openTab(context, app, `/?policy=${policy}${told}`)
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
})

it('shows no token in any message, error, console line, global or history, after all of it (I11)', async () => {
  app.authorizationServer.expireAccessTokens()
  await callApi(tab, 5)
  await fetchText(`${app.api.origin}/drop`)
  await fetchText(`${app.api.origin}/truncated`)
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
