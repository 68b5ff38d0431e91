import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface SourceFile {
  readonly path: string
  readonly text: string
  /** Paths from the root for files of the project, bare names for packages. */
  readonly imports: readonly string[]
}

function readSources(folder: string): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const path = join(folder, name).replaceAll('\\', '/')
      const text = readFileSync(join(root, path), 'utf8')
      const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
        ([, specifier]) => specifier as string,
      )
      const imports = specifiers.map((specifier) =>
        specifier.startsWith('.')
          ? relative(root, join(root, dirname(path), specifier)).replaceAll('\\', '/')
          : specifier,
      )
      return { path, text, imports }
    })
}

const sources = [...readSources('src'), ...readSources('worker')]
const everything = [...sources, ...['demo', 'servers', 'bench'].flatMap(readSources)]

/** The forbidden imports of the files that match `from`, as "file imports file". */
function findForbidden(from: RegExp, isForbidden: (target: string) => boolean): string[] {
  return sources
    .filter(({ path }) => from.test(path))
    .flatMap(({ path, imports }) => imports.filter(isForbidden).map((target) => `${path} imports ${target}`))
}

describe('the folder boundary is the thread boundary', () => {
  it('finds the sources and their imports', () => {
    expect(sources.length).toBeGreaterThan(30)
    expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(80)
  })

  it('src does not import worker, not even types', () => {
    expect(findForbidden(/^src\//, (target) => target.startsWith('worker/'))).toEqual([])
  })

  it('worker imports only src/protocol from src, except worker/testing, which runs both in one thread', () => {
    expect(
      findForbidden(
        /^worker\/(?!testing\/)/,
        (target) => target.startsWith('src/') && !target.startsWith('src/protocol/'),
      ),
    ).toEqual([])
  })

  it('only worker/testing imports worker/testing, so no app bundles it', () => {
    expect(sources.some(({ path }) => path === 'worker/testing/index.ts')).toBe(true)
    expect(findForbidden(/^(?!worker\/testing\/)/, (target) => target.startsWith('worker/testing/'))).toEqual([])
  })

  it('worker/testing imports no package, so it works with every test runner', () => {
    expect(findForbidden(/^worker\/testing\//, (target) => !/^(src|worker)\//.test(target))).toEqual([])
  })

  it('src/protocol imports only itself, and Comlink in the throw handler', () => {
    expect(findForbidden(/^src\/protocol\/(?!throw-handler)/, (target) => !target.startsWith('src/protocol/'))).toEqual(
      [],
    )
  })

  it('worker/core imports only itself and the types and errors of the protocol', () => {
    const isAllowed = (target: string) =>
      /^(worker\/core\/|src\/protocol\/(cancel-signal|deadline|records|errors|history|received-tokens|snapshot)\.ts$)/.test(
        target,
      )
    expect(findForbidden(/^worker\/core\//, (target) => !isAllowed(target))).toEqual([])
  })

  it.each(['grant', 'sign', 'transport', 'store'])(
    'worker/%s imports core, but not another adapter or a host',
    (folder) => {
      const isAllowed = (target: string) =>
        new RegExp(`^(worker/(core|${folder})/|src/protocol/)`).test(target) || !/^(worker|src)\//.test(target)
      expect(findForbidden(new RegExp(`^worker/${folder}/`), (target) => !isAllowed(target))).toEqual([])
    },
  )

  it('only worker/host imports the broker', () => {
    expect(findForbidden(/^worker\/(?!core|host)/, (target) => target.startsWith('worker/core/broker/broker'))).toEqual(
      [],
    )
  })

  it('the decisions of worker/core are synchronous, and use no clock, randomness or promise', () => {
    const pure = sources.filter(({ path }) =>
      /^worker\/core\/(session\/[\w-]+|retry|token-set|verdict|loopback|shared-record)\.ts$/.test(path),
    )
    expect(pure.length).toBeGreaterThan(12)
    for (const { path, text } of pure) {
      expect(text, path).not.toMatch(/\bawait\b|\basync\b|\bPromise\b|Date\.now|Math\.random|globalThis|setTimeout/)
    }
  })

  it('only client, fetch, connect, protocol and host import comlink', () => {
    expect(
      findForbidden(
        /^(?!src\/client\/|src\/fetch\/|src\/connect\/|src\/protocol\/|worker\/host\/)/,
        (target) => target === 'comlink',
      ),
    ).toEqual([])
  })

  it('only files for WeChat use wx', () => {
    expect(
      sources.filter(({ path, text }) => !path.includes('wechat') && /\bwx\.\w+\(/.test(text)).map(({ path }) => path),
    ).toEqual([])
  })

  it('the timeline imports only itself and the types of lingpai, so that any app can use it', () => {
    const files = readSources('demo/timeline')
    expect(files.length).toBeGreaterThan(10)
    const others = files.flatMap(({ imports }) => imports.filter((target) => !target.startsWith('demo/timeline/')))
    expect(new Set(others)).toEqual(new Set(['lingpai']))
    for (const { path, text } of files)
      expect([path, /^import (?!type).*'lingpai'$/m.test(text)]).toEqual([path, false])
  })

  it('servers imports only itself and packages', () => {
    const servers = everything.filter(({ path }) => path.startsWith('servers/'))
    expect(servers.length).toBeGreaterThan(30)
    const others = servers.flatMap(({ path, imports }) =>
      imports
        .filter((target) => /^(src|worker|demo|bench|test)\//.test(target))
        .map((target) => `${path} imports ${target}`),
    )
    expect(others).toEqual([])
  })

  it('imports form no cycle in the library, demo, servers and bench', () => {
    const graph = new Map(everything.map(({ path, imports }) => [path, imports]))
    const findCycle = (path: string, trail: readonly string[]): string[] | undefined => {
      if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
      for (const target of graph.get(path) ?? []) {
        const cycle = findCycle(target, [...trail, path])
        if (cycle) return cycle
      }
      return undefined
    }
    for (const path of graph.keys()) expect(findCycle(path, [])).toBeUndefined()
  })

  it('every export has a name: there is no default export and no export *', () => {
    expect(sources.filter(({ text }) => /export default|export \*/.test(text)).map(({ path }) => path)).toEqual([])
  })

  it('file names are in kebab case', () => {
    expect(
      sources
        .map(({ path }) => path)
        .filter((path) => !/^[a-z0-9/]+(-[a-z0-9]+)*(\/[a-z0-9-]+)*(\.d)?\.ts$/.test(path)),
    ).toEqual([])
  })
})
