import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import type { Readable } from 'node:stream'
import { startAgentServer } from './agent-server.ts'
import type { CrashScene, Engine, EngineBrowser, RemotePage } from './driver.ts'
import { descendants, endProcess, processorTime, until } from './processes.ts'
import { createTabs, type WebDriver } from './webdriver.ts'

const miniBrowser = () => process.env.MINIBROWSER_PATH ?? 'MiniBrowser'

export const openWebKit: Engine = {
  async launch(): Promise<EngineBrowser> {
    const screen = await openScreen()
    const port = await freePort()
    const server = spawn(process.env.WEBKIT_DRIVER_PATH ?? 'WebKitWebDriver', [`--port=${port}`, '--host=127.0.0.1'], {
      stdio: 'ignore',
      env: screen.environment,
    })
    const root = `http://127.0.0.1:${port}`
    const close = async () => {
      await endProcess(server)
      await screen.close()
    }
    try {
      await until('WebKitWebDriver', () => send(root, 'GET', '/status').catch(() => undefined))
      const capabilities = {
        alwaysMatch: { 'webkitgtk:browserOptions': { binary: miniBrowser(), args: ['--automation'] } },
      }
      const { sessionId } = (await send(root, 'POST', '/session', { capabilities })) as { sessionId: string }
      const session = `${root}/session/${sessionId}`
      const { open } = createTabs(toWebDriver(session))
      return {
        openTab: open,
        async close() {
          await send(session, 'DELETE', '').catch(() => {})
          await close()
        },
      }
    } catch (error) {
      await close()
      throw error
    }
  },

  /** A crash ends the WebDriver session, so these pages poll a server for their functions. */
  async openCrashScene(url): Promise<CrashScene> {
    const screen = await openScreen()
    const agents = await startAgentServer()
    const empty = new URL('/?worker=none', url).href
    const child = spawn(miniBrowser(), ['--private', agents.urlFor('first', url), agents.urlFor('second', empty)], {
      stdio: 'ignore',
      env: screen.environment,
    })
    const [first, second] = [agents.page('first'), agents.page('second')]
    return {
      first,
      second,
      async gotoSecond(to) {
        // Not awaited, because the page may end before it answers.
        second.evaluate((target) => location.assign(target), agents.urlFor('second', to)).catch(() => {})
      },
      async crashFirst() {
        process.kill(await findBusiest(child.pid ?? 0, first), 'SIGKILL')
      },
      async close() {
        await endProcess(child)
        await agents.close()
        await screen.close()
      },
    }
  },
}

/** The process of a page can be found only by its processor time while the page is busy. */
async function findBusiest(browser: number, page: RemotePage): Promise<number> {
  const pids = await descendants(browser, 'WebKitWebProcess')
  const before = await Promise.all(pids.map(processorTime))
  await page.evaluate(() => {
    const end = performance.now() + 1000
    while (performance.now() < end);
  })
  const after = await Promise.all(pids.map(processorTime))
  const spent = pids.map((_pid, index) => (after[index] ?? 0) - (before[index] ?? 0))
  const busiest = pids[spent.indexOf(Math.max(...spent))]
  if (busiest === undefined) throw new Error('There is no process of a page.')
  return busiest
}

/** WebKitGTK has no headless mode. */
async function openScreen() {
  const server = spawn(
    process.env.XVFB_PATH ?? 'Xvfb',
    ['-displayfd', '3', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp'],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    },
  )
  const display = await new Promise<string>((resolve, reject) => {
    server.once('error', reject)
    server.once('exit', (code) => reject(new Error(`Xvfb ended with ${code}.`)))
    ;(server.stdio[3] as Readable).once('data', (chunk) => resolve(`:${String(chunk).trim()}`))
  })
  return { environment: { ...process.env, DISPLAY: display }, close: () => endProcess(server) }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

async function send(root: string, method: string, path: string, parameters?: object): Promise<unknown> {
  const response = await fetch(root + path, { method, ...(parameters && { body: JSON.stringify(parameters) }) })
  const { value } = (await response.json()) as { value: { error?: string; message?: string } }
  if (!response.ok) throw new Error(`${value.error}: ${value.message}`)
  return value
}

function toWebDriver(session: string): WebDriver {
  const post = (path: string, parameters: object = {}) => send(session, 'POST', path, parameters)
  return {
    currentTab: async () => (await send(session, 'GET', '/window')) as string,
    newTab: async () => ((await post('/window/new', { type: 'tab' })) as { handle: string }).handle,
    switchTo: async (handle) => void (await post('/window', { handle })),
    closeTab: async () => void (await send(session, 'DELETE', '/window')),
    navigate: async (url) => void (await post('/url', { url })),
    refresh: async () => void (await post('/refresh')),
    back: async () => void (await post('/back')),
    execute: (script, args) => post('/execute/sync', { script, args }),
  }
}
