import { oauth } from 'lingpai/oauth'
import { indexedDBStore, serve } from 'lingpai/worker'

serve({
  grant: oauth({
    issuer: 'https://id.example.com',
    clientId: 'web',
    scope: 'openid offline_access',
  }),
  // Tokens are sent only to these APIs.
  apis: [{ origin: 'https://api.example.com' }],
  store: indexedDBStore(),
})
