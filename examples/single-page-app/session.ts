import { connect } from 'lingpai'

export const session = connect({
  shared: () =>
    new SharedWorker(new URL('./token.worker.ts', import.meta.url), {
      type: 'module',
      name: 'session',
      extendedLifetime: true,
    }),
  dedicated: () => new Worker(new URL('./token.worker.ts', import.meta.url), { type: 'module' }),
})
