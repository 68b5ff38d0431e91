import type { Browser, BrowserContext, ConsoleMessage, Page } from 'playwright'
import { fillSignInForm, waitForStatus } from '../fixtures/tabs.ts'
import type { TestApp } from '../fixtures/test-app.ts'
import type { Loss } from './checks.ts'
import { makeCalls, newsMark, type PageNews } from './page-script.ts'

export interface Tab {
  readonly number: number
  readonly kind: 'both' | 'dedicated'
  readonly page: Page
}

export type Scene = Awaited<ReturnType<typeof createScene>>

/** Longer than a call may wait: for a token, for the API, and for a token again. */
const MAX_CALL = 75_000

/** Five tabs must not use all six connections to the API: calls would wait for one until their token is old. */
const CALL_EVERY = 120

export interface SceneHost {
  readonly app: TestApp
  readonly browser: Browser
  onNews(tab: Tab, news: PageNews): void
}

/** The browser's tabs, and the acts on them. */
export async function createScene({ app, browser, onNews }: SceneHost) {
  const context: BrowserContext = await browser.newContext()
  context.setDefaultTimeout(20_000)
  await context.addInitScript(makeCalls, { mark: newsMark, longestCall: MAX_CALL, callEvery: CALL_EVERY })
  const devtools = await browser.newBrowserCDPSession()
  const open = new Set<Tab>()
  const losses: Loss[] = []
  /** When the user ended the session: by a sign-out, or by a new sign-in. */
  const endings: { from: number; to: number }[] = [{ from: 0, to: Date.now() }]
  const signIns: number[] = []
  let count = 0
  let account: string | undefined
  let restoreNetwork: (() => Promise<void>) | undefined

  async function losing(what: string, run: () => Promise<void>): Promise<void> {
    const loss = { what, from: Date.now(), to: Number.POSITIVE_INFINITY }
    losses.push(loss)
    await run().finally(() => {
      loss.to = Date.now()
    })
  }

  /** Until it is done, and some time after it, tabs may report that the session has ended. */
  async function ending(run: () => Promise<void>): Promise<void> {
    const entry = { from: Date.now(), to: Number.POSITIVE_INFINITY }
    endings.push(entry)
    await run().finally(() => {
      entry.to = Date.now()
    })
  }

  async function signInOnce(page: Page, as: string): Promise<void> {
    // Without its own session, the provider shows the form.
    await context.clearCookies()
    await page.evaluate(() => {
      const returnTo = location.pathname + location.search
      return window.session.signIn({ via: 'redirect', returnTo })
    })
    await page.waitForSelector('#account')
    await fillSignInForm(page, as)
    await page.waitForURL(`${app.origin}/?**`)
    await waitForStatus(page, 'signed-in')
  }

  return {
    app,
    losses,
    endings,
    signIns,
    losing,
    tabs: () => [...open],
    account: () => account,
    isCut: () => restoreNetwork !== undefined,

    async open(kind: Tab['kind']): Promise<Tab> {
      const page = await context.newPage()
      count += 1
      const tab = { number: count, kind, page }
      page.on('console', (message: ConsoleMessage) => {
        const text = message.text()
        if (text.startsWith(newsMark)) onNews(tab, JSON.parse(text.slice(newsMark.length)))
      })
      open.add(tab)
      await page.goto(`${app.origin}/?worker=${kind}`)
      return tab
    },

    async close(tab: Tab): Promise<void> {
      open.delete(tab)
      await tab.page.close()
    },

    /** Ends the tab's process, so that the page cannot close anything. */
    async crash(tab: Tab): Promise<void> {
      open.delete(tab)
      const crashed = tab.page.waitForEvent('crash')
      const session = await context.newCDPSession(tab.page)
      session.send('Page.crash').catch(() => {})
      await crashed
      await tab.page.close()
      // The same process may have run other tabs.
      for (const other of [...open]) {
        const isAlive = await Promise.race([
          other.page.evaluate(() => true).catch((error) => !/crash/i.test(String(error))),
          new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 500)),
        ])
        if (isAlive) continue
        open.delete(other)
        await other.page.close()
      }
    },

    async killSharedWorker(): Promise<void> {
      const { targetInfos } = await devtools.send('Target.getTargets', { filter: [{ type: 'shared_worker' }] })
      for (const { targetId } of targetInfos) await devtools.send('Target.closeTarget', { targetId }).catch(() => {})
    },

    /** Puts the browser offline, and cuts both servers off. */
    async cutNetwork(milliseconds: number): Promise<void> {
      const loss = { what: 'cut', from: Date.now(), to: Number.POSITIVE_INFINITY }
      losses.push(loss)
      const cuts = [app.authorizationServer, app.api].map((server) => server.cutConnections())
      const timer = setTimeout(() => restoreNetwork?.().catch(() => {}), milliseconds)
      restoreNetwork = async () => {
        clearTimeout(timer)
        for (const cut of cuts) cut.restore()
        await context.setOffline(false)
        loss.to = Date.now()
        restoreNetwork = undefined
      }
      await context.setOffline(true)
    },

    restoreNetwork: async () => restoreNetwork?.(),

    signOut: (tab: Tab) =>
      ending(async () => {
        account = undefined
        await tab.page.evaluate(() => window.session.signOut().catch(() => {}))
      }),

    signIn: (tab: Tab, as: string) =>
      ending(async () => {
        // The redirect to the provider and back reloads the tab.
        await losing('sign-in', async () => {
          for (let attempt = 1; ; attempt += 1) {
            try {
              await signInOnce(tab.page, as)
              break
            } catch (error) {
              if (attempt === 3) throw error
              await tab.page.goto(`${app.origin}/?worker=${tab.kind}`)
            }
          }
        })
        account = as
        signIns.push(Date.now())
      }),

    closeAll: () => context.close(),
  }
}
