import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { frameOf, type Playground, signInByPopup, startPlayground, type Visit } from '../fixtures/playground.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

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
  for (const tab of [1, 2, 3])
    await frameOf(page, tab)
      .getByRole('heading', { name: `Tab ${tab}` })
      .waitFor()
})
afterEach(() => visit.close())

/** Every violation in the page and its frames, as "where, rule: element". */
async function findViolations(): Promise<string[]> {
  const found: string[] = []
  // One frame after another: axe skips a frame that is slow to answer, without an error.
  for (const frame of page.frames()) {
    await frame.evaluate(axe)
    const results = (await frame.evaluate('axe.run({ iframes: false, resultTypes: ["violations"] })')) as AxeResults
    expect(results.passes.length).toBeGreaterThan(10)
    const where = new URL(frame.url()).pathname
    for (const { id, nodes } of results.violations) {
      found.push(...nodes.map(({ target }) => `${where}, ${id}: ${target.join(' ')}`))
    }
  }
  return found
}

interface Appearance {
  readonly language: 'en' | 'zh'
  readonly theme: 'light' | 'dark'
  readonly width: 360 | 1440
}

/** Every pair of a language, a theme and a width. */
const appearances: readonly Appearance[] = [
  { language: 'en', theme: 'light', width: 360 },
  { language: 'en', theme: 'dark', width: 1440 },
  { language: 'zh', theme: 'light', width: 1440 },
  { language: 'zh', theme: 'dark', width: 360 },
]

async function show({ language, theme, width }: Appearance): Promise<void> {
  await page.setViewportSize({ width, height: 900 })
  await page.selectOption('#theme', theme)
  const lang = language === 'zh' ? 'zh-CN' : 'en'
  if ((await page.locator('html').getAttribute('lang')) !== lang) await page.click('#language')
  await page.locator(`html[lang="${lang}"][data-theme="${theme}"]`).waitFor()
  // During a transition, colours have another contrast.
  await page.evaluate('Promise.all(document.getAnimations().map(({ finished }) => finished.catch(() => {})))')
}

/** Pages that are wider than their window or frame. */
async function findOverflows(): Promise<string[]> {
  const widths = page.frames().map(async (frame) => {
    const [content, window] = (await frame.evaluate('[document.documentElement.scrollWidth, innerWidth]')) as number[]
    return content === window ? [] : [`${frame.url()} is ${content} pixels wide in ${window}`]
  })
  return (await Promise.all(widths)).flat()
}

async function findViolationsOfAll(): Promise<string[]> {
  const found: string[] = []
  for (const appearance of appearances) {
    await show(appearance)
    const violations = await findViolations()
    found.push(...violations.map((violation) => `${Object.values(appearance).join(' ')}: ${violation}`))
    found.push(...(await findOverflows()))
  }
  return found
}

it('axe finds violations in the page and in a frame', async () => {
  await page.evaluate(`document.querySelector('h1').innerHTML = '<img src="/icon.svg">'`)
  await frameOf(page, 1)
    .locator('main')
    .evaluate((main) => main.append(document.createElement('button')))
  const violations = await findViolations()
  expect(violations).toContainEqual(expect.stringMatching(/^\/, image-alt: h1 > img/))
  expect(violations).toContainEqual(expect.stringMatching(/^\/tab\.html, button-name: /))
})

it('axe finds no violation while signed out, in each language, theme and width', async () => {
  expect(await findViolationsOfAll()).toEqual([])
}, 120_000)

it('axe finds no violation with a session and calls, in each language, theme and width', async () => {
  await signInByPopup(page)
  await page.click('#fire-storm')
  await page.getByText('1 refresh · 150 answers').waitFor()
  expect(await findViolationsOfAll()).toEqual([])
}, 120_000)

it('axe finds no violation in a finished comparison and its code, in each language, theme and width', async () => {
  await page.getByRole('button', { name: /^Start the storm: / }).click()
  await page.waitForSelector('[data-ran="expired"]', { timeout: 45_000 })
  await page.getByText('The code that ran').click()
  expect(await findViolationsOfAll()).toEqual([])
}, 120_000)

it("axe finds no violation in a separate tab, in the provider's form and in the callback page", async () => {
  for (const path of ['/tab.html', '/callback.html?error=access_denied&state=unknown']) {
    await page.goto(playground.origin + path)
    await page.locator('h1:not(:empty)').waitFor()
    expect(await findViolations()).toEqual([])
  }
  await page.goto(playground.origin)
  await page.click('#sign-in-redirect')
  await page.waitForSelector('#account')
  expect(await findViolations()).toEqual([])
})
