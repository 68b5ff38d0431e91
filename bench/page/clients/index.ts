import type { Client } from './client.ts'

export type Floor = 'bare-shared' | 'bare-dedicated' | 'lean-shared' | 'lean-dedicated'
export type Contestant = 'fetch' | Floor | 'shared' | 'dedicated' | 'proofs' | 'auth0' | 'axios' | 'alova'

/** Loads a peer only if the case uses it. */
export async function createClient(contestant: Contestant, tab: number): Promise<Client> {
  switch (contestant) {
    case 'fetch':
      return (await import('./own-fetch.ts')).createOwnFetch()
    case 'bare-shared':
      return (await import('./bare-worker.ts')).createBareWorker('shared')
    case 'bare-dedicated':
      return (await import('./bare-worker.ts')).createBareWorker('dedicated')
    case 'lean-shared':
      return (await import('./lean-worker.ts')).createLeanWorker('shared')
    case 'lean-dedicated':
      return (await import('./lean-worker.ts')).createLeanWorker('dedicated')
    case 'shared':
    case 'dedicated':
      return (await import('./lingpai.ts')).createLingpai(contestant, tab)
    case 'proofs':
      return (await import('./proofs.ts')).createProofs(tab)
    case 'auth0':
      return (await import('./auth0.ts')).createAuth0()
    case 'axios':
      return (await import('./axios.ts')).createAxios(tab)
    case 'alova':
      return (await import('./alova.ts')).createAlovaClient(tab)
  }
}
