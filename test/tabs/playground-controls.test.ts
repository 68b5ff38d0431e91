import type { Page } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Counters } from '../../demo/control.ts'
import type { ControlName } from '../../demo/playground/controls.ts'
import {
  askServers,
  comeBack,
  control,
  frameOf,
  type Playground,
  seeStatus,
  signInByPopup,
  startPlayground,
  type Visit,
} from '../fixtures/playground.ts'
import { fillSignInForm } from '../fixtures/tabs.ts'

/** Three frames and a real tab. */
const tabs = 4

let playground: Playground
let visit: Visit
let page: Page
/** A separate tab, which the playground has opened. */
let second: Page
let before: Counters

beforeAll(async () => {
  playground = await startPlayground()
  visit = await playground.open()
  page = visit.page
  const opened = visit.context.waitForEvent('page')
  await page.click('#open-tab')
  second = await opened
})
afterAll(async () => {
  await visit?.close()
  await playground?.close()
})

beforeEach(async () => {
  await comeBack(page)
  await seeNoneUnderWay()
  await control(page, 'reset')
  if ((await page.locator('body').getAttribute('data-status')) !== 'signed-in') await signInByPopup(page)
  await second.locator('#status').filter({ hasText: 'Alice Liddell' }).waitFor()
  await page.locator('#fire-from option').nth(tabs).waitFor({ state: 'attached' })
  before = await askServers(page)
})
afterEach(() => {
  expect(visit.problems.splice(0)).toEqual([])
})

async function see(tab: Page, selector: string, text: string | RegExp): Promise<void> {
  const content = () => tab.locator(selector).first().textContent()
  await expect
    .poll(content, { timeout: 30_000 })
    .toEqual(text instanceof RegExp ? expect.stringMatching(text) : expect.stringContaining(text))
}

/** Otherwise the log of this test would contain calls of the test before. */
async function seeNoneUnderWay(): Promise<void> {
  const open = async () => {
    const frames = [...page.frames(), second.mainFrame()]
    const counts = await Promise.all(
      frames.map((frame) =>
        frame.locator('.squares :is([data-state=waiting], [data-state=sent], [data-state=replayed])').count(),
      ),
    )
    return counts.reduce((sum, count) => sum + count, 0)
  }
  await expect.poll(open, { timeout: 30_000 }).toBe(0)
  if ((await page.locator('#log li').count()) > 0) await see(page, '#log li', /^(?!.*under way)/)
}

/** The page's text about what lingpai did after a press. */
function seeTold(name: ControlName, text: RegExp): Promise<void> {
  return see(page, `li:has(> #control-${name}) .told`, text)
}

/** The servers' counters since this test began. The page must show the same. */
async function seeCounted(expected: { refreshes: number; reuses?: number }): Promise<void> {
  const { authorizationServer } = await askServers(page)
  const refreshes =
    authorizationServer.tokenRequests.refresh_token - before.authorizationServer.tokenRequests.refresh_token
  const reuses = authorizationServer.reuseDetections - before.authorizationServer.reuseDetections
  expect({ refreshes, reuses }).toEqual({ refreshes: expected.refreshes, reuses: expected.reuses ?? 0 })
  await see(page, '#since-refreshes', `${expected.refreshes}`)
  await see(page, '#since-reuses', `${expected.reuses ?? 0}`)
}

async function seeLost(count: number): Promise<void> {
  await see(page, '#since-lost', `${count}`)
  await see(page, '#since-hung', '0')
}

async function slide(name: ControlName, value: number): Promise<void> {
  await page.locator(`#control-${name}`).fill(String(value))
}

async function press(name: ControlName): Promise<void> {
  await page.click(`#control-${name}`)
}

const calls = 10 * tabs

/** An access token that does not expire during a test. */
async function getLongToken(): Promise<void> {
  await slide('life', 60)
  await expect.poll(() => control(page, 'readSettings')).toMatchObject({ accessTokenSeconds: 60 })
  await press('expire')
  await seeTold('expire', /40 answered with 200\.$/)
  before = await askServers(page)
}

