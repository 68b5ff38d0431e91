import { execFile } from 'node:child_process'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { type LegacyApi, startLegacyApi } from '../../servers/legacy/legacy-api.ts'
import { builtLibrary } from '../fixtures/wechat/mini-program.ts'
import { type Phone, startPhone } from '../fixtures/wechat/phone.ts'
import { renderPage } from '../fixtures/wechat/rendered-page.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const example = join(root, 'examples/mini-program')

async function openExample(): Promise<{ api: LegacyApi; phone: Phone }> {
  const api = await startLegacyApi({ accessTokenSeconds: 600 })
  onTestFinished(() => api.close())
  const phone = await startPhone({
    engine: 'vm',
    root: example,
    files: builtLibrary(),
    start: Date.now(),
    hosts: { 'api.example.com': Number(new URL(api.origin).port) },
  })
  onTestFinished(() => phone.close())
  return { api, phone }
}

async function submitForm(phone: Phone, password: string): Promise<void> {
  const login = await phone.openPage('pages/login/login')
  const form = { detail: { value: { account: 'alice', password } } }
  await phone.until(Promise.resolve(phone.tap(login, 'submit', form)))
}

/** The text of the home page, as soon as its WXML renders one. */
const shownItems = (phone: Phone) =>
  phone.until(() => {
    const page = phone.page?.path === 'pages/home/home' ? phone.page : undefined
    const texts = page ? renderPage(example, page).texts('.item') : []
    return texts.length > 0 && texts
  })

test('who is not signed in is led to the login page', async () => {
  const { phone } = await openExample()
  await phone.openPage('pages/home/home')
  await phone.until(() => phone.page?.path === 'pages/login/login')
})

test('after the sign-in it shows the list', async () => {
  const { phone } = await openExample()
  await submitForm(phone, 'lingpai')
  expect(await shownItems(phone)).toEqual(['tea', 'ink'])
})

test('with an expired token it shows the list after one refresh', async () => {
  const { api, phone } = await openExample()
  await submitForm(phone, 'lingpai')
  await shownItems(phone)
  api.expireAccessTokens()
  await phone.openPage('pages/home/home')
  expect(await shownItems(phone)).toEqual(['tea', 'ink'])
  expect(api.counters).toEqual({ logins: 1, refreshes: 1, reuseDetections: 0 })
})

test('it shows what the API says of a wrong password', async () => {
  const { phone } = await openExample()
  await submitForm(phone, 'wrong')
  expect(phone.toasts).toMatchObject([{ title: 'account or password is wrong' }])
})

test("its files agree with the types of the package and with WeChat's", async () => {
  const place = join(root, 'node_modules/.cache/mini-program-example')
  rmSync(place, { recursive: true, force: true })
  cpSync(example, place, { recursive: true })
  const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const typesOf = (name: string) => [join(root, entries[`./${name}`].types)]
  // `lingpai init` writes this file for TypeScript.
  writeFileSync(join(place, 'workers/lingpai.d.ts'), `export * from 'lingpai/wechat/worker'`)
  const compilerOptions = {
    target: 'es2020',
    module: 'esnext',
    moduleResolution: 'bundler',
    moduleDetection: 'force',
    lib: ['es2020'],
    types: ['miniprogram-api-typings'],
    allowJs: true,
    checkJs: true,
    noImplicitAny: false,
    noEmit: true,
    paths: Object.fromEntries(['wechat', 'wechat/worker'].map((name) => [`lingpai/${name}`, typesOf(name)])),
  }
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['**/*.js'] }))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const { stdout } = await promisify(execFile)(process.execPath, [compiler, '-p', place, '--pretty', 'false']).catch(
    (error: { stdout: string }) => error,
  )
  expect(stdout).toBe('')
})
