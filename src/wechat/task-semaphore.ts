/** WeChat sends ten requests at once for the whole app. One slot stays free, so that a refresh never waits for them. */
const MAX_TASKS = 9

export interface TaskSemaphore {
  /** Takes a slot if one is free, and returns whether it did. The caller must release it. */
  tryAcquire(): boolean
  /** Calls back when it has a slot for the caller, in the order of the calls. Returns a function that leaves the queue. */
  acquire(onAcquired: () => void): () => void
  release(): void
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/framework/ability/network.html */
export function createTaskSemaphore(limit = MAX_TASKS): TaskSemaphore {
  const queue = new Set<() => void>()
  let acquired = 0

  return {
    tryAcquire() {
      if (acquired >= limit || queue.size > 0) return false
      acquired += 1
      return true
    },
    acquire(onAcquired) {
      // A new function, so that the same callback can be queued twice.
      const entry = () => onAcquired()
      queue.add(entry)
      return () => void queue.delete(entry)
    },
    release() {
      const [next] = queue
      if (next === undefined) {
        acquired -= 1
        return
      }
      queue.delete(next)
      next()
    },
  }
}
