import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { measureSizes } from '../setup/measure-size.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const manifest = JSON.parse(read('package.json'))
const built = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })

// These tests read the output of `npm run build`; `npm test` runs it first.

it('has no dependencies: the build bundles them, and no file that an app reaches imports a package', () => {
  expect(manifest.dependencies).toBeUndefined()
  expect(manifest.peerDependencies).toBeUndefined()
  const imported: string[] = []
  const reached = new Set(built.filter((path) => path.endsWith('.js')))
  for (const entry of Object.values(manifest.exports as Record<string, string | { readonly types: string }>))
    if (typeof entry !== 'string') reached.add(entry.types.replace('./dist/', ''))
  for (const path of reached) {
    for (const [, name = ''] of read(join('dist', path)).matchAll(
      /^(?:import|export)[^'"]*?from\s*['"]([^'"]+)['"]/gm,
    )) {
      imported.push(`${path}: ${name}`)
      // Declarations import each other by the names of their sources.
      if (path.endsWith('.d.ts') && name.startsWith('.'))
        reached.add(join(dirname(path), name).replace(/(?<!\.d)\.ts$/, '.d.ts'))
    }
  }
  expect(reached.size).toBeGreaterThan(40)
  expect(imported.filter((line) => !/: \.\.?\//.test(line))).toEqual([])
})

it('has a file for every path of its exports', () => {
  const paths = Object.values(manifest.exports as Record<string, string | Record<string, string>>).flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Object.values(entry),
  )
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([])
})

it('has the hash of the worker library for apps without a bundler, and is published with its provenance', () => {
  const name = 'lingpai-worker.js'
  const digest = createHash('sha384')
    .update(readFileSync(join(root, 'dist/standalone', name)))
    .digest('base64')
  expect(JSON.parse(read('dist/standalone/integrity.json'))).toEqual({ [name]: `sha384-${digest}` })
  expect(manifest.publishConfig).toEqual({ access: 'public', provenance: true })
})

it('ships the licences of the bundled packages', () => {
  const licences = read('dist/THIRD-PARTY-LICENSES.md')
  for (const name of ['comlink', 'oauth4webapi', 'idb-keyval']) expect(licences).toContain(name)
})

it('packs the build, the licence and the documents, and no sources or tests', () => {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
      encoding: 'utf8',
      shell: process.platform === 'win32',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  )
  const paths: string[] = packed.files.map(({ path }: { path: string }) => path)
  expect(paths.filter((path) => !/^(bin\/|dist\/|docs\/|README|LICENSE|CHANGELOG|package\.json)/.test(path))).toEqual(
    [],
  )
  // The README loads its images from the repository.
  expect(paths.filter((path) => /\.(webp|png|jpe?g)$/.test(path))).toEqual([])
  for (const path of [
    'LICENSE',
    'README.md',
    'README.zh-CN.md',
    'CHANGELOG.md',
    'docs/errors.md',
    'dist/index.js',
    'dist/types/src/index.d.ts',
    'dist/THIRD-PARTY-LICENSES.md',
  ]) {
    expect(paths).toContain(path)
  }
})

// `npm run size`, rounded up to the next 10 bytes. If a change needs more, the changelog or its pull request says why.
const limits = { page: 8890, worker: 35_290 }

it('is not larger than its size limits', async () => {
  const { page, worker } = await measureSizes()
  expect(page).toBeLessThanOrEqual(limits.page)
  expect(worker).toBeLessThanOrEqual(limits.worker)
})

it.each(['README.md', 'README.zh-CN.md'])('%s quotes the measured sizes of page entry and worker', async (readme) => {
  const { page, worker } = await measureSizes()
  const [, marked = ''] = /<!-- size -->(.*)<!-- \/size -->/.exec(read(readme)) ?? []
  const quoted = [...marked.matchAll(/\*\*([\d.]+) kB\*\*/g)].map(([, size]) => size)
  expect(quoted).toEqual([page, worker].map((bytes) => (bytes / 1000).toFixed(1)))
})

it('no entry that an app imports reaches the code of lingpai/testing', () => {
  const entries = ['index', 'worker', 'oauth', 'envelope', 'inline'].map((name) => `dist/${name}.js`)
  const reached = new Set(entries)
  for (const path of reached) {
    for (const [, target = ''] of read(path).matchAll(/from "([^"]+)"/g))
      reached.add(join(path, '..', target).replaceAll('\\', '/'))
  }
  expect(reached.size).toBeGreaterThan(entries.length)
  expect(read('dist/testing.js')).toContain('startTestSession')
  expect([...reached].filter((path) => /startTestSession|lingpai\/testing/.test(read(path)))).toEqual([])
})

it('the page entry contains no code that handles refresh tokens', async () => {
  const page = [read('dist/index.js'), ...pageChunks().map(read)].join('\n').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
  expect(page).toContain('pagehide')
  expect(page).not.toMatch(/refresh_token|grant_type|code_verifier/)
})

function pageChunks(): string[] {
  return [...read('dist/index.js').matchAll(/from "\.\/(chunks\/[^"]+)"/g)].map(([, path]) =>
    join('dist', path as string),
  )
}
