import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { defineConfig } from 'vite'
import { comlinkWithoutProxies } from './comlink-without-proxies.ts'
import { finish, standaloneNotice } from './finish.ts'
import { pathOf } from './paths.ts'

const entry = pathOf('build/lingpai-worker.js')

/** The whole worker library in one ES module, which `npx lingpai init` copies into apps without a bundler. */
export default defineConfig({
  root: pathOf(''),
  publicDir: false,
  plugins: [
    comlinkWithoutProxies,
    {
      name: 'entry',
      resolveId: (id) => (id === entry ? id : undefined),
      load: (id) =>
        id === entry
          ? ['worker/index.ts', 'worker/grant/oauth.ts', 'worker/grant/oauth/dpop.ts', 'worker/envelope.ts']
              .map((module) => `export * from '${pathOf(module)}'`)
              .join('\n')
          : undefined,
    },
    finish({ notice: standaloneNotice, stamped: true }),
    {
      name: 'integrity',
      // After the notice and the stamp are in the file.
      writeBundle(_options, bundle) {
        const hashes = Object.values(bundle).flatMap((file) =>
          file.type === 'chunk'
            ? [[file.fileName, `sha384-${createHash('sha384').update(file.code).digest('base64')}`]]
            : [],
        )
        writeFileSync(
          pathOf('dist/standalone/integrity.json'),
          `${JSON.stringify(Object.fromEntries(hashes), null, 2)}\n`,
        )
      },
    },
  ],
  build: {
    outDir: 'dist/standalone',
    target: 'es2022',
    minify: false,
    license: { fileName: 'THIRD-PARTY-LICENSES.md' },
    lib: { entry, formats: ['es'], fileName: () => 'lingpai-worker.js' },
    rolldownOptions: { output: { codeSplitting: false } },
  },
})
