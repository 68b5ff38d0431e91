import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContext, Page } from 'playwright'
import { createServer, type ViteDevServer } from 'vite'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { fillSignInForm, launchBrowser } from '../fixtures/tabs.ts'

let server: ViteDevServer
let origin: string
let browser: Browser
let context: BrowserContext
let page: Page
let problems: string[]

beforeAll(async () => {
  vi.stubEnv('LINGPAI_ISSUER_PORT', '0')
  vi.stubEnv('LINGPAI_API_PORT', '0')
  server = await createServer({
    configFile: fileURLToPath(new URL('../../demo/vite.config.ts', import.meta.url)),
    logLevel: 'error',
    // Nothing may reload the page while it is being tested.
    server: { port: 0, hmr: false, watch: null },
  })
  await server.listen()
  const address = server.httpServer?.address()
  if (address === null || typeof address !== 'object') throw new Error('The demo listens on no port.')
  origin = `http://localhost:${address.port}`
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
  vi.unstubAllEnvs()
})

beforeEach(async () => {
  problems = []
  context = await browser.newContext()
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(message.text())
  })
  context.on('weberror', (event) => problems.push(event.error().message))
  page = await context.newPage()
  await page.goto(origin)
  await seeStatus(page, 'Signed out')
})
afterEach(async () => {
  await context.close()
  expect(problems).toEqual([])
})

async function seeStatus(tab: Page, text: string): Promise<void> {
  await tab.getByRole('status').getByText(text, { exact: true }).waitFor()
}

function press(tab: Page, name: string): Promise<void> {
  return tab.getByRole('button', { name, exact: true }).click()
}

async function signIn(): Promise<void> {
  await press(page, 'Sign in')
  await page.waitForSelector('#account')
  await fillSignInForm(page)
  await seeStatus(page, 'Signed in as Alice Liddell')
}

async function readCounter(name: string): Promise<number> {
  return Number(await page.locator(`#count-${name}`).textContent())
}

it('answers fifty calls with an expired token after one refresh, and shows it', async () => {
  await signIn()
  expect(new URL(page.url()).href).toBe(`${origin}/`)
  await expect.poll(() => readCounter('token-requests')).toBeGreaterThan(0)
  const refreshesBefore = await readCounter('refreshes')

  await press(page, 'Expire the token now')
  await page.getByText('The API refuses the token from now on').waitFor()
  await press(page, '50 calls at once')

  const batch = page.getByRole('article').first()
  await batch.getByRole('heading', { name: '50 calls, 1 refresh', exact: true }).waitFor()
  expect(await batch.getByText('50 answered').count()).toBe(1)
  const outcomes = await batch.locator('.outcome').allTextContents()
  expect(outcomes).toHaveLength(50)
  expect(outcomes.filter((outcome) => outcome !== '200' && outcome !== '401 → 200')).toEqual([])
  expect(outcomes).toContain('401 → 200')
  await expect.poll(() => readCounter('refreshes')).toBe(refreshesBefore + 1)
  expect(await readCounter('reuses')).toBe(0)
  await page.getByText('The provider gave a new token.').first().waitFor()
})

it('shares the session with a second tab, and its end', async () => {
  await signIn()
  const [second] = await Promise.all([context.waitForEvent('page'), press(page, 'Open a second tab')])
  await seeStatus(second, 'Signed in as Alice Liddell')
  await press(second, '10 calls at once')
  await second.getByRole('article').getByText('10 answered').waitFor()

  await press(second, 'Sign out')
  await seeStatus(second, 'Signed out')
  await seeStatus(page, 'Signed out')
})

it('signs in by a popup, which closes itself, and out of the provider too', async () => {
  const [popup] = await Promise.all([context.waitForEvent('page'), press(page, 'Sign in by popup')])
  const closed = popup.waitForEvent('close')
  await popup.waitForSelector('#account')
  await fillSignInForm(popup, 'bob')
  await seeStatus(page, 'Signed in as Bob Dobalina')
  await closed

  await press(page, 'Sign out everywhere')
  await seeStatus(page, 'Signed out')
  await press(page, 'Sign in')
  await page.waitForSelector('#account')
  await page.click('#cancel')
  await page.getByText('sign_in_cancelled').waitFor()
  await page.getByRole('link', { name: 'Back to the demo' }).click()
  await seeStatus(page, 'Signed out')
})

it('is told that the provider is down, keeps the user signed in, and recovers by itself', async () => {
  await signIn()
  await press(page, 'Provider down')
  await page.getByText('with 503').waitFor()
  await press(page, 'Expire the token now')
  await page.getByText('The API refuses the token from now on').waitFor()
  await press(page, '10 calls at once')
  await page.getByText('unreachable, trying again').waitFor()
  await seeStatus(page, 'Signed in as Alice Liddell')
  await page.getByRole('article').getByText('10 answered').waitFor()
  await expect.poll(() => page.locator('#token-server').textContent()).toBe('ok')
})
