import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { type LegacyApi, startLegacyApi } from '../../servers/legacy/legacy-api.ts'
import { createVerifier } from '../../servers/legacy/signature-check.ts'
import { builtLibrary } from '../fixtures/wechat/mini-program.ts'
import { type Phone, type PhoneOptions, startPhone } from '../fixtures/wechat/phone.ts'
import { measureMiniprogram } from '../setup/measure-size.mjs'

// Runs the files of docs/wechat.md unchanged.
const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')
const sections = read('wechat.md').split(/^(?=## )/m)

/** The files of a section: the code blocks whose first line is a file name. */
function readFiles(heading: string): Record<string, string> {
  const section = sections.find((text) => text.startsWith(`## ${heading}\n`)) ?? ''
  const blocks = section.matchAll(/^```js\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)
  const files = Object.fromEntries([...blocks].map(([, path = '', code = '']) => [path, code]))
  expect(Object.keys(files), heading).not.toEqual([])
  return files
}

async function startApp(
  headings: readonly string[],
  { verifySignature, ...options }: Partial<PhoneOptions> & Parameters<typeof startLegacyApi>[0] = {},
): Promise<{ api: LegacyApi; phone: Phone }> {
  const api = await startLegacyApi({ accessTokenSeconds: 1000, ...(verifySignature && { verifySignature }) })
  onTestFinished(() => api.close())
  const phone = await startPhone({
    engine: 'vm',
    start: Date.now(),
    hosts: { 'api.example.com': Number(new URL(api.origin).port) },
    ...options,
    files: {
      ...builtLibrary(),
      'app.json': JSON.stringify({
        pages: ['pages/home/home', 'pages/login/login', 'pages/me/me'],
        workers: 'workers',
      }),
      'pages/me/me.js': 'Page({})',
      ...Object.assign({}, ...['Set up', 'Signing in', ...headings].map(readFiles)),
      ...options.files,
    },
  })
  onTestFinished(() => phone.close())
  // Some examples do not export the session.
  await phone.evaluate('globalThis.session = getApp().session')
  return { api, phone }
}

async function signIn(phone: Phone): Promise<void> {
  const login = await phone.openPage('pages/login/login')
  const form = { detail: { value: { account: 'alice', password: 'lingpai' } } }
  await phone.until(Promise.resolve(phone.tap(login, 'submit', form)))
  await phone.until(() => phone.page?.path === 'pages/home/home')
}

const list = { items: ['tea', 'ink'], subject: 'alice' }
const showsList = (phone: Phone) =>
  phone.until(() => (phone.page?.data.list as { items?: string[] } | undefined)?.items)
const request = `session.request({ url: 'https://api.example.com/list', method: 'POST', data: {} })`

test('the set-up signs in, and shows the API’s data', async () => {
  const { phone } = await startApp([])
  await signIn(phone)
  expect(await showsList(phone)).toEqual(list.items)
})

test('the sign-in page shows the API’s message', async () => {
  const { phone } = await startApp([])
  const login = await phone.openPage('pages/login/login')
  await phone.until(Promise.resolve(phone.tap(login, 'submit', { detail: { value: { account: 'alice' } } })))
  expect(phone.toasts).toMatchObject([{ title: 'account or password is wrong' }])
})

test.each(['Signatures', 'An app that has a worker already', 'Without a worker'])(
  'the files of "%s" refresh and survive a restart',
  async (heading) => {
    const verifySignature = createVerifier({ algorithm: 'md5', secret: 'the-secret' })
    const { api, phone } = await startApp([heading], heading === 'Signatures' ? { verifySignature } : {})
    await signIn(phone)
    api.expireAccessTokens()
    expect(await phone.run(request)).toEqual(list)
    phone.killApp()
    await phone.restartApp()
    expect(await phone.run(request.replace('session', 'getApp().session'))).toEqual(list)
    expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
    expect(await phone.evaluate('getApp().session.getSnapshot().mode')).toBe(
      heading === 'Without a worker' ? 'inline' : 'wechat',
    )
  },
)

test('an app that has a worker can replace it', async () => {
  const { phone } = await startApp(['An app that has a worker already'])
  await signIn(phone)
  await phone.killWorker()
  expect(await phone.run(request)).toEqual(list)
})

test('the app’s handler is called once, and the documented defaults of the sign-in page are right', async () => {
  const handled = await startApp(['The sign-in page'])
  await handled.phone.run(`Promise.all([1, 2, 3].map(() => ${request}.catch(() => {})))`)
  expect(handled.phone.modals).toHaveLength(1)

  const led = await startApp([])
  await led.phone.run(`Promise.all([1, 2, 3].map(() => ${request}.catch(() => {})))`)
  await led.phone.advance(5000)
  const [named] =
    (sections.find((text) => text.startsWith('## The sign-in page')) ?? '').match(/message: '.+', delay: \d+/) ?? []
  expect(named).toBe("message: '登录失败，请重新登录', delay: 1200")
  expect(led.phone.toasts).toMatchObject([{ title: '登录失败，请重新登录' }])
  expect(led.phone.navigations.at(-1)).toMatchObject({ api: 'reLaunch', url: '/pages/login/login' })
  expect((led.phone.navigations.at(-1)?.at ?? 0) - (led.phone.toasts[0]?.at ?? 0)).toBe(1200)
})

test('a page shows the session, and signs out', async () => {
  const { phone } = await startApp(['Showing the session'])
  await signIn(phone)
  const me = await phone.openPage('pages/me/me')
  expect(me.data).toEqual({ status: 'signed-in', name: 'Alice Liddell' })
  await phone.until(Promise.resolve(phone.tap(me, 'signOut')))
  await phone.until(() => me.data.status === 'signed-out')
  expect(me.data).toEqual({ status: 'signed-out', name: '' })
})

test('its TypeScript compiles with the types of the package, as an app gets them', async () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const place = join(root, 'node_modules/.cache/wechat-guide')
  rmSync(place, { recursive: true, force: true })
  const blocks = [...read('wechat.md').matchAll(/^```ts\n(?:\/\/ (\S+)\n)?([\s\S]*?)^```$/gm)]
  expect(blocks.length).toBeGreaterThan(2)
  const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const paths = Object.fromEntries(
    ['wechat', 'wechat/worker', 'wechat/inline'].map((name) => [
      `lingpai/${name}`,
      [join(root, entries[`./${name}`].types)],
    ]),
  )
  const files: Record<string, string> = {
    // The files that `lingpai init` writes.
    'workers/lingpai.d.ts': `export * from 'lingpai/wechat/worker'`,
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        target: 'es2020',
        module: 'esnext',
        moduleResolution: 'bundler',
        moduleDetection: 'force',
        lib: ['es2020'],
        types: ['miniprogram-api-typings'],
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        skipLibCheck: false,
        paths,
      },
      include: ['**/*.ts'],
    }),
  }
  for (const [index, [, name, code = '']] of blocks.entries()) files[name ?? `example-${index}.ts`] = code
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(place, path)), { recursive: true })
    writeFileSync(join(place, path), text)
  }
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const { stdout } = await promisify(execFile)(process.execPath, [compiler, '-p', place, '--pretty', 'false']).catch(
    (error: { stdout: string }) => error,
  )
  expect(stdout).toBe('')
})

test.each(['wechat.md', 'wechat.zh-CN.md'])(
  'the minified sizes in %s differ by less than a twentieth from the measured ones',
  async (name) => {
    const sizes = await measureMiniprogram()
    for (const part of ['page', 'worker'] as const) {
      const [, quoted] = read(name).match(new RegExp(`<!-- ${part} -->(\\d+)<!-- /${part} --> kB`)) ?? []
      const kilobytes = sizes[part].minified / 1000
      expect(Math.abs(Number(quoted) - kilobytes), part).toBeLessThan(0.05 * kilobytes)
    }
  },
)
