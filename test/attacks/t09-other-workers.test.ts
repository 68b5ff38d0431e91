import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright'
import { expect } from 'vitest'
import { test as base } from '../fixtures/tab-test.ts'
import { callApi, openTab as openTabIn, signIn, waitForStatus } from '../fixtures/tabs.ts'
import { startTestApp, type TestApp } from '../fixtures/test-app.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/hardening.md', import.meta.url)), 'utf8')
const [pagePolicy = '', workerPolicy = ''] = [...page.matchAll(/^Content-Security-Policy: (.*)$/gm)].map(
  ([, policy = '']) => policy,
)
const trustedTypes = /^```js\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? ''

/** A service worker that reports the headers of each request which it sees. */
const spyingServiceWorker = `
  addEventListener('install', () => skipWaiting())
  addEventListener('activate', (event) => event.waitUntil(clients.claim()))
  addEventListener('fetch', ({ request }) =>
    new BroadcastChannel('spy').postMessage([request.url, request.headers.get('authorization')]))
`

/** The app's server sends the policies of the document if the tab's context asks for them by a cookie. */
const it = base
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads from this pattern which fixtures are used.
  .extend('app', { scope: 'file' }, async ({}, { onCleanup }) => {
    let workerUrl = ''
    const servers = (): [string, string][] => [
      ['https://app.example.com/assets/token.worker.js', workerUrl],
      ['https://id.example.com', app.authorizationServer.issuer],
      ['https://api.example.com', app.api.origin],
    ]
    const app: TestApp = await startTestApp({
      scripts: { '/spy.js': spyingServiceWorker, '/evil.js': 'postMessage(1)' },
      headers({ pathname, searchParams }) {
        if (searchParams.has('plain') || pathname === '/spy.js') return {}
        if (/\.worker-/.test(pathname)) workerUrl = `${app.origin}${pathname}`
        const policy = /\.worker-/.test(pathname) ? workerPolicy : pagePolicy
        return { 'Content-Security-Policy': servers().reduce((text, [from, to]) => text.replaceAll(from, to), policy) }
      },
    })
    workerUrl = await findWorkerUrl(app)
    onCleanup(() => app.close())
    return app
  })
  .extend('tab', async ({ app, context }) => {
    await context.addInitScript(trustedTypes)
    return openTabIn(context, app)
  })

/** The built name of the worker file of `memory`, as the app's script has it. */
async function findWorkerUrl(app: TestApp): Promise<string> {
  const html = await (await fetch(`${app.origin}/?plain`)).text()
  for (const [, path] of html.matchAll(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)) {
    const found = /assets\/memory\.worker-[\w-]+\.js/.exec(await (await fetch(app.origin + path)).text())
    if (found) return `${app.origin}/${found[0]}`
  }
  throw new Error('the built app names no worker file')
}

const tryAll = (tab: Page) =>
  tab.evaluate(async () => {
    const violations: string[] = []
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) =>
      violations.push(effectiveDirective),
    )
    const outcomeOf = async (attempt: () => unknown): Promise<string> => {
      try {
        const worker = (await attempt()) as Partial<Worker & SharedWorker>
        if (!worker?.addEventListener) return 'started'
        return await new Promise((resolve) => {
          worker.addEventListener?.('error', () => resolve('refused'))
          const from = (worker.port ?? worker) as Worker
          from.addEventListener('message', () => resolve('started'))
          setTimeout(() => resolve('silent'), 2000)
        })
      } catch (error) {
        return (error as Error).name
      }
    }
    const blob = URL.createObjectURL(new Blob(['postMessage(1)'], { type: 'text/javascript' }))
    const outcomes = {
      blob: await outcomeOf(() => new Worker(blob)),
      file: await outcomeOf(() => new Worker('/evil.js')),
      serviceWorker: await outcomeOf(() => navigator.serviceWorker.register('/spy.js')),
    }
    return { outcomes, violations }
  })

it('an app signs in, calls and signs out with the policies of docs/hardening.md (T9)', async ({ app, tab }) => {
  const violations: string[] = []
  tab.on('console', (message) => violations.push(message.text()))
  await signIn(tab)
  app.authorizationServer.expireAccessTokens()
  expect(await callApi(tab, 3)).toEqual([200, 200, 200])
  await tab.evaluate(() => window.session.signOut())
  await waitForStatus(tab, 'signed-out')
  const events = await tab.evaluate(async () => (await window.session.explain()).map(({ event }) => event))
  expect(events).not.toContain('policy-missing')
  // The check of the worker's own policy connects to `data:,` and is refused.
  expect(violations.filter((text) => /Content Security Policy|Trusted/.test(text) && !text.includes('data:,'))).toEqual(
    [],
  )
})

it('with the policy of the page, an injected script starts no worker and registers no service worker (T9)', async ({
  tab,
}) => {
  const { outcomes } = await tryAll(tab)
  expect(Object.values(outcomes)).not.toContain('started')
  expect(Object.values(outcomes)).not.toContain('silent')
  expect(await tab.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length)).toBe(0)
})

it('without it, the script’s service worker reads the token of a worker that runs already: the limit of T9', async ({
  app,
  context,
}) => {
  // For the callback page, which has the policy.
  await context.addInitScript(trustedTypes)
  const tab = await openTabIn(context, app, '/?plain')
  await signIn(tab)
  const spied = tab.evaluate(async () => {
    const seen = new Promise((resolve) => {
      new BroadcastChannel('spy').addEventListener('message', ({ data }) => resolve(data[1]))
    })
    await navigator.serviceWorker.register('/spy.js')
    await navigator.serviceWorker.ready
    return Promise.race([seen, new Promise((resolve) => setTimeout(() => resolve('nothing'), 5000))])
  })
  await tab.waitForFunction(() => navigator.serviceWorker.controller !== null)
  await callApi(tab, 3)
  expect(await spied).toMatch(/^Bearer ./)
})

it('a worker without a policy of its own says so once in the history (T9)', async ({ browser }) => {
  const plain = await startTestApp()
  const context = await browser.newContext()
  try {
    const tab = await openTabIn(context, plain)
    const read = () =>
      tab.evaluate(
        async () => (await window.session.explain()).filter(({ event }) => event === 'policy-missing').length,
      )
    expect(await read()).toBe(1)
    expect(await read()).toBe(1)
  } finally {
    await context.close()
    await plain.close()
  }
})
