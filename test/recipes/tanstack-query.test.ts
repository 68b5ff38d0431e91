import { QueryClient } from '@tanstack/query-core'
import { expect, test } from 'vitest'
import { errorOf, testRecipe } from '../fixtures/recipe-behaviour.ts'
import { orders } from '../fixtures/recipe-orders.ts'

const isSignInRequired = (error: unknown) => (error as { code?: unknown }).code === 'sign_in_required'
// The client's own pauses between retries are long.
const atOnce = { retryDelay: 1 }

const context = testRecipe(async ({ apiOrigin, session }) => {
  const { queryClient, ordersQuery, ApiError } = await import('recipe:tanstack-query/queries.ts')
  let calls = 0
  return {
    call(signal) {
      calls += 1
      // Queries of one key share one call.
      const queryKey = ['orders', calls]
      signal?.addEventListener('abort', () => void queryClient.cancelQueries({ queryKey }))
      return queryClient.fetchQuery({ ...ordersQuery, ...atOnce, queryKey })
    },
    answer: orders,
    path: '/orders',
    triesOf500: 4,
    fail(status) {
      const queryFn = async () => {
        const response = await session.fetch(`${apiOrigin}/status/${status}`)
        throw new ApiError(response.status)
      }
      return errorOf(queryClient.fetchQuery({ ...atOnce, retry: retryOf(queryClient), queryKey: [status], queryFn }))
    },
    failure: (status) => new ApiError(status),
    mustSignIn: isSignInRequired,
    aborted: { message: 'CancelledError' },
  }
})

/** `fetchQuery` does not retry by default. Observers, which apps use, follow the default of queries. */
function retryOf(queryClient: QueryClient) {
  return queryClient.getDefaultOptions().queries?.retry ?? 0
}

test('queries of one key are one call', async () => {
  const { queryClient, ordersQuery } = await import('recipe:tanstack-query/queries.ts')
  context.app.servers.authorizationServer.expireAccessTokens()
  const traffic = await context.app.during(() =>
    Promise.all([1, 2, 3].map(() => queryClient.fetchQuery({ ...ordersQuery, staleTime: 0 }))),
  )
  expect(traffic).toEqual({ fetchCalls: 1, refreshes: 1, statuses: [401, 200] })
})

test('with the number that browsers default to, sign_in_required is tried four times', async () => {
  const { ordersQuery } = await import('recipe:tanstack-query/queries.ts')
  await context.app.session.signOut()
  const traffic = await context.app.during(async () => {
    expect(isSignInRequired(await errorOf(new QueryClient().fetchQuery({ ...ordersQuery, ...atOnce, retry: 3 })))).toBe(
      true,
    )
  })
  expect(traffic).toMatchObject({ fetchCalls: 4, statuses: [] })
})

test('a lost network is tried again', async () => {
  const { queryClient } = await import('recipe:tanstack-query/queries.ts')
  const { app } = context
  const traffic = await app.during(() => {
    const queryFn = () => app.session.fetch(`${app.apiOrigin}/drop`)
    return errorOf(queryClient.fetchQuery({ ...atOnce, retry: retryOf(queryClient), queryKey: ['drop'], queryFn }))
  })
  expect(traffic.fetchCalls).toBe(4)
})
