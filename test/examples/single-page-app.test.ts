import type { Browser, Page } from 'playwright'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { fillSignInForm, launchBrowser } from '../fixtures/tabs.ts'
import { startWebExample, type WebExample } from '../fixtures/web-example.ts'

let example: WebExample
let browser: Browser

beforeAll(async () => {
  example = await startWebExample('single-page-app', 'api')
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser?.close()
  await example?.close()
})

async function openSignedIn(): Promise<Page> {
  const context = await browser.newContext()
  onTestFinished(() => context.close())
  const page = await context.newPage()
  await page.goto(example.origin)
  await showsStatus(page, 'signed-out')
  await page.click('#sign-in')
  await fillSignInForm(page)
  await showsStatus(page, 'signed-in')
  return page
}

const showsStatus = (page: Page, status: string) => page.locator('#status', { hasText: status }).waitFor()

test('it signs in at the provider, and comes back to the page that it left', async () => {
  const page = await openSignedIn()
  await page.waitForURL(`${example.origin}/`)
})

test('with an expired token it shows the orders after one refresh', async () => {
  const page = await openSignedIn()
  const { authorizationServer } = example.servers
  const before = authorizationServer.counters.tokenRequests.refresh_token
  authorizationServer.expireAccessTokens()
  await page.click('#load')
  await page.locator('output', { hasText: '"item":"tea"' }).waitFor()
  expect(authorizationServer.counters.tokenRequests.refresh_token).toBe(before + 1)
})

test('it keeps the session over a reload', async () => {
  const page = await openSignedIn()
  await page.reload()
  await showsStatus(page, 'signed-in')
})

test('after a sign-out, a call says that the user must sign in', async () => {
  const page = await openSignedIn()
  await page.click('#sign-out')
  await showsStatus(page, 'signed-out')
  await page.click('#load')
  await page.locator('output', { hasText: /sign.?in/i }).waitFor()
})
