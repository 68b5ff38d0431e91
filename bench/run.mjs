// Compares lingpai with the page's own fetch and with its peers: `npm run bench`.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'

const folder = fileURLToPath(new URL('.', import.meta.url))

if (!existsSync(`${folder}node_modules`)) {
  console.log('installing the peers, once')
  // npm sets the path of its program here. On Windows, npm cannot be started by its bare name.
  const npm = process.env.npm_execpath
  const [program, ...first] = npm ? [process.execPath, npm] : ['npm']
  const parameters = [...first, 'ci', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund']
  const { status } = spawnSync(program, parameters, { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}

const { module } = await runnerImport(`${folder}main.ts`, { configFile: false, logLevel: 'error' })
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.exitCode = await module.runBench(process.argv.slice(2))
