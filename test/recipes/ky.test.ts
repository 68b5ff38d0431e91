import { expect, test } from 'vitest'
import { errorOf, testRecipe } from '../fixtures/recipe-behaviour.ts'
import { orders } from '../fixtures/recipe-orders.ts'

const context = testRecipe(async ({ apiOrigin }) => {
  const { api, mustSignIn } = await import('recipe:ky/api.ts')
  return {
    call: (signal) => api(`${apiOrigin}/orders`, { signal }).json(),
    answer: orders,
    path: '/orders',
    // The client retries a GET after a 500.
    triesOf500: 3,
    fail: (status) => errorOf(api(`${apiOrigin}/status/${status}`).json()),
    failure: (status) => expect.objectContaining({ name: 'HTTPError', response: expect.objectContaining({ status }) }),
    mustSignIn,
    aborted: { name: 'AbortError' },
  }
})

test('without shouldRetry, sign_in_required is tried three times', async () => {
  const { default: ky } = await import('ky')
  const { app, client } = context
  await app.session.signOut()
  const traffic = await app.during(async () => {
    const call = ky(`${app.apiOrigin}/orders`, { fetch: app.session.fetch, retry: { delay: () => 1 } })
    expect(client.mustSignIn(await errorOf(call))).toBe(true)
  })
  expect(traffic).toMatchObject({ fetchCalls: 3, statuses: [] })
})

test('a POST with a body is replayed after a 401', async () => {
  const { api } = await import('recipe:ky/api.ts')
  const { app } = context
  app.servers.authorizationServer.expireAccessTokens()
  const answer = await api.post(`${app.apiOrigin}/echo`, { json: { item: 'tea' } }).json()
  expect(answer).toMatchObject({ method: 'POST', bodyText: '{"item":"tea"}', contentType: 'application/json' })
})

test('a lost network is still tried again', async () => {
  const { api } = await import('recipe:ky/api.ts')
  const { app } = context
  const traffic = await app.during(async () => {
    expect(await errorOf(api(`${app.apiOrigin}/drop`, { retry: { delay: () => 1 } }))).toBeInstanceOf(TypeError)
  })
  expect(traffic.fetchCalls).toBe(3)
})

test('its parseJson, for which it replaces the json of a response, parses the answer', async () => {
  const { api } = await import('recipe:ky/api.ts')
  const parse = (text: string) => ({ parsed: JSON.parse(text) })
  const answer = api(`${context.app.apiOrigin}/orders`, { parseJson: parse })
  expect(await answer.json()).toEqual({ parsed: orders })
})
