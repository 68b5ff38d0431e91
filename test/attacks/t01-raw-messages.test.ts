import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'

test('calls that are not in the table are rejected, and change nothing (T1)', async ({ attacker, expectUnharmed }) => {
  const codes = await attacker.evaluate(async () => {
    const port = await window.openRawPort()
    await port.hello()
    const apply = (path: unknown, argumentList: unknown = []) => port.ask({ type: 'APPLY', path, argumentList })
    const replies = await Promise.all([
      ...['tokens', 'refresh', 'load', 'save', 'grant', 'toString', 'valueOf', 'then', ''].map((name) =>
        port.call(name),
      ),
      ...['GET', 'SET', 'CONSTRUCT', 'ENDPOINT', 'RELEASE', 'apply', null, 7].map((type) =>
        port.ask({ type, path: ['fetch'], argumentList: [], value: { type: 'RAW', value: 1 } }),
      ),
      apply('fetch'),
      apply([]),
      apply(['fetch', 'call']),
      apply([['fetch']]),
      apply({ 0: 'fetch', length: 1 }),
      apply(['fetch'], 'text'),
      apply(['fetch'], { length: 1 }),
      apply(['fetch'], [{ type: 'HANDLER', name: 'proxy', value: 'port' }]),
      apply(['fetch'], [null]),
      apply(['getAccessToken'], Array(5).fill({ type: 'RAW', value: 'a' })),
    ])
    return replies.map(({ value }) => value?.code)
  })
  expect(codes.length).toBeGreaterThan(25)
  expect(new Set(codes)).toEqual(new Set(['invalid_call']))
  await expectUnharmed()
})

test('arguments of every kind that a message can carry are rejected or copied (T1)', async ({
  attacker,
  expectUnharmed,
}) => {
  const outcomes = await attacker.evaluate(async () => {
    const port = await window.openRawPort()
    await port.hello()
    const cyclic: Record<string, unknown> = {}
    cyclic.self = cyclic
    const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 128 }, false, ['encrypt'])
    const values: unknown[] = [
      undefined,
      null,
      1n,
      Number.NaN,
      new Date(Number.NaN),
      /./,
      new Map([['url', '/']]),
      new Set(),
      new Blob(['a']),
      new Error('a'),
      new Uint8Array(9),
      new ImageData(1, 1),
      cyclic,
      key,
      Array(2 ** 32 - 1),
    ]
    const methods = ['fetch', 'request', 'signIn', 'authorize', 'callback', 'adopt', 'explain', 'ping', 'task']
    const replies = await Promise.all(
      methods.flatMap((method) =>
        values.flatMap((value, index) => [
          port.call(method, value),
          port.call(method, `id${index}`, value),
          port.call(method, `other${index}`, { url: value, method: value, headers: value, body: value }),
        ]),
      ),
    )
    return replies.map(({ name, value }) => (name === 'throw' ? (value?.code ?? 'unnamed') : 'answered'))
  })
  expect(outcomes.length).toBeGreaterThan(400)
  expect(outcomes).not.toContain('unnamed')
  await expectUnharmed()
})
