/** A channel between two threads: a `MessagePort`, a `Worker`, or anything of that shape. Comlink calls it the same. */
export interface Endpoint {
  postMessage(message: unknown, transfer?: never[]): void
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  removeEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  start?(): void
  close?(): void
}
