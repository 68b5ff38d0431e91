// @ts-check

/** The smallest app that uses every entry of the library. @type {{ [file: string]: string }} */
export const minimalApp = {
  'package.json': JSON.stringify({ name: 'minimal-app', version: '1.0.0', private: true }),
  'project.config.json': JSON.stringify({
    appid: 'touristappid',
    compileType: 'miniprogram',
    libVersion: '3.6.0',
    setting: {},
  }),
  'app.json': JSON.stringify({ pages: ['pages/home/home'], workers: 'workers', sitemapLocation: 'sitemap.json' }),
  'sitemap.json': JSON.stringify({ rules: [{ action: 'allow', page: '*' }] }),
  'app.js': `
    require('lingpai')
    require('lingpai/inline')
    require('lingpai/envelope')
    require('lingpai/worker')
    var connect = require('lingpai/wechat').connect
    App({ session: connect({ wechat: { worker: 'workers/token.js' } }) })
  `,
  'pages/home/home.js': 'Page({})',
  'pages/home/home.json': '{}',
  'pages/home/home.wxml': '<view>home</view>',
  'pages/home/home.wxss': '.home { color: green }',
  'workers/token.js': `
    var lingpai = require('./lingpai.js')
    lingpai.serve({ apis: [{ origin: 'https://api.example.com' }], store: lingpai.wechatStore() })
  `,
}

/**
 * The same app in a folder of its own, beside package.json.
 *
 * @param {{ miniprogramRoot: string, setting: object }} config The values of project.config.json.
 * @returns {{ [file: string]: string }}
 */
export function separateApp(config) {
  const outside = ['package.json', 'project.config.json']
  const files = Object.entries(minimalApp).map(([file, content]) => [
    outside.includes(file) ? file : config.miniprogramRoot + file,
    content,
  ])
  const usual = JSON.parse(minimalApp['project.config.json'] ?? '')
  return { ...Object.fromEntries(files), 'project.config.json': JSON.stringify({ ...usual, ...config }) }
}

/** The files that an installed `lingpai` must contain. */
export const libraryFiles = ['index', 'wechat', 'worker', 'inline', 'envelope'].map(
  (name) => `miniprogram_npm/lingpai/${name}.js`,
)
