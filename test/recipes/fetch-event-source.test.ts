import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { errorOf, testRecipe } from '../fixtures/recipe-behaviour.ts'
import { createEvents } from '../fixtures/recipe-events.ts'

const { state, routes } = createEvents()

// The client uses the browser's timers and the visibility of the page.
beforeAll(() => {
  vi.stubGlobal('window', globalThis)
  vi.stubGlobal('document', new EventTarget())
})
afterAll(() => {
  vi.unstubAllGlobals()
})

/** Resolves with this many orders. Rejects with the error that ended the stream. */
async function watch(count: number, signal?: AbortSignal): Promise<unknown[]> {
  const { watchOrders } = await import('recipe:fetch-event-source/events.ts')
  const seen: unknown[] = []
  const stop = new AbortController()
  signal?.addEventListener('abort', () => stop.abort())
  await watchOrders((order: unknown) => {
    if (seen.push(order) === count) stop.abort()
  }, stop.signal)
  // The client resolves after an abort.
  if (signal?.aborted) throw new Error('closed')
  return seen
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
    mustSignIn: (await import('recipe:fetch-event-source/events.ts')).mustSignIn,
    aborted: { message: 'closed' },
  }),
  async () => routes,
)

test('a stream that is left frees the server', async () => {
  await watch(1)
  await vi.waitFor(() => expect(state.open).toBe(0))
})

test('without onerror, sign_in_required is tried again and again', async () => {
  const { fetchEventSource } = await import('@microsoft/fetch-event-source')
  const { app } = context
  await app.session.signOut()
  const stop = new AbortController()
  const traffic = await app.during(async () => {
    void fetchEventSource(`${app.apiOrigin}/events`, { fetch: app.session.fetch, signal: stop.signal })
    await vi.waitFor(() => expect(app.fetchCalls).toBeGreaterThan(2), { timeout: 10_000, interval: 50 })
    stop.abort()
  })
  expect(traffic.statuses).toEqual([])
})
