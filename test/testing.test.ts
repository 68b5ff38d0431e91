import { expect, test } from 'vitest'
import { startTestSession } from '../worker/testing/index.ts'

const url = 'https://api.example.com/orders'
const apis = [{ origin: 'https://api.example.com' }]

test('smoke', async () => {
  const test = startTestSession({ apis })
  await test.signIn('alice')
  expect(test.session.getSnapshot()).toMatchObject({ status: 'signed-in', user: { subject: 'alice' } })
  await test.clock.advance('1h')
  test.authorizationServer.next.refresh({ reject: 'invalid_grant', delay: '2s' })
  const calls = [1, 2, 3].map(() => test.session.fetch(url).then(r=>r.text(), e=>e.code))
  await test.clock.advance('2s')
  console.log(await Promise.all(calls))
  console.log(test.story())
  console.log(await test.session.explain())
})
