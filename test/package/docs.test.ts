import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')

const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...['docs', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name.replaceAll('\\', '/')}`),
  ),
]

interface CodeBlock {
  readonly section: number
  readonly language: string
  readonly code: string
}

function readCodeBlocks(path: string): CodeBlock[] {
  return read(path)
    .split(/^(?=## )/m)
    .flatMap((text, section) => {
      const blocks = text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)
      return [...blocks].map(([, language = '', code = '']) => ({ section, language, code }))
    })
}

function readExamples(path: string): CodeBlock[] {
  return readCodeBlocks(path).filter(({ language }) => language === 'ts')
}

function withoutCode(text: string): string {
  return text.replace(/^```\w*\n[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '')
}

/** The parts of React and Vue that the examples use, so that the tests need neither package. */
const frameworks = `
declare module 'react' {
  export function useSyncExternalStore<Snapshot>(
    subscribe: (onStoreChange: () => void) => () => void,
    getSnapshot: () => Snapshot,
    getServerSnapshot?: () => Snapshot,
  ): Snapshot
}
declare module 'vue' {
  export interface ShallowRef<T> { value: T }
  export function shallowRef<T>(value: T): ShallowRef<T>
}
`

const compilerOptions = {
  target: 'es2022',
  module: 'esnext',
  moduleResolution: 'bundler',
  moduleDetection: 'force',
  lib: ['es2022', 'dom', 'dom.iterable'],
  types: [],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  allowImportingTsExtensions: true,
  noEmit: true,
  skipLibCheck: true,
  paths: {
    lingpai: [join(root, 'src/index.ts')],
    'lingpai/worker': [join(root, 'worker/index.ts')],
    'lingpai/oauth': [join(root, 'worker/grant/oauth.ts')],
    'lingpai/oauth/dpop': [join(root, 'worker/grant/oauth/dpop.ts')],
    'lingpai/envelope': [join(root, 'worker/envelope.ts')],
    'lingpai/inline': [join(root, 'worker/host/inline.ts')],
    'lingpai/testing': [join(root, 'worker/testing/index.ts')],
  },
}

/** The name of a block's file, if the block begins with `// name.ts`. */
function nameOf({ code }: Pick<CodeBlock, 'code'>): string | undefined {
  return /^\/\/ ([\w.-]+\.ts)/.exec(code)?.[1]
}

/** The files that an example imports: from its own section, or else the first of that name in the document. */
function findFiles(blocks: readonly CodeBlock[], example: CodeBlock): Map<string, string> {
  const files = new Map<string, string>()
  const elsewhere = blocks.filter(({ section }) => section !== example.section)
  const here = blocks.filter(({ section }) => section === example.section)
  for (const block of [...elsewhere.reverse(), ...here]) files.set(nameOf(block) ?? '', block.code)
  return files.set(nameOf(example) ?? 'example.ts', example.code)
}

it('every TypeScript example type-checks against the sources', async () => {
  const cache = join(root, 'node_modules/.cache/docs')
  rmSync(cache, { recursive: true, force: true })
  const guide = readExamples('docs/guide.md')
  const recipes = documents.filter((path) => /^docs\/recipes\/(?!README)/.test(path))
  expect(recipes.length).toBeGreaterThan(5)
  for (const path of ['README.md', 'README.zh-CN.md', 'docs/guide.md', 'docs/testing.md', ...recipes]) {
    const blocks = readExamples(path)
    const isRecipe = recipes.includes(path)
    expect(blocks.length, path).toBeGreaterThan(isRecipe ? 0 : 5)
    for (const [index, example] of blocks.entries()) {
      const place = join(cache, path.replace(/\W/g, '-'), String(index + 1))
      mkdirSync(place, { recursive: true })
      // Recipes omit the two files that every app has.
      if (isRecipe) for (const { code } of guide.slice(0, 2)) writeFileSync(join(place, nameOf({ code }) ?? ''), code)
      for (const [name, code] of findFiles(blocks, example)) if (name !== '') writeFileSync(join(place, name), code)
    }
  }
  writeFileSync(join(cache, 'frameworks.d.ts'), frameworks)
  writeFileSync(join(cache, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['**/*.ts'] }))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const { stdout } = await promisify(execFile)(process.execPath, [compiler, '-p', cache, '--pretty', 'false']).catch(
    (error: { stdout: string }) => error,
  )
  expect(stdout).toBe('')
})

