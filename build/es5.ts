import { transformAsync } from '@babel/core'
import { parse } from 'acorn'
import type { Plugin } from 'vite'

/**
 * Lowers each file to ES5, and fails the build if newer syntax remains: DevTools compiles npm packages with its own parser,
 * and the app fails at unknown syntax. Each file contains its helpers.
 */
export const es5: Plugin = {
  name: 'es5',
  enforce: 'post',
  // Not in renderChunk, because the bundler adds newer syntax after that.
  generateBundle: {
    order: 'post',
    async handler(_options, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type === 'chunk') file.code = await lower(file.code, file.fileName)
      }
    },
  },
}

async function lower(code: string, fileName: string): Promise<string> {
  const transformed = await transformAsync(code, {
    filename: fileName,
    babelrc: false,
    configFile: false,
    sourceType: 'script',
    compact: false,
    presets: [
      [
        '@babel/preset-env',
        {
          modules: false,
          forceAllTransforms: true,
          // Every engine of a mini program has symbols; the helper would run at each `typeof`.
          exclude: ['transform-typeof-symbol'],
        },
      ],
    ],
  })
  if (transformed === null) throw new Error(`${fileName} was not lowered.`)
  parse(transformed.code, { ecmaVersion: 5, sourceType: 'script' })
  return transformed.code
}
