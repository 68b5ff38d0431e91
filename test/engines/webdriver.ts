import type { RemotePage, Tab } from './driver.ts'

/** The WebDriver commands (W3C) that the tests need. They apply to the current tab. */
export interface WebDriver {
  currentTab(): Promise<string>
  newTab(): Promise<string>
  switchTo(handle: string): Promise<void>
  closeTab(): Promise<void>
  navigate(url: string): Promise<void>
  refresh(): Promise<void>
  back(): Promise<void>
  /** Runs the body of a function. */
  execute(script: string, given: readonly unknown[]): Promise<unknown>
}

/** Tabs that can be used at the same time, although WebDriver has only one current tab and runs one command at a time. */
export function createTabs(driver: WebDriver) {
  let last: Promise<unknown> = Promise.resolve()
  /** The empty tab that a browser starts with. After a tab was closed, the next tab is opened from this one. */
  const home = driver.currentTab()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }

  return {
    inTurn,
    async open(url: string): Promise<Tab & { readonly handle: string }> {
      const handle = await inTurn(async () => {
        await driver.switchTo(await home)
        return driver.newTab()
      })
      const here = <T>(work: () => Promise<T>) =>
        inTurn(async () => {
          await driver.switchTo(handle)
          return work()
        })
      const tab = {
        handle,
        ...createRemotePage((script, given) => here(() => driver.execute(script, given))),
        goto: (to: string) => here(() => driver.navigate(to)),
        reload: () => here(() => driver.refresh()),
        goBack: () => here(() => driver.back()),
        close: () => here(() => driver.closeTab()),
      }
      await tab.goto(url)
      return tab
    },
  }
}

let lastRun = 0

/** Starts a function and polls for its result, so that commands for other pages can run meanwhile. */
function createRemotePage(execute: (script: string, given: readonly unknown[]) => Promise<unknown>): RemotePage {
  return {
    async evaluate<Arguments extends readonly unknown[], Value>(
      run: (...given: Arguments) => Value,
      ...given: Arguments
    ): Promise<Awaited<Value>> {
      const id = `run${++lastRun}`
      // By the page's own `eval`: the driver's scripts may run in another realm, with another ArrayBuffer class.
      const script = `(${start})(${JSON.stringify(id)}, ${run}, ${toSource(given)})`
      await execute('window.eval(arguments[0])', [script]).catch((error) => {
        // The provider's pages forbid `eval`, and do not need it.
        if (!/EvalError|Content Security Policy/.test(String(error))) throw error
        return execute(script, [])
      })
      for (let pause = 10; ; pause = Math.min(pause * 1.5, 200)) {
        const state = await execute('return window.testRuns ? window.testRuns[arguments[0]] : null', [id])
        if (typeof state !== 'string') throw new Error('The page went away before the function had settled.')
        const { value, error } = JSON.parse(state)
        if (error !== undefined) throw new Error(error)
        if (state !== '{}') return value as Awaited<Value>
        await new Promise((resolve) => setTimeout(resolve, pause))
      }
    },
  }
}

function toSource(value: unknown): string {
  return JSON.stringify(value).replaceAll('\u2028', '\\u2028')
}

/** Runs in the page. */
function start(id: string, run: (...given: unknown[]) => unknown, given: unknown[]): void {
  const scope = window as unknown as { testRuns?: Record<string, string> }
  scope.testRuns ??= {}
  const runs = scope.testRuns
  runs[id] = '{}'
  Promise.resolve()
    .then(() => run(...given))
    .then(
      (value) => {
        runs[id] = JSON.stringify({ value: value === undefined ? null : value })
      },
      (error) => {
        runs[id] = JSON.stringify({ error: String(error) })
      },
    )
}
