import type { Page } from 'playwright'
import type { Fault } from '../../servers/http/faults.ts'
import type { Random } from '../simulation/random.ts'
import type { Scene, Tab } from './scene.ts'

export interface Act {
  readonly name: string
  /** Its weight in the random choice. */
  readonly weight: number
  /** Whether it loads a page, which needs the network. */
  readonly needsNetwork?: true
  run(scene: Scene, random: Random): Promise<void>
}

const json = 'application/json'
const tokenServerFaults: Readonly<Record<string, Fault>> = {
  'token server: 503': { kind: 'answer', status: 503 },
  'token server: 429': { kind: 'answer', status: 429, headers: { 'Retry-After': '2' } },
  'token server: 500': {
    kind: 'answer',
    status: 500,
    headers: { 'Content-Type': json },
    body: '{"error":"server_error"}',
  },
  'token server: HTML': {
    kind: 'answer',
    status: 200,
    headers: { 'Content-Type': 'text/html' },
    body: '<!doctype html><title>Maintenance</title>',
  },
  'token server: dropped': { kind: 'drop' },
  'token server: slow': { kind: 'delay', milliseconds: 1500 },
}

/** Replaces any pending fault: refreshes become rarer in an outage, so pending faults would accumulate. */
function failNextRefresh(scene: Scene, fault: Fault): void {
  scene.app.authorizationServer.stopFaults()
  scene.app.authorizationServer.failRefreshes(fault)
  scene.app.authorizationServer.expireAccessTokens()
}

const onTab = (run: (scene: Scene, tab: Tab) => Promise<void>) => async (scene: Scene, random: Random) => {
  const tabs = scene.tabs()
  if (tabs.length > 0) await run(scene, random.pick(tabs))
}

/** During a refresh if possible: a worker that is killed then may lose the response. */
async function duringRefresh(scene: Scene, random: Random): Promise<void> {
  const { authorizationServer } = scene.app
  if (random.chance(0.4)) return
  const before = authorizationServer.refreshes.length
  authorizationServer.expireAccessTokens()
  const end = Date.now() + 1500
  while (authorizationServer.refreshes.length === before && Date.now() < end) await pause(2)
  await pause(random.below(12))
}

export const acts: readonly Act[] = [
  ...Object.entries(tokenServerFaults).map(
    ([name, fault]): Act => ({
      name,
      weight: 2,
      run: async (scene) => failNextRefresh(scene, fault),
    }),
  ),
  {
    name: 'token server: answer lost after rotation',
    weight: 3,
    run: async (scene, random) => failNextRefresh(scene, { kind: 'lose', midway: random.chance(0.7) }),
  },
  {
    name: 'access tokens expired',
    weight: 6,
    run: async ({ app }) => app.authorizationServer.expireAccessTokens(),
  },
  {
    name: 'tab reloaded',
    weight: 4,
    needsNetwork: true,
    async run(scene, random) {
      await duringRefresh(scene, random)
      await onTab((_scene, tab) => scene.losing('reload', () => loadAgain(tab.page)))(scene, random)
    },
  },
  {
    name: 'tab closed',
    weight: 3,
    async run(scene, random) {
      if (scene.tabs().length <= 2) return
      await duringRefresh(scene, random)
      await onTab((_scene, tab) => scene.losing('close', () => scene.close(tab)))(scene, random)
    },
  },
  {
    name: 'tab opened',
    weight: 5,
    needsNetwork: true,
    async run(scene, random) {
      if (scene.tabs().length < 5) await scene.open(random.chance(0.6) ? 'both' : 'dedicated')
    },
  },
  {
    name: 'tab crashed',
    weight: 3,
    async run(scene, random) {
      await duringRefresh(scene, random)
      await onTab((_scene, tab) => scene.losing('crash', () => scene.crash(tab)))(scene, random)
    },
  },
  {
    name: 'SharedWorker killed',
    weight: 4,
    async run(scene, random) {
      await duringRefresh(scene, random)
      await scene.losing('kill', () => scene.killSharedWorker())
    },
  },
  {
    name: 'dedicated worker killed',
    weight: 4,
    async run(scene, random) {
      const tabs = scene.tabs().filter(({ page }) => page.workers().length > 0)
      if (tabs.length === 0) return
      await duringRefresh(scene, random)
      const [worker] = random.pick(tabs).page.workers()
      await scene.losing('kill', async () => {
        await Promise.race([worker?.evaluate(() => globalThis.close()).catch(() => {}), pause(500)])
      })
    },
  },
  {
    name: 'network cut',
    weight: 4,
    needsNetwork: true,
    async run(scene, random) {
      await duringRefresh(scene, random)
      await scene.cutNetwork(random.between(100, 3000))
    },
  },
  {
    name: 'API answers held',
    weight: 2,
    async run({ app }, random) {
      const hold = app.api.holdRequests('/orders')
      setTimeout(() => hold.release(), random.between(200, 2500))
    },
  },
  {
    name: 'refreshes held',
    weight: 2,
    async run({ app }, random) {
      const hold = app.authorizationServer.holdRefreshes()
      app.authorizationServer.expireAccessTokens()
      setTimeout(() => hold.release(), random.between(200, 2500))
    },
  },
  {
    name: 'locks stolen',
    weight: 2,
    run: onTab((_scene, tab) => stealLocks(tab.page)),
  },
  {
    name: 'sign-out',
    weight: 1,
    run: onTab((scene, tab) => scene.signOut(tab)),
  },
  {
    name: 'sign-in as another user',
    weight: 1,
    needsNetwork: true,
    run: onTab((scene, tab) => scene.signIn(tab, scene.account() === 'alice' ? 'bob' : 'alice')),
  },
]

/** Takes each lock of lingpai from its holder, and releases it at once. */
async function stealLocks(page: Page): Promise<void> {
  const theft = page.evaluate(async () => {
    const { held = [] } = await navigator.locks.query()
    for (const { name = '' } of held) {
      if (name.startsWith('lingpai:')) await navigator.locks.request(name, { steal: true }, () => {})
    }
  })
  // A page that is leaving does not answer.
  await Promise.race([theft.catch(() => {}), pause(500)])
}

export async function loadAgain(page: Page): Promise<void> {
  await page.reload({ waitUntil: 'load' })
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
