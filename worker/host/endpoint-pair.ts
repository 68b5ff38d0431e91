import type { Endpoint } from '../../src/protocol/endpoint.ts'

type Listener = (event: { readonly data: unknown }) => void

/** Creates both ends of a channel within one thread. A message arrives in a later microtask, never during `postMessage`. */
export function createEndpointPair(): [Endpoint, Endpoint] {
  const ends = [new Set<Listener>(), new Set<Listener>()] as const
  const createEnd = (own: Set<Listener>, other: Set<Listener>): Endpoint => ({
    postMessage: (data) => queueMicrotask(() => other.forEach((listener) => void listener({ data }))),
    addEventListener: (_type, listener) => void own.add(listener),
    removeEventListener: (_type, listener) => void own.delete(listener),
    close: () => own.clear(),
  })
  return [createEnd(ends[0], ends[1]), createEnd(ends[1], ends[0])]
}
