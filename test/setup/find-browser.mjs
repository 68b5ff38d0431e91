// @ts-check
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { anyExecutable, isExecutableFile, runVisibly } from './programs.mjs'

const second = 1000
const minute = 60 * second
const startLimit = 20 * second
const downloadLimit = 3 * minute
const packageListLimit = 3 * minute
const packageInstallLimit = 10 * minute

/**
 * @typedef {{ executablePath: string, source: 'CHROME_PATH' | 'installed' | 'playwright' | 'debian' }} FoundBrowser
 *
 * @typedef {{
 *   CHROME_PATH?: string | undefined,
 *   HOME?: string | undefined,
 *   LOCALAPPDATA?: string | undefined,
 *   PATH?: string | undefined,
 *   ProgramFiles?: string | undefined,
 *   'ProgramFiles(x86)'?: string | undefined,
 *   [name: string]: string | undefined,
 * }} Environment
 *
 * @typedef {{ command: string, parameters: string[], timeLimit: number, environment: Environment }} Command
 *
 * @typedef {object} Options
 * @property {Environment} [environment]
 * @property {(line: string) => void} [log]
 * @property {NodeJS.Platform} [platform]
 * @property {boolean} [isRoot]
 * @property {(file: string) => Promise<boolean>} [isExecutable]
 * @property {(executablePath: string) => Promise<string | undefined>} [startProblem] Why a browser does not start; undefined when it does.
 * @property {() => Promise<string>} [playwrightExecutablePath] Where Playwright keeps its own Chromium, downloaded or not.
 * @property {(command: Command) => Promise<boolean>} [runCommand] Whether the command succeeded.
 */

/**
 * Finds a browser that really starts, installing one only when the machine has none.
 *
 * @param {Options} [options]
 * @returns {Promise<FoundBrowser>}
 */
export async function findBrowser({
  environment = process.env,
  log = console.log,
  platform = process.platform,
  isRoot = process.getuid?.() === 0,
  isExecutable = isExecutableFile,
  startProblem = problemStarting,
  playwrightExecutablePath = readPlaywrightExecutablePath,
  runCommand = runVisibly,
} = {}) {
  /** @type {string[]} */
  const failures = []

  /** @param {string} line */
  const say = (line) => log(`browser: ${line}`)

  /** @param {string} failure */
  const sayFailure = (failure) => {
    failures.push(failure)
    say(failure)
  }

  /** @param {string} executablePath */
  const starts = async (executablePath) => {
    const problem = await startProblem(executablePath)
    if (problem === undefined) return true
    sayFailure(`${executablePath} does not start (${problem})`)
    return false
  }

  /** @param {string[]} files */
  const firstThatStarts = async (files) => {
    for (const file of files) {
      if ((await isExecutable(file)) && (await starts(file))) return file
    }
    return undefined
  }

  /**
   * @param {string} command
   * @param {string[]} parameters
   * @param {number} timeLimit
   */
  const run = (command, parameters, timeLimit) =>
    runCommand({ command, parameters, timeLimit, environment: { ...environment, DEBIAN_FRONTEND: 'noninteractive' } })

  const chosen = environment.CHROME_PATH
  if (chosen) {
    const advice = 'Set CHROME_PATH to a Chrome or Chromium program, or unset it to have one found.'
    if (!(await isExecutable(chosen))) {
      throw new Error(`CHROME_PATH names ${chosen}, which is not an executable file. ${advice}`)
    }
    const problem = await startProblem(chosen)
    if (problem !== undefined) {
      throw new Error(`CHROME_PATH names ${chosen}, which does not start (${problem}). ${advice}`)
    }
    say(`using ${chosen}, named by CHROME_PATH`)
    return { executablePath: chosen, source: 'CHROME_PATH' }
  }

  say('looking for an installed Chromium or Chrome')
  const installed = await firstThatStarts(usualPlaces(platform, environment))
  if (installed !== undefined) {
    say(`using the installed ${installed}`)
    return { executablePath: installed, source: 'installed' }
  }

  const canInstallPackages = isRoot && (await anyExecutable(onPath(platform, environment, ['apt-get']), isExecutable))
  const playwrightBrowser = await playwrightExecutablePath()

  if (!(await isExecutable(playwrightBrowser))) {
    say('none installed; downloading the Chromium of Playwright (at most 3 minutes)')
    // The full browser is started by its path, so the separate headless shell would go unused.
    const parameters = [playwrightProgram(), 'install', 'chromium', '--no-shell']
    const downloaded = await run(process.execPath, parameters, downloadLimit)
    if (!downloaded || !(await isExecutable(playwrightBrowser))) {
      sayFailure('the Chromium of Playwright could not be downloaded')
    }
  }

  if (await isExecutable(playwrightBrowser)) {
    let usable = await starts(playwrightBrowser)
    if (!usable && canInstallPackages) {
      say('installing the system libraries that the Chromium of Playwright needs')
      const parameters = [playwrightProgram(), 'install-deps', 'chromium']
      await run(process.execPath, parameters, packageInstallLimit)
      usable = await starts(playwrightBrowser)
    }
    if (usable) {
      say(`using the Chromium of Playwright, ${playwrightBrowser}`)
      return { executablePath: playwrightBrowser, source: 'playwright' }
    }
  }

  if (canInstallPackages) {
    say('installing the chromium package with apt-get')
    // A machine that has just started may still be running its own updates, which hold this lock.
    const waitForLock = ['-o', 'DPkg::Lock::Timeout=120']
    const install = ['install', '-y', '--no-install-recommends', 'chromium']
    const complete =
      (await run('apt-get', [...waitForLock, 'update'], packageListLimit)) &&
      (await run('apt-get', [...waitForLock, ...install], packageInstallLimit))
    if (!complete) sayFailure('apt-get could not install chromium')
    const packagedBrowser = await firstThatStarts(onPath(platform, environment, ['chromium']))
    if (packagedBrowser !== undefined) {
      say(`using ${packagedBrowser}, installed with apt-get`)
      return { executablePath: packagedBrowser, source: 'debian' }
    }
  } else {
    failures.push('apt-get was not tried: that needs Debian or Ubuntu, and root')
  }

  throw new Error(
    [
      'No browser to run the tests in. What was tried:',
      '  - no installed Chromium or Chrome that starts was found',
      ...failures.map((failure) => `  - ${failure}`),
      'Do one of these, then run the tests again:',
      '  - install Chrome or Chromium',
      '  - set CHROME_PATH to the program of one that is already there',
      '  - run: npx playwright install chromium (on Linux, with --with-deps if it does not start)',
    ].join('\n'),
  )
}

