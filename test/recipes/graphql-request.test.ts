import { expect, test } from 'vitest'
import type { ApiRoute } from '../../servers/api/api-route.ts'
import { answerJson } from '../../servers/http/json.ts'
import { errorOf, testRecipe } from '../fixtures/recipe-behaviour.ts'
import { graphqlRoute } from '../fixtures/recipe-routes.ts'

const context = testRecipe(
  async ({ apiOrigin }) => {
    const { api, mustSignIn } = await import('recipe:graphql-request/api.ts')
    const { GraphQLClient } = await import('graphql-request')
    return {
      call: (signal) => api.request({ document: '{ orders { item } subject }', signal }),
      answer: { orders: [{ item: 'tea' }], subject: 'alice' },
      path: '/graphql',
      fail: (status) => {
        const url = `${apiOrigin}/always-${status}`
        return errorOf(new GraphQLClient(url, { ...api.requestConfig }).request('{ subject }'))
      },
      failure: (status) => expect.objectContaining({ response: expect.objectContaining({ status }) }),
      mustSignIn,
      aborted: { name: 'AbortError' },
    }
  },
  async () => ({ '/graphql': graphqlRoute, '/always-404': always(404), '/always-500': always(500) }),
)

function always(status: number): ApiRoute {
  return { anyMethod: true, answer: ({ response }) => answerJson(response, status, { errors: [{ message: 'no' }] }) }
}

test("errors in an answer 200 are the client's own", async () => {
  const { api } = await import('recipe:graphql-request/api.ts')
  const error = await errorOf(api.request('{ broken }'))
  expect(error).toMatchObject({ response: { status: 200, errors: [{ message: 'out of ink' }] } })
  expect(context.client.mustSignIn(error)).toBe(false)
})
