interface Lap {
  readonly resolve: () => void
  left: number
}

/** A message goes to the other port and back, since Node handles up to a thousand messages of one port in one turn. */
const LAPS = 2

const waiting: readonly Lap[][] = [[], []]
// Not a timer: the app's own test may have replaced the timers by fake ones.
const channels = waiting.map((laps, index) => {
  const { port1, port2 } = new MessageChannel()
  port1.onmessage = () => {
    const lap = laps.shift()
    if (laps.length === 0) keepAlive(port1, false)
    if (lap === undefined) return
    if (--lap.left === 0) lap.resolve()
    else start(1 - index, lap)
  }
  keepAlive(port1, false)
  return { port1, port2 }
})

/** A port with a listener keeps Node alive. */
function keepAlive(port: MessagePort, isWanted: boolean): void {
  const { ref, unref } = port as { ref?(): void; unref?(): void }
  ;(isWanted ? ref : unref)?.call(port)
}

function start(index: number, lap: Lap): void {
  const channel = channels[index]
  if (channel === undefined) return
  waiting[index]?.push(lap)
  keepAlive(channel.port1, true)
  channel.port2.postMessage(null)
}

// Five times as fast, but it may be absent or replaced by a fake timer.
const { setImmediate } = globalThis as {
  setImmediate?: ((callback: () => void) => void) & { readonly clock?: unknown }
}
const isReal = setImmediate !== undefined && setImmediate.clock === undefined

/** Resolves in the next turn of the real event loop, when all microtasks have run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => (isReal ? setImmediate(resolve) : start(0, { resolve, left: LAPS })))
}
