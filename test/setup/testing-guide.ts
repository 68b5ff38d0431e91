import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'

const page = fileURLToPath(new URL('../../docs/testing.md', import.meta.url))
const all = `${page}/all.ts`

/** `import { names } from 'guide:testing'` runs the unchanged examples of docs/testing.md: each is a test file. */
export const testingGuide: Plugin = {
  name: 'testing-guide',
  enforce: 'pre',
  resolveId(source, importer) {
    if (source === 'guide:testing') return all
    return importer?.startsWith(page) && source.startsWith('./') ? `${page}/${source.slice(2)}.ts` : undefined
  },
  load(id) {
    if (!id.startsWith(`${page}/`)) return undefined
    const blocks = [...readFileSync(page, 'utf8').matchAll(/^```ts\n\/\/ ([\w.-]+)\.ts\n([\s\S]*?)^```$/gm)]
    if (id === all) {
      const tests = blocks.map(([, name = '']) => name).filter((name) => name.endsWith('.test'))
      return [...tests.map((name) => `import './${name}'`), `export const names = ${JSON.stringify(tests)}`].join('\n')
    }
    const block = blocks.find(([, name]) => id === `${page}/${name}.ts`)
    if (block === undefined) throw new Error(`docs/testing.md has no block for ${id}`)
    return block[2]
  },
}
