import type { BrokerSnapshot, Caller } from './snapshot.ts'

/** Messages that are not calls. Plain JSON, since some channels carry nothing else. */
export type Notice =
  /** Worker to page: the session changed. */
  | {
      readonly lingpai: 'snapshot'
      readonly instance: string
      readonly snapshot: BrokerSnapshot
      readonly caller?: Caller
    }
  /** Page to worker: the caller has aborted this call. */
  | { readonly lingpai: 'abort'; readonly call: string }
  /** From either side: the sender sends nothing more over this port. */
  | { readonly lingpai: 'goodbye' }
  /** App thread to worker: the app is in the foreground again, or online. */
  | { readonly lingpai: 'resumed' }
