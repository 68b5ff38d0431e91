import type { Scope } from './world.ts'

const nothing = { signIns: 0, signOuts: 0, rotations: 0, crashes: 0, losses: 0, hasGrace: true }
/** One history with a worker's death and a lost response, in both orders. */
const harmed = { ...nothing, signIns: 1, crashes: 1, losses: 1 }

/** Two tabs with a worker each, small enough for a test run. */
export const SCOPES: readonly Scope[] = [
  { ...nothing, signIns: 2, signOuts: 1 },
  { ...nothing, signIns: 1, signOuts: 1, rotations: 1, crashes: 1 },
  { ...nothing, signIns: 2, rotations: 2 },
  { ...nothing, signIns: 2, rotations: 1, crashes: 1 },
  { ...harmed, rotations: 2 },
  { ...harmed, rotations: 2, hasGrace: false },
]

/** Each takes up to 15 minutes and 2 GB, so they run only on command. */
export const LARGER_SCOPES: readonly Scope[] = [
  { ...harmed, signIns: 2, rotations: 3 },
  { ...harmed, signIns: 2, rotations: 3, hasGrace: false },
  { ...harmed, signIns: 2, signOuts: 1, rotations: 1 },
]

export function describeScope({ hasGrace, ...counts }: Scope): string {
  const parts = Object.entries(counts).filter(([, count]) => count > 0)
  return `${parts.map(([name, count]) => `${count} ${name}`).join(', ')}, ${hasGrace ? 'with' : 'without'} grace`
}
