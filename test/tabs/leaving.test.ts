import type { BrowserContext, Frame, Page } from 'playwright'
import { expect } from 'vitest'
import { test } from '../fixtures/tab-test.ts'
import { openTab as openTabIn, signIn } from '../fixtures/tabs.ts'
import type { TestApp } from '../fixtures/test-app.ts'

type OpenIn = (kind: string) => Promise<Page>

/** Opens a tab with a kind of worker. The tabs of a kind share one session in all tests of this file. */
const it = test.extend('openIn', { scope: 'file' }, async ({ app, browser }): Promise<OpenIn> => {
  const contexts = {} as Record<string, BrowserContext>
  const openIn: OpenIn = (kind) => openTabIn(contexts[kind] as BrowserContext, app, `/?worker=${kind}`)
  for (const kind of ['memory', 'stored', 'dedicated']) {
    contexts[kind] = await browser.newContext()
    await signIn(await openIn(kind))
  }
  return openIn
})

/** The ways in which a page of the session can end while another tab stays. */
const ways: Record<
  string,
  (openIn: OpenIn, kind: string) => Promise<{ page: Page | Frame; leave(): Promise<unknown> }>
> = {
  async 'a closed tab'(openIn, kind) {
    const page = await openIn(kind)
    return { page, leave: () => page.close() }
  },
  async 'a tab that goes elsewhere'(openIn, kind) {
    const page = await openIn(kind)
    return { page, leave: () => page.goto('about:blank') }
  },
  async 'a removed iframe'(openIn, kind) {
    const tab = await openIn(kind)
    await tab.evaluate((src) => document.body.append(Object.assign(document.createElement('iframe'), { src })), '/')
    await expect.poll(() => tab.frames().length).toBe(2)
    const page = tab.frames()[1] as Frame
    await page.waitForFunction(() => window.session?.getSnapshot().status === 'signed-in')
    return { page, leave: () => tab.evaluate(() => document.querySelector('iframe')?.remove()) }
  },
}

/** Sends a POST from a page, and does not wait. */
function post(app: TestApp, page: Page | Frame, mark: string, init: RequestInit): Promise<void> {
  const all = { method: 'POST', body: mark, ...init }
  return page.evaluate(([url, given]) => void window.session.fetch(url, given).catch(() => {}), [
    `${app.api.origin}/echo?${mark}`,
    all,
  ] as const)
}

const arrived = (app: TestApp, mark: string) =>
  app.api.requests.find(({ method, query }) => method === 'POST' && query === `?${mark}`)

async function streamOf(
  app: TestApp,
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

it.for(cases)('with %s, %s ends its streams at the server', async ([kind, way], { app, openIn }) => {
  const { page, leave } = await (ways[way] as (typeof ways)[string])(openIn, kind)
  const stateOf = await streamOf(app, page, `${kind} ${way}`, { 'Content-Type': 'text/event-stream' })
  expect(await stateOf()).toMatchObject({ isOpen: true })
  await leave()
  await expect.poll(stateOf, { timeout: 5000 }).toMatchObject({ isClosed: true })
})

it.for(cases)(
  'with %s, %s ends all its requests except keepalive requests in a worker that lives on',
  async ([kind, way], { app, openIn }) => {
    const { page, leave } = await (ways[way] as (typeof ways)[string])(openIn, kind)
    const held = app.api.holdRequests('/echo')
    const marks = [true, false].map((keepalive) => ({
      keepalive,
      mark: `${kind}-${way}-${keepalive}`.replaceAll(' ', '-'),
    }))
    for (const { keepalive, mark } of marks) await post(app, page, mark, { keepalive })
    for (const { mark } of marks) await expect.poll(() => arrived(app, mark)).toBeDefined()
    await leave()
    await new Promise((resolve) => setTimeout(resolve, 500))
    held.release()
    await new Promise((resolve) => setTimeout(resolve, 200))
    const [kept, ended] = marks.map(({ mark }) => arrived(app, mark)?.status)
    // A dedicated worker ends with its page, and so does its connection.
    expect(kept).toBe(kind === 'dedicated' ? undefined : 200)
    expect(ended).toBeUndefined()
  },
)

it('a keepalive request that waits for a token is sent after its page has left', async ({ app, openIn }) => {
  const page = await openIn('stored')
  app.authorizationServer.expireAccessTokens()
  const held = app.authorizationServer.holdRefreshes()
  await post(app, page, 'waits', { keepalive: true })
  await post(app, page, 'waits-not', {})
  await held.arrived
  await page.close()
  held.release()
  await expect.poll(() => app.api.requests.findLast(({ query }) => query === '?waits')?.status).toBe(200)
  expect(app.api.requests.findLast(({ query }) => query === '?waits-not')?.status).not.toBe(200)
})

it('a keepalive request outlives the last tab if the worker has an extended lifetime', async ({ app, browser }) => {
  const kept: (number | undefined)[] = []
  for (const kind of ['memory', 'stored']) {
    const context = await browser.newContext()
    const page = await openTabIn(context, app, `/?worker=${kind}`)
    await signIn(page)
    const held = app.api.holdRequests('/echo')
    await post(app, page, `last-${kind}`, { keepalive: true })
    await held.arrived
    await expect.poll(() => arrived(app, `last-${kind}`)).toBeDefined()
    await context.newPage()
    await page.close()
    await new Promise((resolve) => setTimeout(resolve, 500))
    held.release()
    await new Promise((resolve) => setTimeout(resolve, 200))
    kept.push(arrived(app, `last-${kind}`)?.status)
    await context.close()
  }
  expect(kept).toEqual([200, undefined])
})
