/** The owner of all ports whose page is not proven: they share one small budget. */
export const UNPROVEN = ''
/** More ports than this may not be without a proven page. A page is proven a few milliseconds after its hello. */
const MAX_UNPROVEN_PORTS = 100
/** A page needs one port, and for a moment a second one if it connects again. */
const MAX_PORTS_OF_PAGE = 16

interface PagePort {
  owner: string
  /** While the page's lock is checked. */
  proof?: Promise<string> | undefined
  readonly leave: () => void
}

/**
 * Knows which page is behind each port. Any script can open any number of ports, and each would otherwise count as a page of its
 * own. A page is proven by the Web Lock that it names: the browser reports which client holds it. If there are too many ports
 * without a proven page, or of one page, the oldest of them are closed.
 *
 * Without `findOwner`, as in a browser without Web Locks, each port counts as a page once it has said hello.
 *
 * @see https://w3c.github.io/web-locks/#dictdef-lockinfo
 */
export function createPagePorts(findOwner?: (lock: string | undefined) => Promise<string | undefined>) {
  const ports = new Map<number, PagePort>()

  function setOwner(number: number, port: PagePort, owner: string): void {
    // Moved to the end: the ports of an owner are in the order in which they became its ports.
    ports.delete(number)
    ports.set(number, port)
    port.owner = owner
    const siblings = [...ports.values()].filter((other) => other.owner === owner)
    const most = owner === UNPROVEN ? MAX_UNPROVEN_PORTS : MAX_PORTS_OF_PAGE
    if (siblings.length > most) siblings[0]?.leave()
  }

  return {
    add: (number: number, leave: () => void) => setOwner(number, { owner: UNPROVEN, leave }, UNPROVEN),

    /** Called at each hello. Its answer does not wait for the proof. */
    prove(number: number, lock: string | undefined): void {
      const port = ports.get(number)
      if (port === undefined) return
      if (findOwner === undefined) {
        setOwner(number, port, `${number}`)
        return
      }
      const proof = findOwner(lock).then((client) => {
        if (port.proof === proof) {
          port.proof = undefined
          if (ports.has(number)) setOwner(number, port, client ?? UNPROVEN)
        }
        return port.owner
      })
      port.proof = proof
    },

    /** A promise only while the page's lock is checked. */
    ownerOf(number: number): string | Promise<string> {
      const port = ports.get(number)
      return port?.proof ?? port?.owner ?? UNPROVEN
    },

    remove: (number: number) => void ports.delete(number),
  }
}
