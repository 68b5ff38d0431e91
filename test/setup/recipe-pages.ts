import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'

const pages = fileURLToPath(new URL('../../docs/recipes/', import.meta.url))
const api = 'https://api.example.com'
const sessionId = '\0recipe-session'

/**
 * Lets a test import the code of a page of docs/recipes as it stands there: `recipe:ky/api.ts` is the block of `ky.md` that
 * begins with `// api.ts`. Its `./session`, and the server that stands for the page's API, are those of
 * `test/fixtures/recipe-app.ts`.
 */
export const recipePages: Plugin = {
  name: 'recipe-pages',
  enforce: 'pre',
  resolveId(source, importer, options) {
    const [, page, file] = /^recipe:([\w-]+)\/([\w-]+\.ts)$/.exec(source) ?? []
    // Vite's dependency scan reads files itself, and fails if there is none.
    if ('scan' in options && options.scan === true && file !== undefined) return { id: source, external: true }
    if (file !== undefined) return `${pages}${page}.md/${file}`
    if (!importer?.startsWith(pages) || !source.startsWith('./')) return undefined
    if (source === './session') return sessionId
    return `${importer.slice(0, importer.lastIndexOf('/'))}/${source.slice(2)}.ts`
  },
  load(id) {
    if (id === sessionId) return 'export const { session, apiOrigin } = globalThis.recipeApp'
    if (!id.startsWith(pages)) return undefined
    const [, page = '', file] = /^(.+\.md)\/([\w-]+\.ts)$/.exec(id) ?? []
    const block = [...readFileSync(page, 'utf8').matchAll(/^```ts\n\/\/ ([\w-]+\.ts)[^\n]*\n([\s\S]*?)^```$/gm)].find(
      ([, name]) => name === file,
    )
    if (block === undefined) throw new Error(`${page} has no block that begins with // ${file}`)
    return `import { apiOrigin } from './session'\n${(block[2] ?? '').replaceAll(`'${api}`, `apiOrigin + '`)}`
  },
}
