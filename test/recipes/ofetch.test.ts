import { expect, test } from 'vitest'
import { errorOf, testRecipe } from '../fixtures/recipe-behaviour.ts'
import { orders } from '../fixtures/recipe-orders.ts'

const context = testRecipe(async () => {
  const { api, mustSignIn } = await import('recipe:ofetch/api.ts')
  return {
    call: (signal) => api('/orders', { signal }),
    answer: orders,
    path: '/orders',
    // The client retries a GET after a 500.
    triesOf500: 2,
    fail: (status) => errorOf(api(`/status/${status}`)),
    failure: (status) => expect.objectContaining({ name: 'FetchError', status, data: { status } }),
    mustSignIn,
    aborted: { name: 'FetchError', cause: expect.objectContaining({ name: 'AbortError' }) },
  }
})

test('without the hook, sign_in_required is tried twice', async () => {
  const { createFetch } = await import('ofetch')
  const { app, client } = context
  await app.session.signOut()
  const traffic = await app.during(async () => {
    const bare = createFetch({ fetch: app.session.fetch })
    expect(client.mustSignIn(await errorOf(bare(`${app.apiOrigin}/orders`)))).toBe(true)
  })
  expect(traffic).toMatchObject({ fetchCalls: 2, statuses: [] })
})

test('a lost network is still tried again', async () => {
  const { api } = await import('recipe:ofetch/api.ts')
  const { app } = context
  const traffic = await app.during(async () => {
    expect(await errorOf(api('/drop'))).toMatchObject({ name: 'FetchError', cause: expect.any(TypeError) })
  })
  expect(traffic.fetchCalls).toBe(2)
})

test('a POST with a body is replayed after a 401', async () => {
  const { api } = await import('recipe:ofetch/api.ts')
  context.app.servers.authorizationServer.expireAccessTokens()
  const answer = await api('/echo', { method: 'POST', body: { item: 'tea' } })
  expect(answer).toMatchObject({ method: 'POST', bodyText: '{"item":"tea"}', contentType: 'application/json' })
})
