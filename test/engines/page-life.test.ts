import { expect, it } from 'vitest'
import { waitUntil } from './driver.ts'
import { adoptTokens, callApi, signIn, useScene, waitForStatus } from './scene.ts'

const scene = useScene()

it('keeps the session of memoryStore over a reload of the only tab if the engine has extendedLifetime', async (context) => {
  const tab = await scene.openTab('/?worker=memory')
  const hasExtendedLifetime = await tab.evaluate(() => {
    let isRead = false
    const options = {
      get extendedLifetime() {
        isRead = true
        return false
      },
    }
    new SharedWorker('data:text/javascript,', options as WorkerOptions)
    return isRead
  })
  context.skip(!hasExtendedLifetime, 'this engine has no extendedLifetime')
  await signIn(tab)
  await tab.reload()
  await waitForStatus(tab, 'signed-in')
  expect(await callApi(tab, 1)).toEqual([200])
})

it('works after the page was in the back/forward cache, if the engine kept it there', async (context) => {
  const tab = await scene.openTab('/?worker=adopting')
  const other = await scene.openTab('/?worker=adopting')
  await adoptTokens(tab, scene.app)
  await tab.evaluate(() => {
    window.addEventListener('pageshow', ({ persisted }) => Object.assign(window, { persisted }))
  })
  await tab.goto(`${scene.app.api.origin}/always-403`)
  await tab.goBack()
  await waitUntil(tab, () => 'session' in window)
  const isKept = await tab.evaluate(() => (window as { persisted?: boolean }).persisted === true)
  context.skip(!isKept, 'this engine has loaded the page anew')
  await waitForStatus(tab, 'signed-in')
  expect(await callApi(tab, 1)).toEqual([200])
  await other.evaluate(() => window.session.signOut())
  await waitForStatus(tab, 'signed-out')
})
