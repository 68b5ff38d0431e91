/** The visible time range, in milliseconds since 1970. */
export interface TimeRange {
  readonly from: number
  readonly until: number
}

const SHORTEST = 10
const LONGEST = 6 * 3_600_000

/** Zooms by a factor around a fixed time. A factor below 1 shows less time. */
export function zoomAround({ from, until }: TimeRange, center: number, factor: number): TimeRange {
  const span = Math.min(Math.max((until - from) * factor, SHORTEST), LONGEST)
  const share = (center - from) / (until - from)
  return { from: center - span * share, until: center + span * (1 - share) }
}

export function panBy({ from, until }: TimeRange, milliseconds: number): TimeRange {
  return { from: from + milliseconds, until: until + milliseconds }
}

/** Times for the axis at round distances, at least `room` apart. */
export function listTicks({ from, until }: TimeRange, width: number, room: number): { at: number; step: number }[] {
  const least = ((until - from) / Math.max(width, 1)) * room
  const step = STEPS.find((candidate) => candidate >= least) ?? 3_600_000
  const ticks = []
  // Rounded in local time, so that hours are hours in every time zone.
  const offset = new Date(from).getTimezoneOffset() * 60_000
  for (let at = Math.ceil((from - offset) / step) * step + offset; at <= until; at += step) ticks.push({ at, step })
  return ticks
}

const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
  900_000, 1_800_000, 3_600_000,
]

/** Formats a time with the precision that the distance of the ticks needs. */
export function formatTick(at: number, step: number): string {
  const date = new Date(at)
  const two = (value: number) => String(value).padStart(2, '0')
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`
  if (step >= 60_000) return time
  const seconds = `${time}:${two(date.getSeconds())}`
  return step >= 1000 ? seconds : `${seconds}.${String(date.getMilliseconds()).padStart(3, '0')}`
}
