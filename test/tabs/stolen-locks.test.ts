import type { Page } from 'playwright'
import { expect } from 'vitest'
import { DOUBT } from '../../src/protocol/life-lock.ts'
import { test } from '../fixtures/tab-test.ts'
import { callApi, type Outcome, signIn, waitForStatus } from '../fixtures/tabs.ts'

const it = test
  .extend('tabs', async ({ openTab }) => {
    const host = await openTab('/?worker=both')
    await signIn(host)
    return [host, await openTab('/?worker=both'), await openTab('/?worker=both')] as const
  })
  /** The tab that steals the locks. */
  .extend('thief', ({ tabs }) => tabs[1])
  /** The number of POST requests that the API has received. */
  .extend(
    'posts',
    ({ app }) =>
      () =>
        app.api.requests.filter(({ path, method }) => path === '/echo' && method === 'POST').length,
  )

const WORKER = 'lingpai:shared:'
const PAGE = 'lingpai:page:'

/** Names with this prefix of the locks that are held or pending. */
const locksOf = (thief: Page, kind: 'held' | 'pending', prefix: string) =>
  thief.evaluate(
    async ([list, start]) =>
      (await navigator.locks.query())[list]?.flatMap(({ name }) => (name?.startsWith(start) ? name : [])) ?? [],
    [kind, prefix] as const,
  )

/** Steals every held lock with this prefix and releases it at once. Repeats after a pause in milliseconds. */
function steal(thief: Page, prefix: string, times = 1, pause = 0): Promise<number> {
  return thief.evaluate(
    async ([start, most, milliseconds]) => {
      let thefts = 0
      for (let round = 0; round < most; round += 1) {
        const { held = [] } = await navigator.locks.query()
        for (const { name = '' } of held) {
          if (!name.startsWith(start)) continue
          await navigator.locks.request(name, { steal: true }, () => {})
          thefts += 1
        }
        await new Promise((resolve) => setTimeout(resolve, milliseconds))
      }
      return thefts
    },
    [prefix, times, pause] as const,
  )
}

/** Sends one POST after another until it is stopped, and returns their outcomes. */
const startPosting = (tab: Page) =>
  tab.evaluate(() => {
    const outcomes: Outcome[] = []
    const state = { isStopped: false, outcomes, done: Promise.resolve() }
    const postAll = async () => {
      while (!state.isStopped) {
        const { status } = await window.session.fetch(`${window.api}/echo`, { method: 'POST', body: 'tea' })
        outcomes.push(status)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    state.done = postAll().catch((error) => void outcomes.push(error.code ?? String(error)))
    Object.assign(window, { posting: state })
  })
const stopPosting = (tab: Page) =>
  tab.evaluate(async () => {
    const { posting } = window as unknown as {
      posting: { isStopped: boolean; done: Promise<void>; outcomes: Outcome[] }
    }
    posting.isStopped = true
    await posting.done
    return posting.outcomes
  })

const post = (tab: Page): Promise<Outcome> =>
  tab.evaluate(() =>
    window.session.fetch(`${window.api}/echo`, { method: 'POST', body: 'tea' }).then(
      ({ status }) => status,
      (error) => error.code ?? String(error),
    ),
  )
const countChanges = (tab: Page) => tab.evaluate(() => window.changes.length)
const longerThanDoubt = () => new Promise((resolve) => setTimeout(resolve, 2 * DOUBT.interval * DOUBT.times))

async function expectAllSignedIn(tabs: readonly Page[]): Promise<void> {
  for (const tab of tabs) {
    await waitForStatus(tab, 'signed-in')
    expect(await callApi(tab, 3)).toEqual([200, 200, 200])
  }
}

it.for([
  ['the worker’s', WORKER, 1],
  ['the pages’', PAGE, 3],
] as const)(
  'no tab notices one theft of %s lock, and no POST is lost',
  async ([_whose, prefix, count], { app, tabs, thief, posts }) => {
    const changes = await Promise.all(tabs.map(countChanges))
    const postsBefore = posts()
    const old = await locksOf(thief, 'held', prefix)
    expect(old).toHaveLength(count)
    const hold = app.api.holdRequests('/echo')
    const posted = Promise.all(tabs.map(post))
    await expect.poll(() => posts() - postsBefore).toBe(3)
    expect(await steal(thief, prefix)).toBe(count)
    // The holder takes a new lock under another name, and the other side waits for that one.
    await expect
      .poll(async () => (await locksOf(thief, 'pending', prefix)).filter((name) => !old.includes(name)).length)
      .toBe(3)
    await longerThanDoubt()
    hold.release()
    expect(await posted).toEqual([200, 200, 200])
    await expectAllSignedIn(tabs)
    expect(await Promise.all(tabs.map(countChanges))).toEqual(changes)
    expect(posts() - postsBefore).toBe(3)
  },
)

it.for([
  ['the worker’s', WORKER],
  ['the pages’', PAGE],
  ['all', 'lingpai:'],
] as const)(
  'two seconds with thefts of %s locks every 100 ms change nothing, and lose no POST',
  async ([_whose, prefix], { tabs, thief, posts }) => {
    const changes = await Promise.all(tabs.map(countChanges))
    const postsBefore = posts()
    for (const tab of tabs) await startPosting(tab)
    expect(await steal(thief, prefix, 20, 100)).toBeGreaterThan(2)
    await longerThanDoubt()
    const outcomes = (await Promise.all(tabs.map(stopPosting))).flat()
    expect(new Set(outcomes)).toEqual(new Set([200]))
    expect(posts() - postsBefore).toBe(outcomes.length)
    await expectAllSignedIn(tabs)
    expect(await Promise.all(tabs.map(countChanges))).toEqual(changes)
  },
)

it('after many thefts, a new tab is served, even if the worker ends then', async ({
  context,
  openTab,
  tabs,
  thief,
}) => {
  await steal(thief, WORKER, 20, 100)
  const late = await openTab('/?worker=both')
  expect(await callApi(late, 3)).toEqual([200, 200, 200])
  const [host] = tabs
  const crashed = host.waitForEvent('crash')
  const devtools = await context.newCDPSession(host)
  devtools.send('Page.crash').catch(() => {})
  await crashed
  // Without a lock, the pages detect the worker's end by its silence.
  expect(await callApi(late, 3)).toEqual([200, 200, 200])
})
