/** One figure that a page or the bench has measured. */
export interface Sample {
  readonly case: string
  /** The number of the browser's launch. */
  readonly launch: number
  /** Samples of one round were taken directly one after another, under the same conditions. */
  readonly round: number
  readonly contestant: string
  readonly metric: string
  readonly value: number
}

/** The samples that belong to a row. */
export interface Source {
  readonly case: string
  readonly contestant: string
  readonly metric: string
}

/** Five numbers of a sorted list, as a box plot shows them. */
export interface Spread {
  readonly count: number
  readonly lowest: number
  readonly lowerQuartile: number
  readonly median: number
  readonly upperQuartile: number
  readonly highest: number
  /** The 95 % confidence interval of the median. */
  readonly surely: readonly [number, number]
}

/** The quantile of a sorted list, with linear interpolation. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('There is no quantile of nothing.')
  const sorted = [...values].sort((one, other) => one - other)
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)] as number
  const above = sorted[Math.ceil(place)] as number
  return below + (above - below) * (place - Math.floor(place))
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

export function spread(values: readonly number[]): Spread {
  return {
    count: values.length,
    lowest: quantile(values, 0),
    lowerQuartile: quantile(values, 0.25),
    median: median(values),
    upperQuartile: quantile(values, 0.75),
    highest: quantile(values, 1),
    surely: medianInterval(values),
  }
}

/**
 * Uses ranks, so it does not depend on the distribution of the values.
 */
function medianInterval(values: readonly number[]): readonly [number, number] {
  const sorted = [...values].sort((one, other) => one - other)
  const reach = 0.98 * Math.sqrt(sorted.length)
  const low = Math.max(0, Math.floor(sorted.length / 2 - reach))
  const high = Math.min(sorted.length - 1, Math.ceil(sorted.length / 2 + reach) - 1)
  return [sorted[low] as number, sorted[Math.max(low, high)] as number]
}

/**
 * The ratios of two sources, each within one round of one launch. A short slowdown of the machine affects both, and does not
 * change the ratio. Rounds that only one of them has are omitted.
 */
export function pairedRatios(samples: readonly Sample[], of: Source, to: Source): number[] {
  const base = new Map(select(samples, to).map(({ launch, round, value }) => [`${launch}.${round}`, value]))
  return select(samples, of).flatMap(({ launch, round, value }) => {
    const divisor = base.get(`${launch}.${round}`)
    return divisor === undefined || divisor === 0 ? [] : [value / divisor]
  })
}

/** One sum per round: the counts of all tabs. */
export function sumsPerRound(samples: readonly Sample[], of: Source): number[] {
  const sums = new Map<string, number>()
  for (const { launch, round, value } of select(samples, of)) {
    const key = `${launch}.${round}`
    sums.set(key, (sums.get(key) ?? 0) + value)
  }
  return [...sums.values()]
}

function select(samples: readonly Sample[], source: Source): Sample[] {
  return samples.filter(
    (sample) =>
      sample.case === source.case && sample.contestant === source.contestant && sample.metric === source.metric,
  )
}
