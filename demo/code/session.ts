import { connect } from 'lingpai'

const url = new URL('../token.worker.ts', import.meta.url)

// Where the worker is lost, it is started again by these.
export const session = connect({
  shared: () =>
    new SharedWorker(url, {
      type: 'module',
      name: 'session',
      extendedLifetime: true,
    }),
  dedicated: () => new Worker(url, { type: 'module' }),
})
