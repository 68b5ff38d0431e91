import type { BrowserContext, Page } from 'playwright'
import { launchBrowser } from '../fixtures/tabs.ts'
import type { CrashScene, Engine, EngineBrowser, Tab } from './driver.ts'

export const openChromium: Engine = {
  async launch(): Promise<EngineBrowser> {
    // Playwright disables the back/forward cache.
    const browser = await launchBrowser({ ignoreDefaultArgs: ['--disable-back-forward-cache'] })
    const context = await browser.newContext()
    return {
      openTab: async (url) => toTab(await openPage(context, url)),
      close: () => browser.close(),
    }
  },

  async openCrashScene(url): Promise<CrashScene> {
    const browser = await launchBrowser()
    const context = await browser.newContext()
    const first = await openPage(context, url)
    const second = await context.newPage()
    return {
      first: toTab(first),
      second: toTab(second),
      gotoSecond: async (to) => void (await second.goto(to)),
      async crashFirst() {
        const crashed = first.waitForEvent('crash')
        const session = await context.newCDPSession(first)
        // The command gets no response, because the page has crashed.
        session.send('Page.crash').catch(() => {})
        await crashed
      },
      close: () => browser.close(),
    }
  },
}

async function openPage(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(url)
  return page
}

function toTab(page: Page): Tab {
  return {
    evaluate: (run, ...given) =>
      page.evaluate(([source, list]) => new Function(`return (${source})`)()(...list), [
        String(run),
        given as readonly unknown[],
      ] as const),
    goto: async (url) => void (await page.goto(url)),
    reload: async () => void (await page.reload()),
    // Playwright's goBack waits for a load event, which a page from the cache does not have.
    goBack: () => page.evaluate(() => void setTimeout(() => history.back())),
    close: () => page.close(),
  }
}
