import { LingpaiError } from '../../src/protocol/errors.ts'

const UNITS = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds, or a number with its unit: `'90s'`, `'15min'`, `'1h'`, `'30d'`. */
export type Duration = number | `${number}${keyof typeof UNITS}`

/** @throws LingpaiError `invalid_call` */
export function toMilliseconds(duration: Duration, what: string): number {
  const [, amount, unit] = /^(-?\d+(?:\.\d+)?)(ms|s|min|h|d)$/.exec(String(duration)) ?? []
  const milliseconds = typeof duration === 'number' ? duration : Number(amount) * UNITS[unit as keyof typeof UNITS]
  if (Number.isFinite(milliseconds)) return milliseconds
  throw new LingpaiError(
    'invalid_call',
    `${what}: ${JSON.stringify(duration)} is not a duration. Pass milliseconds, or a string such as "90s", "15min", "1h", "30d".`,
  )
}
