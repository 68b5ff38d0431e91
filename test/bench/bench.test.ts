import { describe, expect, it } from 'vitest'
import { orderOfRound } from '../../bench/page/interleave.ts'
import { renderReport } from '../../bench/report.ts'
import type { Results } from '../../bench/results.ts'
import { evaluate } from '../../bench/rows.ts'
import { median, pairedRatios, type Sample, spread, sumsPerRound } from '../../bench/statistics.ts'
import { renderTable } from '../../bench/table.ts'

function sample(contestant: string, round: number, value: number, more: Partial<Sample> = {}): Sample {
  return { case: 'latency', launch: 0, round, contestant, metric: 'one call', value, ...more }
}

const source = (contestant: string) => ({ case: 'latency', contestant, metric: 'one call' })

/** Ten rounds, in which the machine gets slower and slower. */
const samples = Array.from({ length: 10 }, (_, round) => [
  sample('fetch', round, 2 + round),
  sample('shared', round, 1.1 * (2 + round)),
  sample('dedicated', round, 1.5 * (2 + round)),
]).flat()

const results: Results = {
  at: '2026-01-02T03:04:05.000Z',
  seconds: 61,
  isQuick: true,
  machine: { processors: 2, model: '<b>8086</b>', system: 'Linux x64' },
  node: '20.19.0',
  browser: 'Chromium 1',
  groups: evaluate(samples, true),
  failures: [{ case: 'memory', message: 'no /proc' }],
}

describe('the statistics of the bench', () => {
  it('takes the middle value, or the mean of the two middle values', () => {
    expect(median([9, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 100])).toBe(3)
  })

  it('finds the quartiles and the confidence interval of the median', () => {
    const found = spread(Array.from({ length: 101 }, (_, value) => value))
    expect(found).toMatchObject({ lowest: 0, lowerQuartile: 25, median: 50, upperQuartile: 75, highest: 100 })
    expect(found.surely[0]).toBeGreaterThan(35)
    expect(found.surely[0]).toBeLessThan(50)
    expect(found.surely[1]).toBeGreaterThan(50)
    expect(found.surely[1]).toBeLessThan(65)
    expect(spread([7]).surely).toEqual([7, 7])
  })

  it('divides within one round of one launch, so that a slow machine does not change the ratio', () => {
    for (const ratio of pairedRatios(samples, source('shared'), source('fetch'))) expect(ratio).toBeCloseTo(1.1)
  })

  it('omits rounds that only one of the two has', () => {
    const incomplete = [sample('fetch', 0, 2), sample('shared', 0, 4), sample('shared', 0, 8, { launch: 1 })]
    expect(pairedRatios(incomplete, source('shared'), source('fetch'))).toEqual([2])
  })

  it('adds the counts of the tabs of one round', () => {
    const counted = [sample('axios', 0, 3), sample('axios', 0, 4), sample('axios', 0, 5, { launch: 1 })]
    expect(sumsPerRound(counted, source('axios'))).toEqual([7, 5])
  })

  it('measures each contestant equally often at each position', () => {
    const contestants = ['a', 'b', 'c']
    const orders = Array.from({ length: 6 }, (_, round) => orderOfRound(contestants, round))
    for (const place of [0, 1, 2])
      expect(orders.map((order) => order[place]).sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c'])
    expect(new Set(orders.map(String)).size).toBe(6)
  })

  it('compares the median with the target, and omits cases that were not run', () => {
    const rows = results.groups.flatMap((group) => group.rows)
    expect(rows.map(({ title, verdict, isClose }) => [title, verdict, isClose])).toEqual([
      ['lingpai, SharedWorker: one call', 'met', false],
      ['lingpai, dedicated worker: one call', 'missed', false],
    ])
  })
})

describe('the report of the bench', () => {
  it('is one page without external resources, with a plot for each row', () => {
    const html = renderReport(results)
    expect(html).not.toMatch(/\b(?:src|href)=|url\(|@import|<script/)
    expect(html.match(/role="img"/g)).toHaveLength(2)
    expect(html).toContain('<b>1</b> of 2 targets met')
    expect(html).toContain('&lt;b&gt;8086')
    expect(html).toContain('Not measured: memory: no /proc')
    expect(html).not.toMatch(/NaN|undefined|Infinity/)
  })

  it('prints a table on the console', () => {
    expect(renderTable(results)).toMatch(/SharedWorker: one call +1\.10× +≤ 1\.15× +met/)
    expect(renderTable(results)).toMatch(/dedicated worker: one call +1\.50× +≤ 1\.15× +missed/)
  })
})
