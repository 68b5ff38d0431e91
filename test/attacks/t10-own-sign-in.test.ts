import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'
import { findTokens } from '../fixtures/tabs.ts'

test('a sign-in that a script begins in a hidden frame does not touch the session (T10)', async ({
  app,
  attacker,
  expectUnharmed,
}) => {
  const isFramed = await attacker.evaluate(
    async ([issuer, origin]) => {
      const query = new URLSearchParams({
        client_id: 'web',
        response_type: 'code',
        redirect_uri: `${origin}/callback.html`,
        scope: 'openid offline_access',
        code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256',
        state: 'chosen-by-the-script',
        prompt: 'login',
      })
      const frame = Object.assign(document.createElement('iframe'), { src: `${issuer}/auth?${query}`, hidden: true })
      const loaded = new Promise((resolve) => frame.addEventListener('load', resolve))
      document.body.append(frame)
      await loaded
      return frame.contentDocument !== null
    },
    [app.authorizationServer.issuer, app.origin] as const,
  )
  // The provider of this test forbids framing, as the page of set-up advises.
  expect(isFramed).toBe(false)
  const callback = await attacker.evaluate(
    (origin) =>
      window.session.completeSignIn(`${origin}/callback.html?code=abc&state=chosen-by-the-script`).then(
        () => 'completed',
        (error) => error.code,
      ),
    app.origin,
  )
  expect(callback).toBe('state_mismatch')
  expect(findTokens(app, await attacker.evaluate(() => window.received.join('\n')))).toEqual([])
  await expectUnharmed()
})
