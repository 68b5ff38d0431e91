import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Browser {
  readonly exited: Promise<void>
  /** The memory of its page and worker processes, in bytes. Undefined if the system does not provide it. */
  readPageMemory(): number | undefined
  close(): Promise<void>
}

export function findChromium(): string {
  const named = process.env.CHROME_PATH
  if (named) return named
  const folders = (process.env.PATH ?? '').split(':')
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
  const found = names.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => existsSync(file))
  if (found === undefined)
    throw new Error('There is no Chromium to measure in: install one, or name it by CHROME_PATH.')
  return found
}

export function readChromiumVersion(executable: string): string {
  return execFileSync(executable, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
}

/**
 * Opens a page in a browser with a new profile. It attaches no debugger, which would slow down the fetches of pages and
 * dedicated workers, but not those of a SharedWorker.
 */
export async function startBrowser(executable: string, url: string, flags: readonly string[] = []): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'lingpai-bench-'))
  const child = spawn(
    executable,
    [
      '--headless=new',
      '--no-sandbox',
      '--no-first-run',
      '--disable-background-networking',
      // The first tab opens the others, which stay in the background.
      '--disable-popup-blocking',
      '--disable-background-timer-throttling',
      '--disable-backgrounding-occluded-windows',
      '--disable-renderer-backgrounding',
      `--user-data-dir=${profile}`,
      ...flags,
      url,
    ],
    { stdio: 'ignore', detached: true },
  )
  const { pid } = child
  const kill = () => {
    if (pid === undefined) return
    try {
      // The process group contains the browser and its child processes.
      process.kill(-pid, 'SIGKILL')
    } catch {
      // The processes have already ended.
    }
  }
  // Otherwise the browser would keep running after an interrupted bench.
  process.once('exit', kill)
  const exited = new Promise<void>((resolve) => {
    child.on('exit', () => resolve())
    child.on('error', () => resolve())
  })
  return {
    exited,
    readPageMemory: () => (pid === undefined ? undefined : sumOfPages(pid)),
    async close() {
      process.off('exit', kill)
      kill()
      await exited
      await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}

function sumOfPages(browser: number): number | undefined {
  if (!existsSync('/proc/self/status')) return undefined
  let sum = 0
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8')
      const group = Number(
        readFileSync(`/proc/${name}/stat`, 'utf8')
          .replace(/^.*\) \S+ \d+ /s, '')
          .split(' ')[0],
      )
      if (group !== browser || !readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('--type=renderer')) continue
      sum += Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
    } catch {
      // The process has ended meanwhile.
    }
  }
  return sum
}
