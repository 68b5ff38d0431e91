// @ts-check
import { execFile } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { anyExecutable, isExecutableFile, runVisibly } from './programs.mjs'

const second = 1000
const minute = 60 * second
const startLimit = 20 * second
const packageListLimit = 3 * minute
const packageInstallLimit = 10 * minute

/** Debian 12 has the first, newer releases the second. */
const packages = ['libjavascriptcoregtk-4.0-bin', 'libjavascriptcoregtk-4.1-bin']

/**
 * @typedef {{ executablePath: string, source: 'JSC_PATH' | 'installed' | 'debian' }} FoundEngine
 *
 * @typedef {{ JSC_PATH?: string | undefined, PATH?: string | undefined, [name: string]: string | undefined }} Environment
 *
 * @typedef {{ command: string, parameters: string[], timeLimit: number, environment: Environment }} Command
 *
 * @typedef {object} Options
 * @property {Environment} [environment]
 * @property {(line: string) => void} [log]
 * @property {NodeJS.Platform} [platform]
 * @property {boolean} [isRoot]
 * @property {(file: string) => Promise<boolean>} [isExecutable]
 * @property {(executablePath: string) => Promise<string | undefined>} [startProblem] Why an engine does not start; undefined when it does.
 * @property {(command: Command) => Promise<boolean>} [runCommand] Whether the command succeeded.
 */

/**
 * Finds a JavaScriptCore shell that really starts, installing one only when the machine has none.
 *
 * @param {Options} [options]
 * @returns {Promise<FoundEngine>}
 */
export async function findEngine({
  environment = process.env,
  log = console.log,
  platform = process.platform,
  isRoot = process.getuid?.() === 0,
  isExecutable = isExecutableFile,
  startProblem = problemStarting,
  runCommand = runVisibly,
} = {}) {
  /** @type {string[]} */
  const failures = []

  /** @param {string} line */
  const say = (line) => log(`engine: ${line}`)

  const firstThatStarts = async () => {
    for (const file of usualPlaces(platform, environment)) {
      if (!(await isExecutable(file))) continue
      const problem = await startProblem(file)
      if (problem === undefined) return file
      const failure = `${file} does not start (${problem})`
      if (!failures.includes(failure)) failures.push(failure)
      say(failure)
    }
    return undefined
  }

  /**
   * @param {string[]} parameters
   * @param {number} timeLimit
   */
  const runApt = (parameters, timeLimit) =>
    runCommand({
      command: 'apt-get',
      // A machine that has just started may still be running its own updates, which hold this lock.
      parameters: ['-o', 'DPkg::Lock::Timeout=120', ...parameters],
      timeLimit,
      environment: { ...environment, DEBIAN_FRONTEND: 'noninteractive' },
    })

  const chosen = environment.JSC_PATH
  if (chosen) {
    const advice = 'Set JSC_PATH to a JavaScriptCore shell, or unset it to have one found.'
    if (!(await isExecutable(chosen))) {
      throw new Error(`JSC_PATH names ${chosen}, which is not an executable file. ${advice}`)
    }
    const problem = await startProblem(chosen)
    if (problem !== undefined) {
      throw new Error(`JSC_PATH names ${chosen}, which does not start (${problem}). ${advice}`)
    }
    say(`using ${chosen}, named by JSC_PATH`)
    return { executablePath: chosen, source: 'JSC_PATH' }
  }

  const installed = await firstThatStarts()
  if (installed !== undefined) {
    say(`using the installed ${installed}`)
    return { executablePath: installed, source: 'installed' }
  }

  const hasApt = platform === 'linux' && (await anyExecutable(onPath(environment, 'apt-get'), isExecutable))
  if (isRoot && hasApt) {
    say('none installed; installing JavaScriptCore with apt-get')
    if (!(await runApt(['update'], packageListLimit))) failures.push('apt-get could not update its lists')
    for (const name of packages) {
      if (!(await runApt(['install', '-y', '--no-install-recommends', name], packageInstallLimit))) {
        failures.push(`apt-get could not install ${name}`)
        continue
      }
      const packaged = await firstThatStarts()
      if (packaged !== undefined) {
        say(`using ${packaged}, installed with apt-get`)
        return { executablePath: packaged, source: 'debian' }
      }
      failures.push(`${name} is installed, but holds no shell that starts`)
    }
  } else {
    failures.push('apt-get was not tried: that needs Debian or Ubuntu, and root')
  }

  throw new Error(
    [
      'No JavaScriptCore to run the mini program tests in. What was tried:',
      '  - no installed jsc that starts was found',
      ...failures.map((failure) => `  - ${failure}`),
      'Do one of these, then run the tests again:',
      `  - on Debian or Ubuntu, as root: apt-get install ${packages[0]} (or ${packages[1]})`,
      '  - set JSC_PATH to the jsc program of one that is already there',
    ].join('\n'),
  )
}

/**
 * @param {NodeJS.Platform} platform
 * @param {Environment} environment
 * @returns {string[]}
 */
function usualPlaces(platform, environment) {
  const places = onPath(environment, 'jsc')
  if (platform === 'darwin') {
    const framework = '/System/Library/Frameworks/JavaScriptCore.framework/Versions'
    for (const folder of ['Current/Helpers', 'A/Helpers', 'Current/Resources', 'A/Resources']) {
      places.push(`${framework}/${folder}/jsc`)
    }
  }
  if (platform === 'linux') {
    for (const machine of ['x86_64-linux-gnu', 'aarch64-linux-gnu', 'arm-linux-gnueabihf']) {
      for (const version of ['4.0', '4.1', '6.0']) {
        places.push(`/usr/lib/${machine}/javascriptcoregtk-${version}/jsc`)
      }
    }
  }
  return places
}

/**
 * @param {Environment} environment
 * @param {string} name
 * @returns {string[]}
 */
function onPath(environment, name) {
  const folders = (environment.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '')
  return folders.map((folder) => path.join(folder, name))
}

/**
 * @param {string} file
 * @returns {Promise<string | undefined>}
 */
async function problemStarting(file) {
  try {
    // Another program may bear this name, so it must show the functions that the tests need.
    const probe = 'print(typeof readline, typeof drainMicrotasks)'
    const { stdout } = await promisify(execFile)(file, ['--useJIT=0', '-e', probe], {
      timeout: startLimit,
      killSignal: 'SIGKILL',
    })
    return stdout.trim() === 'function function' ? undefined : 'it is not the shell of JavaScriptCore'
  } catch (error) {
    const { killed, stderr, message } = /** @type {Error & { killed?: boolean, stderr?: string }} */ (error)
    if (killed) return `no answer within ${startLimit / second} seconds`
    return (stderr || message).trim().split('\n').at(-1)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const { executablePath } = await findEngine()
    console.log(executablePath)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
