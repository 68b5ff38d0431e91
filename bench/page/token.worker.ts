import { oauth } from 'lingpai/oauth'
import { memoryStore, serve } from 'lingpai/worker'

serve({
  grant: oauth({ issuer: __ISSUER__, clientId: 'bench' }),
  apis: [{ origin: __API__ }],
  store: memoryStore(),
  adopt: true,
  exposeAccessToken: true,
})
