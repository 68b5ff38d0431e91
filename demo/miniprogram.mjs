// Starts the server for the mini program in DevTools: `npm run demo:miniprogram`.
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'

const command = fileURLToPath(new URL('../servers/legacy/miniprogram-command.ts', import.meta.url))
const { module } = await runnerImport(command, { configFile: false, logLevel: 'error' })
await module.runMiniprogramDemo({
  root: fileURLToPath(new URL('..', import.meta.url)),
  parameters: process.argv.slice(2),
  log: console.log,
})
