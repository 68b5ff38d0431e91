import type { Scheduler, Thread } from './scheduler.ts'

interface Request {
  readonly thread: Thread
  readonly mode: 'exclusive' | 'shared'
  readonly work: () => unknown
  resolve(value: unknown): void
  reject(error: unknown): void
}

interface Lock {
  readonly held: Set<Request>
  readonly queue: Request[]
}

interface LockOptions {
  readonly mode?: 'exclusive' | 'shared'
  readonly signal?: AbortSignal
  readonly steal?: boolean
}

/** In milliseconds. */
const QUERY_TIME = 0.5

/** The Web Locks of an origin: granted in the order of the requests, and released when their holder dies. */
export function createLocks(scheduler: Scheduler, latency: () => number) {
  const locks = new Map<string, Lock>()

  function lockOf(name: string): Lock {
    let lock = locks.get(name)
    if (lock === undefined) {
      lock = { held: new Set(), queue: [] }
      locks.set(name, lock)
    }
    return lock
  }

  function grantNext(lock: Lock): void {
    for (let [next] = lock.queue; next !== undefined; [next] = lock.queue) {
      const isFree =
        lock.held.size === 0 || (next.mode === 'shared' && [...lock.held].every((one) => one.mode === 'shared'))
      if (!isFree) return
      lock.queue.shift()
      grant(lock, next)
    }
  }

  function grant(lock: Lock, request: Request): void {
    lock.held.add(request)
    scheduler.schedule(latency(), request.thread, () => {
      if (!lock.held.has(request)) return
      void (async () => request.work())().then(
        (value) => release(lock, request, () => request.resolve(value)),
        (error) => release(lock, request, () => request.reject(error)),
      )
    })
  }

  function release(lock: Lock, request: Request, settle: () => void): void {
    if (!lock.held.delete(request)) return
    settle()
    grantNext(lock)
  }

  /** A thread's `navigator.locks`. */
  function locksOf(thread: Thread) {
    const own = new Set<string>()
    thread.onDeath(() => {
      for (const name of own) {
        const lock = lockOf(name)
        lock.queue.splice(0, lock.queue.length, ...lock.queue.filter((request) => request.thread !== thread))
        for (const request of lock.held) if (request.thread === thread) lock.held.delete(request)
        grantNext(lock)
      }
    })
    return {
      /** After a fixed time, so that it does not change what the seed draws. */
      query(): Promise<{ held: { name: string; clientId: string }[] }> {
        return new Promise((resolve) => {
          scheduler.schedule(QUERY_TIME, thread, () => {
            const held = [...locks].flatMap(([name, lock]) =>
              [...lock.held].map((request) => ({ name, clientId: request.thread.name })),
            )
            resolve({ held })
          })
        })
      },

      request(name: string, ...rest: [() => unknown] | [LockOptions, () => unknown]): Promise<unknown> {
        const [options, work] = rest.length === 1 ? [{}, rest[0]] : rest
        const { mode = 'exclusive', signal, steal = false } = options
        own.add(name)
        const lock = lockOf(name)
        return new Promise((resolve, reject) => {
          if (signal?.aborted) {
            reject(signal.reason)
            return
          }
          const request: Request = { thread, mode, work, resolve, reject }
          if (steal) {
            for (const holder of [...lock.held]) {
              lock.held.delete(holder)
              scheduler.schedule(latency(), holder.thread, () =>
                holder.reject(new DOMException('Stolen', 'AbortError')),
              )
            }
            grant(lock, request)
            return
          }
          lock.queue.push(request)
          signal?.addEventListener('abort', () => {
            const index = lock.queue.indexOf(request)
            if (index === -1) return
            lock.queue.splice(index, 1)
            reject(signal.reason)
            grantNext(lock)
          })
          grantNext(lock)
        })
      },
    }
  }

  return { locksOf }
}

export type ThreadLocks = ReturnType<ReturnType<typeof createLocks>['locksOf']>
