/** WeChat runs ten at once, for the whole app; one stays free for a refresh, which must never wait behind them. */
const MAX_TASKS = 9

export interface TaskSemaphore {
  /** Whether there was one; it is the caller's until it is released. */
  tryTake(): boolean
  /** Calls back once there is one, first come first served. Returns what gives the place in the queue up. */
  wait(onTaken: () => void): () => void
  release(): void
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/framework/ability/network.html */
export function createTaskSemaphore(most = MAX_TASKS): TaskSemaphore {
  const queue = new Set<() => void>()
  let taken = 0

  return {
    tryTake() {
      if (taken >= most || queue.size > 0) return false
      taken += 1
      return true
    },
    wait(onTaken) {
      // A function of its own, so that the same one may wait twice.
      const entry = () => onTaken()
      queue.add(entry)
      return () => void queue.delete(entry)
    },
    release() {
      const [next] = queue
      if (next === undefined) {
        taken -= 1
        return
      }
      queue.delete(next)
      next()
    },
  }
}
