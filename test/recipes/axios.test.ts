import { expect, test } from 'vitest'
import { errorOf, testRecipe } from '../fixtures/recipe-behaviour.ts'
import { orders } from '../fixtures/recipe-orders.ts'

const context = testRecipe(async () => {
  const { api, mustSignIn } = await import('recipe:axios/api.ts')
  return {
    call: (signal) => api.get('/orders', { signal }).then(({ data }: { data: unknown }) => data),
    answer: orders,
    path: '/orders',
    fail: (status) => errorOf(api.get(`/status/${status}`)),
    failure: (status) =>
      expect.objectContaining({ name: 'AxiosError', response: expect.objectContaining({ status, data: { status } }) }),
    mustSignIn,
    aborted: { name: 'CanceledError', code: 'ERR_CANCELED' },
  }
})

test('a POST with a body is replayed after a 401', async () => {
  const { api } = await import('recipe:axios/api.ts')
  context.app.servers.authorizationServer.expireAccessTokens()
  const { data } = await api.post('/echo', { item: 'tea' })
  expect(data).toMatchObject({ method: 'POST', bodyText: '{"item":"tea"}', contentType: 'application/json' })
})

test('a form with a file is replayed after a 401', async () => {
  const { api } = await import('recipe:axios/api.ts')
  context.app.servers.authorizationServer.expireAccessTokens()
  const form = new FormData()
  form.set('upload', new File(['ink'], 'a.txt', { type: 'text/plain' }))
  const { data } = await api.postForm('/echo', form)
  expect(data.contentType).toMatch(/^multipart\/form-data; boundary=/)
  expect(data.bodyText).toContain('filename="a.txt"')
})

test('a timeout of axios is its own error', async () => {
  const { api } = await import('recipe:axios/api.ts')
  const hold = context.app.servers.api.holdRequests('/orders')
  const error = await errorOf(api.get('/orders', { timeout: 50 }))
  hold.release()
  expect(error).toMatchObject({ name: 'AxiosError', code: 'ETIMEDOUT' })
})
