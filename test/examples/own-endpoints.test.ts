import type { Browser, Page } from 'playwright'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { launchBrowser } from '../fixtures/tabs.ts'
import { startWebExample, type WebExample } from '../fixtures/web-example.ts'

let example: WebExample
let browser: Browser

beforeAll(async () => {
  example = await startWebExample('own-endpoints', 'legacy')
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser?.close()
  await example?.close()
})

async function submitForm(password: string): Promise<Page> {
  const context = await browser.newContext()
  onTestFinished(() => context.close())
  const page = await context.newPage()
  await page.goto(example.origin)
  await page.locator('#status', { hasText: 'signed-out' }).waitFor()
  await page.fill('[name=account]', 'alice')
  await page.fill('[name=password]', password)
  await page.click('[type=submit]')
  return page
}

test('with an expired token it shows the list after one refresh', async () => {
  const page = await submitForm('lingpai')
  await page.locator('#status', { hasText: 'signed-in' }).waitFor()
  const { legacy } = example.servers
  const before = legacy.counters.refreshes
  legacy.expireAccessTokens()
  await page.click('#load')
  await page.locator('output', { hasText: 'tea, ink' }).waitFor()
  expect(legacy.counters.refreshes).toBe(before + 1)
})

test('it shows what the API says of a wrong password', async () => {
  const page = await submitForm('wrong')
  await page.locator('output', { hasText: 'account or password is wrong' }).waitFor()
})
