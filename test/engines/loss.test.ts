import { afterEach, expect, it } from 'vitest'
import { type CrashScene, type RemotePage, waitUntil } from './driver.ts'
import { adoptTokens, callApi, engine, livingBrokers, useScene, waitForAnswer, waitForStatus } from './scene.ts'

const scene = useScene()
let crash: CrashScene | undefined

afterEach(async () => {
  await crash?.close()
  crash = undefined
})

/** Starts a call that the API holds, and waits until it has arrived. */
async function startCall(page: RemotePage) {
  const hold = scene.app.api.holdRequests('/delay/0')
  const outcome = callApi(page, 1, '/delay/0')
  await hold.arrived
  return { outcome, release: hold.release }
}

async function expectSession(page: RemotePage): Promise<void> {
  await waitForStatus(page, 'signed-in')
  expect(await callApi(page, 1)).toEqual([200])
}

it('settles pending calls after the dedicated worker is terminated, starts another, and keeps the session (I3)', async () => {
  const tab = await scene.openTab('/?worker=adopting&without=SharedWorker')
  await adoptTokens(tab, scene.app)
  const before = await livingBrokers(tab)
  const { outcome, release } = await startCall(tab)
  await tab.evaluate(() => window.worker?.terminate())
  await waitUntil(
    tab,
    async (old) => !(await navigator.locks.query()).held?.some(({ name }) => name === old),
    before[0],
  )
  release()
  expect(await outcome).toEqual([200])
  await expectSession(tab)
  expect(await livingBrokers(tab)).not.toEqual(before)
})

it('settles pending calls after the SharedWorker closes itself, and every tab connects to the next one (I3)', async () => {
  const first = await scene.openTab('/?worker=adopting')
  const second = await scene.openTab('/?worker=adopting')
  await adoptTokens(first, scene.app)
  const before = await livingBrokers(first)
  const { outcome, release } = await startCall(second)
  await first.evaluate(() => new BroadcastChannel('close-worker').postMessage('now'))
  await waitUntil(
    first,
    async (old) => !(await navigator.locks.query()).held?.some(({ name }) => name === old),
    before[0],
  )
  release()
  expect(await outcome).toEqual([200])
  await expectSession(first)
  await waitForStatus(second, 'signed-in')
  expect(await callApi(second, 1)).toEqual([200])
  const after = await livingBrokers(first)
  expect(after).toHaveLength(1)
  expect(after).not.toEqual(before)
})

it('serves the other tab after a crash of the tab that started the SharedWorker in another process (I3)', async () => {
  crash = await engine.openCrashScene(`${scene.app.origin}/?worker=adopting`)
  const { first, second } = crash
  await waitForAnswer(first)
  await adoptTokens(first, scene.app)
  await crash.gotoSecond(`${scene.app.origin}/?worker=adopting&tab=second`)
  await waitForStatus(second, 'signed-in')
  const [before] = await livingBrokers(second)
  const { outcome, release } = await startCall(second)
  await crash.crashFirst()
  await waitUntil(
    second,
    async (old) => !(await navigator.locks.query()).held?.some(({ name }) => name === old),
    before,
  )
  release()
  expect(await outcome).toEqual([200])
  await expectSession(second)
  expect(await livingBrokers(second)).not.toContain(before)
})
