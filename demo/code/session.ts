import { connect } from 'lingpai'

const url = new URL('../token.worker.ts', import.meta.url)

// If the worker is lost, these functions start another.
export const session = connect({
  shared: () =>
    new SharedWorker(url, {
      type: 'module',
      name: 'session',
      extendedLifetime: true,
    }),
  dedicated: () => new Worker(url, { type: 'module' }),
})
