import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'
import { callApi, findTokens } from '../fixtures/tabs.ts'

test('no error, stack, history entry or console line has a token, whatever fails (T7)', async ({
  app,
  context,
  attacker,
  expectUnharmed,
}) => {
  const lines: string[] = []
  context.on('console', (message) => lines.push(message.text()))
  context.on('weberror', (error) => lines.push(String(error.error().stack)))
  const failing = ['/always-403', '/truncated', '/html', '/status/500', '/unknown', '/echo?raw=1']
  const readFailures = () =>
    attacker.evaluate(async (paths) => {
      const describe = (error: Error & Record<string, unknown>) =>
        JSON.stringify([error.message, error.stack, String(error.cause), { ...error }])
      const outcomes = await Promise.all(
        paths.flatMap((path) => [
          window.session.fetch(window.api + path).then((response) => response.text().catch(describe), describe),
          window.session.request({ url: window.api + path }).then((value) => JSON.stringify(value), describe),
        ]),
      )
      return JSON.stringify([outcomes, await window.session.explain(), window.changes])
    }, failing)
  let seen = await readFailures()
  for (const fault of [{ kind: 'drop' }, { kind: 'answer', status: 503 }] as const) {
    app.authorizationServer.failRefreshes(fault)
    app.authorizationServer.expireAccessTokens()
    await callApi(attacker, 2)
    seen += await readFailures()
  }
  expect(seen).toContain('refresh-succeeded')
  expect(seen).toContain('token_reflected')
  expect(findTokens(app, seen + lines.join('\n'))).toEqual([])
  await expectUnharmed()
})
