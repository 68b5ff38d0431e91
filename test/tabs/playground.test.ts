import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import {
  askServers,
  frameOf,
  type Playground,
  seeStatus,
  signInByPopup,
  startPlayground,
  type Visit,
} from '../fixtures/playground.ts'
import { fillSignInForm } from '../fixtures/tabs.ts'

let playground: Playground
let visit: Visit

beforeAll(async () => {
  playground = await startPlayground()
})
afterAll(() => playground?.close())
beforeEach(async () => {
  visit = await playground.open()
})
afterEach(async () => {
  await visit.close()
  expect(visit.problems).toEqual([])
})

it('shows in three steps that 150 calls of three tabs with an expired token cost one refresh', async () => {
  const { page } = visit
  await signInByPopup(page)
  for (const number of [1, 2, 3]) await frameOf(page, number).getByText('Alice Liddell').waitFor()
  const before = await askServers(page)

  await page.click('#fire-storm')
  await page.getByText('1 refresh · 150 answers').waitFor()
  await page.getByText(/^0 lost, 0 hung, in /).waitFor()

  const after = await askServers(page)
  expect(after.authorizationServer.tokenRequests.refresh_token).toBe(
    before.authorizationServer.tokenRequests.refresh_token + 1,
  )
  expect(after.authorizationServer.reuseDetections).toBe(before.authorizationServer.reuseDetections)
  expect(await page.locator('#since-refreshes').textContent()).toBe('1')
  for (const number of [1, 2, 3]) {
    expect(await frameOf(page, number).locator('[role=option][data-state=answered]').count()).toBe(50)
  }
  await frameOf(page, 2).locator('[role=option]').nth(9).focus()
  await page.getByText(/^Call 10\. GET .* Status 200/).waitFor()
  await page.keyboard.press('ArrowRight')
  await page.getByText(/^Call 11\. GET .* Status 200/).waitFor()
})

it('keeps the language over a redirect to the provider, and reports a cancelled sign-in', async () => {
  const { page } = visit
  await page.click('#language')
  await page.getByRole('heading', { name: '一个 Worker 管理会话，所有标签页共享。' }).waitFor()
  await page.click('#sign-in-redirect')
  await page.getByRole('heading', { name: '登录' }).waitFor()
  await page.click('#cancel')
  await page.getByRole('heading', { name: '未登录' }).waitFor()
  await page.getByText('sign_in_cancelled').waitFor()
  await page.getByRole('link', { name: '返回演练场' }).click()

  await page.click('#sign-in-redirect')
  await page.waitForSelector('#account')
  await fillSignInForm(page, 'bob')
  await seeStatus(page, 'Bob Dobalina')
  expect(page.url()).toBe(`${playground.origin}/`)
  expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN')
  await frameOf(page, 1).getByText('标签页 1').waitFor()
})
