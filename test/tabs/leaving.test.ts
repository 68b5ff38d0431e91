import type { Browser, BrowserContext, Frame, Page } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { launchBrowser, openTab, signIn } from '../fixtures/tabs.ts'
import { startTestApp, type TestApp } from '../fixtures/test-app.ts'

let app: TestApp
let browser: Browser
const contexts = {} as Record<string, BrowserContext>

beforeAll(async () => {
  app = await startTestApp()
  browser = await launchBrowser()
  for (const kind of ['memory', 'stored', 'dedicated']) {
    contexts[kind] = await browser.newContext()
    await signIn(await openIn(kind))
  }
})
afterAll(async () => {
  await browser?.close()
  await app?.close()
})

const openIn = (kind: string): Promise<Page> => openTab(contexts[kind] as BrowserContext, app, `/?worker=${kind}`)

/** The ways in which a page of the session can end while another tab stays. */
const ways: Record<string, (kind: string) => Promise<{ page: Page | Frame; leave(): Promise<unknown> }>> = {
  async 'a closed tab'(kind) {
    const page = await openIn(kind)
    return { page, leave: () => page.close() }
  },
  async 'a tab that goes elsewhere'(kind) {
    const page = await openIn(kind)
    return { page, leave: () => page.goto('about:blank') }
  },
  async 'a removed iframe'(kind) {
    const tab = await openIn(kind)
    await tab.evaluate((src) => document.body.append(Object.assign(document.createElement('iframe'), { src })), '/')
    await expect.poll(() => tab.frames().length).toBe(2)
    const page = tab.frames()[1] as Frame
    await page.waitForFunction(() => window.session?.getSnapshot().status === 'signed-in')
    return { page, leave: () => tab.evaluate(() => document.querySelector('iframe')?.remove()) }
  },
}

/** Sends a POST from a page, and does not wait. */
function post(page: Page | Frame, mark: string, init: RequestInit): Promise<void> {
  const all = { method: 'POST', body: mark, ...init }
  return page.evaluate(([url, given]) => void window.session.fetch(url, given).catch(() => {}), [
    `${app.api.origin}/echo?${mark}`,
    all,
  ] as const)
}

const arrived = (mark: string) =>
  app.api.requests.find(({ method, query }) => method === 'POST' && query === `?${mark}`)

async function streamOf(
  page: Page | Frame,
  id: string,
  headers: Record<string, string>,
): Promise<() => Promise<unknown>> {
  const steps = encodeURIComponent(JSON.stringify([{ head: headers }, { write: 'data: 1\n\n' }]))
  await page.evaluate(
    (url) => window.session.fetch(url).then(() => {}),
    `${app.api.origin}/stream?id=${id}&steps=${steps}`,
  )
  return async () => (await fetch(`${app.api.origin}/stream-state?id=${id}`)).json()
}

const cases = ['memory', 'stored', 'dedicated'].flatMap((kind) => Object.keys(ways).map((way) => [kind, way] as const))

it.each(cases)('with %s, %s ends its streams at the server', async (kind, way) => {
  const { page, leave } = await (ways[way] as (typeof ways)[string])(kind)
  const stateOf = await streamOf(page, `${kind} ${way}`, { 'Content-Type': 'text/event-stream' })
  expect(await stateOf()).toMatchObject({ isOpen: true })
  await leave()
  await expect.poll(stateOf, { timeout: 5000 }).toMatchObject({ isClosed: true })
})

it.each(cases)(
  'with %s, %s ends all its requests except keepalive requests in a worker that lives on',
  async (kind, way) => {
    const { page, leave } = await (ways[way] as (typeof ways)[string])(kind)
    const held = app.api.holdRequests('/echo')
    const marks = [true, false].map((keepalive) => ({
      keepalive,
      mark: `${kind}-${way}-${keepalive}`.replaceAll(' ', '-'),
    }))
    for (const { keepalive, mark } of marks) await post(page, mark, { keepalive })
    for (const { mark } of marks) await expect.poll(() => arrived(mark)).toBeDefined()
    await leave()
    await new Promise((resolve) => setTimeout(resolve, 500))
    held.release()
    await new Promise((resolve) => setTimeout(resolve, 200))
    const [kept, ended] = marks.map(({ mark }) => arrived(mark)?.status)
    // A dedicated worker ends with its page, and so does its connection.
    expect(kept).toBe(kind === 'dedicated' ? undefined : 200)
    expect(ended).toBeUndefined()
  },
)

it('a keepalive request that waits for a token is sent after its page has left', async () => {
  const page = await openIn('stored')
  app.authorizationServer.expireAccessTokens()
  const held = app.authorizationServer.holdRefreshes()
  await post(page, 'waits', { keepalive: true })
  await post(page, 'waits-not', {})
  await held.arrived
  await page.close()
  held.release()
  await expect.poll(() => app.api.requests.findLast(({ query }) => query === '?waits')?.status).toBe(200)
  expect(app.api.requests.findLast(({ query }) => query === '?waits-not')?.status).not.toBe(200)
})

it('a keepalive request outlives the last tab if the worker has an extended lifetime', async () => {
  const kept: (number | undefined)[] = []
  for (const kind of ['memory', 'stored']) {
    const context = await browser.newContext()
    const page = await openTab(context, app, `/?worker=${kind}`)
    await signIn(page)
    const held = app.api.holdRequests('/echo')
    await post(page, `last-${kind}`, { keepalive: true })
    await held.arrived
    await expect.poll(() => arrived(`last-${kind}`)).toBeDefined()
    await context.newPage()
    await page.close()
    await new Promise((resolve) => setTimeout(resolve, 500))
    held.release()
    await new Promise((resolve) => setTimeout(resolve, 200))
    kept.push(arrived(`last-${kind}`)?.status)
    await context.close()
  }
  expect(kept).toEqual([200, undefined])
})
