// @ts-check
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { findBrowser } from '../setup/find-browser.mjs'
import { isExecutableFile, runVisibly } from '../setup/programs.mjs'

const minute = 60 * 1000

/**
 * A program, the environment variable that may name it, and the Debian packages that contain it.
 *
 * @typedef {{ name: string, variable: string, places: () => Promise<string[]>, packages: string[] }} Program
 */

/** @type {Record<string, Program[]>} */
export const programs = {
  firefox: [
    {
      name: 'Firefox',
      variable: 'FIREFOX_PATH',
      places: async () => [...onPath('firefox-esr', 'firefox'), '/Applications/Firefox.app/Contents/MacOS/firefox'],
      packages: ['firefox-esr'],
    },
  ],
  webkit: [
    {
      name: 'WebKitWebDriver',
      variable: 'WEBKIT_DRIVER_PATH',
      places: async () => onPath('WebKitWebDriver'),
      packages: ['webkit2gtk-driver', 'dbus'],
    },
    // The package of the driver's library contains it, in a separate folder.
    { name: 'MiniBrowser', variable: 'MINIBROWSER_PATH', places: miniBrowsers, packages: ['webkit2gtk-driver'] },
    { name: 'Xvfb', variable: 'XVFB_PATH', places: async () => onPath('Xvfb'), packages: ['xvfb'] },
  ],
}

/**
 * Finds the programs of an engine, and installs missing ones.
 *
 * @param {'chromium' | 'firefox' | 'webkit'} engine
 * @param {(line: string) => void} log
 * @returns {Promise<Record<string, string>>} The environment variables with their paths.
 */
export async function findPrograms(engine, log) {
  if (engine === 'chromium') return { CHROME_PATH: (await findBrowser({ log })).executablePath }
  const wanted = programs[engine] ?? []
  const missing = []
  for (const program of wanted) if ((await find(program)) === undefined) missing.push(program)
  if (missing.length > 0) {
    const packages = [...new Set(missing.flatMap((program) => program.packages))]
    log(`${engine}: no ${missing.map(({ name }) => name).join(', no ')} here; installing ${packages.join(', ')}`)
    await install(packages)
  }
  /** @type {Record<string, string>} */
  const found = {}
  for (const program of wanted) {
    const file = await find(program)
    if (file === undefined) throw new Error(explain(program))
    log(`${engine}: using ${file}`)
    found[program.variable] = file
  }
  return found
}

/** @param {Program} program */
async function find({ variable, places }) {
  const chosen = process.env[variable]
  if (chosen) {
    if (await isExecutableFile(chosen)) return chosen
    throw new Error(`${variable} names ${chosen}, which is not an executable file. Unset it to have one found.`)
  }
  for (const file of await places()) if (await isExecutableFile(file)) return file
  return undefined
}

/** @param {string[]} packages */
async function install(packages) {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  /** @param {string[]} parameters @param {number} timeLimit */
  const runApt = (parameters, timeLimit) => {
    // A machine that has just started may still be running its own updates, which hold this lock.
    const all = ['-q', '-o', 'DPkg::Lock::Timeout=120', ...parameters]
    return runVisibly({ command: 'apt-get', parameters: all, timeLimit, environment })
  }
  await runApt(['update'], 3 * minute)
  await runApt(['install', '-y', '--no-install-recommends', ...packages], 10 * minute)
}

/** @param {Program} program */
function explain({ name, variable, packages }) {
  return [
    `There is no ${name}, and it could not be installed. Do one of these, then run this again:`,
    `  - on Debian or Ubuntu, as root: apt-get install ${packages.join(' ')}`,
    `  - set ${variable} to the program of one that is already there`,
    '  - name the engines that this machine has: --engine chromium',
  ].join('\n')
}

/** @param {string[]} names */
function onPath(...names) {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '')
  return names.flatMap((name) => folders.map((folder) => path.join(folder, name)))
}

async function miniBrowsers() {
  const libraries = ['/usr/lib', '/usr/libexec', '/usr/lib64']
  const folders = libraries.flatMap((library) => [
    library,
    `${library}/x86_64-linux-gnu`,
    `${library}/aarch64-linux-gnu`,
  ])
  const files = []
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => [])
    for (const name of names.sort().reverse()) {
      if (/^webkit(2gtk|gtk)-/.test(name)) files.push(path.join(folder, name, 'MiniBrowser'))
    }
  }
  return files
}
