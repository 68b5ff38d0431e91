import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readStamp, stamp } from '../../bin/stamp.mjs'

// These tests run the real program on the output of `npm run build`; `npm test` runs it first.
const root = fileURLToPath(new URL('../..', import.meta.url))
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const workerLibrary = readFileSync(join(root, 'dist/miniprogram/worker.js'), 'utf8')
const webLibrary = readFileSync(join(root, 'dist/standalone/lingpai-worker.js'), 'utf8')

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lingpai-cli-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function lingpai(...parameters: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'bin/lingpai.mjs'), ...parameters], {
    cwd: folder,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

function write(path: string, content: string | object): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content))
}

const read = (path: string) => readFileSync(join(folder, path), 'utf8')
const list = () =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .sort()

/** A file as an older version would have written it. */
const older = stamp('exports.serve = function () {}\n', '0.0.1')

it('copies the worker library into the folder that app.json names, and suggests no change to app.json', () => {
  write('app.json', { pages: ['pages/index'], workers: 'workers' })
  const { status, stdout } = lingpai('init', 'workers')
  expect(status).toBe(0)
  expect(read('workers/lingpai.js')).toBe(workerLibrary)
  expect(list()).toEqual(['app.json', 'workers', 'workers/lingpai.js'])
  expect(stdout).toContain(`workers/lingpai.js: written, version ${version}`)
  expect(stdout).toContain('workers/token.js')
  expect(stdout).not.toContain('"workers":')
})

it('shows the line to add if app.json has no workers, and does not write to it', () => {
  write('mini/app.json', { pages: [] })
  const before = read('mini/app.json')
  const { status, stdout } = lingpai('init', 'mini/threads/tokens')
  expect(status).toBe(0)
  expect(stdout).toContain('"workers": "threads/tokens",')
  expect(stdout).toContain(`worker: 'threads/tokens/token.js'`)
  expect(read('mini/app.json')).toBe(before)
})

it.each(['other', { path: 'other', isSubpackage: true }])(
  'shows the line to change if app.json names another folder: %j',
  (workers) => {
    write('app.json', { pages: [], workers })
    expect(lingpai('init', 'workers').stdout).toMatch(
      /app\.json has its workers in "other"[\s\S]*"workers": "workers",/,
    )
  },
)

it.each(['workers', './workers/', { path: 'workers', isSubpackage: false }])(
  'accepts a folder inside the one that app.json names: %j',
  (workers) => {
    write('app.json', { pages: [], workers })
    expect(lingpai('init', 'workers/session').stdout).not.toContain('"workers":')
    expect(read('workers/session/lingpai.js')).toBe(workerLibrary)
  },
)

it('adds types if the mini program has a tsconfig.json', () => {
  write('tsconfig.json', {})
  write('project.config.json', {})
  write('miniprogram/app.json', { pages: [], workers: 'workers' })
  lingpai('init', 'miniprogram/workers')
  expect(read('miniprogram/workers/lingpai.d.ts')).toContain(`export * from 'lingpai/wechat/worker'`)
  expect(readStamp(read('miniprogram/workers/lingpai.d.ts'))).toEqual({ version, isUnchanged: true })
})

it('adds no types if only another project has a tsconfig.json', () => {
  write('tsconfig.json', {})
  write('app/project.config.json', {})
  write('app/app.json', { pages: [] })
  lingpai('init', 'app/workers')
  expect(existsSync(join(folder, 'app/workers/lingpai.d.ts'))).toBe(false)
})

it('copies the browser worker library if there is no mini program', () => {
  const { status, stdout } = lingpai('init', 'public')
  expect(status).toBe(0)
  expect(list()).toEqual(['public', 'public/lingpai-worker.js'])
  expect(read('public/lingpai-worker.js')).toBe(webLibrary)
  expect(stdout).toContain(`from './lingpai-worker.js'`)
})

it('writes nothing if the project is a mini program with its app.json in another folder', () => {
  write('project.config.json', { miniprogramRoot: 'miniprogram/' })
  write('miniprogram/app.json', { pages: [] })
  const { status, stderr } = lingpai('init', 'workers')
  expect(status).toBe(1)
  expect(stderr).toContain('No app.json of a mini program is above workers')
  expect(stderr).toContain('--wechat')
  expect(existsSync(join(folder, 'workers'))).toBe(false)
})

