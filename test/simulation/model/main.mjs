// @ts-check
// Explores the small-scope model: `npm run explore [-- --larger]`.
import { bundle } from '../bundle.mjs'

const { exploreAll } = await import(await bundle('model', { entry: 'test/simulation/model/main.ts' }))
if (!exploreAll(process.argv.includes('--larger'))) process.exitCode = 1
