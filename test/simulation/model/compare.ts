import { nameOf } from './likeness.ts'
import { checkRest, isByItself, type Scope, startWorld, stepsFrom, type World } from './world.ts'

export interface Comparison {
  readonly worlds: number
  readonly names: number
  /** How two worlds of one name go on, with as much left to happen, where that is not the same. */
  readonly difference: readonly [string, string] | undefined
}

/**
 * Whether worlds of one name go on in the same way: each leads to worlds of the same names, and as much is wrong there.
 * All are visited, whether one of their name has been there before or not, up to a number.
 */
export function compareWorlds(scope: Scope, mostWorlds: number): Comparison {
  const start = startWorld(scope)
  const seen = new Set([textOf(start)])
  const futures = new Map<string, string>()
  const queue = [start]
  for (const world of queue) {
    const steps = stepsFrom(world, scope)
    const name = `${nameIn(world)} ${leftIn(world)}`
    const future = tellFuture(world, steps)
    const known = futures.get(name) ?? future
    if (known !== future) return { worlds: seen.size, names: futures.size, difference: [known, future] }
    futures.set(name, future)
    for (const { next } of steps) {
      const text = textOf(next)
      if (next.violation !== undefined || seen.size >= mostWorlds || seen.has(text)) continue
      seen.add(text)
      queue.push(next)
    }
  }
  return { worlds: seen.size, names: futures.size, difference: undefined }
}

/** A step to a world of the same name, with no more left to happen, is none. */
function tellFuture(world: World, steps: ReturnType<typeof stepsFrom>): string {
  const own = nameIn(world)
  const others = steps.filter(({ next }) => next.violation !== undefined || nameIn(next) !== own)
  const futures = others.map(({ next }) => `${nameIn(next)} ${leftIn(next)} ${next.violation?.slice(0, 2)}`)
  const isAtRest = !others.some(({ label }) => isByItself(label))
  return [...new Set(futures)].sort().join() + (isAtRest ? checkRest(world)?.slice(0, 2) : '')
}

function nameIn(world: World): string {
  return nameOf(world).toString('base64')
}

function leftIn({ left }: World): string {
  return Object.values(left)
    .map((count) => Math.max(0, count))
    .join()
}

function textOf(world: World): string {
  return JSON.stringify({ ...world, starts: 0 })
}
