import { transformAsync } from '@babel/core'
import { parse } from 'acorn'
import type { Plugin } from 'vite'

/**
 * Lowers each file to ES5 and fails the build where that did not work: DevTools compiles what it finds in an app's npm
 * packages with a parser of its own, and stops the whole app at syntax that it does not know. Helpers are written into
 * each file.
 */
export const es5: Plugin = {
  name: 'es5',
  enforce: 'post',
  // Not in renderChunk: what the bundler prints after that has newer syntax again.
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
          // Every engine of a mini program has symbols; the stand-in would be called at each `typeof`.
          exclude: ['transform-typeof-symbol'],
        },
      ],
    ],
  })
  if (transformed === null) throw new Error(`${fileName} was not lowered.`)
  parse(transformed.code, { ecmaVersion: 5, sourceType: 'script' })
  return transformed.code
}
