import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const compiler = join(root, 'node_modules/typescript/bin/tsc')
const folder = mkdtempSync(join(tmpdir(), 'lingpai-consumer-'))

const page = `
import { connect, isLingpaiError, type Snapshot } from 'lingpai'
import type { broker } from './token.worker.js'
export const session = connect<typeof broker>({
  shared: () => new SharedWorker(new URL('./token.worker.js', import.meta.url), { type: 'module', name: 'session', extendedLifetime: true }),
  dedicated: () => new Worker(new URL('./token.worker.js', import.meta.url), { type: 'module' }),
})
export const dropIn: typeof fetch = session.fetch
export const snapshot: Snapshot = session.getSnapshot()
void session.signIn({ account: 'alice', password: 'secret' })
void session.signIn({ via: 'popup' })
// @ts-expect-error The grant takes an account and a password.
void session.signIn({ name: 'alice' })
export const orders: Promise<{ id: number }[]> = session.request<{ id: number }[]>({ url: '/orders', data: { page: 1 } })
void orders.catch((error: unknown) => (isLingpaiError(error) ? error.code === 'sign_in_required' : undefined))
`

const worker = `
import { type Grant, header, memoryStore, rejected, serve } from 'lingpai/worker'
import { oauth } from 'lingpai/oauth'
import { envelope } from 'lingpai/envelope'
import { serveInline } from 'lingpai/inline'
export const grant = {
  async signIn(input: { account: string; password: string }, io) {
    const answer = await io.send({ url: 'https://api.example.com/login', body: JSON.stringify(input) })
    return JSON.parse(answer.body)
  },
  async refresh() {
    throw rejected()
  },
} satisfies Grant<{ account: string; password: string }>
export const broker = serve({ grant, apis: [{ origin: 'https://api.example.com', attach: header('X-TOKEN'), envelope: envelope() }], store: memoryStore() })
export const endpoint = () => serveInline({ grant: oauth({ issuer: 'https://id.example.com', clientId: 'web' }), apis: [{ origin: 'https://api.example.com' }], store: memoryStore() })
`

const appTest = `
import { type Session, startTestSession, type TestSession } from 'lingpai/testing'
import { connect } from 'lingpai'
import { grant } from './token.worker.js'
const test: TestSession<{ account: string; password: string }> = startTestSession({ grant, apis: [{ origin: 'https://api.example.com' }] })
export const session: Session<{ account: string; password: string }> = test.session
export const sameAsInTheApp: ReturnType<typeof connect> = startTestSession({ apis: [] }).session
void test.session.signIn({ account: 'alice', password: 'secret' })
// @ts-expect-error The grant takes an account and a password.
void test.session.signIn({ name: 'alice' })
test.authorizationServer.next.refresh({ reject: 'invalid_grant', delay: '2s' })
// @ts-expect-error This unit does not exist.
void test.clock.advance('2 weeks')
`

// Without WeChat's typings and without DOM, as in an app that installs only lingpai.
const app = `
import { AbortController, connect, type Snapshot } from 'lingpai/wechat'
import { serveInline } from 'lingpai/wechat/inline'
import type { broker } from './token.js'
import { options } from './token.js'
export const session = connect<typeof broker>({
  wechat: { worker: 'workers/token.js', signInPage: { url: '/pages/login/login' } },
  inline: () => serveInline(options),
})
export const snapshot: Snapshot = session.getSnapshot()
void session.signIn({ account: 'alice', password: 'secret' })
void session.signIn({ via: 'wx.login' })
// @ts-expect-error The grant takes an account and a password.
void session.signIn({ name: 'alice' })
const { signal } = new AbortController()
export const orders: Promise<{ id: number }[]> = session.request<{ id: number }[]>({ url: 'https://api.example.com/orders', signal })
void session.uploadFile({ url: 'https://api.example.com/photos', filePath: 'a', name: 'photo', onProgress: ({ progress }) => progress + 1 })
void session.downloadFile({ url: 'https://api.example.com/file' }).then(({ tempFilePath }) => tempFilePath)
`

const appWorker = `
import { envelope, envelopeGrant, header, serve, sortedParams, wechatStore } from 'lingpai/wechat/worker'
const sign = sortedParams({ algorithm: 'hmac-sha256', secret: 'secret' })
export const options = {
  grant: envelopeGrant<{ account: string; password: string }>({
    signIn: { url: 'https://api.example.com/login' },
    refresh: { url: 'https://api.example.com/refresh' },
    rejected: (code) => Number(code) > 100000,
    sign,
  }),
  apis: [{ origin: 'https://api.example.com', attach: header('X-TOKEN'), envelope: envelope({ success: 'SUCCESS' }), sign }],
  store: wechatStore(),
}
export const broker = serve(options)
export const isOurs: boolean = broker.handleMessage({})
`

beforeAll(() => {
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [{ filename }] = JSON.parse(packed)
  mkdirSync(join(folder, 'node_modules/lingpai'), { recursive: true })
  execFileSync('tar', ['xzf', filename, '-C', 'node_modules/lingpai', '--strip', '1'], { cwd: folder })
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'page.ts'), page)
  writeFileSync(join(folder, 'token.worker.ts'), worker)
  writeFileSync(join(folder, 'app.test.ts'), appTest)
  writeFileSync(join(folder, 'app.ts'), app)
  writeFileSync(join(folder, 'token.ts'), appWorker)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it.each([
  ['bundler', 'esnext'],
  ['nodenext', 'nodenext'],
])(
  'an app that uses the packed package type-checks with module resolution %s, its libraries included',
  async (moduleResolution, module) => {
    expect(
      await typeCheck(['page.ts', 'token.worker.ts', 'app.test.ts'], {
        module,
        moduleResolution,
        lib: ['es2022', 'dom'],
      }),
    ).toBe('')
  },
)

it("a mini program that uses the packed package type-checks without DOM and without WeChat's typings", async () => {
  const realm = { module: 'esnext', moduleResolution: 'bundler', lib: ['es2022'] }
  expect(await typeCheck(['app.ts', 'token.ts'], realm)).toBe('')
})

/** The compiler's output for an app's files, with its libraries checked. */
async function typeCheck(files: readonly string[], realm: object): Promise<string> {
  const compilerOptions = { target: 'es2022', strict: true, noEmit: true, skipLibCheck: false, types: [], ...realm }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  const { stdout } = await promisify(execFile)(process.execPath, [compiler, '-p', folder]).catch(
    (error: { stdout: string }) => error,
  )
  return stdout
}

it('every entry loads in Node: none uses a browser global at import', async () => {
  const names = ['', '/worker', '/oauth', '/envelope', '/inline', '/testing']
  for (const entry of names.map((name) => `lingpai${name}`)) {
    const script = `import('${entry}').then((module) => console.log(Object.keys(module).length > 0))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      cwd: folder,
    })
    expect(stdout.trim(), entry).toBe('true')
  }
})
