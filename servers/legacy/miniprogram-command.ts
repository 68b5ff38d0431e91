import { execFileSync } from 'node:child_process'
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startMiniprogramServer } from './miniprogram-server.ts'

export interface MiniprogramCommand {
  /** The root folder of the library, in which `npm run build:miniprogram` has run. */
  readonly root: string
  /** `--origin https://…`: the address under which a phone reaches this server. */
  readonly parameters: readonly string[]
  log(text: string): void
}

/** The port that the app uses. */
const port = 5185
const bytesPerSecond = 256 * 1024

/** Copies the library into the demo's mini program, as DevTools and `npx lingpai init` do, and starts its server. */
export async function runMiniprogramDemo({ root, parameters, log }: MiniprogramCommand): Promise<void> {
  const { values } = parseArgs({ args: [...parameters], options: { origin: { type: 'string' } } })
  const origin = new URL(values.origin ?? `http://localhost:${port}`).origin
  const app = join(root, 'demo', 'miniprogram')
  if (!/^https:|^http:\/\/(localhost|127\.0\.0\.1)(:|$)/.test(origin)) {
    log(`\n  ${origin} is not https, so no token goes there: see "On a phone" in demo/miniprogram/README.md.\n`)
    process.exitCode = 1
    return
  }

  prepareLibrary(root, app)
  writeFileSync(join(app, 'server.js'), describeServer('workers/server.js', origin))
  writeFileSync(join(app, 'workers', 'server.js'), describeServer('../server.js', origin))
  try {
    await startMiniprogramServer({ port, bytesPerSecond })
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EADDRINUSE') throw error
    log(`\n  Port ${port}, which the app knows, is in use: end the other demo first.\n`)
    process.exitCode = 1
    return
  }
  log(`
  The mini program's server is ready: http://localhost:${port}${values.origin === undefined ? '' : `, for phones ${origin}`}

  In WeChat DevTools  导入项目 (import)  ${app}
  Sign in             as alice or bob, the password is lingpai

  No npm build is needed in DevTools. Ctrl+C ends the server.
`)
}

function prepareLibrary(root: string, app: string): void {
  const library = join(app, 'miniprogram_npm', 'lingpai')
  rmSync(library, { recursive: true, force: true })
  cpSync(join(root, 'dist', 'miniprogram'), library, { recursive: true })
  execFileSync(process.execPath, [join(root, 'bin', 'lingpai.mjs'), 'init', join(app, 'workers'), '--force'])
}

function describeServer(other: string, origin: string): string {
  return `// The demo's server. ${other} names the same one: a worker can require nothing from outside of its folder.
exports.origin = '${origin}'
`
}
