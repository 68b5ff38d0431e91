// @ts-check
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { findBrowser } from './find-browser.mjs'
import { findEngine } from './find-engine.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const projectsWithBrowser = ['browser', 'tabs']
const projectsWithEngine = ['wechat']
const vitestParameters = process.argv.slice(2)

/** @type {NodeJS.ProcessEnv & { CHROME_PATH?: string, JSC_PATH?: string, npm_execpath?: string }} */
const environment = { ...process.env }

/** @type {{ name: string, run: () => Promise<number> }[]} */
const steps = [
  { name: 'format and lint', run: () => runTool('@biomejs/biome', 'biome', ['check', '.']) },
  { name: 'types', run: () => runTool('typescript', 'tsc', ['-b']) },
  { name: 'build', run: runBuild },
  { name: 'package contents', run: () => runTool('publint', 'publint', ['run', '--strict']) },
]
if (isAnyChosen(projectsWithEngine)) steps.push({ name: 'JavaScriptCore', run: chooseEngine })
if (isAnyChosen(projectsWithBrowser)) steps.push({ name: 'browser', run: chooseBrowser })
steps.push({ name: 'tests', run: () => runTool('vitest', 'vitest', ['run', ...vitestParameters]) })

process.exitCode = await runSteps()

async function runSteps() {
  const allStarted = performance.now()
  for (const [index, { name, run }] of steps.entries()) {
    const title = `step ${index + 1} of ${steps.length}, ${name}`
    console.log(`\n${title}`)
    const started = performance.now()
    const exitCode = await run()
    if (exitCode !== 0) {
      console.error(`${title}: FAILED with exit code ${exitCode} after ${secondsSince(started)}`)
      return exitCode
    }
    console.log(`${title}: done in ${secondsSince(started)}`)
  }
  console.log(`\nall ${steps.length} steps passed in ${secondsSince(allStarted)}`)
  return 0
}

/** @param {number} started */
function secondsSince(started) {
  return `${((performance.now() - started) / 1000).toFixed(1)} s`
}

/**
 * Whether the tests that are to run include some of these projects.
 *
 * @param {string[]} names
 */
function isAnyChosen(names) {
  const projects = vitestParameters.flatMap((parameter, index) => {
    if (parameter.startsWith('--project=')) return [parameter.slice('--project='.length)]
    return parameter === '--project' ? [vitestParameters[index + 1] ?? ''] : []
  })
  return projects.length === 0 || projects.some((name) => names.includes(name))
}

function chooseBrowser() {
  return choose(async () => {
    environment.CHROME_PATH = (await findBrowser()).executablePath
  })
}

function chooseEngine() {
  return choose(async () => {
    environment.JSC_PATH = (await findEngine()).executablePath
  })
}

/** @param {() => Promise<void>} find */
async function choose(find) {
  try {
    await find()
    return 0
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    return 1
  }
}

function runBuild() {
  // npm sets the path of its program here. On Windows, npm cannot be started by its bare name.
  const npm = environment.npm_execpath
  return npm ? runProgram(process.execPath, [npm, 'run', 'build']) : runProgram('npm', ['run', 'build'])
}

/**
 * Starts an installed tool through Node.js, which works alike on every system without a shell.
 *
 * @param {string} packageName
 * @param {string} toolName
 * @param {string[]} parameters
 */
async function runTool(packageName, toolName, parameters) {
  const folder = path.join(root, 'node_modules', packageName)
  const manifest = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'))
  const entry = typeof manifest.bin === 'string' ? manifest.bin : manifest.bin[toolName]
  return runProgram(process.execPath, [path.join(folder, entry), ...parameters])
}

/**
 * @param {string} program
 * @param {string[]} parameters
 * @returns {Promise<number>}
 */
function runProgram(program, parameters) {
  return new Promise((resolve) => {
    const child = spawn(program, parameters, {
      cwd: root,
      env: environment,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    child.on('error', (error) => {
      console.error(error.message)
      resolve(1)
    })
    child.on('exit', (code) => resolve(code ?? 1))
  })
}
