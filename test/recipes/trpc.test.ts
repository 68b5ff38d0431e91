import { nodeHTTPRequestHandler } from '@trpc/server/adapters/node-http'
import { expect, test } from 'vitest'
import type { ApiRoute } from '../../servers/api/api-route.ts'
import { errorOf, testRecipe } from '../fixtures/recipe-behaviour.ts'

let isBroken = false

function createContext(): object {
  if (isBroken) throw new Error('out of ink')
  return {}
}

async function routes(): Promise<Readonly<Record<string, ApiRoute>>> {
  const { appRouter } = await import('recipe:trpc/router.ts')
  return {
    '/trpc': {
      anyMethod: true,
      takesArgument: true,
      answer: ({ request, response, argument }) =>
        nodeHTTPRequestHandler({
          router: appRouter,
          req: request,
          res: response,
          path: argument,
          maxBodySize: 1_000_000,
          createContext,
        }),
    },
  }
}

const context = testRecipe(async () => {
  const { api, mustSignIn } = await import('recipe:trpc/api.ts')
  return {
    call: (signal) => api.orders.query(undefined, { signal }),
    answer: [{ id: 1, item: 'tea' }],
    path: '/trpc/orders',
    async fail(status) {
      isBroken = status === 500
      const error = await errorOf(isBroken ? api.orders.query() : api.missing.query())
      isBroken = false
      return error
    },
    failure: (httpStatus) =>
      expect.objectContaining({ name: 'TRPCClientError', data: expect.objectContaining({ httpStatus }) }),
    mustSignIn,
    aborted: { name: 'TRPCClientError', cause: expect.objectContaining({ name: 'AbortError' }) },
  }
}, routes)

test('a batch is one call, and a failure in it leaves the others their answers', async () => {
  const { api } = await import('recipe:trpc/api.ts')
  context.app.servers.authorizationServer.expireAccessTokens()
  const traffic = await context.app.during(async () => {
    const [listed, missing] = await Promise.all([api.orders.query(), errorOf(api.missing.query())])
    expect(listed).toEqual(context.client.answer)
    expect(missing).toMatchObject({ data: { code: 'NOT_FOUND' } })
  })
  expect(traffic).toEqual({ fetchCalls: 1, refreshes: 1, statuses: [401, 207] })
})