const breaking: Record<ControlName, () => Promise<void>> = {
  async expire() {
    await press('expire')
    await seeTold('expire', /^One refresh: a new token\. 40 calls: .*40 answered with 200\.$/)
    await seeCounted({ refreshes: 1 })
    await seeLost(0)
    await see(page, '#result', `1 refresh · ${calls} answers`)
  },
  async revoke() {
    await press('revoke')
    await seeTold(
      'revoke',
      /^One refresh: rejected .*The session has ended, in every tab.*40 rejected with sign_in_req/,
    )
    await seeCounted({ refreshes: 1 })
    await seeLost(calls)
    await see(second, '#status', 'signed out')
  },
  async life() {
    await slide('life', 40)
    await see(page, '.slider:has(#control-life) output', '40 s')
    await expect.poll(() => control(page, 'readSettings')).toMatchObject({ accessTokenSeconds: 40 })
    await press('expire')
    await see(page, '#token-remaining', /^[234]\d\.\d s left$/)
  },
  async 'fault-503'() {
    await press('fault-503')
    await seeTold(
      'fault-503',
      /^2 refreshes: not processed \(http_503\), then a new token\. The session is kept\. .*40 answered/,
    )
    await seeCounted({ refreshes: 2 })
    await seeLost(0)
  },
  async 'fault-429'() {
    await press('fault-429')
    await see(page, '#token-server', 'unreachable, retrying')
    await seeStatus(page, 'Alice Liddell')
    await seeTold(
      'fault-429',
      /^2 refreshes: not processed \(http_429\), then a new token\. The session is kept\. .*40 answered/,
    )
    await see(page, '#token-server', /^reachable$/)
    await seeCounted({ refreshes: 2 })
    await seeLost(0)
  },
  async 'fault-hang'() {
    await press('fault-hang')
    await seeTold(
      'fault-hang',
      /^2 refreshes: an unknown outcome \(.*\), then a new token\. The session is kept\. .*40 answered/,
    )
    await seeCounted({ refreshes: 2 })
    await seeLost(0)
  },
  async 'fault-lost'() {
    await press('fault-lost')
    await seeTold(
      'fault-lost',
      /^2 refreshes: an unknown outcome .*, then rejected .*The session has ended.*refresh_answer_lost/,
    )
    await seeCounted({ refreshes: 2, reuses: 1 })
    await seeLost(calls)
  },
  async 'fault-invalid-grant'() {
    await press('fault-invalid-grant')
    await seeTold(
      'fault-invalid-grant',
      /^One refresh: rejected .*The session has ended.*40 rejected with sign_in_required/,
    )
    await seeCounted({ refreshes: 1 })
    await see(second, '#status', 'signed out')
  },
  async delay() {
    await slide('delay', 700)
    await expect.poll(() => control(page, 'readSettings')).toMatchObject({ refreshDelayMilliseconds: 700 })
    await see(page, '.slider:has(#control-delay) output', '0.7 s')
    await press('expire')
    await seeTold('expire', /^One refresh: a new token\. 40 calls: .*40 answered with 200/)
    await seeCounted({ refreshes: 1 })
  },
  async rotation() {
    await press('rotation')
    await expect.poll(() => control(page, 'readSettings')).toMatchObject({ rotation: false })
    await press('fault-lost')
    await seeTold('fault-lost', /^2 refreshes: an unknown outcome .*, then a new token\. The session is kept\./)
    await seeCounted({ refreshes: 2 })
    await seeLost(0)
    await press('rotation')
    await expect.poll(() => control(page, 'readSettings')).toMatchObject({ rotation: true })
  },
  async grace() {
    await slide('grace', 30)
    await expect.poll(() => control(page, 'readSettings')).toMatchObject({ reuseGraceSeconds: 30 })
    await press('fault-lost')
    await seeTold('fault-lost', /^2 refreshes: an unknown outcome .*, then a new token\. The session is kept\./)
    await seeCounted({ refreshes: 2 })
    await seeLost(0)
  },
  async denial() {
    await press('denial')
    await seeTold('denial', /^One refresh: a new token\. .*40 answered with 401/)
    await seeCounted({ refreshes: 1 })
    // Each call is sent after the refresh, and most before it too, but never a third time (I10).
    const unauthorized = (await askServers(page)).api.unauthorized - before.api.unauthorized
    expect(unauthorized).toBeGreaterThan(calls)
    expect(unauthorized).toBeLessThanOrEqual(2 * calls)
    expect(await second.locator('[data-state=lost]').count()).toBeGreaterThan(0)
    await press('denial')
    await seeTold('denial', /40 calls: 40 answered with 200/)
  },
  async offline() {
    await getLongToken()
    await press('offline')
    await seeTold('offline', /40 rejected with network_error/)
    await seeLost(calls)
    await seeStatus(page, 'Alice Liddell')
    await press('offline')
    await seeTold('offline', /40 answered with 200/)
    await seeCounted({ refreshes: 0 })
  },
  async kill() {
    await getLongToken()
    await press('kill')
    await seeTold('kill', /^The worker was lost; another one continued with the stored session\./)
    // The first worker's last responses are in no history any more, but the tabs have them.
    await see(page, '#result', `0 refreshes · ${calls} answers`)
    await seeLost(0)
    await seeStatus(page, 'Alice Liddell')
    await see(second, '#status', 'Alice Liddell')
  },
  async clock() {
    await press('clock')
    await seeTold('clock', /^One refresh: a new token\. 40 calls: .*40 answered with 200/)
    await seeCounted({ refreshes: 1 })
    await seeLost(0)
  },
  async 'switch-user'() {
    const popup = page.waitForEvent('popup')
    await press('switch-user')
    const form = await popup
    await form.waitForSelector('#account')
    expect(await form.inputValue('#account')).toBe('bob')
    await form.fill('#password', 'lingpai')
    await form.click('#sign-in')
    await seeStatus(page, 'Bob Dobalina')
    await see(second, '#status', 'Bob Dobalina')
    await seeTold('switch-user', /Signed in, in every tab\./)
    expect((await askServers(page)).authorizationServer.signIns).toBe(before.authorizationServer.signIns + 1)
    await comeBack(page)
    await page.click('#sign-out')
    await seeStatus(page, 'signed out')
  },
  async 'sign-out-here'() {
    await press('sign-out-here')
    await seeTold('sign-out-here', /^Signed out, in every tab\.$/)
    await see(second, '#status', 'signed out')
    await expect
      .poll(async () => (await askServers(page)).authorizationServer.revocations)
      .toBe(before.authorizationServer.revocations + 1)
  },
  async 'sign-out-everywhere'() {
    await Promise.all([page.waitForEvent('load'), press('sign-out-everywhere')])
    await page.waitForURL(`${playground.origin}/**`)
    await seeStatus(page, 'signed out')
    await see(second, '#status', 'signed out')
    await expect
      .poll(async () => (await askServers(page)).authorizationServer.endSessions)
      .toBeGreaterThan(before.authorizationServer.endSessions)
  },
}

