// @ts-check
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * A change of the sources during the bundling.
 *
 * @typedef {{ readonly file: string, readonly search: string, readonly replace: string }} Patch
 */

/**
 * Bundles an entry of the simulation with the library's sources into one file, and returns its path. A patch whose text is
 * not there, or not only once, fails: the source has moved, and the patch with it.
 *
 * @param {string} name
 * @param {{ entry?: string, patches?: readonly Patch[] }} [options]
 */
export async function bundle(name, { entry = 'test/simulation/simulate.ts', patches = [] } = {}) {
  const outDir = path.join(root, 'node_modules/.cache/simulation', name)
  /** @type {Set<Patch>} */
  const applied = new Set()
  await build({
    root,
    configFile: false,
    logLevel: 'error',
    plugins: [
      {
        name: 'patches',
        enforce: 'pre',
        transform(code, id) {
          const file = path.relative(root, id).replaceAll('\\', '/')
          const own = patches.filter((patch) => patch.file === file)
          for (const patch of own) {
            const count = code.split(patch.search).length - 1
            if (count !== 1) throw new Error(`${name}: ${file} holds ${count} times: ${patch.search}`)
            code = code.replace(patch.search, () => patch.replace)
            applied.add(patch)
          }
          return own.length === 0 ? undefined : { code, map: null }
        },
      },
    ],
    build: {
      ssr: true,
      outDir,
      emptyOutDir: true,
      minify: false,
      target: 'node20',
      rolldownOptions: { input: { entry: path.join(root, entry) }, output: { entryFileNames: '[name].mjs' } },
    },
    ssr: { noExternal: true },
  })
  for (const patch of patches) if (!applied.has(patch)) throw new Error(`${name}: nothing imports ${patch.file}`)
  return path.join(outDir, 'entry.mjs')
}
