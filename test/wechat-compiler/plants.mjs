// @ts-check
import { settings, variants } from './settings.mjs'

const classicWithoutEnhancement = variants.filter(
  ({ compiler, setting }) => compiler === 'classic' && setting === settings.plain,
)

const both = variants.filter(({ setting }) => setting === settings.enhanced)
const classic = both.filter(({ compiler }) => compiler === 'classic')
const upload = both.filter(({ compiler }) => compiler === 'upload')

/**
 * Faults that the compiler, or the check of its output, must report.
 *
 * @type {{ name: string, files: { [file: string]: string }, variants: import('./settings.mjs').Variant[], naming: string }[]}
 */
export const plants = [
  {
    name: 'new syntax in a worker file without enhanced compilation',
    files: { 'workers/planted.js': 'exports.read = (value) => value?.name' },
    variants: classicWithoutEnhancement,
    naming: 'workers/planted.js',
  },
  {
    name: 'new syntax in the packed library without enhanced compilation',
    files: { 'miniprogram_npm/lingpai/wechat.js': 'exports.read = (value) => value?.name' },
    variants: classicWithoutEnhancement,
    naming: 'miniprogram_npm/lingpai/wechat.js',
  },
  {
    name: 'an async function without enhanced compilation',
    files: { 'workers/token.js': 'exports.read = async () => 1' },
    variants: classicWithoutEnhancement,
    naming: 'workers/token.js uses the global regeneratorRuntime',
  },
  {
    name: 'a page JSON that is no JSON',
    files: { 'pages/home/home.json': '{ "navigationBarTitleText": "home", }' },
    variants: both,
    naming: 'pages/home/home.json',
  },
  {
    name: 'a page JSON with an unknown kind of value',
    files: { 'pages/home/home.json': '{ "usingComponents": 1 }' },
    variants: classic,
    naming: 'pages/home/home.json',
  },
  {
    name: 'a page that does not exist',
    files: { 'app.json': JSON.stringify({ pages: ['pages/none/none'], workers: 'workers' }) },
    variants: classic,
    naming: 'pages/none/none',
  },
  {
    name: 'a workers folder that does not exist',
    files: { 'app.json': JSON.stringify({ pages: ['pages/home/home'], workers: 'elsewhere' }) },
    variants: classic,
    naming: 'workers',
  },
  {
    name: 'a module that does not exist',
    files: { 'app.js': "require('lingpai/none')" },
    variants: classic,
    naming: "app.js requires 'lingpai/none'",
  },
  {
    name: 'a worker file that requires a page file',
    files: { 'workers/token.js': "require('../app.js')" },
    variants: classic,
    naming: 'across the border of workers/',
  },
  {
    name: 'a file too large for a package',
    files: { 'workers/planted.js': `exports.text = '${'-'.repeat(2 * 1024 * 1024)}'` },
    variants: classic,
    naming: 'the compiled app has',
  },
  {
    name: 'wxml with a tag that is not closed',
    files: { 'pages/home/home.wxml': '<view><text></view>' },
    variants: upload,
    naming: 'home.wxml',
  },
  {
    name: 'wxss with a block that is not closed',
    files: { 'pages/home/home.wxss': '.home { color: ' },
    variants: upload,
    naming: 'home.wxss',
  },
]
