import type { Plugin } from 'vite'

/** What makes the folder a package of its own: `require('lingpai')`, and CommonJS also for bundlers that read it in place. */
export const miniprogramPackage: Plugin = {
  name: 'miniprogram-package',
  generateBundle() {
    this.emitFile({ type: 'asset', fileName: 'index.js', source: `module.exports = require('./wechat.js')\n` })
    // The name under which TypeScript finds the types: those of `lingpai/inline` are the web's.
    this.emitFile({ type: 'asset', fileName: 'wechat/inline.js', source: `module.exports = require('../inline.js')\n` })
    this.emitFile({ type: 'asset', fileName: 'package.json', source: '{ "type": "commonjs" }\n' })
  },
}
