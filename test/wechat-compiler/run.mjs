// @ts-check
// Compiles the demo and a minimal app with Tencent's own compiler (`node test/wechat-compiler/run.mjs`, after `npm run build`).
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { installCompiler } from './install-compiler.mjs'
import { judgeOutput } from './judge-output.mjs'
import { libraryFiles, minimalApp, separateApp } from './minimal-app.mjs'
import { plants } from './plants.mjs'
import { copyApp, installLibrary, packLibrary, writeApp } from './prepare-app.mjs'
import { runProgram } from './run-program.mjs'
import { nameVariant, settings, variants } from './settings.mjs'

const compileLimit = 5 * 60 * 1000

/**
 * @typedef {import('./prepare-app.mjs').PreparedApp} PreparedApp
 *
 * @typedef {import('./settings.mjs').Variant} Variant
 *
 * @typedef {{ app: PreparedApp, variant: Variant, files: string[] }} Compilation `files` must come out beside the app's own.
 *
 * @typedef {{ variant: Variant, problems: string[], seconds: number }} Verdict
 */

/**
 * @param {{ library: string, demo: string, log: (line: string) => void }} options
 * @returns {Promise<void>} Rejects with a text that names app, file and setting.
 */
export async function checkMiniProgram({ library, demo, log }) {
  // The compiler compares paths as texts, and a temporary folder may be reached through a link.
  const directory = await mkdtemp(path.join(await realpath(tmpdir()), 'lingpai-wechat-'))
  /** @type {string} */
  let compiler
  /** @type {string} */
  let tarball
  /** @type {PreparedApp} */
  let minimal

  /** @type {[string, () => Promise<void>][]} */
  const steps = [
    [
      'the compiler',
      async () => {
        compiler = await installCompiler(log)
      },
    ],
    [
      'pack the library',
      async () => {
        tarball = await packLibrary(library, directory)
      },
    ],
    [
      'minimal app: install and pack npm',
      async () => {
        const project = path.join(directory, 'minimal')
        await writeApp(minimalApp, project)
        minimal = await installLibrary(project, tarball)
        await packNpm(minimal)
      },
    ],
    ['minimal app: compile', async () => expectAccepted(minimal, [...libraryFiles, 'workers/token.js'])],
    ['faults planted in the minimal app are refused', async () => expectRefusals(minimal)],
    [
      'minimal app beside package.json, as docs/wechat.md sets it up: install, pack npm, compile',
      async () => {
        const project = path.join(directory, 'separate')
        await writeApp(separateApp(await readDocumentedLayout(library)), project)
        const app = await installLibrary(project, tarball)
        await packNpm(app)
        // The layout does not affect the language: one setting for each compiler is enough.
        const enhanced = variants.filter(({ setting }) => setting === settings.enhanced)
        await expectAccepted(app, [...libraryFiles, 'workers/token.js'], enhanced)
      },
    ],
    [
      'demo: install, pack npm, compile',
      async () => {
        const project = path.join(directory, 'demo')
        await copyApp(demo, project)
        const app = await installLibrary(project, tarball)
        await packNpm(app)
        await expectAccepted(app, [])
      },
    ],
  ]

  try {
    for (const [index, [name, run]] of steps.entries()) {
      const title = `step ${index + 1} of ${steps.length}, ${name}`
      log(title)
      const started = performance.now()
      await run()
      log(`${title}: done in ${((performance.now() - started) / 1000).toFixed(1)} s`)
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }

  /** @param {PreparedApp} app */
  async function packNpm(app) {
    // Twice: an owner repeats it after every update, when the earlier result exists.
    const { warnings } = await order({ packNpm: [app.project, app.project], tasks: [] })
    if (warnings.length > 0) throw new Error(`packNpm warns about ${app.project}:\n${warnings.join('\n')}`)
    const missing = libraryFiles.filter((file) => !existsSync(path.join(app.root, file)))
    if (missing.length > 0) throw new Error(`packNpm did not make ${missing.join(', ')} in ${app.root}`)
  }

  /**
   * @param {PreparedApp} app
   * @param {string[]} files
   * @param {Variant[]} tried
   */
  async function expectAccepted(app, files, tried = variants) {
    const verdicts = await compile(tried.map((variant) => ({ app, variant, files })))
    for (const { variant, problems, seconds } of verdicts)
      log(`  ${nameVariant(variant)}: ${problems.length === 0 ? 'ok' : 'FAILED'} in ${seconds.toFixed(1)} s`)
    const failed = verdicts.filter(({ problems }) => problems.length > 0)
    if (failed.length > 0) throw new Error(failed.map((verdict) => describe(app, verdict)).join('\n'))
  }

  /** Guards against a compiler that silently skips files. @param {PreparedApp} app */
  async function expectRefusals(app) {
    const remaining = plants.flatMap((plant) => plant.variants.map((variant) => ({ ...plant, variant })))
    const compileRemaining = async () => {
      for (let plant = remaining.shift(); plant; plant = remaining.shift()) {
        const project = await mkdtemp(path.join(directory, 'planted-'))
        await cp(app.project, project, { recursive: true })
        await writeApp(plant.files, project)
        const planted = { ...app, project, root: project }
        const [verdict] = await compile([{ app: planted, variant: plant.variant, files: [] }])
        const problems = verdict?.problems ?? []
        const place = `${plant.name} (${nameVariant(plant.variant)})`
        if (problems.length === 0) throw new Error(`the planted fault "${place}" was accepted`)
        if (!problems.some((problem) => problem.includes(plant.naming)))
          throw new Error(`the planted fault "${place}" was refused without ${plant.naming}:\n${problems.join('\n')}`)
        log(`  ${place}: refused`)
      }
    }
    await Promise.all([compileRemaining(), compileRemaining()])
  }

  /**
   * @param {Compilation[]} compilations
   * @returns {Promise<Verdict[]>}
   */
  async function compile(compilations) {
    const outputs = await mkdtemp(path.join(directory, 'output-'))
    const tasks = compilations.map(({ app, variant }, index) => {
      return { ...variant, project: app.project, output: path.join(outputs, String(index)) }
    })
    const { failures, seconds } = await order({ packNpm: [], tasks })
    /** @type {Verdict[]} */
    const verdicts = []
    for (const [index, { app, variant, files }] of compilations.entries()) {
      const failure = failures[index]
      // The compilations after a rejected one did not run.
      if (failure === undefined) break
      const output = path.join(outputs, String(index))
      const expectation = { files: [...app.files, ...files], workers: app.workers, es5: variant.setting.es6 }
      const problems = failure === null ? await judgeOutput(output, expectation) : [failure]
      verdicts.push({ variant, problems, seconds: seconds[index] ?? 0 })
    }
    return verdicts
  }

  /**
   * @param {import('./settings.mjs').Order} order
   * @returns {Promise<import('./settings.mjs').Outcome>}
   */
  async function order(order) {
    const working = await mkdtemp(path.join(directory, 'order-'))
    const [orderFile, outcomeFile] = [path.join(working, 'order.json'), path.join(working, 'outcome.json')]
    await writeFile(orderFile, JSON.stringify(order))
    const script = fileURLToPath(new URL('compile-app.mjs', import.meta.url))
    const run = { directory: working, timeLimit: compileLimit }
    const printed = await runProgram(process.execPath, [script, compiler, orderFile, outcomeFile], run)
    if (!existsSync(outcomeFile)) throw new Error(`the compiler ended without a verdict:\n${printed}`)
    return JSON.parse(await readFile(outcomeFile, 'utf8'))
  }
}

/**
 * The documented project.config.json for an app whose package.json is in another folder.
 *
 * @param {string} library
 */
async function readDocumentedLayout(library) {
  const page = await readFile(path.join(library, 'docs', 'wechat.md'), 'utf8')
  const block = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].find(([, code]) => code?.includes('miniprogramRoot'))
  if (!block?.[1]) throw new Error('docs/wechat.md shows no project.config.json')
  return JSON.parse(block[1])
}

/**
 * @param {PreparedApp} app
 * @param {Verdict} verdict
 */
function describe(app, { variant, problems }) {
  return `${path.basename(app.project)} app, ${nameVariant(variant)}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const library = fileURLToPath(new URL('../..', import.meta.url))
  const started = performance.now()
  try {
    await checkMiniProgram({ library, demo: path.join(library, 'demo', 'miniprogram'), log: console.log })
    console.log(`WeChat's compiler accepts everything, ${((performance.now() - started) / 1000).toFixed(1)} s in all`)
  } catch (error) {
    console.error(`FAILED: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  }
}
