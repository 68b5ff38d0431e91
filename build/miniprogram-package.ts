import type { Plugin } from 'vite'

/** Makes the folder a CommonJS package for `require('lingpai')`, also for bundlers that read it in place. */
export const miniprogramPackage: Plugin = {
  name: 'miniprogram-package',
  generateBundle() {
    this.emitFile({ type: 'asset', fileName: 'index.js', source: `module.exports = require('./wechat.js')\n` })
    // TypeScript finds the types under this name: those of `lingpai/inline` are for the web.
    this.emitFile({ type: 'asset', fileName: 'wechat/inline.js', source: `module.exports = require('../inline.js')\n` })
    this.emitFile({ type: 'asset', fileName: 'package.json', source: '{ "type": "commonjs" }\n' })
  },
}
