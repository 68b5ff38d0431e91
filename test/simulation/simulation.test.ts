import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundle } from './bundle.mjs'
import { bugs } from './planted-bugs/bugs.mjs'
import { runSeeds } from './run-seeds.mjs'
import { createScheduler } from './scheduler.ts'
import { installGlobals, noticeUnhandled, simulate } from './simulate.ts'

let restoreGlobals = () => {}

beforeAll(() => {
  restoreGlobals = installGlobals()
})

afterAll(() => restoreGlobals())

test('2,000 seeds of tabs, workers, stores and servers under faults break none of I1 to I12', async () => {
  const file = await bundle('test')
  const { findings, seeds, faults } = await runSeeds({ file, from: 1_000_001, count: 2000, threads: 2 })
  const stories = findings.map(({ lines, seed, violation }) => [...lines, `seed ${seed}: ${violation.invariant}`])
  expect(stories).toEqual([])
  expect(seeds).toBe(2000)
  expect(Object.keys(faults).length).toBeGreaterThanOrEqual(12)
}, 120_000)

test('a seed gives the same story each time, to the byte', async () => {
  for (const seed of [1, 2, 3, 5, 8]) {
    const [one, other] = [await simulate(seed), await simulate(seed)]
    expect(other.lines).toEqual(one.lines)
    expect(other.hash).toBe(one.hash)
  }
})

test('no story contains a token', async () => {
  for (let seed = 10; seed < 20; seed++) expect((await simulate(seed)).lines.join('\n')).not.toMatch(/[ar]t~/)
})

test('an unhandled rejection breaks I3', async () => {
  const running = simulate(1)
  noticeUnhandled(new Error('unhandled'))
  expect((await running).violation).toMatchObject({ invariant: 'I3' })
})

test('events of a frozen thread wait until it is resumed, and those of a dead thread never run', async () => {
  const scheduler = createScheduler()
  const [frozen, dead] = [scheduler.createThread('frozen'), scheduler.createThread('dead')]
  const seen: string[] = []
  scheduler.schedule(1, frozen, () => seen.push('frozen'))
  scheduler.schedule(1, dead, () => seen.push('dead'))
  scheduler.schedule(2, undefined, () => seen.push('other'))
  frozen.freeze()
  dead.die()
  await scheduler.runUntil(10, () => true)
  expect(seen).toEqual(['other'])
  frozen.thaw()
  await scheduler.runUntil(20, () => true)
  expect(seen).toEqual(['other', 'frozen'])
  expect(frozen.frozenFor()).toBe(10)
})

test('a planted bug is found, and a bug whose text is not in the sources is an error', async () => {
  const [bug] = bugs
  if (bug === undefined) throw new Error('There are no planted bugs.')
  const { findings } = await runSeeds({
    file: await bundle('test-bug', { patches: [bug] }),
    from: 1,
    count: 200,
    threads: 1,
    chunk: 5,
  })
  expect(findings).toMatchObject([{ violation: { invariant: 'I2' }, isSame: true }])
  await expect(bundle('test-gone', { patches: [{ ...bug, search: 'nothing like this' }] })).rejects.toThrow(
    /holds 0 times/,
  )
}, 60_000)
