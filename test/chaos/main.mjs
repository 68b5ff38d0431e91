// @ts-check
// Tabs of a real Chromium under random faults: `npm run chaos [-- --seconds 30 --seed N --grace]`, after `npm run build`.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createServer } from 'vite'
import { findBrowser } from '../setup/find-browser.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    grace: { type: 'boolean', default: false },
  },
})
const [seconds, seed] = [values.seconds, values.seed].map(Number)
if (!Number.isFinite(seconds) || !Number.isInteger(seed)) throw new Error('--seconds and --seed take a number.')
if (!existsSync(path.join(root, 'dist', 'index.js'))) throw new Error('Chaos is for the built package: npm run build')
process.env.CHROME_PATH = (await findBrowser()).executablePath

const server = await createServer({
  root,
  configFile: false,
  logLevel: 'error',
  appType: 'custom',
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
  optimizeDeps: { noDiscovery: true },
})
const { runChaos } = await server.ssrLoadModule('/test/chaos/chaos.ts')
const findings = await runChaos({ seconds, seed, grace: values.grace })
// Exit even if a process of the browser does not end.
process.exit(findings.length === 0 ? 0 : 1)
