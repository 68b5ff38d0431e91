import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'

test('a callback that no sign-in of this browser has asked for is rejected (T12)', async ({
  app,
  attacker,
  expectUnharmed,
}) => {
  const codes = await attacker.evaluate(async (origin) => {
    const port = await window.openRawPort()
    await port.hello()
    const begun = await port.call('authorize', 'begun', { via: 'popup' })
    const state = new URL((begun.value as { url?: string }).url as string).searchParams.get('state') as string
    const callback = `${origin}/callback.html`
    const urls = [
      callback,
      `${callback}?code=abc`,
      `${callback}?code=abc&state=`,
      `${callback}?code=abc&state=${'x'.repeat(43)}`,
      `${callback}?code=abc&state=${state.toLowerCase()}x`,
      `${callback}?code=abc&state=__proto__`,
      `${callback}?code=abc&state=constructor`,
      `${callback}?code=abc&state=a&state=${state}`,
      `${callback}#code=abc&state=${'x'.repeat(43)}`,
      `https://evil.example/callback.html?code=abc&state=${'x'.repeat(43)}`,
      'javascript:alert(1)',
      '',
    ]
    const replies = []
    for (const [index, url] of urls.entries()) replies.push(await port.call('callback', `c${index}`, url))
    return replies.map(({ name, value }) => (name === 'throw' ? value?.code : 'accepted'))
  }, app.origin)
  expect(codes).toHaveLength(12)
  for (const code of codes) expect(code).toMatch(/^(state_missing|state_mismatch|sign_in_failed|invalid_call)$/)
  await expectUnharmed()
})

test('a callback with the issuer of another provider redeems no code (T12, RFC 9207)', async ({
  app,
  attacker,
  expectUnharmed,
}) => {
  const before = app.authorizationServer.counters.tokenRequests.authorization_code
  const code = await attacker.evaluate(async (origin) => {
    const port = await window.openRawPort()
    await port.hello()
    const { value } = await port.call('authorize', 'a', { via: 'popup' })
    const state = new URL((value as { url?: string }).url as string).searchParams.get('state')
    const iss = encodeURIComponent('https://evil.example')
    const reply = await port.call('callback', 'b', `${origin}/callback.html?code=abc&state=${state}&iss=${iss}`)
    return reply.value?.code
  }, app.origin)
  expect(code).toBe('sign_in_failed')
  expect(app.authorizationServer.counters.tokenRequests.authorization_code).toBe(before)
  await expectUnharmed()
})
