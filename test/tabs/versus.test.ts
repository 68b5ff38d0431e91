import type { Page } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import type { Counters } from '../../demo/server-control.ts'
import { type Playground, startPlayground, type Visit } from '../fixtures/playground.ts'

vi.setConfig({ testTimeout: 90_000 })

const sides = ['hand-written', 'lingpai'] as const
type Side = (typeof sides)[number]

/** The time within which lingpai promises an outcome (I3); a busy machine may need all of it. A call that hangs never ends. */
const answerLimit = 30_000

/** One side's column of the table. */
interface Row {
  readonly answered: number
  readonly rejected: number
  readonly reasons: string
  readonly unanswered: number
  readonly tokenRequests: number
  readonly reuseDetections: number
  readonly sentToLogin: number
  readonly workingTabs: number
  readonly apiRequests: number
}

interface Result {
  readonly rows: Readonly<Record<Side, Row>>
  readonly verdicts: Readonly<Record<Side, string>>
  /** The counters of each side's servers, from before the storm until after it. */
  readonly counted: Readonly<Record<Side, { tokenRequests: number; reuseDetections: number; apiRequests: number }>>
}

let playground: Playground
let visit: Visit
let page: Page

beforeAll(async () => {
  playground = await startPlayground()
})
afterAll(() => playground?.close())
beforeEach(async () => {
  visit = await playground.open()
  page = visit.page
  await visit.context.addInitScript(stayLonger)
  // In a separate page, so that its counters contain no request of the playground's session.
  await page.goto(`${playground.origin}/versus/login.html`)
  await page.evaluate(
    `import('/versus/index.ts').then(({ mountVersus }) => {
       window.versus = mountVersus(document.body.appendChild(document.createElement('div')), {
         language: 'en',
         limits: { lingpai: ${answerLimit} },
       })
     })`,
  )
})
afterEach(async () => {
  await visit.close()
  // The browser reports error statuses and lost connections of the hand-written code on the console.
  expect(visit.problems.filter((text) => !text.startsWith('Failed to load resource'))).toEqual([])
})

/** A call in flight when its page goes to the login page has no outcome. A busy machine has more of these. */
function stayLonger(): void {
  if (location.pathname !== '/versus/lingpai.html') return
  const { setTimeout } = window
  const delayed = (work: () => void, delay?: number) => setTimeout(work, delay === 1200 ? 10_000 : delay)
  Object.assign(window, { setTimeout: delayed })
}

async function readCounters(side: Side): Promise<Counters> {
  const response = await fetch(`${playground.origin}/pairs/${side}/counters`)
  return (await response.json()) as Counters
}

async function runScenario(name: string): Promise<Result> {
  const before = { 'hand-written': await readCounters('hand-written'), lingpai: await readCounters('lingpai') }
  await page.check(`input[value="${name}"]`)
  await page.getByRole('button', { name: 'Start the storm: 60 calls on each side' }).click()
  await page.waitForSelector(`[data-ran="${name}"]`, { timeout: 75_000 })

  const result = { rows: {}, verdicts: {}, counted: {} } as { -readonly [Key in keyof Result]: Record<Side, never> }
  for (const side of sides) {
    const after = await readCounters(side)
    Object.assign(result.rows, { [side]: await readRow(side) })
    Object.assign(result.verdicts, {
      [side]: await page.locator(`[data-side="${side}"]`).getByRole('status').textContent(),
    })
    Object.assign(result.counted, {
      [side]: {
        tokenRequests:
          after.authorizationServer.tokenRequests.refresh_token -
          before[side].authorizationServer.tokenRequests.refresh_token,
        reuseDetections: after.authorizationServer.reuseDetections - before[side].authorizationServer.reuseDetections,
        apiRequests: after.api.received - before[side].api.received,
      },
    })
  }
  expectCounted(result)
  return result
}

async function readRow(side: Side): Promise<Row> {
  const cell = (name: string) => page.locator(`[data-figure="${side} ${name}"]`)
  const number = async (name: string) => Number.parseInt((await cell(name).locator('span').textContent()) ?? '', 10)
  return {
    answered: await number('answered'),
    rejected: await number('rejected'),
    reasons: (await cell('rejected').locator('small').allTextContents()).join(', '),
    unanswered: await number('unanswered'),
    tokenRequests: await number('tokenRequests'),
    reuseDetections: await number('reuseDetections'),
    sentToLogin: await number('sentToLogin'),
    workingTabs: await number('workingTabs'),
    apiRequests: await number('apiRequests'),
  }
}

/** In every scenario, the table agrees with the servers' counters. */
function expectCounted({ rows, counted }: Result): void {
  for (const side of sides) {
    const { answered, rejected, unanswered } = rows[side]
    expect(answered + rejected + unanswered, side).toBe(60)
  }
  // Each tab made one call before the storm, and one after it unless it was signed out.
  const { tokenRequests, reuseDetections, apiRequests, workingTabs } = rows.lingpai
  expect(counted.lingpai).toEqual({ tokenRequests, reuseDetections, apiRequests: apiRequests + 3 + workingTabs })
  // The tabs make more calls after the figures were read.
  const handWritten = rows['hand-written']
  const later = counted['hand-written']
  expect(later.tokenRequests).toBeGreaterThanOrEqual(handWritten.tokenRequests)
  expect(later.reuseDetections).toBeGreaterThanOrEqual(handWritten.reuseDetections)
  expect(later.apiRequests).toBeGreaterThanOrEqual(handWritten.apiRequests + 3)
}

const allAnswered = {
  answered: 60,
  rejected: 0,
  unanswered: 0,
  reuseDetections: 0,
  sentToLogin: 0,
  workingTabs: 3,
} as const

