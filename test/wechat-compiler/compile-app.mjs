// @ts-check
// Runs in a process of its own: the compiler keeps workers and timers alive, prints much, and writes into its working folder.
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'

/** @type {[string, string, string]} */
const [compilerDirectory, orderFile, outcomeFile] = /** @type {any} */ (process.argv.slice(2))
const load = createRequire(path.join(compilerDirectory, 'package.json'))
const miniprogramCi = load('miniprogram-ci')

/** @type {import('./settings.mjs').Order} */
const order = JSON.parse(await readFile(orderFile, 'utf8'))

// An upload signs with the key; to compile, a key must only exist.
const privateKey = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
}).privateKey

// Otherwise the compiler asks Tencent's server: the verdict must not depend on the network.
const fileTypes = load('miniprogram-ci/dist/utils/white_ext_list')
fileTypes.getWhiteExtList = async () => ({
  MiniProgramWhiteList: new Set(fileTypes.MiniProgramWhiteList),
  GameWhiteList: new Set(fileTypes.GameWhiteList),
})

// Minifying parses wxml and wxss, which nothing else here does; the rest is what owners choose for an upload.
const asUploaded = { minified: true, minifyWXML: true, minifyWXSS: true, postcss: true, ignoreUploadUnusedFiles: true }

// The classic compiler cannot minify outside of DevTools: it fails with a TypeError.
const notMinified = { minified: false, minifyWXML: false, minifyWXSS: false }

/** @type {import('./settings.mjs').Outcome} */
const outcome = { warnings: [], failures: [], seconds: [] }
for (const project of order.packNpm) outcome.warnings.push(...(await packNpm(project)))
for (const task of order.tasks) {
  const started = performance.now()
  try {
    await writeOutput(task.output, await compile(task))
    outcome.failures.push(null)
  } catch (error) {
    outcome.failures.push(describe(error))
    outcome.seconds.push((performance.now() - started) / 1000)
    // After a rejection, the compiler's worker pool is still busy.
    break
  }
  outcome.seconds.push((performance.now() - started) / 1000)
}
await writeFile(outcomeFile, JSON.stringify(outcome))
process.exit()

/** @param {string} projectPath */
function createProject(projectPath) {
  const project = new miniprogramCi.Project({
    appid: 'touristappid',
    type: 'miniProgram',
    projectPath,
    privateKey,
    ignores: ['node_modules/**/*', '**/node_modules/**/*'],
  })
  project.attr = async () => miniprogramCi.DefaultProjectAttr
  return project
}

/**
 * Like DevTools: uses the project's list of folders if it has one.
 *
 * @param {string} project
 * @returns {Promise<string[]>}
 */
async function packNpm(project) {
  const { setting = {} } = JSON.parse(await readFile(path.join(project, 'project.config.json'), 'utf8'))
  /** @type {{ jsPath?: string, msg: string }[]} */
  const warnings = []
  if (setting.packNpmManually) {
    for (const { packageJsonPath, miniprogramNpmDistDir } of setting.packNpmRelationList) {
      const { warnList } = await miniprogramCi.packNpmManually({
        packageJsonPath: path.join(project, packageJsonPath),
        miniprogramNpmDistDir: path.join(project, miniprogramNpmDistDir),
      })
      warnings.push(...warnList)
    }
  } else {
    warnings.push(...(await miniprogramCi.packNpm(createProject(project), { reporter: () => {} })))
  }
  return warnings.map(({ jsPath, msg }) => `${jsPath ?? ''}: ${msg}`)
}

/**
 * @param {import('./settings.mjs').Task} task
 * @returns {Promise<{ [file: string]: string | Buffer }>}
 */
async function compile({ compiler, project: projectPath, setting: { es6, enhance } }) {
  const configFile = path.join(projectPath, 'project.config.json')
  const config = JSON.parse(await readFile(configFile, 'utf8'))
  const setting = { ...config.setting, es6, enhance, ...(compiler === 'upload' ? asUploaded : notMinified) }
  // The upload compiler reads the settings from the project only: its parameters cannot set `es6` and `enhance` apart.
  await writeFile(configFile, JSON.stringify({ ...config, setting }))
  miniprogramCi.cleanCache()
  const project = createProject(projectPath)
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

/** Some of the compiler's errors omit the file. @param {any} error */
function describe(error) {
  const text = error?.message ?? String(error)
  return error?.path && !text.includes(error.path) ? `${error.path}: ${text}` : text
}
