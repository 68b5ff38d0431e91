import { expect, test } from 'vitest'
import { testRecipe } from '../fixtures/recipe-behaviour.ts'
import { orders } from '../fixtures/recipe-orders.ts'

const context = testRecipe(async () => {
  const { api, mustSignIn } = await import('recipe:openapi-fetch/api.ts')
  return {
    call: (signal) => api.GET('/orders', { signal }).then(({ data }: { data: unknown }) => data),
    answer: orders,
    path: '/orders',
    fail: (status) =>
      api.GET('/status/{status}', { params: { path: { status } } }).then(({ error }: { error: unknown }) => error),
    failure: (status) => ({ status }),
    mustSignIn,
    aborted: { name: 'AbortError' },
  }
})

test('its Request with a body is replayed after a 401', async () => {
  const { api } = await import('recipe:openapi-fetch/api.ts')
  context.app.servers.authorizationServer.expireAccessTokens()
  const { data } = await api.POST('/echo', { body: { item: 'tea' } })
  expect(data).toMatchObject({ method: 'POST', bodyText: '{"item":"tea"}', contentType: 'application/json' })
})
