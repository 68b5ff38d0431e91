import type { Peers, Platform } from '../core/adapter.ts'

/** The only message between workers. Any message on the channel means the same: read the store. */
const HINT = 'lingpai:1'

/** After a wait for the lock that ended by its timeout, the lock is ignored for this long. In milliseconds. */
const DISTRUST = 300_000

interface Channel {
  postMessage(message: string): void
  addEventListener(type: 'message', listener: () => void): void
  /** Node only: a channel must not keep the process alive. */
  unref?(): void
}

/**
 * Connects the workers of this origin that share a store: with one Web Lock, and a channel for hints. If the browser has
 * neither, only the store's conditional writes prevent two refreshes.
 */
export function openPeers(name: string, platform: Platform): Peers {
  const locks = findLocks()
  const channel = openChannel(`lingpai:${name}`)
  /** Until then, the lock is not waited for. */
  let distrustedUntil = Number.NEGATIVE_INFINITY
  return {
    async exclusive(work, timeout) {
      // A clock that was set back must not make it longer.
      const left = distrustedUntil - platform.now()
      if (locks === undefined || (left > 0 && left <= DISTRUST)) return work()
      const lock = `lingpai:refresh:${name}`
      const { signal, abort } = platform.createAbort()
      let hasBegun = false
      const timer = platform.setTimeout(abort, timeout)
      const begin = () => {
        hasBegun = true
        platform.clearTimeout(timer)
        return work()
      }
      try {
        await locks.request(lock, { signal: signal as AbortSignal }, begin)
      } catch (error) {
        platform.clearTimeout(timer)
        if (hasBegun || !signal.aborted) throw error
        // The lock holder is frozen, perhaps for ever, or it is a script that is not a worker of this store. If a worker
        // resumes, its conditional write fails (w3c/web-locks#81). Do not wait again: the marker in the store decides alone.
        distrustedUntil = platform.now() + DISTRUST
        await locks.request(lock, { steal: true }, begin)
      }
    },

    announce() {
      try {
        channel?.postMessage(HINT)
      } catch {
        // The other workers read the store at their next refresh anyway.
      }
    },

    onHint(listener) {
      channel?.addEventListener('message', () => listener())
    },
  }
}

/** The browser's Web Locks. Undefined outside a secure context. */
export function findLocks(): LockManager | undefined {
  return (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks
}

function openChannel(name: string): Channel | undefined {
  try {
    const channel: Channel = new BroadcastChannel(name)
    channel.unref?.()
    return channel
  } catch {
    return undefined
  }
}
