/** An event at a time, in one thread or in none. */
export interface ScheduledEvent {
  due: number
  order: number
  readonly thread: Thread | undefined
  readonly run: () => void
  isCancelled: boolean
}

export type ThreadState = 'running' | 'frozen' | 'dead'

/** A page or a worker. Events of a frozen thread wait until it is resumed; events of a dead thread never run. */
export interface Thread {
  readonly name: string
  readonly state: ThreadState
  /** The sum of its freezes so far, in milliseconds. */
  frozenFor(): number
  freeze(): void
  thaw(): void
  die(): void
  /** Called once, when it dies. */
  onDeath(listener: () => void): void
}

const MICROSECOND = 0.001

/**
 * Virtual time. Everything is an event with a time that the seed draws, so the seed decides the order of messages, timers,
 * responses, storage and locks. Between two events, all microtasks of the real code run.
 */
export function createScheduler() {
  const heap: ScheduledEvent[] = []
  let now = 0
  let events = 0
  let steps = 0
  let current: Thread | undefined

  const isBefore = (one: ScheduledEvent, other: ScheduledEvent) =>
    one.due < other.due || (one.due === other.due && one.order < other.order)

  function push(event: ScheduledEvent): void {
    let index = heap.push(event) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent] as ScheduledEvent
      if (!isBefore(event, above)) break
      heap[index] = above
      index = parent
    }
    heap[index] = event
  }

  function pop(): ScheduledEvent | undefined {
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as ScheduledEvent, heap[child] as ScheduledEvent)) child++
      const below = heap[child] as ScheduledEvent
      if (!isBefore(below, last)) break
      heap[index] = below
      index = child
    }
    heap[index] = last
    return first
  }

  function schedule(delay: number, thread: Thread | undefined, run: () => void): ScheduledEvent {
    const event = { due: now + Math.max(delay, 0), order: ++events, thread, run, isCancelled: false }
    push(event)
    return event
  }

  function runIn(thread: Thread | undefined, work: () => void): void {
    const before = current
    current = thread
    try {
      work()
    } finally {
      current = before
    }
  }

  /** A macrotask runs after every microtask, including those that microtasks queue. It takes about 2 µs. */
  function settle(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  return {
    now: () => now,
    steps: () => steps,
    /** The thread whose code is running. */
    current: () => current,
    schedule,
    runIn,

    /** Runs the events that are due until a time, one by one. `afterStep` returns false to stop. */
    async runUntil(end: number, afterStep: () => boolean): Promise<boolean> {
      for (let next = heap[0]; next !== undefined && next.due <= end; next = heap[0]) {
        pop()
        if (next.isCancelled) continue
        now = Math.max(now, next.due)
        const { thread } = next
        if (thread !== undefined && thread.state !== 'running') {
          if (thread.state === 'frozen') (thread as OwnThread).held.push(next)
          continue
        }
        steps += 1
        current = thread
        next.run()
        await settle()
        current = undefined
        if (!afterStep()) return false
      }
      now = Math.max(now, end)
      return afterStep()
    },

    createThread(name: string): Thread {
      let state: ThreadState = 'running'
      let frozenSince = 0
      let frozenFor = 0
      const deaths: (() => void)[] = []
      const held: ScheduledEvent[] = []
      return {
        name,
        held,
        get state() {
          return state
        },
        frozenFor: () => frozenFor + (state === 'frozen' ? now - frozenSince : 0),
        freeze() {
          if (state !== 'running') return
          state = 'frozen'
          frozenSince = now
        },
        thaw() {
          if (state !== 'frozen') return
          frozenFor += now - frozenSince
          state = 'running'
          // All at once, in the order of their times.
          for (const [index, event] of held.splice(0).entries()) {
            event.due = now + index * MICROSECOND
            event.order = ++events
            push(event)
          }
        },
        die() {
          if (state === 'dead') return
          state = 'dead'
          held.length = 0
          for (const listener of deaths.splice(0)) listener()
        },
        onDeath(listener: () => void) {
          deaths.push(listener)
        },
      } as OwnThread
    },
  }
}

interface OwnThread extends Thread {
  readonly held: ScheduledEvent[]
}

export type Scheduler = ReturnType<typeof createScheduler>