it.each(documents)('%s links only to files and headings that exist', (path) => {
  const links = [...withoutCode(read(path)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
  const broken = links
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [file = '', anchor] = target.split('#')
      const linked = file === '' ? path : join(dirname(path), file)
      if (!existsSync(join(root, linked))) return true
      return anchor !== undefined && !readHeadings(linked).map(toAnchor).includes(anchor)
    })
  expect(broken).toEqual([])
})

it.each(documents)('%s names only files of the project that exist', (path) => {
  const named = [
    ...read(path).matchAll(/(?<![\w./-])(?:src|worker|servers|test|demo|examples|docs)\/[\w./-]*[\w/]/g),
  ].map(([file]) => file)
  expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([])
})

it('CONTRIBUTING.md lists exactly the scripts of package.json', () => {
  const rows = [...read('CONTRIBUTING.md').matchAll(/^\| `npm (?:run )?([\w:-]+)/gm)]
  const scripts = Object.keys(JSON.parse(read('package.json')).scripts)
  expect(rows.map(([, name = '']) => name).sort()).toEqual(scripts.sort())
})

function readHeadings(path: string): string[] {
  return [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading)
}

function toAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}_ -]/gu, '')
    .replaceAll(' ', '-')
}

it('ARCHITECTURE.md lists exactly the refresh states of the session', () => {
  const [, union = ''] = /export type Refresh =\n([\s\S]*?)\n\n/.exec(read('worker/core/session/state.ts')) ?? []
  const states = [...union.matchAll(/kind: '(\w+)'|\| Claim\b/g)].map(([, kind = 'claim']) => kind)
  expect(states.length).toBeGreaterThan(5)
  // The marker is above a table or list whose rows begin with the state, or in a line that names the states.
  const [, marked = ''] =
    /([^\n]*<!-- refresh states -->[\s\S]*?)(?:\n\n(?!\||- )|$)/.exec(read('ARCHITECTURE.md')) ?? []
  const rows = [...marked.matchAll(/^(?:\||-) `(\w+)`/gm)]
  const listed = rows.length > 0 ? rows : [...marked.matchAll(/`(\w+)`/g)]
  expect(listed.map(([, state]) => state).sort()).toEqual(states.sort())
})

it('docs/errors.md has one section for each error code', () => {
  const union = /export type LingpaiErrorCode =((?:\s*\|\s*'\w+')+)/.exec(read('src/protocol/errors.ts'))?.[1] ?? ''
  const codes = [...union.matchAll(/'(\w+)'/g)].map(([, code]) => code)
  expect(codes.length).toBeGreaterThan(15)
  const sections = [...read('docs/errors.md').matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
  expect(sections).toEqual(codes)
})

it('docs/errors.md says for each error code what failed, why and what to do', () => {
  const [, ...sections] = read('docs/errors.md').split(/^## /m)
  for (const section of sections) {
    expect(section, section.slice(0, 20)).toMatch(
      /\*\*What failed\.\*\*[\s\S]*\*\*Likely causes\.\*\*[\s\S]*\*\*What to do\.\*\*/,
    )
  }
})

it('both READMEs have the same examples, figures and links', () => {
  const code = (path: string) =>
    readCodeBlocks(path).map(({ language, code }) => `${language}\n${code.replace(/\s*(?:(?<!:)\/\/|#).*$/gm, '')}`)
  expect(code('README.zh-CN.md')).toEqual(code('README.md'))
  const figures = (path: string) =>
    [...read(path).matchAll(/[\d.]+(?= kB)|RFC \d+ §[\d.]*\d|\d+\.\d+\.\d+/g)].map(([figure]) => figure)
  expect(figures('README.md').length).toBeGreaterThan(5)
  expect(figures('README.zh-CN.md')).toEqual(figures('README.md'))
  const targets = (path: string) =>
    [...read(path).matchAll(/\]\(([^)]+)\)/g)]
      .map(([, target]) => target)
      .filter((target) => !target?.startsWith('README'))
      // Each README links the page in its own language first.
      .sort()
  expect(targets('README.zh-CN.md')).toEqual(targets('README.md'))
})

const translations = documents.filter((path) => /^docs\/.*\.zh-CN\.md$/.test(path))

it.each(translations)('%s has the examples, headings and links of the English page', (path) => {
  const english = path.replace('.zh-CN', '')
  const code = (path: string) =>
    readCodeBlocks(path).map(({ language, code }) => `${language}\n${code.replace(/\s*(?<!:)\/\/.*$/gm, '')}`)
  expect(code(english).length).toBeGreaterThan(5)
  expect(code(path)).toEqual(code(english))
  const levels = (path: string) => [...withoutCode(read(path)).matchAll(/^#+ /gm)].map(([marks]) => marks)
  expect(levels(path)).toEqual(levels(english))
  const files = (path: string) =>
    [...read(path).matchAll(/\]\(([^)#\s]+)(#[^)\s]*)?\)/g)].map(([, file = '']) => file.replace('.zh-CN', ''))
  expect(files(path)).toEqual(files(english))
  const figures = (path: string) => read(path).match(/\d[\d,.]*\d/g)
  expect(figures(path)).toEqual(figures(english))
})

it.each(['README', ...translations.map((path) => path.replace('.zh-CN.md', ''))])(
  '%s links to the other language at the top of both pages',
  (path) => {
    const name = path.replace('docs/', '')
    const top = (path: string) => read(path).split('\n').slice(0, 4).join('\n')
    expect(top(`${path}.md`)).toContain(`**English** | [简体中文](${name}.zh-CN.md)`)
    expect(top(`${path}.zh-CN.md`)).toContain(`[English](${name}.md) | **简体中文**`)
  },
)

it.each(['README.zh-CN.md', ...translations])('%s has no sentence in English', (path) => {
  const comments = readCodeBlocks(path).flatMap(({ code }) =>
    [...code.matchAll(/(?:(?<!:)\/\/|\s#) (.*)$/gm)].map(([, comment = '']) => comment),
  )
  const prose = withoutCode(read(path))
    .replace(/\]\([^)]*\)/g, ']')
    .split(/[\n|。；]/)
  // Names of files and products are not translated; three words in a row count as a sentence.
  const isEnglish = (text: string) => !/\p{Script=Han}/u.test(text) && /[a-z]{2,} +[a-z']{2,} +[a-z]{2,}/i.test(text)
  expect(isEnglish("beside the page's own fetch")).toBe(true)
  expect([...comments, ...prose].filter(isEnglish)).toEqual([])
})

it('docs/wechat.md names only checks that are in the checklist of the mini program', () => {
  const checks = ['automatic', 'manual'].flatMap((name) =>
    [...read(`demo/miniprogram/checks/${name}.js`).matchAll(/^ {4}id: '(.+)'/gm)].map(([, id = '']) => id),
  )
  const named = (path: string, heading: string) => {
    const [, section = ''] = read(path).split(`\n## ${heading}\n`)
    const cells = [...section.matchAll(/^\|.*\| ([^|]*) \|$/gm)].map(([, cell = '']) => cell)
    return cells.flatMap((cell) => [...cell.matchAll(/`([\w-]+)`/g)].map(([, id = '']) => id))
  }
  const english = named('docs/wechat.md', 'Not verified on a device')
  expect(english.length).toBeGreaterThan(10)
  expect(english.filter((id) => !checks.includes(id))).toEqual([])
  expect(named('docs/wechat.zh-CN.md', '尚未在真机上验证')).toEqual(english)
})

it('each threat of the threat model names the file of attacks that shows it, and each such file is named', () => {
  const sections = read('docs/threat-model.md')
    .split(/^### (?=T\d+:)/m)
    .slice(1)
  const shown = sections.map((section) => {
    const number = /^T(\d+)/.exec(section)?.[1] ?? ''
    const file = /^\*Shown by:\* `test\/attacks\/(t\d+-[\w-]+\.test\.ts)`\.$/m.exec(section)?.[1] ?? ''
    expect(file.slice(1, 3)).toBe(number.padStart(2, '0'))
    // A test names its threat, so that a reader finds the way back.
    expect(read(`test/attacks/${file}`)).toContain(`T${number}`)
    return file
  })
  expect(shown).toHaveLength(17)
  expect(shown.sort()).toEqual(readdirSync(join(root, 'test/attacks')).sort())
})
