// @ts-check
// Runs in a process of its own: the compiler keeps workers and timers alive, prints much, and writes into its working folder.
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'

/** @type {[string, string, string]} */
const [compilerDirectory, orderFile, outcomeFile] = /** @type {any} */ (process.argv.slice(2))
const require = createRequire(path.join(compilerDirectory, 'package.json'))
const miniprogramCi = require('miniprogram-ci')

/** @type {import('./settings.mjs').Order} */
const order = JSON.parse(await readFile(orderFile, 'utf8'))
const configFile = path.join(order.project, 'project.config.json')
/** @type {{ setting?: object, [name: string]: unknown }} */
const config = JSON.parse(await readFile(configFile, 'utf8'))

// Uploading signs with the key; compiling only insists that there is one.
const privateKey = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
}).privateKey

// Asked of Tencent's server otherwise: the verdict must not depend on the network.
const fileTypes = require('miniprogram-ci/dist/utils/white_ext_list')
fileTypes.getWhiteExtList = async () => ({
  MiniProgramWhiteList: new Set(fileTypes.MiniProgramWhiteList),
  GameWhiteList: new Set(fileTypes.GameWhiteList),
})

/** @type {import('./settings.mjs').Outcome} */
const outcome = { warnings: [], failures: [], seconds: [] }
if (order.packNpm) outcome.warnings = await packNpm()
for (const task of order.tasks) {
  const started = performance.now()
  try {
    await writeOutput(task.output, await compile(task))
    outcome.failures.push(null)
  } catch (error) {
    outcome.failures.push(error instanceof Error ? error.message : String(error))
  }
  outcome.seconds.push((performance.now() - started) / 1000)
}
await writeFile(outcomeFile, JSON.stringify(outcome))
process.exit()

function createProject() {
  const project = new miniprogramCi.Project({
    appid: 'touristappid',
    type: 'miniProgram',
    projectPath: order.project,
    privateKey,
    ignores: ['node_modules/**/*', '**/node_modules/**/*'],
  })
  project.attr = async () => miniprogramCi.DefaultProjectAttr
  return project
}

/** @returns {Promise<string[]>} */
async function packNpm() {
  /** @type {{ jsPath?: string, msg: string }[]} */
  const warnings = await miniprogramCi.packNpm(createProject(), { reporter: () => {} })
  return warnings.map(({ jsPath, msg }) => `${jsPath ?? ''}: ${msg}`)
}

/**
 * @param {import('./settings.mjs').Task} task
 * @returns {Promise<{ [file: string]: string | Buffer }>}
 */
async function compile({ compiler, setting: { es6, enhance } }) {
  const setting = { ...config.setting, es6, enhance, minified: compiler === 'upload' }
  // The upload compiler reads the settings from the project only: its parameters cannot set `es6` and `enhance` apart.
  await writeFile(configFile, JSON.stringify({ ...config, setting: { ...setting, ignoreUploadUnusedFiles: true } }))
  miniprogramCi.cleanCache()
  const project = createProject()
  return compiler === 'classic'
    ? await miniprogramCi.compile(project, { setting })
    : await miniprogramCi.getCompiledResult({ project, setting: { useProjectConfig: true } })
}

/**
 * @param {string} directory
 * @param {{ [file: string]: string | Buffer }} files
 */
async function writeOutput(directory, files) {
  for (const [file, content] of Object.entries(files)) {
    const target = path.join(directory, file)
    await mkdir(path.dirname(target), { recursive: true })
    await writeFile(target, content)
  }
}
