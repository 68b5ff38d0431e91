import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type InlineConfig } from 'vite'
import { placeholders } from './server/bench-server.ts'

const pages = fileURLToPath(new URL('page', import.meta.url))
const root = fileURLToPath(new URL('..', import.meta.url))

const shared = {
  root: pages,
  configFile: false,
  logLevel: 'error',
  // The built package, as an app installs it.
  resolve: {
    alias: {
      'lingpai/worker': join(root, 'dist/worker.js'),
      // A longer name comes before its beginning.
      'lingpai/oauth/dpop': join(root, 'dist/oauth/dpop.js'),
      'lingpai/oauth': join(root, 'dist/oauth.js'),
      lingpai: join(root, 'dist/index.js'),
    },
  },
  worker: { format: 'es' },
} satisfies InlineConfig

/** The problem of the built package, or undefined if it can be measured. */
export function findBuildProblem(): string | undefined {
  const built = join(root, 'dist/index.js')
  if (!existsSync(built)) return 'there is no built package: run `npm run build` first'
  const changed = ['src', 'worker']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => [folder, name]),
    )
    .filter(([folder, name]) => name?.endsWith('.ts') && !folder?.includes('wechat'))
    .find(([folder = '', name = '']) => statSync(join(root, folder, name)).mtimeMs > statSync(built).mtimeMs)
  return changed && `${changed.join('/')} is newer than the built package: \`npm run build\` brings it up to date`
}

export async function buildPages(folder: string): Promise<void> {
  await build({
    ...shared,
    define: { __ISSUER__: JSON.stringify(placeholders.issuer), __API__: JSON.stringify(placeholders.api) },
    build: { target: 'es2022', outDir: folder, emptyOutDir: true, modulePreload: false },
  })
}

/** Bytes of a minimal app, minified and gzipped. */
export async function measureApp(name: string): Promise<number> {
  const result = await build({
    ...shared,
    build: {
      write: false,
      target: 'es2022',
      minify: true,
      modulePreload: false,
      rolldownOptions: { input: join(pages, `apps/${name}.ts`), output: { format: 'es', codeSplitting: false } },
    },
  })
  const [output] = [result].flat()
  if (output === undefined || !('output' in output)) throw new Error(`${name} was not built`)
  return output.output.reduce(
    (sum, chunk) => sum + (chunk.type === 'chunk' ? gzipSync(chunk.code, { level: 9 }).length : 0),
    0,
  )
}
