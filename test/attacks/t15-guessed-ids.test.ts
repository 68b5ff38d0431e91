import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'

test('a port cannot abort, answer or take over the calls of another page (T15)', async ({
  app,
  attacker,
  victim,
  expectUnharmed,
}) => {
  const hold = app.api.holdRequests('/orders')
  const before = app.api.requests.length
  const outcome = victim.evaluate(async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => window.session.fetch(`${window.api}/orders`)))
    return Promise.all(answers.map(async (answer) => [answer.status, (await answer.json()).subject]))
  })
  await expect.poll(() => app.api.requests.length - before).toBeGreaterThanOrEqual(5)
  await attacker.evaluate(async () => {
    const port = await window.openRawPort()
    await port.hello()
    for (let page = 0; page < 20; page += 1) {
      for (let id = 0; id < 100; id += 1) {
        for (const call of [`${id}`, `${page}.${id}`, `c${id}`, `call${id}`, `p${page}.c${id}`]) {
          port.post({ lingpai: 'abort', call })
        }
      }
    }
    // Answers of the worker, sent to the worker.
    for (let id = 0; id < 1000; id += 1) {
      port.post({ id: `${id}`, type: 'RAW', value: { status: 200, body: 'forged' } })
      port.post({ lingpai: 'snapshot', snapshot: { status: 'signed-out', tokenServer: 'ok' } })
    }
    await port.call('ping')
    port.post({ lingpai: 'goodbye', page: 1 })
  })
  hold.release()
  expect(await outcome).toEqual(Array(5).fill([200, 'alice']))
  await expectUnharmed()
})

test('an id that is in use is refused, and the first call keeps it (T15)', async ({
  app,
  attacker,
  expectUnharmed,
}) => {
  const hold = app.api.holdRequests('/orders')
  const replies = attacker.evaluate(async () => {
    const port = await window.openRawPort()
    await port.hello()
    const frame = (url: string) => ({
      id: 'same',
      type: 'APPLY',
      path: ['request'],
      argumentList: ['same', { url, method: 'GET', headers: [] }].map((value) => ({ type: 'RAW', value })),
    })
    port.post(frame(`${window.api}/orders`))
    port.post(frame(`${window.api}/orders`))
    while (port.replies.filter(({ id }) => id === 'same').length < 2) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return port.replies
      .filter(({ id }) => id === 'same')
      .map(({ name, value }) => (name === 'throw' ? value?.code : 'answered'))
  })
  await expect
    .poll(() => app.api.requests.some(({ path, status }) => path === '/orders' && status === undefined))
    .toBe(true)
  hold.release()
  expect(await replies).toEqual(['invalid_call', 'answered'])
  await expectUnharmed()
})
