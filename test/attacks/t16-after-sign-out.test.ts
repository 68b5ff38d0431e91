import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'
import { findTokens, waitForStatus } from '../fixtures/tabs.ts'

test('after a sign-out, no call has a token and the provider accepts none of them (T16)', async ({
  app,
  attacker,
  victim,
}) => {
  const hold = app.authorizationServer.holdRefreshes()
  app.authorizationServer.expireAccessTokens()
  const pending = attacker.evaluate(() =>
    window.session.fetch(`${window.api}/orders`).then(
      ({ status }) => status,
      (error) => error.code,
    ),
  )
  await hold.arrived
  await victim.evaluate(() => window.session.signOut())
  await waitForStatus(attacker, 'signed-out')
  hold.release()
  expect(await pending).toBe('sign_in_required')
  const before = app.api.requests.length
  const outcomes = await attacker.evaluate(async () => {
    const port = await window.openRawPort()
    await port.hello()
    const replies = await Promise.all(
      ['fetch', 'request'].map((method, index) =>
        port.call(method, `late${index}`, { url: `${window.api}/orders`, method: 'GET', headers: [] }),
      ),
    )
    const token = await port.call('getAccessToken', 'late2')
    return [...replies, token].map(({ value }) => value?.code)
  })
  expect(outcomes.slice(0, 2)).toEqual(['sign_in_required', 'sign_in_required'])
  expect(outcomes[2]).toBe('token_not_exposed')
  expect(app.api.requests.slice(before).filter(({ headers }) => headers.authorization)).toEqual([])
  await expect
    .poll(async () => {
      const subjects = app.authorizationServer.issuedTokens.map((token) =>
        app.authorizationServer.verifyAccessToken(token),
      )
      return (await Promise.all(subjects)).filter(Boolean)
    })
    .toEqual([])
  expect(findTokens(app, await attacker.evaluate(() => window.received.join('\n')))).toEqual([])
})
