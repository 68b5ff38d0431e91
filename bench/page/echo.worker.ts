/** Answers each message with itself: what a round trip costs at the least. */
const answer = (port: MessagePort | typeof globalThis) => (event: MessageEvent) => port.postMessage(event.data)

globalThis.addEventListener('connect', (event) => {
  const port = (event as MessageEvent).ports[0] as MessagePort
  port.onmessage = answer(port)
})
globalThis.addEventListener('message', answer(globalThis))
