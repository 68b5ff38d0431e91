import type { Client } from './client.ts'
import { createLingpai } from './lingpai.ts'

/** lingpai in a SharedWorker that adds a DPoP proof to each request. */
export function createProofs(tab: number): Promise<Client> {
  return createLingpai('shared', tab, {
    shared: () =>
      new SharedWorker(new URL('../proofs.worker.ts', import.meta.url), { type: 'module', name: 'session' }),
  })
}
