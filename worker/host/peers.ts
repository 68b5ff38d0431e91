import type { Peers, Platform } from '../core/adapter.ts'

/** All that a message between workers says. Whatever else comes over the channel means the same: look into the store. */
const HINT = 'lingpai:1'

interface Channel {
  postMessage(message: string): void
  addEventListener(type: 'message', listener: () => void): void
  /** Node only: a channel must not keep the process alive. */
  unref?(): void
}

/**
 * The workers of this origin that share a store: one Web Lock between them, and a channel for hints. Where the browser has
 * neither, the store's conditional writes alone keep them apart.
 */
export function openPeers(name: string, platform: Platform): Peers {
  const locks = findLocks()
  const channel = openChannel(`lingpai:${name}`)
  return {
    async exclusive(work, patience) {
      if (locks === undefined) return work()
      const lock = `lingpai:refresh:${name}`
      const { signal, abort } = platform.createAbort()
      let hasBegun = false
      const timer = platform.setTimeout(abort, patience)
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
        // The holder is frozen, perhaps for ever: it will find that its turn is over when it writes (w3c/web-locks#81).
        await locks.request(lock, { steal: true }, begin)
      }
    },

    announce() {
      try {
        channel?.postMessage(HINT)
      } catch {
        // The others look into the store at their next refresh anyway.
      }
    },

    onHint(listener) {
      channel?.addEventListener('message', () => listener())
    },
  }
}

/** The browser's Web Locks: only in a secure context. */
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
