import { expect, test } from 'vitest'
import { findBrowser } from './find-browser.mjs'

const playwrightBrowser = '/playwright/chrome'
const aptGet = '/usr/bin/apt-get'

interface Machine {
  platform?: NodeJS.Platform
  isRoot?: boolean
  environment?: Record<string, string>
  files?: string[]
  broken?: string[]
  commands?: Record<string, (machine: { files: Set<string>; broken: Set<string> }) => boolean>
}

function findOn(machine: Machine) {
  const files = new Set(machine.files)
  const broken = new Set(machine.broken)
  const lines: string[] = []
  const commandsRun: string[] = []
  const result = findBrowser({
    environment: { PATH: '/usr/local/bin:/usr/bin', ...machine.environment },
    log: (line) => lines.push(line),
    platform: machine.platform ?? 'linux',
    isRoot: machine.isRoot ?? false,
    isExecutable: async (file) => files.has(file),
    startProblem: async (file) => (broken.has(file) ? 'a library is missing' : undefined),
    playwrightExecutablePath: async () => playwrightBrowser,
    runCommand: async ({ command, parameters }) => {
      const text = [command, ...parameters].join(' ')
      commandsRun.push(text)
      const known = Object.entries(machine.commands ?? {}).find(([part]) => text.includes(part))
      return known ? known[1]({ files, broken }) : false
    },
  })
  return { result, lines, commandsRun }
}

test('CHROME_PATH wins over an installed browser', async () => {
  const { result } = findOn({
    environment: { CHROME_PATH: '/my/chrome' },
    files: ['/my/chrome', '/usr/bin/chromium'],
  })
  expect(await result).toEqual({ executablePath: '/my/chrome', source: 'CHROME_PATH' })
})

test('a CHROME_PATH that does not exist gives an error that names it', async () => {
  const { result } = findOn({
    environment: { CHROME_PATH: '/my/chrome' },
    files: ['/usr/bin/chromium'],
  })
  await expect(result).rejects.toThrow(/\/my\/chrome.*not an executable file.*Set CHROME_PATH/)
})

test('a CHROME_PATH that does not start gives an error that names it and the reason', async () => {
  const { result } = findOn({
    environment: { CHROME_PATH: '/my/chrome' },
    files: ['/my/chrome'],
    broken: ['/my/chrome'],
  })
  await expect(result).rejects.toThrow(/\/my\/chrome.*a library is missing/)
})

test('an installed browser is used without running any command', async () => {
  const { result, commandsRun } = findOn({ files: ['/usr/bin/google-chrome', playwrightBrowser] })
  expect(await result).toEqual({ executablePath: '/usr/bin/google-chrome', source: 'installed' })
  expect(commandsRun).toEqual([])
})

test('an installed browser that does not start is skipped with a line saying so', async () => {
  const { result, lines } = findOn({
    files: ['/usr/bin/chromium', '/usr/bin/google-chrome'],
    broken: ['/usr/bin/chromium'],
  })
  expect((await result).executablePath).toBe('/usr/bin/google-chrome')
  expect(lines).toContain('browser: /usr/bin/chromium does not start (a library is missing)')
})

test('an application bundle is found on macOS', async () => {
  const chrome = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
  const { result } = findOn({ platform: 'darwin', files: [chrome] })
  expect(await result).toEqual({ executablePath: chrome, source: 'installed' })
})

test('a browser in Program Files is found on Windows', async () => {
  const edge = 'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe'
  const { result } = findOn({
    platform: 'win32',
    environment: { 'ProgramFiles(x86)': 'C:\\Program Files (x86)' },
    files: [edge],
  })
  expect(await result).toEqual({ executablePath: edge, source: 'installed' })
})

test('the Chromium of Playwright is used as it is when already downloaded', async () => {
  const { result, commandsRun } = findOn({ files: [playwrightBrowser] })
  expect(await result).toEqual({ executablePath: playwrightBrowser, source: 'playwright' })
  expect(commandsRun).toEqual([])
})

test('the Chromium of Playwright is downloaded when nothing is installed', async () => {
  const { result, commandsRun } = findOn({
    commands: {
      'install chromium': ({ files }) => {
        files.add(playwrightBrowser)
        return true
      },
    },
  })
  expect(await result).toEqual({ executablePath: playwrightBrowser, source: 'playwright' })
  expect(commandsRun).toHaveLength(1)
})

test('a download that does not start gets its system libraries on Debian as root', async () => {
  const { result } = findOn({
    isRoot: true,
    files: [aptGet],
    broken: [playwrightBrowser],
    commands: {
      'install-deps chromium': ({ broken }) => broken.delete(playwrightBrowser),
      'install chromium': ({ files }) => {
        files.add(playwrightBrowser)
        return true
      },
    },
  })
  expect(await result).toEqual({ executablePath: playwrightBrowser, source: 'playwright' })
})

test('apt-get is tried on Debian as root when the download fails', async () => {
  const { result, commandsRun } = findOn({
    isRoot: true,
    files: [aptGet],
    commands: {
      update: () => true,
      '-y --no-install-recommends chromium': ({ files }) => {
        files.add('/usr/bin/chromium')
        return true
      },
    },
  })
  expect(await result).toEqual({ executablePath: '/usr/bin/chromium', source: 'debian' })
  expect(commandsRun).toEqual([
    expect.stringContaining('install chromium'),
    expect.stringMatching(/^apt-get .*update$/),
    expect.stringMatching(/^apt-get .*install -y --no-install-recommends chromium$/),
  ])
})

test('without root, a failed download gives an error that lists what to do', async () => {
  const { result, commandsRun } = findOn({ files: [aptGet] })
  const error = await result.catch((reason: Error) => reason)
  expect(error).toBeInstanceOf(Error)
  const { message } = error as Error
  expect(message).toContain('could not be downloaded')
  expect(message).toContain('apt-get was not tried')
  expect(message).toContain('install Chrome or Chromium')
  expect(message).toContain('set CHROME_PATH')
  expect(message).toContain('npx playwright install chromium')
  expect(commandsRun).toHaveLength(1)
})

test('when apt-get fails as well, the error says so', async () => {
  const { result } = findOn({ isRoot: true, files: [aptGet] })
  await expect(result).rejects.toThrow('apt-get could not install chromium')
})
