#!/usr/bin/env node
// @ts-check
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { parseArgs } from 'node:util'
import { isSameText, readStamp, stamp } from './stamp.mjs'

const usage = `Usage: lingpai init <folder> [--wechat | --web] [--force]

Copies lingpai's worker library to where no bundler brings it.

  In a WeChat mini program, <folder> is the one that app.json names as "workers"; it gets lingpai.js.
  In a static site, it is any folder that the site serves; it gets lingpai-worker.js.

Options:
  --wechat   for a mini program, also where no app.json is found
  --web      for a static site, also inside of a mini program
  --force    write over a file that was changed by hand
  --help     show this text
  --version  show the version
`

/** An error that the user can fix. It is printed without a stack. */
class UsageError extends Error {}

/**
 * @typedef {{ folder: string, workers: unknown }} MiniProgram
 * @typedef {{ path: string, text: string, note: string }} Output
 */

try {
  run(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(`lingpai: ${error.message}`)
  process.exitCode = 1
}

/** @param {string[]} given */
function run(given) {
  const { values, positionals } = readArguments(given)
  if (values.help) return console.log(usage)
  if (values.version) return console.log(readVersion())
  const [command, folder, ...rest] = positionals
  if (command !== 'init') {
    throw new UsageError(`${command === undefined ? 'No command' : `Unknown command "${command}"`}.\n\n${usage}`)
  }
  if (folder === undefined || folder === '') throw new UsageError(`init needs a folder.\n\n${usage}`)
  if (rest.length > 0) throw new UsageError(`init takes one folder, not also "${rest.join(' ')}".\n\n${usage}`)
  if (values.web && values.wechat) throw new UsageError('Choose --web or --wechat, not both.')
  initialize(resolve(folder), values)
}

/** @param {string[]} given */
function readArguments(given) {
  try {
    return parseArgs({
      args: given,
      allowPositionals: true,
      options: {
        force: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
        web: { type: 'boolean' },
        wechat: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n\n${usage}`)
  }
}

/**
 * @param {string} folder
 * @param {{ force?: boolean | undefined, web?: boolean | undefined, wechat?: boolean | undefined }} options
 */
function initialize(folder, { force = false, web = false, wechat = false }) {
  requireFolder(folder)
  const miniProgram = web ? undefined : findMiniProgram(folder, wechat)
  if (!web && !wechat && miniProgram === undefined) requireStaticSite(folder)
  const isMiniProgram = wechat || miniProgram !== undefined
  if (miniProgram?.folder === folder) {
    throw new UsageError(
      `${show(folder)} holds app.json itself. Choose a folder in it, such as ${show(join(folder, 'workers'))}.`,
    )
  }
  const outputs = isMiniProgram ? miniProgramFiles(folder) : webFiles(folder)
  const plans = outputs.map((output) => ({ ...output, ...plan(output, force) }))
  mkdirSync(folder, { recursive: true })
  for (const { path, text, isWritten, result } of plans) {
    if (isWritten) writeFileSync(path, text)
    console.log(`${show(path)}: ${result}`)
  }
  console.log(isMiniProgram ? miniProgramSteps(folder, miniProgram) : webSteps(folder))
}

/** @param {string} folder */
function requireFolder(folder) {
  for (let path = folder; ; path = dirname(path)) {
    if (existsSync(path)) {
      if (statSync(path).isDirectory()) return
      throw new UsageError(`${show(path)} is a file, not a folder.`)
    }
  }
}

/**
 * The mini program that contains the folder. Other tools also have an app.json, but only a mini program's lists pages.
 *
 * @param {string} start
 * @param {boolean} isCertain
 * @returns {MiniProgram | undefined}
 */
function findMiniProgram(start, isCertain) {
  for (const folder of selfAndParents(start)) {
    const path = join(folder, 'app.json')
    if (!existsSync(path)) continue
    /** @type {unknown} */
    let content
    try {
      content = JSON.parse(readFileSync(path, 'utf8'))
    } catch {
      if (isCertain) return undefined
      throw new UsageError(`${show(path)} is not valid JSON. Put it right, or choose --wechat or --web.`)
    }
    if (typeof content === 'object' && content !== null && 'pages' in content && Array.isArray(content.pages))
      return { folder, workers: 'workers' in content ? content.workers : undefined }
  }
  return undefined
}

/**
 * A mini program project whose app.json is elsewhere or missing. The browser library is useless there.
 *
 * @param {string} folder
 */
function requireStaticSite(folder) {
  const project = [...selfAndParents(folder)].find((parent) => existsSync(join(parent, 'project.config.json')))
  if (project === undefined) return
  throw new UsageError(
    `No app.json of a mini program is above ${show(folder)}, but ${show(join(project, 'project.config.json'))} is. ` +
      'Choose a folder beside app.json, such as miniprogram/workers; or choose --wechat or --web.',
  )
}

/** @param {string} start */
function* selfAndParents(start) {
  for (let folder = start; ; folder = dirname(folder)) {
    yield folder
    if (dirname(folder) === folder) return
  }
}

/** @param {string} folder @returns {Output[]} */
function miniProgramFiles(folder) {
  const outputs = [{ path: join(folder, 'lingpai.js'), text: readBuilt('miniprogram/worker.js'), note: '' }]
  if (hasTypeScript(folder)) {
    const text = stamp(`export * from 'lingpai/wechat/worker'\n`, readVersion())
    outputs.push({ path: join(folder, 'lingpai.d.ts'), text, note: ', since there is a tsconfig.json' })
  }
  return outputs
}

/** @param {string} folder @returns {Output[]} */
function webFiles(folder) {
  return [{ path: join(folder, 'lingpai-worker.js'), text: readBuilt('standalone/lingpai-worker.js'), note: '' }]
}

/** A tsconfig.json beside or above the folder, within its project. @param {string} start */
function hasTypeScript(start) {
  for (const folder of selfAndParents(start)) {
    const has = (/** @type {string} */ name) => existsSync(join(folder, name))
    if (has('tsconfig.json')) return true
    if (has('project.config.json') || has('package.json') || has('.git')) return false
  }
  return false
}

/**
 * The action for a file. It is decided for all files before the first write.
 *
 * @param {Output} output
 * @param {boolean} force
 */
function plan({ path, text, note }, force) {
  if (!existsSync(path)) return { isWritten: true, result: `written, version ${readVersion()}${note}` }
  if (!statSync(path).isFile()) throw new UsageError(`${show(path)} is not a file. Nothing was written.`)
  const present = readFileSync(path, 'utf8')
  if (isSameText(present, text)) return { isWritten: false, result: `up to date, version ${readVersion()}` }
  const found = readStamp(present)
  if (found?.isUnchanged) {
    return { isWritten: true, result: `replaced version ${found.version} with version ${readVersion()}` }
  }
  if (force) return { isWritten: true, result: `written over, version ${readVersion()}` }
  throw new UsageError(
    `${show(path)} ${found ? `was changed since "lingpai init" wrote it (version ${found.version})` : 'was not written by "lingpai init"'}. ` +
      'Nothing was written. Move it away, or use --force to write over it.',
  )
}

/**
 * @param {string} folder
 * @param {MiniProgram | undefined} miniProgram
 */
function miniProgramSteps(folder, miniProgram) {
  const root = miniProgram?.folder ?? dirname(folder)
  const path = slashed(relative(root, folder))
  const steps = workersSteps(path, miniProgram)
  steps.push(`Say in ${path}/token.js where tokens come from and where they may go:

     const { serve, envelope, envelopeGrant, header, wechatStore } = require('./lingpai.js')
     serve({ grant: envelopeGrant({ ... }), apis: [{ origin: 'https://api.example.com', ... }], store: wechatStore() })`)
  steps.push(`Connect to it in app.js:

     const { connect } = require('lingpai/wechat')
     App({ session: connect({ wechat: { worker: '${path}/token.js' } }) })

     Before that, let WeChat DevTools build npm: 工具 → 构建 npm.`)
  return describeSteps(steps, 'wechat.md#set-up')
}

/**
 * @param {string} path
 * @param {MiniProgram | undefined} miniProgram
 */
function workersSteps(path, miniProgram) {
  const line = `"workers": "${path}"`
  const workers = miniProgram?.workers
  const named = typeof workers === 'object' && workers !== null && 'path' in workers ? workers.path : workers
  if (typeof named !== 'string') return [`Add this line to app.json:\n\n     ${line},`]
  const trimmed = named.replace(/^\.?\/+|\/+$/g, '')
  if (path === trimmed || path.startsWith(`${trimmed}/`)) return []
  return [
    `app.json has its workers in "${named}", and a worker can require nothing from outside of it. Run "lingpai init" again with that folder, or change app.json to:\n\n     ${line},`,
  ]
}

/** @param {string} folder */
function webSteps(folder) {
  return describeSteps(
    [
      `Say in ${show(join(folder, 'token.worker.js'))} where tokens come from and where they may go:

     import { serve, oauth, indexedDBStore } from './lingpai-worker.js'
     serve({
       grant: oauth({ issuer: 'https://id.example.com', clientId: 'web' }),
       apis: [{ origin: 'https://api.example.com' }],
       store: indexedDBStore(),
     })`,
    ],
    'guide.md#the-two-files',
  )
}

/**
 * @param {string[]} steps
 * @param {string} page
 */
function describeSteps(steps, page) {
  const numbered = steps.map((step, index) => `  ${index + 1}. ${step}\n`)
  return `\nNext:\n${numbered.join('')}\nMore: lingpai/docs/${page}`
}

/** @param {string} name */
function readBuilt(name) {
  return readFileSync(new URL(`../dist/${name}`, import.meta.url), 'utf8')
}

/** @returns {string} */
function readVersion() {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
}

/** A path as it is best read: from where the command was run. @param {string} path */
function show(path) {
  return slashed(relative(process.cwd(), path)) || '.'
}

/** @param {string} path */
function slashed(path) {
  return path.split(sep).join('/')
}
