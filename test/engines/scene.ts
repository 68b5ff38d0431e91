import { afterAll, afterEach, beforeAll, inject } from 'vitest'
import { tokensOf } from '../fixtures/provider.ts'
import type { Outcome } from '../fixtures/tabs.ts'
import { startTestApp, type TestApp, type TestAppSettings } from '../fixtures/test-app.ts'
import { type EngineBrowser, engines, type RemotePage, type Tab, waitUntil } from './driver.ts'

export const engineName = inject('engine')
export const engine = engines[engineName]

/** One browser and one app for the tests of a file. */
export interface Scene {
  readonly app: TestApp
  /** Opens a tab of the app and waits for its first response from a worker. It is closed after the test. */
  openTab(query?: string): Promise<Tab>
  /** Token requests since the last `forget`. */
  refreshes(): number
  reuses(): number
  forget(): void
}

export function useScene(settings: TestAppSettings = {}): Scene {
  let app: TestApp
  let browser: EngineBrowser
  let tabs: Tab[] = []
  let before = { refreshes: 0, reuses: 0 }

  beforeAll(async () => {
    app = await startTestApp(settings)
    browser = await engine.launch()
  })
  afterAll(async () => {
    await browser?.close()
    await app?.close()
  })
  afterEach(async () => {
    app.authorizationServer.clearFaults()
    const [first] = tabs
    await first?.evaluate(() => window.session.signOut().catch(() => {})).catch(() => {})
    for (const tab of tabs) await tab.close().catch(() => {})
    tabs = []
  })

  const refreshes = () => app.authorizationServer.counters.tokenRequests.refresh_token
  const reuses = () => app.authorizationServer.counters.reuseDetections
  return {
    get app() {
      return app
    },
    async openTab(query = '') {
      const tab = await browser.openTab(app.origin + query)
      tabs.push(tab)
      await waitForAnswer(tab)
      return tab
    },
    refreshes: () => refreshes() - before.refreshes,
    reuses: () => reuses() - before.reuses,
    forget() {
      before = { refreshes: refreshes(), reuses: reuses() }
    },
  }
}

export async function waitForAnswer(page: RemotePage): Promise<void> {
  await waitUntil(page, () => window.session?.getSnapshot().status !== 'connecting')
}

export async function waitForStatus(page: RemotePage, status: string): Promise<void> {
  await waitUntil(page, (wanted) => window.session?.getSnapshot().status === wanted && 'changes' in window, status)
}

/** Signs in with tokens of the real provider; only a worker of the kind `adopting` accepts them. */
export async function adoptTokens(page: RemotePage, app: TestApp, account = 'alice'): Promise<void> {
  const tokens = await tokensOf(app.authorizationServer, account)
  await page.evaluate((given) => window.session.adopt(given), tokens)
  await waitForStatus(page, 'signed-in')
}

/** Signs in by redirect, through the provider's form. */
export async function signIn(page: RemotePage, account = 'alice'): Promise<void> {
  // The navigation may end the page before its response. The next step shows whether it worked.
  const leave = (leaving: Promise<unknown>) => leaving.catch(() => {})
  await leave(
    page.evaluate(() => {
      const returnTo = location.pathname + location.search
      setTimeout(() => window.session.signIn({ via: 'redirect', returnTo }))
    }),
  )
  await waitUntil(page, () => document.querySelector('#account') !== null)
  const fillIn = page.evaluate((name) => {
    const fill = (id: string, value: string) => {
      ;(document.getElementById(id) as HTMLInputElement).value = value
    }
    fill('account', name)
    fill('password', 'lingpai')
    setTimeout(() => document.getElementById('sign-in')?.click())
  }, account)
  await leave(fillIn)
  await waitForStatus(page, 'signed-in')
}

/** Makes simultaneous calls, reads their bodies, and returns the outcomes. */
export function callApi(page: RemotePage, count: number, path = '/orders'): Promise<Outcome[]> {
  return page.evaluate(
    (times, target) => {
      const call = async (): Promise<Outcome> => {
        try {
          const response = await window.session.fetch(window.api + target)
          const overdue = new Promise<string>((resolve) => setTimeout(resolve, 10_000, 'its body does not end'))
          const body = await Promise.race([response.json(), overdue])
          return typeof body === 'string' ? body : response.status
        } catch (error) {
          const { code, name, message } = error as Error & { code?: string }
          return code ?? `${name}: ${message}`
        }
      }
      return Promise.all(Array.from({ length: times }, call))
    },
    count,
    path,
  )
}

/** The running brokers: each holds its own lock until it ends. */
export async function livingBrokers(page: RemotePage): Promise<string[]> {
  const names = await page.evaluate(
    async () => (await navigator.locks.query()).held?.map(({ name }) => name ?? '') ?? [],
  )
  return names.filter((name) => /^lingpai:(worker|shared):/.test(name))
}
