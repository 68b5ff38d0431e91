/** One end of a channel between two threads: a `MessagePort`, a `Worker`, or an object of that shape; Comlink's `Endpoint`. */
export interface Endpoint {
  postMessage(message: unknown, transfer?: never[]): void
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  removeEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  start?(): void
  close?(): void
}
