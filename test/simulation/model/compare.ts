import { createRandom } from '../random.ts'
import { textOf } from './likeness.ts'
import { checkRest, isByItself, type Scope, type Step, startWorld, stepsFrom, type World } from './world.ts'

export interface Comparison {
  readonly worlds: number
  readonly names: number
  /** The continuations of two worlds of one name and with the same rest, if they differ. */
  readonly difference: readonly [string, string] | undefined
}

/**
 * Whether worlds of one name continue in the same way: each leads to worlds of the same names with the same violations.
 * Takes random paths from the start until no step is left.
 */
export function compareWorlds(scope: Scope, seed: number, walks: number): Comparison {
  const random = createRandom(seed)
  const futures = new Map<string, string>()
  let worlds = 0
  for (let walk = 0; walk < walks; walk += 1) {
    let world = startWorld(scope)
    for (;;) {
      worlds += 1
      const steps = stepsFrom(world, scope)
      const name = `${textOf(world)} ${leftIn(world)}`
      const future = tellFuture(world, steps)
      const known = futures.get(name) ?? future
      if (known !== future) return { worlds, names: futures.size, difference: [known, future] }
      futures.set(name, future)
      const open = steps.filter(({ next }) => next.violation === undefined)
      if (open.length === 0) break
      world = random.pick(open).next
    }
  }
  return { worlds, names: futures.size, difference: undefined }
}

/** A step to a world of the same name that leaves no more steps does not count. */
function tellFuture(world: World, steps: readonly Step[]): string {
  const own = textOf(world)
  const others = steps.filter(({ next }) => next.violation !== undefined || textOf(next) !== own)
  const futures = others.map(({ next }) => `${textOf(next)} ${leftIn(next)} ${next.violation?.slice(0, 2)}`)
  const isAtRest = !others.some(({ label }) => isByItself(label))
  return [...new Set(futures)].sort().join('\n\n') + (isAtRest ? checkRest(world)?.slice(0, 2) : '')
}

function leftIn({ left }: World): string {
  return Object.values(left)
    .map((count) => Math.max(0, count))
    .join()
}
