import { nameOf } from './likeness.ts'
import { checkRest, isByItself, type Scope, startWorld, stepsFrom, type World } from './world.ts'

export interface Exploration {
  readonly states: number
  /** Of these, how many have everything that the scope allows behind them. */
  readonly spent: number
  readonly transitions: number
  /** What is wrong, and how it came to that, where something is. */
  readonly violation: string | undefined
  readonly path: readonly string[]
}

/** Visits every state that can be reached, nearest first, so that a counterexample is a shortest one. */
export function explore(scope: Scope, mostStates = Number.POSITIVE_INFINITY): Exploration {
  const start = startWorld(scope)
  const seen = new Set([nameOf(start)])
  const parents = [-1]
  const labels = ['']
  let level: { readonly world: World; readonly index: number }[] = [{ world: start, index: 0 }]
  let transitions = 0
  let spent = 0

  function pathTo(index: number): string[] {
    const path: string[] = []
    for (let at = index; at > 0; at = parents[at] as number) path.unshift(labels[at] as string)
    return path
  }

  function found(violation: string, at: number): Exploration {
    return { states: seen.size, spent, transitions, violation, path: pathTo(at) }
  }

  while (level.length > 0 && seen.size < mostStates) {
    const next: typeof level = []
    for (const { world, index } of level) {
      const steps = stepsFrom(world, scope)
      if (!steps.some(({ label }) => isByItself(label))) {
        const violation = checkRest(world)
        if (violation !== undefined) return found(violation, index)
      }
      for (const { label, next: reached } of steps) {
        transitions += 1
        const name = nameOf(reached)
        if (seen.has(name)) continue
        seen.add(name)
        if (Object.values(reached.left).every((left) => left <= 0)) spent += 1
        parents.push(index)
        labels.push(label)
        const at = parents.length - 1
        if (reached.violation !== undefined) {
          return found(reached.violation, at)
        }
        next.push({ world: reached, index: at })
      }
    }
    level = next
  }
  return { states: seen.size, spent, transitions, violation: undefined, path: [] }
}
