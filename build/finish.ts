import { readFileSync } from 'node:fs'
import type { Plugin } from 'vite'
import { stamp } from '../bin/stamp.mjs'
import { pathOf } from './paths.ts'

const { version } = JSON.parse(readFileSync(pathOf('package.json'), 'utf8'))

const describe = (parts: string) => `/*! lingpai ${version}, MIT, https://www.npmjs.com/package/lingpai
 * Holds parts of ${parts}.
 * Their licences are in THIRD-PARTY-LICENSES.md of that package.
 */
`

const comlink = 'Comlink (Apache-2.0, Google LLC)'
const hashes = '@noble/hashes (MIT, Paul Miller)'

/** The notice in a mini program file, for readers who have it without the licence file. */
export const miniprogramNotice = describe(
  `${comlink}, ${hashes}, core-js (MIT, Denis Pushkarev), Babel's helpers (MIT, Babel contributors)`,
)

/** The notice in the browser's worker library. */
export const standaloneNotice = describe(
  `${comlink}, ${hashes}, oauth4webapi (MIT, Filip Skokan), idb-keyval (Apache-2.0, Jake Archibald)`,
)

/** Adds the notice, and before it the stamp if apps keep a copy of the file. */
export function finish({ notice, stamped }: { readonly notice: string; readonly stamped: boolean }): Plugin {
  return {
    name: 'finish',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        for (const file of Object.values(bundle)) {
          if (file.type !== 'chunk') continue
          const code = notice + file.code
          file.code = stamped ? stamp(code, version) : code
        }
      },
    },
  }
}
