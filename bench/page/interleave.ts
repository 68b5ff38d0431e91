/**
 * The order in which a round measures its contestants: each round starts with the next one, and every other lap runs
 * backwards. So no contestant is always first, last, or after the same neighbour.
 */
export function orderOfRound<T>(contestants: readonly T[], round: number): T[] {
  const start = round % contestants.length
  const order = [...contestants.slice(start), ...contestants.slice(0, start)]
  return Math.floor(round / contestants.length) % 2 === 0 ? order : order.reverse()
}

/**
 * The mean of the middle half: as robust against outliers as the median, but finer than the resolution of the clock, a tenth
 * of a millisecond.
 */
export function middleMean(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other)
  const cut = Math.floor(sorted.length / 4)
  const middle = sorted.slice(cut, sorted.length - cut)
  return middle.reduce((sum, value) => sum + value, 0) / middle.length
}
