import { nameOf } from './likeness.ts'
import { checkRest, isByItself, type Scope, startWorld, stepsFrom, type World } from './world.ts'

export interface Exploration {
  readonly states: number
  /** Steps into a state in which the scope allows no further event. */
  readonly spent: number
  readonly transitions: number
  /** The violation and the path to it, if there is one. */
  readonly violation: string | undefined
  readonly path: readonly string[]
}

const PROGRESS_EVERY = 10_000

/**
 * Visits every reachable state: first those after the fewest events, and of these, the nearest. A state that was visited
 * with at least as many events left is not visited again, because all its successors were visited then.
 */
export function explore(scope: Scope, onProgress?: (states: number, waiting: number) => void): Exploration {
  const start = startWorld(scope)
  const visited = createVisits()
  visited.add(nameOf(start), leftOf(start), 0, 0)
  /** The worlds whose steps are still to be taken, by the number of past events. */
  const waiting: { readonly world: World; readonly visit: number }[][] = [[{ world: start, visit: 0 }]]
  let [transitions, spent, open] = [0, 0, 1]
  let nextProgress = performance.now() + PROGRESS_EVERY

  function pathTo(visit: number): string[] {
    const steps: number[] = []
    for (let at = visit; at > 0; at = visited.parent(at)) steps.unshift(visited.step(at))
    let world = start
    return steps.map((step) => {
      const { label, next } = stepsFrom(world, scope)[step] as { label: string; next: World }
      world = next
      return label
    })
  }

  function found(violation: string, visit: number): Exploration {
    return { states: visited.size(), spent, transitions, violation, path: pathTo(visit) }
  }

  for (let happened = 0; happened < waiting.length; happened += 1) {
    let level = waiting[happened] ?? []
    while (level.length > 0) {
      waiting[happened] = []
      for (const { world, visit } of level) {
        open -= 1
        let isAtRest = true
        for (const [index, { label, next }] of stepsFrom(world, scope).entries()) {
          transitions += 1
          const left = leftOf(next)
          if (left.every((count) => count === 0)) spent += 1
          const name = nameOf(next)
          if (isByItself(label) && !visited.isSame(visit, name)) isAtRest = false
          const reached = visited.add(name, left, visit, index)
          if (reached === undefined) continue
          if (next.violation !== undefined) return found(next.violation, reached)
          open += 1
          const used = sum(leftOf(start)) - sum(left)
          while (waiting.length <= used) waiting.push([])
          waiting[used]?.push({ world: next, visit: reached })
        }
        const violation = isAtRest ? checkRest(world) : undefined
        if (violation !== undefined) return found(violation, visit)
        if (onProgress === undefined || performance.now() < nextProgress) continue
        nextProgress += PROGRESS_EVERY
        onProgress(visited.size(), open)
      }
      level = waiting[happened] ?? []
    }
  }
  return { states: visited.size(), spent, transitions, violation: undefined, path: [] }
}

function leftOf({ left }: World): number[] {
  return Object.values(left).map((count) => Math.max(0, count))
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}

/** Up to seven of each: three bits. */
function pack(counts: readonly number[]): number {
  return counts.reduce((packed, count) => packed * 8 + count, 0)
}

function isWithin(packed: number, limit: number): boolean {
  for (let shift = 0; shift < 15; shift += 3) if (((packed >> shift) & 7) > ((limit >> shift) & 7)) return false
  return true
}

/** 64 bits of each name, the rest and the step to it. A `Map` is limited to sixteen million entries. */
function createVisits() {
  let capacity = 1 << 16
  let columns = createColumns(capacity)
  let slots = new Uint32Array(2 * capacity)
  let size = 0

  function grow(): void {
    const old = columns
    capacity *= 2
    columns = createColumns(capacity)
    for (const name of ['high', 'low', 'left', 'parent', 'step'] as const) columns[name].set(old[name])
    slots = new Uint32Array(2 * capacity)
    for (let visit = 0; visit < size; visit += 1) slots[freeSlot(columns.low[visit] as number)] = visit + 1
  }

  function freeSlot(low: number): number {
    let slot = low & (slots.length - 1)
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1)
    return slot
  }

  return {
    /** The number of the state, or undefined if nothing new can follow. */
    add(name: Buffer, counts: readonly number[], parent: number, step: number): number | undefined {
      const [high, low, left] = [name.readUInt32LE(0), name.readUInt32LE(4), pack(counts)]
      let slot = low & (slots.length - 1)
      for (; slots[slot] !== 0; slot = (slot + 1) & (slots.length - 1)) {
        const visit = (slots[slot] as number) - 1
        const isSame = columns.low[visit] === low && columns.high[visit] === high
        if (isSame && isWithin(left, columns.left[visit] as number)) return undefined
      }
      if (size === capacity) {
        grow()
        slot = freeSlot(low)
      }
      slots[slot] = size + 1
      columns.high[size] = high
      columns.low[size] = low
      columns.left[size] = left
      columns.parent[size] = parent
      columns.step[size] = step
      size += 1
      return size - 1
    },
    isSame: (visit: number, name: Buffer) =>
      columns.high[visit] === name.readUInt32LE(0) && columns.low[visit] === name.readUInt32LE(4),
    size: () => size,
    parent: (visit: number) => columns.parent[visit] as number,
    step: (visit: number) => columns.step[visit] as number,
  }
}

function createColumns(capacity: number) {
  return {
    high: new Uint32Array(capacity),
    low: new Uint32Array(capacity),
    left: new Uint16Array(capacity),
    parent: new Uint32Array(capacity),
    step: new Uint8Array(capacity),
  }
}
