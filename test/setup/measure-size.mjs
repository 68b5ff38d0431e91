// @ts-check
import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, minify } from 'vite'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The imports of the README's example. They are bundled and minified as by an app's bundler. */
const uses = {
  page: `export { connect } from './dist/index.js'`,
  plainWorker: `export { serve, indexedDBStore } from './dist/worker.js'`,
  worker: `export { serve, indexedDBStore } from './dist/worker.js'; export { oauth } from './dist/oauth.js'`,
}

/** The built package's sizes in bytes, minified and gzipped. @returns {Promise<{ page: number, plainWorker: number, worker: number }>} */
export async function measureSizes() {
  const sizes = { page: 0, plainWorker: 0, worker: 0 }
  const file = `${root}app.js`
  for (const name of /** @type {const} */ (['page', 'plainWorker', 'worker'])) {
    const result = await build({
      root,
      configFile: false,
      logLevel: 'silent',
      plugins: [
        {
          name: 'app',
          resolveId: (id) => (id === 'virtual:app' ? file : undefined),
          load: (id) => (id === file ? uses[name] : undefined),
        },
      ],
      build: {
        write: false,
        target: 'es2022',
        minify: true,
        modulePreload: false,
        rolldownOptions: {
          input: 'virtual:app',
          preserveEntrySignatures: 'strict',
          output: { format: 'es', codeSplitting: false },
        },
      },
    })
    const [output] = [result].flat()
    for (const chunk of output && 'output' in output ? output.output : [])
      if (chunk.type === 'chunk') sizes[name] += gzipSync(chunk.code, { level: 9 }).length
  }
  return sizes
}

/**
 * The mini program files' sizes in bytes, minified, as they count against a package's 2 MB, and then gzipped: what a page's
 * `require('lingpai/wechat')` brings, and the worker library.
 *
 * @returns {Promise<Record<'page' | 'worker', { minified: number, gzipped: number }>>}
 */
export async function measureMiniprogram() {
  return { page: await measureFiles(['wechat.js']), worker: await measureFiles(['worker.js']) }
}

/** @param {string[]} files Those that they require are added. */
async function measureFiles(files) {
  const size = { minified: 0, gzipped: 0 }
  const all = new Set(files)
  for (const file of all) {
    const text = readFileSync(`${root}dist/miniprogram/${file}`, 'utf8')
    for (const [, required] of text.matchAll(/\brequire\("\.\/([^"]+)"\)/g))
      all.add(posix.join(posix.dirname(file), `${required}`))
    const { code } = await minify(file, text, { compress: { target: 'es2015' }, codegen: { legalComments: 'none' } })
    size.minified += code.length
    size.gzipped += gzipSync(code, { level: 9 }).length
  }
  return size
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { page, plainWorker, worker } = await measureSizes()
  console.log(
    `page: ${page} bytes gzipped, with Comlink\nworker without OAuth: ${plainWorker} bytes gzipped\nworker with OAuth: ${worker} bytes gzipped`,
  )
  for (const [name, { minified, gzipped }] of Object.entries(await measureMiniprogram()))
    console.log(`mini program, ${name}: ${minified} bytes minified, ${gzipped} gzipped`)
}
