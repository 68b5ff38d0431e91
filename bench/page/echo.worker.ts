/** Echoes each message: the minimum cost of a round trip. */
const answer = (port: MessagePort | typeof globalThis) => (event: MessageEvent) => port.postMessage(event.data)

globalThis.addEventListener('connect', (event) => {
  const port = (event as MessageEvent).ports[0] as MessagePort
  port.onmessage = answer(port)
})
globalThis.addEventListener('message', answer(globalThis))
