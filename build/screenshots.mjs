// Makes the pictures of docs/images again: `npm run screenshots`.
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'
import { findBrowser } from '../test/setup/find-browser.mjs'

const file = fileURLToPath(new URL('take-screenshots.ts', import.meta.url))
const { module } = await runnerImport(file, { configFile: false, logLevel: 'error' })
const { executablePath } = await findBrowser()
process.exitCode = await module.takeScreenshots({ executablePath, log: console.log })
