import { expect, test, vi } from 'vitest'
import { type Connection, openConnection } from '../../../src/connect/connection.ts'
import type { Grant, TransactionStore } from '../../../worker/core/adapter.ts'
import { createBrokerServer } from '../../../worker/host/broker-server.ts'
import { createEndpointPair } from '../../../worker/host/endpoint-pair.ts'
import type { ServeOptions } from '../../../worker/host/options.ts'
import { createWebHost } from '../../../worker/host/web.ts'
import { memoryStore } from '../../../worker/store/memory.ts'

const callback = 'https://app.example/callback?code=c&state=s'
const grant: Grant = {
  authorize: async () => ({ url: 'https://id.example/auth', transaction: { state: 's' } }),
  callback: async () => ({ accessToken: 'access' }),
  refresh: async () => ({ accessToken: 'new' }),
}

/** A page that is connected to a worker. */
async function openWorker(
  options: Partial<ServeOptions<never>> = {},
  transactions?: TransactionStore,
): Promise<Connection> {
  const [page, own] = createEndpointPair()
  const { holdLock: _lock, ...host } = createWebHost({ mode: 'inline', origin: 'https://app.example' })
  createBrokerServer(
    { grant: grant as Grant<never>, apis: [{ origin: 'https://api.example' }], store: memoryStore(), ...options },
    { ...host, ...(transactions && { openTransactions: () => transactions }) },
  ).attach(own)
  const connection = openConnection(
    page,
    () => {},
    () => {},
  )
  await connection.hello()
  return connection
}

/** Completes a sign-in whose stored transaction a script of the origin has written. */
async function completeWith(returnTo: unknown): Promise<unknown> {
  const transactions = { put: async () => {}, take: async () => ({ state: 's', returnTo }), clear: async () => {} }
  return (await openWorker({}, transactions)).call('callback', [callback])
}

test.each(['/', '/orders?page=2#end', '/a//b', '/@evil.example', '/%2F/evil.example'])(
  'a stored returnTo of %j is returned when the sign-in is completed',
  async (returnTo) => {
    expect(await completeWith(returnTo)).toEqual({ returnTo })
  },
)

const hostile: readonly unknown[] = [
  'javascript:alert(1)',
  'https://evil.example/',
  'https://app.example/',
  '//evil.example/',
  '/\\evil.example/',
  '\\/evil.example/',
  '/\t/evil.example/',
  '\t//evil.example/',
  '/\n/evil.example/',
  ' //evil.example/',
  'blob:https://app.example/1',
  'data:text/html,x',
  'orders',
  '',
  `/${'a'.repeat(8192)}`,
  1,
  null,
  { path: '/' },
]

test.each(hostile)(
  'a stored returnTo of %j is dropped when the sign-in is completed (RFC 9700 §4.11)',
  async (returnTo) => {
    expect(await completeWith(returnTo)).toEqual({})
  },
)

test.each(hostile)('a sign-in with a returnTo of %j is not begun', async (returnTo) => {
  const put = vi.fn(async () => {})
  const transactions = { put, take: async () => undefined, clear: async () => {} }
  const worker = await openWorker({}, transactions)
  const begun = worker.call('authorize', [{ via: 'redirect', returnTo: returnTo as string }])
  await expect(begun).rejects.toMatchObject({ code: 'invalid_call' })
  expect(put).not.toHaveBeenCalled()
})

test('only with redirectTransactions "memory", a page gets the names of the session and of its worker', async () => {
  const storing = await openWorker({ redirectTransactions: 'stored' })
  expect(await storing.call('authorize', [{ via: 'redirect' }])).toEqual({ url: 'https://id.example/auth', state: 's' })
  const [one, next] = await Promise.all([1, 2].map(() => openWorker({ redirectTransactions: 'memory' })))
  const [first, second] = await Promise.all(
    [one, next].map((worker) => worker?.call('authorize', [{ via: 'redirect' }])),
  )
  expect(first?.session).toBe(second?.session)
  expect(first?.worker).not.toBe(second?.worker)
})

test.each<[string, Partial<ServeOptions<never>>]>([
  ['another provider or client', { grant: { ...grant, name: 'https://other.example web' } as Grant<never> }],
  ['another store', { store: { ...memoryStore(), sharedName: 'other' } }],
])('a worker with %s names another session', async (_what, changes) => {
  const store = { ...memoryStore(), sharedName: 'one' }
  const options = {
    grant: { ...grant, name: 'https://id.example web' } as Grant<never>,
    store,
    redirectTransactions: 'memory',
  } as const
  const [own, other] = await Promise.all([openWorker(options), openWorker({ ...options, ...changes })])
  const [one, two] = await Promise.all([own, other].map((worker) => worker.call('authorize', [{ via: 'redirect' }])))
  expect(one?.session).toEqual(expect.any(String))
  expect(one?.session).not.toBe(two?.session)
})
