import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, vi } from 'vitest'
import { readStamp } from '../../bin/stamp.mjs'
import { settle } from '../../build/settle.ts'
import type { LingpaiError } from '../../src/protocol/errors.ts'
import { sortedParams } from '../../worker/envelope.ts'
import { findFreeNames } from '../fixtures/free-names.ts'
import { createRealm } from '../fixtures/miniprogram-realm.ts'

// These tests read the output of `npm run build`; `npm test` runs it first.
const folder = fileURLToPath(new URL('../../dist/miniprogram', import.meta.url))
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'))
const scripts = files.filter((path) => path.endsWith('.js'))
const read = (path: string) => readFileSync(join(folder, path), 'utf8')
const workerNames = () => ({ worker: { onMessage: vi.fn(), postMessage: vi.fn() } })

/** The globals of the oldest engine, and those that WeChat defines in every file. */
const present = new Set(
  `Array ArrayBuffer Boolean DataView Date Error Float32Array Float64Array Function Int16Array Int32Array Int8Array JSON Map
  Math Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set String Symbol SyntaxError TypeError
  Uint16Array Uint32Array Uint8Array Uint8ClampedArray URIError EvalError WeakMap WeakSet Infinity NaN undefined
  decodeURIComponent encodeURIComponent isFinite isNaN parseFloat parseInt
  clearInterval clearTimeout console exports module require setInterval setTimeout`.split(/\s+/),
)
/** The globals that WeChat defines for pages only, not for workers. */
const presentForPages = new Set(['wx', 'getCurrentPages'])
/** Globals that may be missing. The code must test for them with `typeof` first. */
const asked = new Set(['worker', 'wx', 'BigInt', 'WeakRef', 'crypto', 'document'])
/**
 * Code with these names never runs in a mini program: either a test of the global object comes first, or only a message
 * that the guard rejects would reach it in Comlink.
 */
const unreachable = new Set(['FinalizationRegistry', 'navigator', 'MessageChannel'])

it('has the CommonJS files that pages and the worker require', () => {
  for (const name of [
    'index.js',
    'wechat.js',
    'wechat/inline.js',
    'inline.js',
    'envelope.js',
    'worker.js',
    'THIRD-PARTY-LICENSES.md',
  ])
    expect(files).toContain(name)
  expect(JSON.parse(read('package.json'))).toEqual({ type: 'commonjs' })
})

describe.each(scripts)('%s', (path) => {
  it('is ECMAScript 5, and uses only globals that exist or that it has tested for', () => {
    const names = findFreeNames(read(path))
    const questions = new Set(names.filter(({ use }) => use === 'typeof').map(({ name }) => name))
    const isGiven = (name: string) => present.has(name) || (path !== 'worker.js' && presentForPages.has(name))
    const isSafe = (name: string) => isGiven(name) || unreachable.has(name) || (asked.has(name) && questions.has(name))
    expect(names.filter(({ name, use }) => use !== 'typeof' && !isSafe(name))).toEqual([])
  })

  it('does not evaluate text as code, which WeChat forbids', () => {
    const names = findFreeNames(read(path))
    expect(names.filter(({ name, use }) => name === 'eval' || (name === 'Function' && use === 'call'))).toEqual([])
  })

  it('loads in the oldest engine without a change to its global scope', () => {
    const realm = createRealm(folder, path === 'worker.js' ? workerNames() : {})
    const listNames = 'Object.getOwnPropertyNames(this).join()'
    const before = realm.run(listNames)
    expect(Object.keys(realm.require(path)).length).toBeGreaterThan(0)
    expect(realm.run(listNames)).toBe(before)
  })
})

it('require("lingpai") and require("lingpai/wechat") return the same', () => {
  const realm = createRealm(folder)
  expect(realm.require('index.js')).toBe(realm.require('wechat.js'))
})

it('has the worker library in one file, because a worker cannot require a file outside its folder', () => {
  expect(findFreeNames(read('worker.js')).filter(({ name }) => name === 'require')).toEqual([])
})

it('stamps the file that apps copy, so that a later version can detect a change', () => {
  expect(readStamp(read('worker.js'))).toEqual({ version: expect.any(String), isUnchanged: true })
})

it('ships the licences of the bundled packages, and refers to them in every file', () => {
  const licences = read('THIRD-PARTY-LICENSES.md')
  for (const name of ['comlink', '@noble/hashes', 'core-js-pure']) expect(licences).toContain(`## ${name} - `)
  for (const path of scripts.filter((script) => !['index.js', 'wechat/inline.js'].includes(script)))
    expect(read(path)).toMatch(/Comlink \(Apache-2\.0.*core-js \(MIT/)
})

it('creates real errors in the oldest engine, with their class, code and brand', () => {
  const { LingpaiError: Lowered, isLingpaiError } = createRealm(folder, workerNames()).require(
    'worker.js',
  ) as unknown as {
    LingpaiError: typeof LingpaiError
    isLingpaiError(value: unknown): boolean
  }
  const error = new Lowered('api_error', 'It failed.', { status: 500, apiCode: 7 })
  expect(error).toBeInstanceOf(Lowered)
  expect(Object.prototype.toString.call(error)).toBe('[object Error]')
  expect(error).toMatchObject({ name: 'LingpaiError', code: 'api_error', status: 500, apiCode: 7 })
  expect(error.message).toContain('It failed.')
  expect(error.stack).toContain('It failed.')
  expect(isLingpaiError(error)).toBe(true)
})

it.each(['md5', 'sha256', 'hmac-sha256'] as const)(
  'signs with %s in the oldest engine as the source does',
  (algorithm) => {
    const { sortedParams: lowered } = createRealm(folder).require('envelope.js') as unknown as {
      sortedParams: typeof sortedParams
    }
    const options = { algorithm, secret: '密钥', extra: { appId: 'wx1' } }
    const platform = { now: () => 1_700_000_000_000, random: () => 0.25 }
    const requests = [
      { url: 'https://api.example.com/a/../订单?b=2&a=%E4%BB%A4&a=x+y#top', method: 'GET', headers: {} },
      {
        url: 'https://api.example.com/orders',
        method: 'POST',
        headers: {},
        data: { name: '令牌🔑', list: [1, { a: null }], no: '' },
      },
    ]
    for (const request of requests)
      expect(lowered(options, platform)(request)).toEqual(sortedParams(options, platform)(request))
  },
)

it('replaces finally: the outcome passes through, and a callback that fails replaces it', async () => {
  const calls: string[] = []
  await expect(settle(Promise.resolve('value'), () => calls.push('kept'))).resolves.toBe('value')
  await expect(settle(Promise.reject(new Error('first')), () => calls.push('failed'))).rejects.toThrow('first')
  const failing = () => Promise.reject(new Error('second'))
  await expect(settle(Promise.reject(new Error('first')), failing)).rejects.toThrow('second')
  await expect(settle(Promise.resolve('value'), failing)).rejects.toThrow('second')
  expect(calls).toEqual(['kept', 'failed'])
})
