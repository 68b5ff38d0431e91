import type { Scope } from './world.ts'

const nothing = { signIns: 0, signOuts: 0, rotations: 0, crashes: 0, losses: 0, hasGrace: true }

/** Two tabs with a worker each, two users, three rotations, a crash and a loss: all at once are too many for every run. */
export const SCOPES: readonly Scope[] = [
  { ...nothing, signIns: 2, signOuts: 1 },
  { ...nothing, signIns: 2, crashes: 1 },
  { ...nothing, signIns: 2, rotations: 1 },
  { ...nothing, signIns: 1, signOuts: 1, rotations: 1, crashes: 1 },
  { ...nothing, signIns: 1, rotations: 3, crashes: 1, hasGrace: false },
  { ...nothing, signIns: 1, rotations: 1, losses: 1 },
]

/** Minutes, and gigabytes: by command. */
export const LARGER_SCOPES: readonly Scope[] = [
  { ...nothing, signIns: 1, rotations: 3, losses: 1, hasGrace: false },
  { ...nothing, signIns: 1, rotations: 3, losses: 1 },
  { ...nothing, signIns: 1, rotations: 2, crashes: 1, losses: 1 },
  { ...nothing, signIns: 2, signOuts: 1, rotations: 1 },
  { ...nothing, signIns: 2, rotations: 1, crashes: 1 },
  { ...nothing, signIns: 2, rotations: 1, losses: 1 },
]

export function describeScope({ hasGrace, ...counts }: Scope): string {
  const parts = Object.entries(counts).filter(([, count]) => count > 0)
  return `${parts.map(([name, count]) => `${count} ${name}`).join(', ')}, ${hasGrace ? 'with' : 'without'} grace`
}
