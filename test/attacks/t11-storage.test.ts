import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'
import { callApi, findTokens, readStorages, signIn } from '../fixtures/tabs.ts'

test('with memoryStore, nothing that a script can read or decrypt has a token (T11)', async ({
  app,
  attacker,
  victim,
  expectUnharmed,
}) => {
  app.authorizationServer.expireAccessTokens()
  expect(await callApi(victim, 3)).toEqual([200, 200, 200])
  expect(findTokens(app, await readStorages(attacker))).toEqual([])
  await expectUnharmed()
})

test('a script finds neither the verifier nor the nonce of a sign-in by popup in the storage (T11)', async ({
  attacker,
  expectUnharmed,
}) => {
  const url = await attacker.evaluate(async () => {
    const port = await window.openRawPort()
    await port.hello()
    const { value } = await port.call('authorize', 'a', { via: 'popup' })
    return (value as { url?: string }).url as string
  })
  const challenge = new URL(url).searchParams.get('code_challenge') as string
  const nonce = new URL(url).searchParams.get('nonce') as string
  const storages = await readStorages(attacker)
  expect(storages).not.toContain(nonce)
  const words = storages.match(/[\w.~-]{43,128}/g) ?? []
  const digests = words.map((word) =>
    crypto.subtle
      .digest('SHA-256', new TextEncoder().encode(word))
      .then((digest) => Buffer.from(digest).toString('base64url')),
  )
  expect(await Promise.all(digests)).not.toContain(challenge)
  await expectUnharmed()
})

test('a stored session can be decrypted by a script of the origin: the limit of T11', async ({ app, openTab }) => {
  const tab = await openTab('/?worker=stored')
  await signIn(tab)
  expect(findTokens(app, await readStorages(tab)).length).toBeGreaterThan(0)
})
