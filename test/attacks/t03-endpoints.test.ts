import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'
import { callApi, findTokens } from '../fixtures/tabs.ts'

test('a message cannot choose the server of a refresh or a sign-in (T3)', async ({
  app,
  attacker,
  victim,
  refreshes,
  expectUnharmed,
}) => {
  const before = app.other.requests.length
  await attacker.evaluate(async (other) => {
    const port = await window.openRawPort()
    await port.hello()
    const endpoints = {
      issuer: other,
      tokenEndpoint: `${other}/token`,
      token_endpoint: `${other}/token`,
      authorization_endpoint: `${other}/auth`,
      redirectUri: `${other}/callback`,
      redirect_uri: `${other}/callback`,
      clientId: 'evil',
      apis: [{ origin: other }],
      grant: { issuer: other },
    }
    await Promise.all([
      port.call('hello', { oldest: 1, newest: 1, build: '0.1.0', ...endpoints }),
      port.call('signIn', 'a', endpoints),
      port.call('authorize', 'b', { via: 'popup', ...endpoints }),
      port.call('callback', 'c', `${other}/callback?code=1&state=2&iss=${other}`),
      port.call('adopt', { accessToken: 'a', refreshToken: 'b', ...endpoints }),
    ])
  }, app.other.origin)
  app.authorizationServer.expireAccessTokens()
  expect(await callApi(victim, 3)).toEqual([200, 200, 200])
  expect(refreshes()).toBe(1)
  expect(app.other.requests.length).toBe(before)
  await expectUnharmed()
})

test('the URL of a sign-in that a script begins is the provider’s, whatever the message says (T3)', async ({
  app,
  attacker,
  expectUnharmed,
}) => {
  const urls = await attacker.evaluate(async (other) => {
    const port = await window.openRawPort()
    await port.hello()
    const replies = await Promise.all([
      port.call('authorize', 'a', { via: 'popup', redirect_uri: other, client_id: 'evil' }),
      port.call('authorize', 'b', { via: 'redirect', returnTo: '/', authorizationEndpoint: other }),
    ])
    return replies.map(({ value }) => String((value as { url?: string } | null)?.url ?? value?.code))
  }, app.other.origin)
  for (const url of urls) {
    if (url === 'invalid_call') continue
    expect(new URL(url).origin).toBe(new URL(app.authorizationServer.issuer).origin)
    expect(new URL(url).searchParams.get('redirect_uri')).toBe(`${app.origin}/callback.html`)
    expect(new URL(url).searchParams.get('client_id')).toBe('web')
  }
  expect(urls.some((url) => url.startsWith('http'))).toBe(true)
  expect(findTokens(app, urls.join())).toEqual([])
  await expectUnharmed()
})
