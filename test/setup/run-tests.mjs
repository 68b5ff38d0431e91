// @ts-check
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { findBrowser } from './find-browser.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const projectsWithoutBrowser = ['node', 'page', 'wechat']
const vitestParameters = process.argv.slice(2)

/** @type {NodeJS.ProcessEnv & { CHROME_PATH?: string, npm_execpath?: string }} */
const environment = { ...process.env }

/** @type {{ name: string, run: () => Promise<number> }[]} */
const steps = [
  { name: 'format and lint', run: () => runTool('@biomejs/biome', 'biome', ['check', '.']) },
  { name: 'types', run: () => runTool('typescript', 'tsc', ['-b']) },
  { name: 'build', run: runBuild },
  { name: 'package contents', run: () => runTool('publint', 'publint', ['run', '--strict']) },
]
if (needsBrowser(vitestParameters)) steps.push({ name: 'browser', run: chooseBrowser })
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

/** @param {string[]} parameters */
function needsBrowser(parameters) {
  const projects = parameters.flatMap((parameter, index) => {
    if (parameter.startsWith('--project=')) return [parameter.slice('--project='.length)]
    return parameter === '--project' ? [parameters[index + 1] ?? ''] : []
  })
  return projects.length === 0 || projects.some((name) => !projectsWithoutBrowser.includes(name))
}

async function chooseBrowser() {
  try {
    const { executablePath } = await findBrowser()
    environment.CHROME_PATH = executablePath
    return 0
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    return 1
  }
}

function runBuild() {
  // npm names its own program here; starting npm by its bare name does not work on Windows.
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
