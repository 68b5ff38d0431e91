/**
 * A released lock suggests that its holder is dead, but any script of the origin can steal a lock. So the thread that gets the
 * lock asks the holder this many times, every `interval` milliseconds. It counts attempts: a computer may sleep in between.
 *
 * @see https://w3c.github.io/web-locks/#dom-lockoptions-steal
 */
export const DOUBT = { interval: 250, times: 4 }

/** After so many thefts, locks no longer prove anything. */
const MAX_LOCKS = 4

interface Locks {
  request(name: string, held: () => Promise<unknown>): Promise<unknown>
}

/**
 * Holds a Web Lock until `end` settles or the thread dies. If the lock is stolen, it takes another one, so that the other
 * threads still notice the holder's death. Calls `onHeld` with each name, or with undefined if it holds no lock (any more).
 */
export function holdLifeLock(
  locks: Locks | undefined,
  createName: (left: number) => string,
  onHeld: (name: string | undefined) => void,
  end: Promise<unknown> = new Promise(() => {}),
  left = MAX_LOCKS,
): void {
  if (!locks || left === 0) {
    onHeld(undefined)
    return
  }
  const name = createName(left)
  let isHeld = false
  const hold = () => {
    isHeld = true
    onHeld(name)
    return end
  }
  locks.request(name, hold).catch(() => holdLifeLock(locks, createName, onHeld, end, isHeld ? left - 1 : 0))
}
