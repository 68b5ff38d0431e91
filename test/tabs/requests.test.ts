import type { Page } from 'playwright'
import { expect } from 'vitest'
import { test } from '../fixtures/tab-test.ts'
import { openTab as openTabIn, signIn } from '../fixtures/tabs.ts'

const it = test.extend('tab', { scope: 'file' }, async ({ app, browser }) => {
  const tab = await openTabIn(await browser.newContext(), app)
  await signIn(tab)
  return tab
})

/** The value of a request of `session.request`, or the code of its error. */
function request(tab: Page, options: { url: string; [option: string]: unknown }): Promise<unknown> {
  return tab.evaluate(
    (given) =>
      window.session.request(given).then(
        (value) => value,
        (error) => error.code,
      ),
    options,
  )
}

it('sends session.request to a server that is not listed without a token, with all parts of the request', async ({
  app,
  tab,
}) => {
  const url = `${app.other.origin}/redirect-public?to=${encodeURIComponent(`${app.other.origin}/public`)}&status=303`
  const options = { method: 'POST', data: { a: 1 }, headers: { 'X-Note': 'b' } }
  expect(await request(tab, { url, ...options })).toMatchObject({ authorization: null })
  const arrived = app.other.requests.findLast(({ method }) => method === 'POST')
  expect(arrived?.headers).toMatchObject({ 'content-type': 'application/json', 'x-note': 'b' })
  expect(arrived?.headers).not.toHaveProperty('authorization')
})

it("cannot be used to pass the page's connect-src: what the policy forbids is not sent", async ({ app, tab }) => {
  expect(await request(tab, { url: `${app.other.origin}/public` })).toMatchObject({ authorization: null })
  const before = app.other.requests.length
  await tab.evaluate((origin) => {
    const policy = document.createElement('meta')
    policy.httpEquiv = 'Content-Security-Policy'
    policy.content = `connect-src 'self' ${origin}`
    document.head.append(policy)
  }, app.api.origin)
  for (const options of [{}, { auth: false }, { method: 'POST', data: {} }]) {
    expect(await request(tab, { url: `${app.other.origin}/public`, ...options })).toBe('network_error')
  }
  expect(app.other.requests.length).toBe(before)
  expect(await request(tab, { url: `${app.api.origin}/orders` })).toBeTruthy()
})

it('the worker itself sends nothing to a server that is not listed, whatever message it gets', async ({ app, tab }) => {
  const before = app.other.requests.length
  const codes = await tab.evaluate(async (origin) => {
    const { held = [] } = await navigator.locks.query()
    const [lock = ''] = held.map(({ name = '' }) => name).filter((name) => name.startsWith('lingpai:shared:'))
    const url = lock.slice(lock.lastIndexOf(' ') + 1)
    const { port } = new SharedWorker(url, { type: 'module', name: 'memory', extendedLifetime: true } as WorkerOptions)
    port.start()
    const call = (path: string, values: unknown[]) =>
      new Promise<string>((resolve) => {
        const id = crypto.randomUUID()
        port.addEventListener('message', ({ data }) => data.id === id && resolve(JSON.stringify(data)))
        const argumentList = values.map((value) => ({ type: 'RAW', value }))
        port.postMessage({ id, type: 'APPLY', path: [path], argumentList })
      })
    await call('hello', [{ oldest: 1, newest: 1, build: '0.1.0' }])
    const wanted = { url: `${origin}/public`, method: 'GET', headers: [] }
    return Promise.all([
      call('fetch', ['a', wanted]),
      call('request', ['b', wanted]),
      call('request', ['c', { ...wanted, auth: false }]),
    ])
  }, app.other.origin)
  for (const answer of codes) expect(answer).toContain('origin_not_allowed')
  expect(app.other.requests.length).toBe(before)
})

it.for(['..%2forders', '..%5corders', '..;/orders', '%252e%252e/orders', '..%252forders'])(
  'the path %s does not lead out of a pathPrefix, and nothing is sent',
  async (path, { app, tab }) => {
    const before = app.api.requests.length
    const url = `${app.api.origin}/redirect-public/${path}`
    expect(await request(tab, { url })).toBe('origin_not_allowed')
    const fetched = await tab.evaluate((target) => window.session.fetch(target).catch(({ code }) => code), url)
    expect(fetched).toBe('origin_not_allowed')
    expect(app.api.requests.length).toBe(before)
  },
)

it.for(['filesystem:', 'blob:', 'view-source:', 'ws', 'javascript:'])(
  'a URL that only begins with %s and names an API gets no token',
  async (scheme, { app, tab }) => {
    const before = app.api.requests.length
    const url = scheme === 'ws' ? app.api.origin.replace('http', 'ws') : scheme + app.api.origin
    const outcome = await tab.evaluate(
      (target) => window.session.fetch(target, { auth: true }).catch((error) => error.code ?? error.name),
      `${url}/orders`,
    )
    expect(outcome).toBe('origin_not_allowed')
    expect(app.api.requests.length).toBe(before)
  },
)
