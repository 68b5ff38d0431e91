import type { HttpAnswer, Network, OutgoingRequest, Running } from './network.ts'

/** A refresh has a request or two; older ones than these are of no use to anybody. */
const MAX_KEPT = 8

interface Exchange {
  readonly connection: number
  readonly running: Running<HttpAnswer>
}

export type Exchanges = ReturnType<typeof createExchanges>

/**
 * The grant's requests. One that a lost worker has sent is kept until the session is stored anew: its successor, asking for
 * the same, gets that one's answer, so that no refresh token is used twice when the first answer is known (I2).
 */
export function createExchanges(network: Pick<Network, 'request'>) {
  const kept = new Map<string, Exchange>()

  return {
    send(connection: number, name: string | undefined, request: OutgoingRequest): Running<HttpAnswer> {
      if (name === undefined) return network.request(request)
      const earlier = kept.get(name)
      // The same worker asks again only where it means to send again.
      const running = earlier && earlier.connection !== connection ? earlier.running : network.request(request)
      kept.delete(name)
      kept.set(name, { connection, running })
      for (const oldest of kept.keys()) if (kept.size > MAX_KEPT) kept.delete(oldest)
      return {
        answer: running.answer,
        abort() {
          if (kept.get(name)?.running === running) kept.delete(name)
          running.abort()
        },
      }
    },

    /** The session was stored or ended: what was asked before is settled. */
    clear(): void {
      kept.clear()
    },
  }
}
