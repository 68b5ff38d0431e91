import { versus } from 'virtual:servers'
import { oauth } from 'lingpai/oauth'
import { indexedDBStore, serve } from 'lingpai/worker'
import { signInWithoutForm } from './sign-in-without-form.ts'

const { issuer, apiOrigin } = versus.lingpai

export const broker = serve({
  grant: { ...oauth({ issuer, clientId: 'web' }), signIn: signInWithoutForm },
  apis: [{ origin: apiOrigin }],
  store: indexedDBStore({ name: 'versus' }),
  refresh: { timeout: 3000 },
})
