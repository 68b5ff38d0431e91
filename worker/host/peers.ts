import type { Peers, Platform } from '../core/adapter.ts'

/** The only message between workers. Any message on the channel means the same: read the store. */
const HINT = 'lingpai:1'

/** For this long, a lock that another script has held is not waited for: the marker in the store decides alone. In milliseconds. */
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
      const begin = (hasTimedOut = false) => {
        hasBegun = true
        platform.clearTimeout(timer)
        return work(hasTimedOut)
      }
      const holderAtStart = findHolder(lock)
      // The next holder gets its time, too: its refresh may have begun only now.
      const onTimeout = async () => {
        const [before, holder] = await Promise.all([holderAtStart, findHolder(lock)])
        if (hasBegun) return
        if (before === holder) abort()
        else timer = platform.setTimeout(abort, timeout)
      }
      let timer = platform.setTimeout(onTimeout, timeout)
      try {
        await locks.request(lock, { signal: signal as AbortSignal }, () => begin())
      } catch (error) {
        platform.clearTimeout(timer)
        if (hasBegun || !signal.aborted) throw error
        // The lock holder is frozen, perhaps for ever. If it resumes, its conditional write fails (w3c/web-locks#81).
        await locks.request(lock, { steal: true }, () => begin(true))
      }
    },

    distrust() {
      distrustedUntil = platform.now() + DISTRUST
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

/** The browser's id of the page or worker that holds a lock. */
export async function findHolder(lock: string): Promise<string | undefined> {
  const { held } =
    (await findLocks()
      ?.query()
      .catch(() => undefined)) ?? {}
  return held?.find(({ name }) => name === lock)?.clientId
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
