import type { Page } from 'playwright'
import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'
import { callApi, findTokens } from '../fixtures/tabs.ts'

/** A stream of the API, in which `{token}` becomes the token of the request. */
const streamOf = (steps: readonly object[]) =>
  `/stream?id=${crypto.randomUUID()}&steps=${encodeURIComponent(JSON.stringify(steps))}`
const head = { head: { 'Content-Type': 'text/plain' } }

/** What a script gets of a response: all that it could read before an error, and the error's code. */
const readAll = (page: Page, path: string) =>
  page.evaluate(async (target) => {
    let text = ''
    try {
      const response = await window.session.fetch(window.api + target)
      const reader = response.body?.getReader()
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true }
        if (done) return [text, 'read']
        text += new TextDecoder().decode(value)
      }
    } catch (error) {
      return [text, (error as { code?: string }).code ?? String(error)]
    }
  }, path)

test.for([
  ['with two megabytes before it', [head, { fill: 2 << 20 }, { write: 'it is {token}' }, { end: true }]],
  ['in two parts', [head, { write: '{token:0:40}' }, { wait: 50 }, { write: '{token:40:5000}' }, { end: true }]],
  [
    'letter by letter',
    [head, ...Array.from({ length: 43 }, (_none, at) => ({ write: `{token:${at}:${at + 1}}` })), { end: true }],
  ],
  [
    'at its beginning',
    [{ head: { 'Content-Type': 'text/plain', 'X-Exposed': 'tea' } }, { write: '{token}' }, { end: true }],
  ],
] as const)(
  'a stream that shows the token %s gives a script at most three bytes of it (T6)',
  async ([, steps], { app, attacker, expectUnharmed }) => {
    const [text = '', outcome] = await readAll(attacker, streamOf(steps))
    expect(outcome).toBe('token_reflected')
    for (const token of app.authorizationServer.issuedTokens) expect(text.includes(token.slice(0, 8))).toBe(false)
    await expectUnharmed()
  },
)

test('a script that reads the cache after an echo finds nothing in it (T6)', async ({
  app,
  attacker,
  expectUnharmed,
}) => {
  const texts = await attacker.evaluate(async () => {
    const url = `${window.api}/echo?raw=1`
    const found: string[] = []
    for (let count = 0; count < 3; count += 1) {
      await window.session.fetch(url).then(
        (response) => response.text().then((text) => found.push(text)),
        (error) => found.push(error.code),
      )
      for (const cache of ['force-cache', 'default'] as const) {
        await fetch(url, { cache }).then(
          (response) => response.text().then((text) => found.push(text)),
          (error) => found.push(String(error)),
        )
      }
      await fetch(url, { cache: 'only-if-cached', mode: 'same-origin' }).catch(() => {})
    }
    for (const name of await caches.keys()) found.push(name)
    return found
  })
  expect(texts.filter((text) => text === 'token_reflected')).toHaveLength(3)
  expect(findTokens(app, texts.join('\n'))).toEqual([])
  await expectUnharmed()
})

test('session.request hands over no payload with the token, also not of a token that was just replaced (T6)', async ({
  app,
  attacker,
  expectUnharmed,
}) => {
  const ask = () =>
    attacker.evaluate(() =>
      window.session.request({ url: `${window.api}/echo?raw=1` }).then(
        (payload) => JSON.stringify(payload),
        (error) => error.code,
      ),
    )
  expect(await ask()).toBe('token_reflected')
  app.authorizationServer.expireAccessTokens()
  expect(await callApi(attacker, 1)).toEqual([200])
  expect(await ask()).toBe('token_reflected')
  await expectUnharmed()
})
