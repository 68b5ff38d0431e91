import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CrashScene, Engine, EngineBrowser } from './driver.ts'
import { endProcess, until } from './processes.ts'
import { createTabs, type WebDriver } from './webdriver.ts'

type Send = (command: string, parameters?: object) => Promise<unknown>

const preferences = [
  'user_pref("marionette.port", 0);',
  'user_pref("browser.shell.checkDefaultBrowser", false);',
  'user_pref("datareporting.policy.dataSubmissionEnabled", false);',
  'user_pref("app.normandy.enabled", false);',
]

/** Drives Firefox by Marionette, which every Firefox has: WebDriver commands over a TCP connection. */
export const openFirefox: Engine = {
  async launch(): Promise<EngineBrowser> {
    const { driver, close } = await start()
    const { open } = createTabs(driver)
    return { openTab: open, close }
  },

  async openCrashScene(url): Promise<CrashScene> {
    const { driver, send, close } = await start()
    const { open, inTurn } = createTabs(driver)
    const first = await open(url)
    const second = await open('about:blank')
    return {
      first,
      second,
      gotoSecond: second.goto,
      async crashFirst() {
        const pidOf = async (url: string) => {
          const script =
            'return gBrowser.browsers.find((each) => each.currentURI.spec === arguments[0]).browsingContext.currentWindowGlobal.osPid'
          return ((await send('WebDriver:ExecuteScript', { script, args: [url] })) as { value: number }).value
        }
        const urls = [await first.evaluate(() => location.href), await second.evaluate(() => location.href)] as const
        const [firstPid, secondPid] = await inTurn(async () => {
          await send('Marionette:SetContext', { value: 'chrome' })
          const pids = [await pidOf(urls[0]), await pidOf(urls[1])] as const
          await send('Marionette:SetContext', { value: 'content' })
          return pids
        })
        if (firstPid === secondPid) throw new Error('Both pages are in one process.')
        process.kill(firstPid, 'SIGKILL')
      },
      close,
    }
  },
}

async function start() {
  const profile = await mkdtemp(join(tmpdir(), 'lingpai-firefox-'))
  await writeFile(join(profile, 'user.js'), preferences.join('\n'))
  const program = process.env.FIREFOX_PATH ?? 'firefox-esr'
  const parameters = ['--headless', '--no-remote', '--marionette', '--remote-allow-system-access', '--profile', profile]
  const child = spawn(program, parameters, { stdio: 'ignore' })
  const end = async () => {
    await endProcess(child)
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const socket = await openSocket(child, profile)
    const send = speakMarionette(socket)
    await send('WebDriver:NewSession', {})
    const close = async () => {
      socket.destroy()
      await end()
    }
    return { driver: toWebDriver(send), send, close }
  } catch (error) {
    await end()
    throw error
  }
}

/** Firefox writes its port into the profile. */
async function openSocket(child: ChildProcess, profile: string): Promise<Socket> {
  const port = await until('Firefox to listen', async () => {
    if (child.exitCode !== null) throw new Error(`Firefox ended with ${child.exitCode}.`)
    return Number(await readFile(join(profile, 'MarionetteActivePort'), 'utf8').catch(() => '0'))
  })
  const socket = connect(port, '127.0.0.1')
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return socket
}

/** @see https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html */
function speakMarionette(socket: Socket): Send {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let lastId = 0
  let received = Buffer.alloc(0)

  const takeMessage = (): string | undefined => {
    const colon = received.indexOf(':')
    if (colon === -1) return undefined
    const end = colon + 1 + Number(received.subarray(0, colon))
    if (received.length < end) return undefined
    const message = received.subarray(colon + 1, end).toString()
    received = received.subarray(end)
    return message
  }
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    for (let text = takeMessage(); text !== undefined; text = takeMessage()) {
      const message = JSON.parse(text)
      // The first message is a greeting.
      if (!Array.isArray(message)) continue
      const [, id, error, value] = message
      if (error) waiting.get(id)?.reject(new Error(`${error.error}: ${error.message}`))
      else waiting.get(id)?.resolve(value)
      waiting.delete(id)
    }
  })
  socket.on('close', () => {
    for (const { reject } of waiting.values()) reject(new Error('Firefox is gone.'))
    waiting.clear()
  })

  return (command, parameters = {}) =>
    new Promise((resolve, reject) => {
      const id = ++lastId
      waiting.set(id, { resolve, reject })
      const text = JSON.stringify([0, id, command, parameters])
      socket.write(`${Buffer.byteLength(text)}:${text}`)
    })
}

function toWebDriver(send: Send): WebDriver {
  return {
    currentTab: async () => ((await send('WebDriver:GetWindowHandle')) as { value: string }).value,
    newTab: async () => ((await send('WebDriver:NewWindow', { type: 'tab' })) as { handle: string }).handle,
    switchTo: async (handle) => void (await send('WebDriver:SwitchToWindow', { handle, focus: true })),
    closeTab: async () => void (await send('WebDriver:CloseWindow')),
    navigate: async (url) => void (await send('WebDriver:Navigate', { url })),
    refresh: async () => void (await send('WebDriver:Refresh')),
    back: async () => void (await send('WebDriver:Back')),
    execute: async (script, args) =>
      ((await send('WebDriver:ExecuteScript', { script, args, sandbox: null })) as { value: unknown }).value,
  }
}
