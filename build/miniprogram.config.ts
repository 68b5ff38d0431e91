import { defineConfig } from 'vite'
import { comlinkWithoutProxies } from './comlink-without-proxies.ts'
import { es5 } from './es5.ts'
import { finish, miniprogramNotice } from './finish.ts'
import { miniprogramPackage } from './miniprogram-package.ts'
import { pathOf } from './paths.ts'
import { polyfills } from './polyfills.ts'

/**
 * `vite build --config build/miniprogram.config.ts --mode app` builds the files that an app's pages require. `--mode worker`
 * builds the one file that an app copies into its worker folder: a worker cannot require a file outside that folder.
 */
const entries = {
  app: {
    wechat: 'src/wechat/index.ts',
    inline: 'worker/wechat-inline.ts',
    envelope: 'worker/envelope.ts',
  },
  worker: { worker: 'worker/wechat.ts' },
}

export default defineConfig(({ mode }) => {
  if (mode !== 'app' && mode !== 'worker') throw new Error('Choose --mode app or --mode worker.')
  const isWorker = mode === 'worker'
  return {
    root: pathOf(''),
    publicDir: false,
    plugins: [
      comlinkWithoutProxies,
      polyfills,
      es5,
      finish({ notice: miniprogramNotice, stamped: isWorker }),
      ...(isWorker ? [] : [miniprogramPackage]),
    ],
    build: {
      outDir: 'dist/miniprogram',
      emptyOutDir: !isWorker,
      target: 'esnext',
      minify: false,
      // The app's side contains all packages of the worker's side, so its licence file covers both.
      license: isWorker ? false : { fileName: 'THIRD-PARTY-LICENSES.md' },
      lib: { entry: entries[mode], formats: ['cjs'], fileName: (_format, name) => `${name}.js` },
      rolldownOptions: {
        // Lowering takes most of the time, so a warning about a slow plugin is wrong.
        checks: { pluginTimings: false },
        output: { strict: true, exports: 'named', chunkFileNames: 'chunks/[name].js', codeSplitting: !isWorker },
      },
    },
  }
})
