import { expect, test, vi } from 'vitest'
import { errorOf, testRecipe } from '../fixtures/recipe-behaviour.ts'
import { createEvents } from '../fixtures/recipe-events.ts'

const { state, routes } = createEvents()

/** Resolves with this many orders. Rejects with the error that ended the stream. */
async function watch(count: number, signal?: AbortSignal): Promise<unknown[]> {
  const { watchOrders } = await import('recipe:eventsource/events.ts')
  const seen: unknown[] = []
  return new Promise((resolve, reject) => {
    const source = watchOrders((order: unknown) => {
      if (seen.push(order) < count) return
      source.close()
      resolve(seen)
    }, reject)
    signal?.addEventListener('abort', () => {
      source.close()
      reject(new Error('closed'))
    })
  })
}

const context = testRecipe(
  async () => ({
    call: (signal) => watch(1, signal),
    answer: [{ order: 1 }],
    path: '/events',
    endless: true,
    async fail(status) {
      state.status = status
      const error = await errorOf(watch(1))
      state.status = undefined
      return error
    },
    failure: (status) => new Error(`The API answered ${status}.`),
    mustSignIn: (await import('recipe:eventsource/events.ts')).mustSignIn,
    aborted: { message: 'closed' },
  }),
  async () => routes,
)

test('a stream that was lost goes on where it was, with a new token where the old one has expired', async () => {
  const { app } = context
  state.ends = true
  const traffic = await app.during(async () => {
    const watched = watch(3)
    await vi.waitFor(() => expect(app.servers.api.requests.at(-1)?.path).toBe('/events'))
    app.servers.authorizationServer.expireAccessTokens()
    expect(await watched).toEqual([{ order: 1 }, { order: 2 }, { order: 3 }])
  })
  state.ends = false
  expect(traffic.refreshes).toBe(1)
  expect(traffic.fetchCalls).toBe(3)
})

test('a source that is closed frees the server', async () => {
  await watch(1)
  await vi.waitFor(() => expect(state.open).toBe(0))
})
