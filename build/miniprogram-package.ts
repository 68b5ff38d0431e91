import type { Plugin } from 'vite'

/** What makes the folder a package of its own: `require('lingpai')`, and CommonJS also for bundlers that read it in place. */
export const miniprogramPackage: Plugin = {
  name: 'miniprogram-package',
  generateBundle() {
    this.emitFile({ type: 'asset', fileName: 'index.js', source: `module.exports = require('./wechat.js')\n` })
    this.emitFile({ type: 'asset', fileName: 'package.json', source: '{ "type": "commonjs" }\n' })
  },
}
