import { handOver } from './hand-over.ts'

/**
 * Only a fetch in a worker: the minimum cost of any library that keeps its tokens in a worker. Without session, checks and
 * flow control.
 */
interface Order {
  readonly id: number
  readonly url: string
  readonly token: string
}

const answer = (port: MessagePort | typeof globalThis) => async (event: MessageEvent<Order>) => {
  const { id, url, token } = event.data
  const told = await handOver(await fetch(url, { headers: { Authorization: `Bearer ${token}` } }))
  port.postMessage({ id, ...told }, [told.body] as never)
}

globalThis.addEventListener('connect', (event) => {
  const port = (event as MessageEvent).ports[0] as MessagePort
  port.onmessage = answer(port)
})
globalThis.addEventListener('message', answer(globalThis))
