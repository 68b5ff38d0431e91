/** A timer with a longer delay fires at once: browsers keep the delay in 32 bits (HTML, timer initialisation steps). */
export const MAX_TIMER = 2 ** 31 - 1

/** Shorter than a caller's wait: a refresh whose response is lost can be sent again while the callers still wait. */
export const DEFAULT_REFRESH_TIMEOUT = 10_000

const FIRST_PAUSE = 1000
const MAX_FLOOR = 12_000

/**
 * The shortest pause after so many failures in a row: 1, 2, 4, 8, 12, 12 ... seconds. This alone limits refreshes to one
 * per second and thirty per five minutes, for any jitter (I10).
 */
export function shortestPause(failures: number): number {
  return Math.min(FIRST_PAUSE * 2 ** Math.min(failures - 1, 10), MAX_FLOOR)
}

export const LONGEST_FRUITLESS_PAUSE = 300_000

/**
 * How long a new token is kept although an API refuses it, after so many refreshes whose new token did not help that API:
 * 1, 1.5, 2.25 ... seconds, and at most five minutes. If other APIs do the same, it is longer, so that all together stay
 * below thirty refreshes in five minutes (I10).
 */
export function fruitlessPause(refreshes: number, others: number): number {
  return Math.round(Math.min(FIRST_PAUSE * 1.5 ** (refreshes - 1 + 3 * others), LONGEST_FRUITLESS_PAUSE))
}

/** Whether a pause that ends at `until` still lasts. If more than the longest pause is left, the clock was set back. */
export function isPausing(until: number, now: number, longest = MAX_FLOOR): boolean {
  return now < until && until - now <= longest
}

/**
 * The pause before the next attempt: random between the shortest pause and a ceiling that doubles. So the tabs and users of
 * a failing server do not all send at the same time. `random` is in [0, 1).
 *
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function retryDelay(failures: number, random: number, longest = 60_000): number {
  const floor = shortestPause(failures)
  const ceiling = Math.max(floor, Math.min(FIRST_PAUSE * 2 ** Math.min(failures, 20), longest))
  return Math.round(floor + random * (ceiling - floor))
}

export const MAX_RETRY_AFTER = 600_000

/** Reads a Retry-After header, in seconds or as an HTTP date (RFC 9110 §10.2.3), as milliseconds from now. */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  const text = header.trim()
  if (/^\d+$/.test(text)) return clampRetryAfter(Number(text) * 1000)
  // Date.parse accepts almost any text, even "-5". An HTTP date ends in GMT (RFC 9110 §5.6.7).
  return text.endsWith(' GMT') ? clampRetryAfter(Date.parse(text) - now) : undefined
}

/** The pause that a server or a grant asks for, between 1 second and 10 minutes. Undefined if it is not a number. */
export function clampRetryAfter(delay: number | undefined): number | undefined {
  return delay === undefined || Number.isNaN(delay) ? undefined : Math.min(Math.max(delay, 1000), MAX_RETRY_AFTER)
}
