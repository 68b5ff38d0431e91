import type { BrokerSnapshot } from './snapshot.ts'

/** Messages besides the calls. Plain, so that they also cross a channel that carries JSON only. */
export type Notice =
  /** Worker to page: the session changed. */
  | { readonly lingpai: 'snapshot'; readonly instance: string; readonly snapshot: BrokerSnapshot }
  /** Page to worker: the caller has aborted this call. */
  | { readonly lingpai: 'abort'; readonly call: string }
  /** Page to worker, or worker to page: nothing more will come over this port. */
  | { readonly lingpai: 'goodbye' }
  /** App thread to worker: the app is in the foreground again, or online. */
  | { readonly lingpai: 'resumed' }
