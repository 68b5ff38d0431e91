import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'
import { findTokens } from '../fixtures/tabs.ts'

const statuses = [301, 302, 303, 307, 308]

test('no redirect of an API carries the token to another origin (T5)', async ({ app, attacker, expectUnharmed }) => {
  const outcomes = await attacker.evaluate(
    ([api, other, list]) => {
      const to = (target: string) => encodeURIComponent(target)
      const back = `${api}/redirect?status=302&to=${to(`${other}/public`)}`
      const targets = list.flatMap((status) => [
        `/redirect?status=${status}&to=${to(`${other}/public`)}`,
        `/redirect-public?status=${status}&to=${to(`${other}/public`)}`,
        `/redirect?status=${status}&to=${to(back)}`,
        `/redirect?status=${status}&to=${to(`${other}/redirect-public?status=${status}&to=${to(`${other}/public`)}`)}`,
      ])
      return Promise.all(
        targets.flatMap((path) =>
          ['GET', 'POST'].map((method) =>
            window.session.fetch(api + path, { method, ...(method === 'POST' && { body: 'tea' }) }).then(
              ({ status }) => status,
              (error) => error.code ?? error.name,
            ),
          ),
        ),
      )
    },
    [app.api.origin, app.other.origin, statuses] as const,
  )
  expect(outcomes).toHaveLength(40)
  // With a custom header, no redirect is followed.
  expect(outcomes.filter((outcome) => outcome === 'redirect_refused')).toHaveLength(10)
  expect(app.other.requests.some(({ path }) => path === '/public')).toBe(true)
  expect(app.other.requests.filter(({ headers }) => headers.authorization || headers['x-custom-token'])).toEqual([])
  expect(findTokens(app, JSON.stringify(app.other.requests))).toEqual([])
  await expectUnharmed()
})
