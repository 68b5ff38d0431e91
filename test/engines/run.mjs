// @ts-check
// Runs the tests of tabs, lost workers and fallbacks in three engines, and installs missing engines
// (`node test/engines/run.mjs [--engine chromium|firefox|webkit]`, after `npm run build`).
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findPrograms } from './find-programs.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const all = /** @type {const} */ (['chromium', 'firefox', 'webkit'])

process.exitCode = await run().catch((error) => {
  console.error(`FAILED: ${error instanceof Error ? error.message : error}`)
  return 1
})

/** @returns {Promise<number>} */
async function run() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { engine: { type: 'string', multiple: true, default: [...all] } },
  })
  const engines = all.filter((name) => values.engine.includes(name))
  if (engines.length === 0) throw new Error(`--engine is one of ${all.join(', ')}.`)
  if (!existsSync(path.join(root, 'dist', 'index.js')))
    throw new Error('These tests are of the built package: npm run build')

  const started = performance.now()
  const environment = { ...process.env }
  for (const engine of engines) {
    console.log(`programs of ${engine}`)
    Object.assign(environment, await findPrograms(engine, console.log))
  }
  console.log(`programs found in ${secondsSince(started)}`)

  const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const config = path.join(root, 'test', 'engines', 'vitest.config.ts')
  const projects = engines.flatMap((engine) => ['--project', engine])
  // Verbose, so that the skipped tests are visible.
  const parameters = [vitest, 'run', '--config', config, '--reporter', 'verbose', ...projects, ...positionals]
  const exitCode = await runProgram(process.execPath, parameters, environment)
  console.log(
    `engines: ${exitCode === 0 ? 'passed' : 'FAILED'} in ${engines.join(', ')}, ${secondsSince(started)} in all`,
  )
  return exitCode
}

/**
 * @param {string} program
 * @param {string[]} parameters
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Promise<number>}
 */
function runProgram(program, parameters, environment) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { cwd: root, env: environment, stdio: ['ignore', 'inherit', 'inherit'] })
    child.on('error', reject)
    child.on('exit', (code) => resolve(code ?? 1))
  })
}

/** @param {number} started */
function secondsSince(started) {
  return `${((performance.now() - started) / 1000).toFixed(1)} s`
}
