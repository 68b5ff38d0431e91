import { startTestSession } from 'lingpai/testing'
import { expect, test } from 'vitest'
import { loadOrders } from './load-orders'
import { options } from './token-options'

test('the orders are shown, although the token has expired', async () => {
  const app = startTestSession(options)
  app.api.answer('/orders', [{ item: 'tea' }, { item: 'ink' }])
  await app.signIn('alice')
  app.authorizationServer.expireAccessTokens()

  expect(await loadOrders(app.session)).toBe('tea, ink')
  expect(app.authorizationServer.refreshes).toHaveLength(1)
})

test('when the refresh is rejected, the user is asked to sign in', async () => {
  const app = startTestSession(options)
  await app.signIn('alice')
  app.authorizationServer.expireAccessTokens()
  app.authorizationServer.next.refresh({ reject: 'invalid_grant' })

  expect(await loadOrders(app.session)).toBe('Please sign in')
})
