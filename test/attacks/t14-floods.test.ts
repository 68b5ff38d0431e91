import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'
import { callApi } from '../fixtures/tabs.ts'

test('a value that is small as a message and huge when it is walked stops no other page (T14)', async ({
  attacker,
  victim,
  expectUnharmed,
}) => {
  const flood = attacker.evaluate(async () => {
    const port = await window.openRawPort()
    await port.hello()
    const sparse = new Array(2 ** 32 - 1)
    let deep: unknown = 1
    for (let depth = 0; depth < 100; depth += 1) deep = { deep }
    const shared: unknown[] = []
    let bomb: unknown = shared
    for (let level = 0; level < 40; level += 1) bomb = [bomb, bomb]
    const values = [sparse, deep, bomb, new Map([[sparse, sparse]]), { length: 2 ** 53, 0: 1 }, 'x'.repeat(5e6)]
    const replies = await Promise.all(
      values.flatMap((value, index) => [
        port.call('adopt', { accessToken: 'x', extra: value }),
        port.call('signIn', `s${index}`, value),
        port.call('fetch', `f${index}`, { url: `${window.api}/orders`, method: 'GET', headers: value }),
        port.call('request', `r${index}`, { url: `${window.api}/orders`, method: 'POST', headers: [], body: value }),
        port.call('explain', value),
        port.call('hello', value),
      ]),
    )
    return replies.map(({ name, value }) => (name === 'throw' ? value?.code : 'answered'))
  })
  expect(await callApi(victim, 5)).toEqual(Array(5).fill(200))
  const outcomes = await flood
  expect(outcomes).toHaveLength(36)
  expect(outcomes).not.toContain(undefined)
  await expectUnharmed()
})

test('ports without a page of their own use up no other page’s turns (T14)', async ({
  app,
  attacker,
  victim,
  expectUnharmed,
}) => {
  const before = app.api.requests.length
  const hold = app.api.holdRequests('/echo')
  await attacker.evaluate(async () => {
    const ports = await Promise.all(Array.from({ length: 6 }, () => window.openRawPort()))
    for (const [index, port] of ports.entries()) {
      // A port without a hello gets nothing. A lock that no page holds proves nothing.
      if (index > 0) await port.hello(index % 2 === 0 ? 'lingpai:page:forged' : undefined)
      for (let id = 0; id < 100; id += 1) {
        const request = { url: `${window.api}/echo`, method: 'GET', headers: [], auth: id % 2 === 0 }
        port.call('request', `id${id}`, request)
        port.call('request', `other${id}`, { ...request, url: `${window.other}/public` })
      }
    }
  })
  await expect.poll(() => app.api.requests.length - before).toBeGreaterThan(0)
  // The browser itself has six connections to this server. A call of the victim needs one of them.
  await attacker.evaluate(() => new Promise((resolve) => setTimeout(resolve, 500)))
  const seen = app.api.requests.slice(before).filter(({ path, method }) => path === '/echo' && method === 'GET')
  expect(seen.length).toBeLessThanOrEqual(10)
  expect(app.other.requests).toEqual([])
  hold.release()
  expect(await callApi(victim, 5)).toEqual(Array(5).fill(200))
  await expectUnharmed()
  await attacker.close()
  expect(await callApi(victim, 5)).toEqual(Array(5).fill(200))
})

test('thousands of ports and sign-ins that are begun and left cost the victim nothing (T14)', async ({
  attacker,
  victim,
  expectUnharmed,
}) => {
  await attacker.evaluate(async () => {
    const port = await window.openRawPort()
    await port.hello()
    const begun = Array.from({ length: 300 }, (_none, index) =>
      port.call('authorize', `a${index}`, { via: 'redirect', returnTo: `/${'x'.repeat(60_000)}` }),
    )
    await Promise.all(begun)
    for (let count = 0; count < 500; count += 1) await window.openRawPort()
  })
  expect(await callApi(victim, 5)).toEqual(Array(5).fill(200))
  await expectUnharmed()
})
