// @ts-check
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { runNpm } from './run-program.mjs'

const npmLimit = 5 * 60 * 1000

/**
 * @typedef {object} PreparedApp
 * @property {string} project The folder of project.config.json.
 * @property {string} root The mini program's own folder, in `project`.
 * @property {string[]} files The app's own files, from `root`.
 * @property {string} workers Its workers folder, from `root`.
 */

/**
 * Packs the library as it would be published.
 *
 * @param {string} library
 * @param {string} directory
 */
export async function packLibrary(library, directory) {
  const built = path.join(library, 'dist', 'miniprogram')
  if (!existsSync(built)) throw new Error(`${built} is missing: run "npm run build" first`)
  const parameters = ['pack', '--json', '--ignore-scripts', '--pack-destination', directory]
  const [{ filename }] = JSON.parse(await runNpm(parameters, { directory: library, timeLimit: npmLimit }))
  return path.join(directory, filename)
}

/**
 * @param {{ [file: string]: string }} files
 * @param {string} directory
 */
export async function writeApp(files, directory) {
  for (const [file, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(directory, file)), { recursive: true })
    await writeFile(path.join(directory, file), content)
  }
}

/**
 * Copies an app without the results of installing and building, which the copy must create again.
 *
 * @param {string} source
 * @param {string} directory
 */
export async function copyApp(source, directory) {
  if (!existsSync(path.join(source, 'project.config.json')))
    throw new Error(`${path.join(source, 'project.config.json')} is missing: there is no mini program to compile`)
  const made = ['node_modules', 'miniprogram_npm', 'package-lock.json', 'project.private.config.json']
  await cp(source, directory, { recursive: true, filter: (file) => !made.includes(path.basename(file)) })
}

/**
 * Acts like an app's owner: installs the library where package.json is, then `npx lingpai init <workers folder>` there.
 *
 * @param {string} project
 * @param {string} tarball
 * @returns {Promise<PreparedApp>}
 */
export async function installLibrary(project, tarball) {
  const { miniprogramRoot = '' } = await readJson(path.join(project, 'project.config.json'))
  const root = path.join(project, miniprogramRoot)
  const { pages, workers: workersEntry } = await readJson(path.join(root, 'app.json'))
  /** @type {string | undefined} */
  const workers = (typeof workersEntry === 'object' ? workersEntry.path : workersEntry)?.replace(/\/$/, '')
  if (!workers) throw new Error(`${path.join(root, 'app.json')} names no workers folder`)

  const home = [project, root].find((folder) => existsSync(path.join(folder, 'package.json')))
  if (!home) throw new Error(`${project} has no package.json: the app cannot depend on lingpai`)
  const packageFile = path.join(home, 'package.json')
  const manifest = await readJson(packageFile)
  manifest.dependencies = { ...manifest.dependencies, lingpai: `file:${tarball}` }
  await writeFile(packageFile, JSON.stringify(manifest))
  const run = { directory: home, timeLimit: npmLimit }
  await runNpm(['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'], run)

  const library = path.join(root, workers, 'lingpai.js')
  await rm(library, { force: true })
  const folder = path.relative(home, path.join(root, workers))
  await runNpm(['exec', '--no', '--offline', '--', 'lingpai', 'init', folder], run)
  if (!existsSync(library)) throw new Error(`npx lingpai init ${folder} did not write ${folder}/lingpai.js`)

  const pageFiles = pages.flatMap((/** @type {string} */ page) => [`${page}.js`, `${page}.json`, `${page}.wxml`])
  return { project, root, workers, files: ['app.js', 'app.json', `${workers}/lingpai.js`, ...pageFiles] }
}

/**
 * @param {string} file
 * @returns {Promise<any>}
 */
async function readJson(file) {
  return JSON.parse(await readFile(file, 'utf8'))
}
