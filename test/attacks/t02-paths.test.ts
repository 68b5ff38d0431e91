import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'

test('no path leads from a method to code of the worker (T2)', async ({ attacker, expectUnharmed }) => {
  const codes = await attacker.evaluate(async () => {
    const port = await window.openRawPort()
    await port.hello()
    const paths = [
      ['constructor', 'constructor'],
      ['__proto__'],
      ['constructor'],
      ['fetch', 'constructor'],
      ['hello', '__proto__', 'constructor'],
      ['hasOwnProperty'],
      ['__defineGetter__'],
      ['toString', 'constructor'],
      ['fetch', 'bind'],
    ]
    const replies = []
    for (const path of paths) {
      for (const type of ['APPLY', 'GET', 'SET', 'CONSTRUCT', 'RELEASE', 'ENDPOINT']) {
        const code = { type: 'RAW', value: 'postMessage(1)' }
        replies.push(await port.ask({ type, path, argumentList: [code], value: code }))
      }
    }
    return replies.map(({ value }) => value?.code)
  })
  expect(codes.length).toBe(54)
  expect(new Set(codes)).toEqual(new Set(['invalid_call']))
  await expectUnharmed()
})

test('an own __proto__ in a message adds nothing to an object of the worker (T2)', async ({
  app,
  attacker,
  victim,
  expectUnharmed,
}) => {
  await attacker.evaluate(async (other) => {
    const port = await window.openRawPort()
    await port.hello()
    const polluted = JSON.parse(
      `{"__proto__": {"origin": "${other}", "url": "${other}/public", "auth": true, "method": "POST"}}`,
    )
    await Promise.all([
      port.ask(JSON.parse('{"type":"APPLY","__proto__":{"path":["explain"]},"path":["__proto__"],"argumentList":[]}')),
      port.call('fetch', 'a', polluted),
      port.call('request', 'b', polluted),
      port.call('signIn', 'c', polluted),
      port.call('authorize', 'd', polluted),
      port.call('explain', polluted),
      port.call('hello', polluted),
    ])
  }, app.other.origin)
  expect(
    await victim.evaluate(() => window.session.fetch(`${window.api}/echo`).then((answer) => answer.json())),
  ).toMatchObject({ method: 'GET' })
  await expectUnharmed()
})
