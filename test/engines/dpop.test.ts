import { expect, it } from 'vitest'
import { callApi, engineName, signIn, useScene, waitForStatus } from './scene.ts'

const scene = useScene({ dpop: true })

it('signs in, calls and refreshes with proofs in a SharedWorker, and stores the key if the engine can', async () => {
  const tab = await scene.openTab('/?worker=stored')
  await signIn(tab)
  expect(await callApi(tab, 3)).toEqual([200, 200, 200])
  scene.app.authorizationServer.expireAccessTokens()
  scene.app.dpop?.rotateNonce()
  expect(await callApi(tab, 3)).toEqual([200, 200, 200])
  const { mode, reason } = await tab.evaluate(() => window.session.getSnapshot())
  expect([mode, reason ?? 'none']).toEqual(['shared', engineName === 'webkit' ? 'store_failed' : 'none'])
})

it('a new dedicated worker goes on with the stored key', async () => {
  const tab = await scene.openTab('/?worker=dedicated')
  // The provider still knows the user, and shows no form.
  await tab.evaluate(() => {
    setTimeout(() => window.session.signIn({ via: 'redirect', returnTo: '/?worker=dedicated' }))
  })
  await waitForStatus(tab, 'signed-in')
  // The navigation may end the page before its response.
  await tab.evaluate(() => location.reload()).catch(() => {})
  await waitForStatus(tab, 'signed-in')
  scene.app.authorizationServer.expireAccessTokens()
  expect(await callApi(tab, 3)).toEqual([200, 200, 200])
})
