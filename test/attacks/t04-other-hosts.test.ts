import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'
import { findTokens } from '../fixtures/tabs.ts'

test('no spelling of a URL sends the token to a server that is not listed (T4)', async ({
  app,
  attacker,
  expectUnharmed,
}) => {
  const listed = new URL(app.api.origin)
  const other = new URL(app.other.origin)
  const urls = [
    `${other.origin}/public`,
    `http://${listed.host}@${other.host}/public`,
    `http://user:${listed.port}@${other.host}/public`,
    `http:${other.host}/public`,
    `http:\\\\${other.host}\\public`,
    `http://${other.host}\\@${listed.host}/public`,
    `http://${other.host}#@${listed.host}/public`,
    `http://${other.host}?@${listed.host}/public`,
    `\thttp://\n${other.host}/public`,
    `HTTP://LOCALHOST:${other.port}/public`,
    `http://localhost.:${other.port}/public`,
    `http://127.0.0.1:${other.port}/public`,
    `http://[::1]:${other.port}/public`,
    `http://2130706433:${other.port}/public`,
    `http://0x7f.1:${other.port}/public`,
    `//${other.host}/public`,
    `${listed.origin}.evil.localhost:${other.port}/public`,
    `http://localhost:${other.port}/redirect-public?status=302&to=/public`,
    `http://ⓛocalhost:${other.port}/public`,
    `data:text/plain,${listed.origin}`,
    `blob:${listed.origin}/1`,
    `javascript:${listed.origin}`,
    `file://${listed.host}/public`,
    `ws://${listed.host}/public`,
  ]
  const count = await attacker.evaluate(async (targets) => {
    const port = await window.openRawPort()
    await port.hello()
    let id = 0
    const sent = targets.flatMap((url) => [
      window.session.fetch(url).then((response) => response.text()),
      window.session.fetch(url, { auth: true } as RequestInit),
      window.session.request({ url }),
      window.session.request({ url, auth: false }),
      ...['fetch', 'request'].flatMap((method) =>
        [undefined, true, false].map((auth) =>
          port.call(method, `call${++id}`, { url, method: 'GET', headers: [], ...(auth !== undefined && { auth }) }),
        ),
      ),
    ])
    return (await Promise.allSettled(sent)).length
  }, urls)
  expect(count).toBe(10 * urls.length)
  expect(app.other.requests.length).toBeGreaterThan(0)
  expect(app.other.requests.filter(({ headers }) => headers.authorization || headers['x-custom-token'])).toEqual([])
  expect(findTokens(app, JSON.stringify(app.other.requests))).toEqual([])
  await expectUnharmed()
})

test('a script cannot replace the token in its header (T4)', async ({ app, attacker, expectUnharmed }) => {
  const outcomes = await attacker.evaluate(
    ([api]) =>
      Promise.all(
        [{ Authorization: 'Bearer mine' }, { authorization: 'Basic mine' }, { 'X-Custom-Token': 'mine' }].map(
          (headers) =>
            window.session.fetch(`${api}/orders`, { headers }).then(
              (response) => response.status,
              (error) => error.code ?? error.name,
            ),
        ),
      ),
    [app.api.origin],
  )
  expect(outcomes).toHaveLength(3)
  const sent = app.api.requests.filter(({ path, method }) => path === '/orders' && method === 'GET')
  expect(sent.filter(({ headers }) => headers.authorization?.includes('mine'))).toEqual([])
  await expectUnharmed()
})
