// @ts-check
import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { parse } from 'acorn'

// Only Tencent's server checks it. https://developers.weixin.qq.com/miniprogram/dev/framework/subpackages.html
const packageLimit = 2 * 1024 * 1024

/**
 * @typedef {object} Expectation
 * @property {string[]} files Files that the compiled app must have, from its root.
 * @property {string} workers The app's workers folder, from its root.
 * @property {boolean} es5 Whether every file must be ES5, not only the library's.
 */

/**
 * Reads the compiler's output and lists everything that would fail on a phone. The compiler itself checks one file at a time:
 * it does not follow `require`, and does not notice undefined globals.
 *
 * @param {string} output
 * @param {Expectation} expectation
 * @returns {Promise<string[]>} Each names its file.
 */
export async function judgeOutput(output, { files, workers, es5 }) {
  /** @type {string[]} */
  const problems = []
  for (const file of files)
    if (!existsSync(path.join(output, file))) problems.push(`${file} is not in the compiled app`)

  const present = new Set(await listFiles(output))
  let size = 0
  for (const file of present) {
    if (!file.endsWith('.map')) size += (await stat(path.join(output, file))).size
    if (!file.endsWith('.js')) continue
    const code = await readFile(path.join(output, file), 'utf8')
    problems.push(...judgeScript({ file, code, present, workers, es5: es5 || isLibraryFile(file, workers) }))
  }
  if (size > packageLimit) problems.push(`the compiled app has ${size} bytes; WeChat takes ${packageLimit}`)
  return problems
}

/** @param {string} directory */
async function listFiles(directory) {
  if (!existsSync(directory)) return []
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
}

/**
 * @param {string} file
 * @param {string} workers
 */
function isLibraryFile(file, workers) {
  return file.startsWith('miniprogram_npm/lingpai/') || file === `${workers}/lingpai.js`
}

/**
 * @param {{ file: string, code: string, present: Set<string>, workers: string, es5: boolean }} script
 * @returns {string[]}
 */
function judgeScript({ file, code, present, workers, es5 }) {
  let program
  try {
    program = parse(code, { ecmaVersion: es5 ? 5 : 'latest', sourceType: 'script' })
  } catch (error) {
    return [`${file} is not ${es5 ? 'ES5' : 'a script'}: ${error instanceof Error ? error.message : error}`]
  }
  /** @type {string[]} */
  const problems = []
  const { requests, names } = readReferences(program)
  if (names.has('regeneratorRuntime'))
    problems.push(`${file} uses the global regeneratorRuntime, which mini programs do not have`)
  for (const request of requests) {
    const found = candidatesFor(file, request).find((candidate) => present.has(candidate))
    if (!found) problems.push(`${file} requires '${request}', which is not in the compiled app`)
    else if (isInside(workers, file) !== isInside(workers, found))
      problems.push(`${file} requires '${request}' across the border of ${workers}/, which mini programs forbid`)
  }
  return problems
}

/**
 * @param {string} directory
 * @param {string} file
 */
function isInside(directory, file) {
  return file.startsWith(`${directory}/`)
}

/**
 * Files that `require(request)` may mean: beside the requiring file, else in the nearest miniprogram_npm.
 *
 * @param {string} file
 * @param {string} request
 */
function candidatesFor(file, request) {
  let directory = path.posix.dirname(file)
  const bases = [request.startsWith('/') ? request.slice(1) : path.posix.join(directory, request)]
  if (!/^[./]/.test(request))
    for (;;) {
      bases.push(path.posix.join(directory, 'miniprogram_npm', request))
      if (directory === '.') break
      directory = path.posix.dirname(directory)
    }
  return bases.flatMap((base) => [base, `${base}.js`, `${base}/index.js`])
}

/**
 * @param {object} program
 * @returns {{ requests: Set<string>, names: Set<string> }} Literal arguments of `require`, and every free-standing name.
 */
function readReferences(program) {
  /** @type {Set<string>} */
  const requests = new Set()
  /** @type {Set<string>} */
  const names = new Set()

  /** @param {any} node */
  const visit = (node) => {
    if (Array.isArray(node)) return node.forEach(visit)
    if (typeof node?.type !== 'string') return
    if (node.type === 'Identifier') names.add(node.name)
    if (node.type === 'CallExpression' && node.callee.name === 'require' && node.arguments[0]?.type === 'Literal')
      requests.add(node.arguments[0].value)
    for (const [key, child] of Object.entries(node)) {
      const isOnlyALabel =
        (node.type === 'MemberExpression' && key === 'property' && !node.computed) ||
        (node.type === 'Property' && key === 'key' && !node.computed && !node.shorthand)
      if (!isOnlyALabel && typeof child === 'object') visit(child)
    }
  }
  visit(program)
  return { requests, names }
}
