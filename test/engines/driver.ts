import { openChromium } from './chromium.ts'
import { openFirefox } from './firefox.ts'
import { openWebKit } from './webkit.ts'

declare module 'vitest' {
  interface ProvidedContext {
    readonly engine: EngineName
  }
}

export type EngineName = 'chromium' | 'firefox' | 'webkit'

/** A page that runs functions of the test. It gets their source; arguments and results are JSON. */
export interface RemotePage {
  /** Rejects if the page ends before the function settles. */
  evaluate<Arguments extends readonly unknown[], Value>(
    run: (...given: Arguments) => Value,
    ...given: Arguments
  ): Promise<Awaited<Value>>
}

export interface Tab extends RemotePage {
  goto(url: string): Promise<void>
  reload(): Promise<void>
  goBack(): Promise<void>
  close(): Promise<void>
}

/** Tabs of one browser, which share storage, locks and SharedWorkers. */
export interface EngineBrowser {
  openTab(url: string): Promise<Tab>
  close(): Promise<void>
}

/** Two pages in separate processes. The test can crash the first. */
export interface CrashScene {
  readonly first: RemotePage
  readonly second: RemotePage
  /** Loads a URL in the second page. */
  gotoSecond(url: string): Promise<void>
  crashFirst(): Promise<void>
  close(): Promise<void>
}

export interface Engine {
  launch(): Promise<EngineBrowser>
  /** Loads the URL in the first page; the second stays empty. */
  openCrashScene(url: string): Promise<CrashScene>
}

export const engines: Readonly<Record<EngineName, Engine>> = {
  chromium: openChromium,
  firefox: openFirefox,
  webkit: openWebKit,
}

/** Evaluates in the page until the result is truthy. Ignores errors while the page loads. */
export async function waitUntil<Arguments extends readonly unknown[]>(
  page: RemotePage,
  isTrue: (...given: Arguments) => unknown,
  ...given: Arguments
): Promise<void> {
  const limit = 20_000
  const started = performance.now()
  let last: unknown
  while (performance.now() - started < limit) {
    last = await page.evaluate(isTrue, ...given).catch((error) => error)
    if (last && !(last instanceof Error)) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`Not within ${limit / 1000} s (last: ${last}): ${isTrue}`)
}
