const { port1, port2 } = new MessageChannel()
const waiting: (() => void)[] = []

// A timer would do too, but the app's own test may have replaced those by fake ones.
port1.onmessage = () => {
  waiting.shift()?.()
  if (waiting.length === 0) keepAlive(false)
}
keepAlive(false)

/** Node would not end while this port is listened to. */
function keepAlive(isWanted: boolean): void {
  const port = port1 as { ref?(): void; unref?(): void }
  if (isWanted) port.ref?.()
  else port.unref?.()
}

/** A turn of the real event loop: it comes when every microtask has run, however many follow from each other. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve)
    keepAlive(true)
    port2.postMessage(null)
  })
}