/** All other controls, by their name in `listControls`. */
const others: Record<string, () => Promise<void>> = {
  async 'sign-out'() {
    await page.click('#sign-out')
    await seeStatus(page, 'signed out')
    await see(second, '#status', 'signed out')
    await see(page, '#log li', /You signed out\.Signed out, in every tab\.$/)
    await page.click('#fire-1')
    await see(page, '#log li', /4 calls: 4 rejected with sign_in_required\.$/)
    expect((await askServers(page)).api.received).toBe(before.api.received)
  },
  async 'sign-in-popup'() {
    await page.click('#sign-out')
    await seeStatus(page, 'signed out')
    await signInByPopup(page)
    await see(second, '#status', 'Alice Liddell')
    await see(page, '#log li', /You went to sign in as alice\.Signed in, in every tab\.$/)
  },
  async 'sign-in-bob'() {
    await page.click('#sign-out')
    const popup = page.waitForEvent('popup')
    await page.click('#sign-in-bob')
    const form = await popup
    await form.waitForSelector('#account')
    expect(await form.inputValue('#account')).toBe('bob')
    await form.fill('#password', 'lingpai')
    await form.click('#sign-in')
    await see(second, '#status', 'Bob Dobalina')
    await comeBack(page)
    await page.click('#sign-out')
    await seeStatus(page, 'signed out')
  },
  async 'sign-in-redirect'() {
    await page.click('#sign-out')
    await page.click('#sign-in-redirect')
    await page.waitForSelector('#account')
    await fillSignInForm(page)
    await seeStatus(page, 'Alice Liddell')
    await see(second, '#status', 'Alice Liddell')
  },
  async dismiss() {
    await page.click('#sign-out')
    const popup = page.waitForEvent('popup')
    await page.click('#sign-in-popup')
    const form = await popup
    await form.waitForSelector('#account')
    await form.close()
    await see(page, '#problem-text', /^sign_in_cancelled: /)
    await comeBack(page)
    await page.click('#dismiss')
    expect(await page.locator('#problem').isVisible()).toBe(false)
    await see(page, '#sign-in-line', 'At the provider')
  },
  async 'fire-storm'() {
    await page.click('#fire-storm')
    await see(page, '#result', `1 refresh · ${50 * tabs} answers`)
    await see(page, '#result-details', /^0 lost, 0 hung, in /)
    await seeCounted({ refreshes: 1 })
    await see(page, '#log li', /200 calls: .*200 answered with 200\.$/)
  },
  async 'fire-1'() {
    await page.click('#fire-1')
    await see(page, '#log li', /You fired 1 call from each of 4 tabs\..*4 calls: .*4 answered with 200\.$/)
  },
  async 'fire-10'() {
    await page.click('#fire-10')
    await see(page, '#log li', /40 calls: .*40 answered with 200\.$/)
    expect((await askServers(page)).api.received).toBeGreaterThanOrEqual(before.api.received + 40)
  },
  async 'fire-100'() {
    await page.click('#fire-100')
    await see(page, '#log li', /400 calls: .*400 answered with 200\.$/)
    await seeLost(0)
  },
  async 'fire-from'() {
    const lastCall = async () =>
      Number(/\d+/.exec((await second.locator('[role=option]').last().getAttribute('aria-label')) ?? ''))
    const made = await lastCall()
    await page.selectOption('#fire-from', '5')
    await page.click('#fire-1')
    await expect.poll(lastCall).toBe(made + 1)
    await see(page, '#log li', /You fired 1 call\..*One call: .*1 answered with 200\.$/)
    expect((await askServers(page)).api.answered).toBe(before.api.answered + 1)
    await page.selectOption('#fire-from', 'all')
  },
  async 'tab-count'() {
    await page.selectOption('#tab-count', '1')
    expect(await page.locator('#frames iframe').count()).toBe(1)
    await page.selectOption('#tab-count', '4')
    await frameOf(page, 4).getByText('Alice Liddell').waitFor()
    await page.selectOption('#tab-count', '3')
    expect(await page.locator('#frames iframe').count()).toBe(3)
  },
  async 'open-tab'() {
    const opened = visit.context.waitForEvent('page')
    await page.click('#open-tab')
    const third = await opened
    await see(third, '#status', 'Alice Liddell')
    await see(third, '#name', 'Tab 6')
    await third.click('#fire-10')
    await expect.poll(() => third.locator('[data-state=answered]').count()).toBe(10)
    await third.close()
    await expect.poll(() => page.locator('#fire-from option').count(), { timeout: 5000 }).toBe(tabs + 1)
  },
  async language() {
    await page.click('#language')
    await page.getByRole('heading', { name: '制造故障', exact: true }).waitFor()
    await see(second, '#name', '标签页 5')
    await press('expire')
    await seeTold('expire', /^刷新 1 次：得到新令牌。40 个请求：.*40 个返回 200。$/)
    await page.click('#language')
    await page.getByRole('heading', { name: 'Break it', exact: true }).waitFor()
  },
  async theme() {
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    await page.selectOption('#theme', 'dark')
    const dark = await background()
    expect(await second.locator('html').getAttribute('data-theme')).toBe('dark')
    await page.selectOption('#theme', 'light')
    expect(await background()).not.toBe(dark)
    await page.selectOption('#theme', 'system')
  },
  async sequel() {
    await page.uncheck('#sequel')
    await press('expire')
    await seeTold('expire', /^Nothing to do yet: lingpai detects it at the next call\.$/)
    await page.click('#fire-1')
    await see(page, '#log li', /^.*One refresh: a new token\. 4 calls: .*4 answered with 200\.$/)
    await seeCounted({ refreshes: 1 })
    await page.check('#sequel')
  },
  async reset() {
    await slide('life', 20)
    await expect.poll(() => control(page, 'readSettings')).toMatchObject({ accessTokenSeconds: 20 })
    await page.click('#reset')
    await expect.poll(() => control(page, 'readSettings')).toMatchObject({ accessTokenSeconds: 10, rotation: true })
    await expect.poll(() => page.inputValue('#control-life')).toBe('10')
  },
  async 'the links of this page'() {
    for (const target of ['#try', '#break', '#versus', '#code']) {
      await page.click(`nav a[href="${target}"]`)
      expect(new URL(page.url()).hash).toBe(target)
      expect(await page.locator(target).count()).toBe(1)
    }
    await page.click('.brand')
    await seeStatus(page, 'Alice Liddell')
    expect(new URL(page.url()).hash).toBe('')
  },
  async 'the timeline'() {
    await page.click('#fire-1')
    await page.click('#timeline .live')
    expect(await page.locator('#timeline .live').getAttribute('aria-pressed')).toBe('false')
    for (const name of ['zoom-in', 'zoom-out', 'fit']) await page.click(`#timeline .${name}`)
    for (const name of ['save-svg', 'save-json']) {
      const download = page.waitForEvent('download')
      await page.click(`#timeline .${name}`)
      expect((await download).suggestedFilename()).toMatch(/^lingpai-timeline\.(svg|json)$/)
    }
    await page.click('#timeline summary')
    await see(page, '#timeline .list', /GET localhost.*from tab \d\./)
    await page.click('#timeline .live')
  },
}

it.each(Object.entries(breaking))('control-%s, lingpai and the counters do what the page says', (_name, use) => use())
it.each(Object.entries(others))('%s works', (_name, use) => use())

/** The controls of a page, by their id or else by their place. */
function listControls(tab: Page): Promise<string[]> {
  return tab.evaluate(() => {
    const usable = 'button, select, input, a[href], summary, textarea'
    const inTimeline = [...(document.querySelector('#timeline')?.shadowRoot?.querySelectorAll(usable) ?? [])]
    return [
      ...[...document.querySelectorAll(usable)].map((found) => {
        if (found.id !== '') return found.id
        if (found.closest('#comparison') !== null) return 'the comparison'
        return found instanceof HTMLAnchorElement ? 'the links of this page' : found.outerHTML
      }),
      ...inTimeline.map(() => 'the timeline'),
    ]
  })
}

it('these tests use every control of the page', async () => {
  const used = [...Object.keys(breaking).map((name) => `control-${name}`), ...Object.keys(others)]
  // The comparison has its own tests.
  expect(new Set(await listControls(page))).toEqual(new Set([...used, 'the comparison']))
})
