/**
 * A lock that has fallen is a hint of its holder's death, and no proof: any script of the origin can steal it. Whoever got it
 * asks so many times, after so many milliseconds each. Counted, not timed: a computer's sleep is no silence.
 *
 * @see https://w3c.github.io/web-locks/#dom-lockoptions-steal
 */
export const DOUBT = { interval: 250, times: 4 }

/** A lock that is stolen so often says nothing any more. */
const MAX_LOCKS = 4

interface Locks {
  request(name: string, held: () => Promise<unknown>): Promise<unknown>
}

/**
 * Holds a Web Lock until the end, or until its thread dies. When it is stolen, another one takes its place: those who wait for
 * the first would get no news of the holder's death. `onHeld` tells each name, and undefined where there is no lock (any more).
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
