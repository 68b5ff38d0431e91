import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { connect, type Session } from '../../src/index.ts'
import { orders } from '../fixtures/recipe-orders.ts'
import { settingsOf, startShared } from '../fixtures/workers.ts'

// test/recipes runs each client in Node, in the thread of the broker. Here the calls cross into a worker.
const api = inject('apiOrigin')
let session: Session

beforeAll(async () => {
  const settings = settingsOf()
  session = connect({ shared: () => startShared(settings) }) as Session
  globalThis.recipeApp = { session, apiOrigin: api }
})
afterAll(() => session.close())

interface BrowserRecipe {
  call(): Promise<unknown>
  mustSignIn(error: unknown): boolean
}

const item = { item: 'tea' }
const echo = { method: 'POST', bodyText: '{"item":"tea"}', contentType: 'application/json', subject: 'alice' }

const recipes: [string, object, () => Promise<BrowserRecipe>][] = [
  [
    'ky',
    echo,
    async () => {
      const { api: client, mustSignIn } = await import('recipe:ky/api.ts')
      return { call: () => client.post(`${api}/echo`, { json: item }).json(), mustSignIn }
    },
  ],
  [
    'ofetch',
    echo,
    async () => {
      const { api: client, mustSignIn } = await import('recipe:ofetch/api.ts')
      return { call: () => client('/echo', { method: 'POST', body: item }), mustSignIn }
    },
  ],
  [
    'axios',
    echo,
    async () => {
      const { api: client, mustSignIn } = await import('recipe:axios/api.ts')
      return { call: async () => (await client.post('/echo', item)).data, mustSignIn }
    },
  ],
  [
    'openapi-fetch',
    echo,
    async () => {
      const { api: client, mustSignIn } = await import('recipe:openapi-fetch/api.ts')
      return { call: async () => (await client.POST('/echo', { body: item })).data, mustSignIn }
    },
  ],
  [
    'TanStack Query',
    orders,
    async () => {
      const { queryClient, ordersQuery } = await import('recipe:tanstack-query/queries.ts')
      const mustSignIn = (error: unknown) => (error as { code?: unknown }).code === 'sign_in_required'
      return { call: () => queryClient.fetchQuery(ordersQuery), mustSignIn }
    },
  ],
  [
    'graphql-request',
    { subject: 'alice' },
    async () => {
      const { api: client, mustSignIn } = await import('recipe:graphql-request/api.ts')
      return { call: () => client.request('{ subject }'), mustSignIn }
    },
  ],
  [
    'eventsource',
    { order: 1 },
    async () => {
      const { watchOrders, mustSignIn } = await import('recipe:eventsource/events.ts')
      const call = () =>
        new Promise((resolve, reject) => {
          const source = watchOrders((order: unknown) => {
            source.close()
            resolve(order)
          }, reject)
        })
      return { call, mustSignIn }
    },
  ],
  [
    'fetch-event-source',
    { order: 1 },
    async () => {
      const { watchOrders, mustSignIn } = await import('recipe:fetch-event-source/events.ts')
      const call = async () => {
        const stop = new AbortController()
        let first: unknown
        await watchOrders((order: unknown) => {
          first = order
          stop.abort()
        }, stop.signal)
        return first
      }
      return { call, mustSignIn }
    },
  ],
]

test.each(recipes)(
  '%s calls the API through the worker, and reports sign_in_required',
  async (_client, answer, load) => {
    const { call, mustSignIn } = await load()
    await session.signIn({ account: 'alice' })
    expect(await call()).toMatchObject(answer)
    await session.signOut()
    const error = await call().then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(mustSignIn(error)).toBe(true)
  },
)
