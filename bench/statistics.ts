/** One figure that a page, or the bench itself, has measured. */
export interface Sample {
  readonly case: string
  /** Which start of the browser. */
  readonly launch: number
  /** Samples of one round were taken one right after the other, so they met the same weather. */
  readonly round: number
  readonly contestant: string
  readonly metric: string
  readonly value: number
}

/** Where the samples of a row are found. */
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
  /** Between these two lies, with 95 % certainty, the median that more and more samples would come to. */
  readonly surely: readonly [number, number]
}

/** The value below which that share of the list lies, between two values by proportion. */
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
 * Counts ranks, and so assumes nothing about how the values are distributed.
 */
function medianInterval(values: readonly number[]): readonly [number, number] {
  const sorted = [...values].sort((one, other) => one - other)
  const reach = 0.98 * Math.sqrt(sorted.length)
  const low = Math.max(0, Math.floor(sorted.length / 2 - reach))
  const high = Math.min(sorted.length - 1, Math.ceil(sorted.length / 2 + reach) - 1)
  return [sorted[low] as number, sorted[Math.max(low, high)] as number]
}

/**
 * The ratios of two sources, each within one round of one launch. What slows the machine for a second slows both, and
 * the ratio stays what it was. Rounds that only one of them has are left out.
 */
export function pairedRatios(samples: readonly Sample[], of: Source, to: Source): number[] {
  const base = new Map(select(samples, to).map(({ launch, round, value }) => [`${launch}.${round}`, value]))
  return select(samples, of).flatMap(({ launch, round, value }) => {
    const divisor = base.get(`${launch}.${round}`)
    return divisor === undefined || divisor === 0 ? [] : [value / divisor]
  })
}

/** One sum per round: of what several tabs have counted. */
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
