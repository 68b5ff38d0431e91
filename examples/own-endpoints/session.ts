import { connect } from 'lingpai'
import type { broker } from './token.worker'

export const session = connect<typeof broker>({
  shared: () => new SharedWorker(new URL('./token.worker.ts', import.meta.url), { type: 'module', name: 'session' }),
  dedicated: () => new Worker(new URL('./token.worker.ts', import.meta.url), { type: 'module' }),
})