it('an expired access token: one refresh per tab ends the hand-written session; lingpai sends one refresh (I1)', async () => {
  const { rows, verdicts } = await runScenario('expired')
  expect(rows.lingpai).toMatchObject({ ...allAnswered, tokenRequests: 1 })
  expect(verdicts.lingpai).toMatch(/^All 60 calls were answered after 1 token request, in \d+\.\d s\.$/)
  const { tokenRequests, reuseDetections, unanswered, sentToLogin, workingTabs } = rows['hand-written']
  expect(tokenRequests).toBeGreaterThanOrEqual(3)
  expect(reuseDetections).toBeGreaterThan(0)
  expect(unanswered).toBeGreaterThan(0)
  expect(sentToLogin).toBeGreaterThanOrEqual(3)
  expect(workingTabs).toBe(0)
  expect(verdicts['hand-written']).toMatch(
    /never settled; .* reused refresh token .*; (each tab was sent to the login page once|.* afterwards no tab works)\.$/,
  )
  expect(await page.locator('[data-side="lingpai"] [data-state="answered"]').count()).toBe(60)
  expect(await page.locator('[data-side="hand-written"] [data-state="unanswered"]').count()).toBe(unanswered)
})

it('a refresh that answers 503: hand-written calls hang and users are sent to sign in; lingpai waits (I7)', async () => {
  const { rows } = await runScenario('outage')
  expect(rows.lingpai).toMatchObject(allAnswered)
  expect(rows.lingpai.tokenRequests).toBeGreaterThan(1)
  const { reasons, unanswered, sentToLogin, workingTabs } = rows['hand-written']
  expect(reasons).toContain('refresh: HTTP 503')
  expect(unanswered).toBeGreaterThan(0)
  expect(sentToLogin).toBeGreaterThanOrEqual(3)
  expect(workingTabs).toBe(0)
})

it('a refresh without a response: every hand-written call hangs for ever; lingpai sends it again (I3, I12)', async () => {
  const { rows, verdicts } = await runScenario('hang')
  expect(rows.lingpai).toMatchObject({ ...allAnswered, tokenRequests: 2 })
  expect(rows['hand-written']).toMatchObject({ answered: 0, unanswered: 60, sentToLogin: 0, workingTabs: 0 })
  expect(verdicts['hand-written']).toMatch(/^Of 60 calls, all never settled; .*; afterwards no tab works\.$/)
})

it('a lost response, and a provider with a grace period: lingpai keeps the session (I9), the hand-written code loses it', async () => {
  const { rows } = await runScenario('lost')
  expect(rows.lingpai).toMatchObject({ ...allAnswered, tokenRequests: 2 })
  const { unanswered, sentToLogin, reasons, workingTabs } = rows['hand-written']
  expect(unanswered).toBeGreaterThan(0)
  expect(sentToLogin).toBeGreaterThan(0)
  expect(reasons).toMatch(/Failed to fetch|network error/)
  expect(workingTabs).toBeLessThan(3)
})

it('a lost response, and a strict provider: lingpai ends the session once, and no call hangs (I3)', async () => {
  const { rows, verdicts } = await runScenario('lost-strict')
  expect(rows.lingpai).toMatchObject({
    answered: 0,
    rejected: 60,
    reasons: 'sign_in_required × 60',
    unanswered: 0,
    reuseDetections: 1,
    sentToLogin: 3,
    workingTabs: 0,
  })
  expect(verdicts.lingpai).toContain('each tab was sent to the login page once')
  expect(rows['hand-written'].unanswered).toBeGreaterThan(0)
  expect(rows['hand-written'].sentToLogin).toBeGreaterThan(0)
})

it('a rejected refresh token: lingpai sends one request and notifies each tab once, the hand-written code repeats both', async () => {
  const { rows } = await runScenario('rejected')
  expect(rows.lingpai).toMatchObject({
    rejected: 60,
    reasons: 'sign_in_required × 60',
    tokenRequests: 1,
    sentToLogin: 3,
    unanswered: 0,
  })
  expect(rows['hand-written'].tokenRequests).toBeGreaterThanOrEqual(3)
  expect(rows['hand-written'].sentToLogin).toBeGreaterThanOrEqual(3)
  expect(rows['hand-written'].unanswered).toBeGreaterThan(0)
})

it('an API that always answers 401: lingpai returns the 401 (I10), the hand-written code loops for ever', async () => {
  const { rows, verdicts } = await runScenario('denial')
  expect(rows.lingpai).toMatchObject({
    rejected: 60,
    reasons: 'HTTP 401 × 60',
    unanswered: 0,
    sentToLogin: 0,
    workingTabs: 3,
  })
  expect(rows.lingpai.apiRequests).toBeLessThanOrEqual(120)
  expect(rows['hand-written']).toMatchObject({ answered: 0, rejected: 0, unanswered: 60 })
  expect(rows['hand-written'].apiRequests).toBeGreaterThan(180)
  expect(rows['hand-written'].tokenRequests).toBeGreaterThan(3)
  expect(verdicts['hand-written']).toContain('were repeated without end')
})

it('shows all texts in Chinese', async () => {
  await page.evaluate(`window.versus.setLanguage('zh')`)
  await page.getByRole('button', { name: '开始：两边各发 60 个请求' }).waitFor()
  const text = await page.locator('.versus').innerText()
  const names = /lingpai|OpenID|API|Worker|isRefreshing|pendingRequests|localStorage/g
  expect(text.replaceAll(names, '').match(/[a-z]{3,}/gi)).toBeNull()
})