/**
 * @param {NodeJS.Platform} platform
 * @param {Environment} environment
 * @returns {string[]}
 */
function usualPlaces(platform, environment) {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'microsoft-edge']
  const places = onPath(platform, environment, names)
  if (platform === 'darwin') {
    const folders = ['/Applications']
    if (environment.HOME) folders.push(path.posix.join(environment.HOME, 'Applications'))
    for (const name of ['Chromium', 'Google Chrome', 'Microsoft Edge']) {
      for (const folder of folders) {
        places.push(path.posix.join(folder, `${name}.app`, 'Contents', 'MacOS', name))
      }
    }
  }
  if (platform === 'win32') {
    const folders = [environment.ProgramFiles, environment['ProgramFiles(x86)'], environment.LOCALAPPDATA]
    const programs = [
      'Chromium\\Application\\chrome.exe',
      'Google\\Chrome\\Application\\chrome.exe',
      'Microsoft\\Edge\\Application\\msedge.exe',
    ]
    for (const program of programs) {
      for (const folder of folders) {
        if (folder) places.push(path.win32.join(folder, program))
      }
    }
  }
  return places
}

/**
 * @param {NodeJS.Platform} platform
 * @param {Environment} environment
 * @param {string[]} names
 * @returns {string[]}
 */
function onPath(platform, environment, names) {
  const { delimiter, join } = platform === 'win32' ? path.win32 : path.posix
  const folders = (environment.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const ending = platform === 'win32' ? '.exe' : ''
  return names.flatMap((name) => folders.map((folder) => join(folder, name + ending)))
}

/**
 * @param {string} executablePath
 * @returns {Promise<string | undefined>}
 */
async function problemStarting(executablePath) {
  // On Windows Chrome answers --version by opening a window, and does not end by itself.
  if (process.platform === 'win32') return undefined
  try {
    await promisify(execFile)(executablePath, ['--version'], {
      timeout: startLimit,
      killSignal: 'SIGKILL',
    })
    return undefined
  } catch (error) {
    const { killed, stderr, message } = /** @type {Error & { killed?: boolean, stderr?: string }} */ (error)
    if (killed) return `no answer within ${startLimit / second} seconds`
    return (stderr || message).trim().split('\n').at(-1)
  }
}

async function readPlaywrightExecutablePath() {
  const { chromium } = await import('playwright')
  return chromium.executablePath()
}

function playwrightProgram() {
  const manifest = createRequire(import.meta.url).resolve('playwright/package.json')
  return path.join(path.dirname(manifest), 'cli.js')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const { executablePath } = await findBrowser()
    console.log(executablePath)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
