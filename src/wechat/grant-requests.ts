import type { HttpAnswer, Network, OutgoingRequest, Running } from './network.ts'

/** A refresh sends one or two requests, so older ones are not needed. */
const MAX_KEPT = 8

interface GrantRequest {
  readonly connection: number
  readonly running: Running<HttpAnswer>
}

export type GrantRequests = ReturnType<typeof createGrantRequests>

/**
 * The requests of the grant. They are kept until the session is stored again. If a worker is lost, the next worker asks for
 * the same request and gets the answer to the one that was sent, so that no consumed refresh token is sent again (I2).
 */
export function createGrantRequests(network: Pick<Network, 'request'>) {
  const kept = new Map<string, GrantRequest>()

  return {
    send(connection: number, name: string | undefined, request: OutgoingRequest): Running<HttpAnswer> {
      if (name === undefined) return network.request(request)
      const earlier = kept.get(name)
      // The same worker asks again only to retry: send again.
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

    /** Call when the session was stored or ended: the next worker does not need the earlier requests. */
    clear(): void {
      kept.clear()
    },
  }
}