it('refers to a heading of a document in the package', () => {
  write('app.json', { pages: [] })
  for (const target of [['workers'], ['public', '--web']]) {
    const [, path = '', heading = ''] = /More: lingpai\/(\S+)#(\S+)/.exec(lingpai('init', ...target).stdout) ?? []
    const headings = readFileSync(join(root, path), 'utf8').match(/^## .+$/gm) ?? []
    expect(headings.map((text) => text.slice(3).toLowerCase().replaceAll(' ', '-'))).toContain(heading)
  }
})

it("ignores another tool's app.json", () => {
  write('app.json', { expo: { name: 'app' } })
  lingpai('init', 'public')
  expect(list()).toContain('public/lingpai-worker.js')
})

it('--web and --wechat have priority over app.json', () => {
  write('mini/app.json', { pages: [] })
  expect(lingpai('init', 'mini/public', '--web').status).toBe(0)
  expect(lingpai('init', 'workers', '--wechat').stdout).toContain('"workers": "workers",')
  expect(list().filter((path) => path.endsWith('.js'))).toEqual(['mini/public/lingpai-worker.js', 'workers/lingpai.js'])
})

it('copies a browser library that is one module with all exports that a worker file needs', async () => {
  lingpai('init', 'public')
  write('package.json', { type: 'module' })
  const script = `import(${JSON.stringify(pathToFileURL(join(folder, 'public/lingpai-worker.js')).href)}).then((library) => console.log(Object.keys(library).join()))`
  const names = execFileSync(process.execPath, ['-e', script], { cwd: folder, encoding: 'utf8' }).trim().split(',')
  expect(names).toEqual(
    expect.arrayContaining([
      'serve',
      'indexedDBStore',
      'memoryStore',
      'oauth',
      'envelope',
      'envelopeGrant',
      'sortedParams',
      'header',
    ]),
  )
  expect(read('public/lingpai-worker.js')).not.toMatch(/^(import|export)\b.*\bfrom\b/m)
})

it('reports that the file is up to date, even if Git has changed its line endings', () => {
  lingpai('init', 'workers', '--wechat')
  expect(lingpai('init', 'workers', '--wechat').stdout).toContain(`workers/lingpai.js: up to date, version ${version}`)
  const changed = workerLibrary.replaceAll('\n', '\r\n')
  write('workers/lingpai.js', changed)
  expect(lingpai('init', 'workers', '--wechat').stdout).toContain('up to date')
  expect(read('workers/lingpai.js')).toBe(changed)
})

it.each([
  ['as it was written', older],
  ['with Windows line endings', older.replaceAll('\n', '\r\n')],
])('replaces the file of another version, %s', (_case, text) => {
  write('workers/lingpai.js', text)
  const { status, stdout } = lingpai('init', 'workers', '--wechat')
  expect(status).toBe(0)
  expect(stdout).toContain(`replaced version 0.0.1 with version ${version}`)
  expect(read('workers/lingpai.js')).toBe(workerLibrary)
})

it.each([
  ['was changed by hand', `${older}exports.mine = 1\n`, 'was changed since "lingpai init" wrote it (version 0.0.1)'],
  ['is not from lingpai', 'module.exports = {}\n', 'was not written by "lingpai init"'],
  ['is empty', '', 'was not written by "lingpai init"'],
])('overwrites a file that %s only with --force', (_case, text, why) => {
  write('workers/lingpai.js', text)
  const refused = lingpai('init', 'workers', '--wechat')
  expect(refused.status).toBe(1)
  expect(refused.stderr).toContain(why)
  expect(refused.stderr).toContain('--force')
  expect(read('workers/lingpai.js')).toBe(text)
  expect(lingpai('init', 'workers', '--wechat', '--force').status).toBe(0)
  expect(read('workers/lingpai.js')).toBe(workerLibrary)
})

it('writes nothing when one of two files is refused', () => {
  write('tsconfig.json', {})
  write('workers/lingpai.d.ts', 'export {}\n')
  expect(lingpai('init', 'workers', '--wechat').status).toBe(1)
  expect(list()).toEqual(['tsconfig.json', 'workers', 'workers/lingpai.d.ts'])
})

it.each([
  ['no command', [], 'No command'],
  ['an unknown command', ['copy', 'workers'], 'Unknown command "copy"'],
  ['no folder', ['init'], 'init needs a folder'],
  ['an empty folder', ['init', ''], 'init needs a folder'],
  ['two folders', ['init', 'one', 'two'], 'init takes one folder'],
  ['an unknown option', ['init', 'workers', '--forced'], '--forced'],
  ['both kinds', ['init', 'workers', '--web', '--wechat'], 'Choose --web or --wechat, not both'],
  ['a file for a folder', ['init', 'app.js'], 'app.js is a file, not a folder'],
  ['a folder in a file', ['init', 'app.js/workers'], 'app.js is a file, not a folder'],
  ['a folder with the name of the library file', ['init', 'taken', '--wechat'], 'taken/lingpai.js is not a file'],
  ['the folder of app.json itself', ['init', 'mini'], 'mini holds app.json itself'],
  ['an app.json that is not JSON', ['init', 'broken/workers'], 'broken/app.json is not valid JSON'],
])('rejects %s with one clear message, and writes nothing', (_case, parameters, message) => {
  write('app.js', '')
  write('mini/app.json', { pages: [] })
  write('broken/app.json', '{')
  mkdirSync(join(folder, 'taken/lingpai.js'), { recursive: true })
  const before = list()
  const { status, stdout, stderr } = lingpai(...parameters)
  expect(status).toBe(1)
  expect(stderr).toContain(message)
  expect(stderr).not.toMatch(/^\s+at /m)
  expect(stdout).toBe('')
  expect(list()).toEqual(before)
})

it('prints its help and its version', () => {
  expect(lingpai('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('lingpai init <folder>') })
  expect(lingpai('--version')).toMatchObject({ status: 0, stdout: `${version}\n` })
})

it('runs from the packed package, which contains the files that it copies', () => {
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [{ filename }] = JSON.parse(packed)
  execFileSync('tar', ['xzf', filename], { cwd: folder })
  const manifest = JSON.parse(read('package/package.json'))
  expect(manifest).toMatchObject({ bin: { lingpai: 'bin/lingpai.mjs' }, miniprogram: 'dist/miniprogram' })
  expect(manifest.dependencies).toBeUndefined()
  expect(Object.keys(manifest.scripts).filter((name) => /install|prepare|pack|publish/.test(name))).toEqual([])
  for (const name of ['index.js', 'wechat.js', 'worker.js', 'inline.js', 'envelope.js'])
    expect(existsSync(join(folder, 'package/dist/miniprogram', name)), name).toBe(true)
  execFileSync(process.execPath, [join(folder, 'package/bin/lingpai.mjs'), 'init', 'workers', '--wechat'], {
    cwd: folder,
  })
  expect(read('workers/lingpai.js')).toBe(workerLibrary)
})
